/** What X clients say waits at the X server while the compositor does not read, and comes when there is room. */
import t from 'tap';
import { HIGH_WATER_BYTES, UnixSocket } from '../../src/system/unix-socket.js';
import { Outbox } from '../../src/wayland/outbox.js';
import { Answering } from '../../src/x11/answering.js';
import { HeldUp } from '../../src/x11/held-up.js';
import { eventually } from '../eventually.js';

const MESSAGE = new Uint8Array(4096);

/** Each event from the X server makes a request of 4 KiB to a compositor that reads when it is told to. */
function scene() {
  const [xServer, fromX] = UnixSocket.pair({ maxQueuedBytes: Infinity });
  const [toCompositor, compositor] = UnixSocket.pair();
  t.teardown(() => [xServer, fromX, toCompositor, compositor].forEach(each => each.close()));
  const out = new Outbox(toCompositor);
  let [events, read] = [0, 0];
  fromX.on('data', bytes => {
    for (let left = bytes.length; left > 0; left -= 32) {
      events += 1;
      out.append(MESSAGE, 0, MESSAGE.length, undefined);
    }
    out.flush();
  });
  compositor.on('data', bytes => (read += bytes.length));
  const heldUp = new HeldUp(fromX, out);
  fromX.start();
  toCompositor.start();
  return { xServer, compositor, out, heldUp, events: () => events, read: () => read };
}

t.test('a compositor that does not read has X clients wait, and all of it comes afterwards', async t => {
  const { xServer, compositor, out, heldUp, events, read } = scene();
  const all = 20_000;
  for (let i = 0; i < all; i++) xServer.send(new Uint8Array(32));
  await eventually('nothing more is taken', () => heldUp.holds);
  await new Promise(resolve => setTimeout(resolve, 200));
  const taken = events();
  t.ok(taken < all, `${taken} of ${all}`);
  // What is read from a socket at once is passed on whole.
  t.ok(out.channel.queuedBytes < 10 * HIGH_WATER_BYTES, `${out.channel.queuedBytes} bytes wait`);
  t.equal(read(), 0);
  compositor.start();
  await eventually('all of it', () => read() === all * MESSAGE.length);
  t.equal(events(), all);
  t.notOk(heldUp.holds);
});

t.test('an X server whose answers are not read meanwhile is not called silent', async t => {
  let heard = false;
  const said: string[] = [];
  const log = { warning: (text: string) => void said.push(text), info: (text: string) => void said.push(text) };
  const answering = new Answering({
    ...{ log, silentMs: 20, isHeard: () => heard },
    x: { ask: () => {}, flush: () => {} },
  });
  t.teardown(() => answering.close());
  answering.look();
  await new Promise(resolve => setTimeout(resolve, 200));
  t.same(said, []);
  heard = true;
  await eventually('it is told', () => said.length === 1);
  t.match(said[0], /has not answered/);
});
