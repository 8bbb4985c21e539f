/** When nobody touches the keyboard: by the minute, and not by the key. */
import t from 'tap';
import { MAX_IDLE_MS, MIN_IDLE_MS } from '../../src/firewall/idle.js';
import { GlueBetween } from '../compositor-glue/glue-between.js';
import { settle } from '../relay/peer.js';

const GLOBALS = [
  ['wl_seat', 8],
  ['ext_idle_notifier_v1', 2],
] as const;

t.test('a shorter time than a minute is made a minute, and a longer one is left', async t => {
  const between = new GlueBetween({ globals: GLOBALS });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const seat = client.bind(registry, 1, 'wl_seat', 8);
  const notifier = client.bind(registry, 2, 'ext_idle_notifier_v1', 2);
  for (const request of ['get_idle_notification', 'get_input_idle_notification']) {
    for (const [asked, passed] of [
      [0, MIN_IDLE_MS],
      [1, MIN_IDLE_MS],
      [MIN_IDLE_MS - 1, MIN_IDLE_MS],
      [MIN_IDLE_MS, MIN_IDLE_MS],
      [MIN_IDLE_MS + 1, MIN_IDLE_MS + 1],
      [MAX_IDLE_MS, MAX_IDLE_MS],
      [MAX_IDLE_MS + 1, MAX_IDLE_MS],
      [0xffffffff, MAX_IDLE_MS],
    ] as const) {
      const notification = client.make(notifier, request, ['new', asked, seat]);
      await settle(16);
      const { args } = compositor.last(`ext_idle_notifier_v1.${request}`);
      t.equal(args[1], passed, `${request} ${asked}`);
      compositor.say(args[0] as number, 'idled');
      await settle(16);
      t.equal(client.last('ext_idle_notification_v1.idled').id, notification);
      client.say(notification, 'destroy');
    }
  }
  await client.roundtrip();
  t.same(compositor.faults, []);
  t.same(between.left, []);
});
