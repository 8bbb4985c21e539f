/**
 * The end of a relay towards the compositor: what was said in its order is read before the connection ends, as libwayland
 * forgets what comes with a hang-up.
 */
import t from 'tap';
import { eventually } from '../eventually.js';
import { between } from './relay-between.js';

t.test('the connection lasts until the compositor has read how its client leaves', async t => {
  const b = await between(t, {
    leaving: relay => relay.request(relay.display, 'get_registry', { registry: relay.inject('wl_registry', 1) }),
  });
  let gone = 0;
  b.relay.on('gone', () => (gone += 1));
  b.compositor.answer = () => undefined;
  const before = b.compositor.heard.length;
  b.client.close();
  await eventually('the last requests arrive', () => b.compositor.heard.length === before + 2);
  t.same(
    b.compositor.heard.slice(before).map(({ name }) => name),
    ['wl_display.get_registry', 'wl_display.sync'],
  );
  t.same(b.ends, [undefined], 'the client has left');
  t.equal(b.compositor.ended, false, 'the compositor is still connected');
  t.equal(gone, 0);

  // An event for nobody, and the answer in two pieces.
  b.compositor.say(1, 'delete_id', [99]);
  const { bytes } = b.compositor.encode(b.compositor.last('wl_display.sync').args[0] as number, 'done', [1]);
  b.compositor.socket.send(bytes.subarray(0, 6));
  b.compositor.socket.send(bytes.subarray(6));
  await eventually('the connection ends', () => b.compositor.ended);
  t.equal(gone, 1);
});

t.test('a compositor that hangs up is not waited for', async t => {
  const b = await between(t, { leaving: () => undefined });
  let gone = 0;
  b.relay.on('gone', () => (gone += 1));
  b.compositor.close();
  await eventually('it is gone', () => gone === 1);
  t.equal(b.ends.length, 1);
});

t.test('without anything to say at the end the connection ends with the client', async t => {
  const b = await between(t);
  b.compositor.answer = () => undefined;
  b.client.close();
  await eventually('the connection ends', () => b.compositor.ended);
});
