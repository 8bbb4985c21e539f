/** When an application is told that a buffer of its is free: together with what it waits for, and not much later. */
import t, { type Test } from 'tap';
import { eventually } from '../eventually.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool } from './app-and-link.js';

const SIDE = 8;

/** An application with a buffer, that has shown a first frame. */
async function scene(t: Test) {
  const c = await connectApp(t);
  const { app, far } = c;
  const pool = new DrawnPool(c, 4 * SIDE * SIDE);
  t.teardown(() => pool.close());
  const buffer = pool.buffer(0, SIDE, SIDE);
  const surface = app.make(c.factory, 'create_surface');
  const frame = (callback: boolean): number => {
    app.say(surface, 'attach', [buffer, 0, 0]);
    app.say(surface, 'damage_buffer', [0, 0, SIDE, SIDE]);
    const id = callback ? app.make(surface, 'frame') : 0;
    app.say(surface, 'commit');
    return id;
  };
  frame(false);
  await eventually('a first frame', () => c.connection.counters.frames === 1);
  await settle();
  const said = (): string[] => app.received.map(({ name }) => name).filter(name => /release|done/.test(name));
  const answer = (): void => {
    const id = far.peer.last('wl_surface.frame').args[0] as number;
    far.peer.say(id, 'done', [0]);
    far.peer.say(1, 'delete_id', [id]);
  };
  t.same(said(), ['wl_buffer.release'], 'who waits for nothing is told at once');
  return { ...c, pool, buffer, frame, said, answer };
}

t.test('who waits for a frame is told with its answer', async t => {
  const { frame, said, answer, connection } = await scene(t);
  frame(true);
  await eventually('the frame', () => connection.counters.frames === 2);
  await settle(4);
  t.equal(said().length, 1, 'not before');
  answer();
  await settle();
  t.same(said().slice(1).sort(), ['wl_buffer.release', 'wl_callback.done']);
  frame(false);
  await settle();
  t.equal(said().length, 4, 'and at once, when nothing is waited for any more');
});

t.test('a frame that is not answered keeps no buffer', async t => {
  const { frame, said } = await scene(t);
  frame(true);
  await eventually('the release', () => said().length === 2);
  t.equal(said()[1], 'wl_buffer.release');
});

t.test('a buffer that is destroyed meanwhile is not told of, nor is one that has its id', async t => {
  const { app, frame, said, answer, buffer, pool, connection } = await scene(t);
  frame(true);
  await eventually('the frame', () => connection.counters.frames === 2);
  app.say(buffer, 'destroy');
  await settle();
  app.say(pool.id, 'create_buffer', [buffer, 0, SIDE, SIDE, 4 * SIDE, 0]);
  answer();
  await settle();
  t.same(said().slice(1), ['wl_callback.done']);
  t.same(app.faults, []);
});

t.test('nothing is told to an application that has left', async t => {
  const { app, frame, connection, ends } = await scene(t);
  frame(true);
  await eventually('the frame', () => connection.counters.frames === 2);
  app.close();
  await eventually('the end', () => ends.length === 1);
  t.same(ends, [undefined]);
});
