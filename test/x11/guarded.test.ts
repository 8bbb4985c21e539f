/** What goes wrong outside of any message that is dealt with ends an X server's connection, and no process. */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Relay } from '../../src/relay/relay.js';
import { guardedBy } from '../../src/x11/guarded.js';
import { Surfaces } from '../../src/x11/surfaces.js';
import { settle } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

t.test('a cursor that is shown by a relay with as many objects as it may have ends the connection', async t => {
  const relays: Relay[] = [];
  const scaling = {
    fit: () => void relays[0]!.inject('wp_viewport', 1),
    gone: () => {},
  };
  const surfaces = new Surfaces({ made: () => {}, gone: () => {} }, scaling);
  const { relay, client, registry, ends } = await between(t, { concerns: [surfaces.concern] });
  relays.push(relay);
  const factory = client.bind(registry, 1, 'wl_compositor', 4);
  const shm = client.bind(registry, 2, 'wl_shm', 1);
  const seat = client.bind(registry, 3, 'wl_seat', 7);
  const pool = client.make(shm, 'create_pool', ['new', new OwnedFd(native.memfd('cursor', 4096, 0)), 4096]);
  const buffer = client.make(pool, 'create_buffer', ['new', 0, 8, 8, 32, 0]);
  const pointer = client.make(seat, 'get_pointer');
  const surface = client.make(factory, 'create_surface');
  client.say(surface, 'attach', [buffer, 0, 0]);
  client.say(surface, 'commit');
  await settle();
  const bound = { message: 'too many objects' };
  t.throws(() => {
    for (;;) relay.inject('wl_region', 1);
  }, bound);
  t.same(ends, [], 'which is no end by itself');
  // The picture goes to the compositor at the end of the turn, and with it a viewport.
  client.say(pointer, 'set_cursor', [1, surface, 0, 0]);
  await settle();
  t.match(ends, [bound]);
});

t.test('what is called so gets its arguments, and may throw anything', t => {
  const ends: (Error | undefined)[] = [];
  const guarded = guardedBy({ close: reason => ends.push(reason) });
  let sum = 0;
  guarded((one: number, other: number) => (sum = one + other))(2, 3);
  t.equal(sum, 5);
  t.same(ends, []);
  guarded(() => {
    throw new Error('a word');
  })();
  t.match(ends, [{ message: 'a word' }]);
  t.end();
});
