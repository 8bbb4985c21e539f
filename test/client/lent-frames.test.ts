/**
 * Frames of an application that are copied natively: which are, what ends it, and that everything is known afterwards. That
 * both ways come to the same is `test/fuzz/pass`.
 */
import t, { type Test } from 'tap';
import { eventually } from '../eventually.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool, nameOf } from './app-and-link.js';

/** 64 KiB: the most that is copied natively. */
const SIDE = 128;
const PIXELS = 4 * SIDE * SIDE;
/** Rectangles of damage of a frame that passes, at most. */
const MOST_DAMAGE = 32;
/** Buffers of an application that the pass knows at a time, at most. */
const MOST_BUFFERS = 16;
/** Releases that wait, at most. */
const MOST_RELEASES = 16;

interface Options {
  readonly width?: number;
  readonly height?: number;
  readonly turn?: number;
}

/** An application that draws into its buffers in turn and waits for each frame; the compositor keeps one buffer. */
async function scene(t: Test, { width = SIDE, height = SIDE, turn = 2 }: Options = {}) {
  const c = await connectApp(t);
  const { app, far, connection } = c;
  const pool = new DrawnPool(c, 4 * width * height * turn);
  t.teardown(() => pool.close());
  const buffers = Array.from({ length: turn }, (_, i) => pool.buffer(4 * width * height * i, width, height));
  const surface = app.make(c.factory, 'create_surface');
  const callback = app.newId();
  app.types.set(callback, 'wl_callback');
  let drawn = 0;
  const frame = async (rects = [[0, 0, width, height]], wait = true): Promise<void> => {
    const which = drawn++ % turn;
    pool.bytes.fill(drawn, 4 * width * height * which, 4 * width * height * (which + 1));
    app.raw(
      Buffer.concat([
        app.encode(surface, 'attach', [buffers[which], 0, 0]).bytes,
        ...rects.map(rect => app.encode(surface, 'damage_buffer', rect).bytes),
        app.encode(surface, 'commit').bytes,
        ...(wait ? [app.encode(1, 'sync', [callback]).bytes] : []),
      ]),
    );
    await settle();
    for (const held of far.held.slice(0, -1)) far.release(held);
    await settle();
  };
  const frames = async (count: number): Promise<number> => {
    const before = connection.passedFrames;
    for (let i = 0; i < count; i++) await frame();
    return connection.passedFrames - before;
  };
  const shown = (): Buffer => far.pixels([...far.surfaces.values()][0]!.shown!);
  const released = (): number => app.all('wl_buffer.release').length;
  // The first ones make link buffers, and the ids of callbacks.
  await frames(3 * turn);
  return { ...c, pool, buffers, surface, frame, frames, shown, released, drawn: () => drawn };
}

t.test('a steady frame passes: its pixels are there, its buffer is free, and it is counted', async t => {
  const { frames, shown, released, connection, far, drawn, app } = await scene(t);
  const before = connection.counters;
  const given = released();
  t.equal(await frames(10), 10);
  t.ok(shown().equals(Buffer.alloc(PIXELS, drawn())));
  t.equal(released() - given, 10, 'each is told of once');
  t.equal(connection.counters.frames - before.frames, 10);
  t.equal(connection.counters.bytesCopied - before.bytesCopied, 10 * PIXELS);
  t.ok(connection.latencies.report!.frames >= 2, 'some of them are timed');
  t.same([far.mistakes, far.peer.faults, app.faults], [[], [], []]);
});

t.test(`one that draws into ${MOST_BUFFERS} buffers in turn has all of its frames pass`, async t => {
  const { frames, shown, drawn, far, app } = await scene(t, { width: 16, height: 16, turn: MOST_BUFFERS });
  t.equal(await frames(2 * MOST_BUFFERS), 2 * MOST_BUFFERS);
  t.ok(shown().equals(Buffer.alloc(4 * 16 * 16, drawn())));
  t.same([far.mistakes, far.peer.faults, app.faults], [[], [], []]);
});

t.test('one with a buffer more has each of them forgotten before its turn comes', async t => {
  const { frames, shown, drawn, far, app } = await scene(t, { width: 16, height: 16, turn: MOST_BUFFERS + 1 });
  t.equal(await frames(2 * MOST_BUFFERS), 0);
  t.ok(shown().equals(Buffer.alloc(4 * 16 * 16, drawn())));
  t.same([far.mistakes, far.peer.faults, app.faults], [[], [], []]);
});

t.test('only what changed is copied, and what the other buffer lacks', async t => {
  const { frame, connection, far, shown } = await scene(t);
  const before = connection.counters.bytesCopied;
  const passed = connection.passedFrames;
  await frame([[0, 0, 10, 10]]);
  await frame([[20, 20, 10, 10]]);
  await frame([[40, 40, 10, 10]]);
  t.equal(connection.passedFrames - passed, 3);
  t.ok(connection.counters.bytesCopied - before <= 4 * (PIXELS + 600), 'no more than that');
  t.equal(shown()[0], shown()[4 * 9], 'all of the square');
  t.same(far.mistakes, []);
});

t.test('a larger one is copied by TypeScript', async t => {
  const { frames, shown, drawn } = await scene(t, { width: SIDE, height: SIDE + 1 });
  t.equal(await frames(4), 0);
  t.ok(shown().equals(Buffer.alloc(4 * SIDE * (SIDE + 1), drawn())));
});

t.test(`more than ${MOST_DAMAGE} rectangles of damage are TypeScript's`, async t => {
  const { frame, frames, connection } = await scene(t);
  const before = connection.passedFrames;
  await frame(Array.from({ length: MOST_DAMAGE }, (_, i) => [i, i, 1, 1]));
  t.equal(connection.passedFrames, before + 1);
  await frame(Array.from({ length: MOST_DAMAGE + 1 }, (_, i) => [i, i, 1, 1]));
  t.equal(connection.passedFrames, before + 1);
  t.ok((await frames(20)) > 0, 'and those after it pass again');
});

t.test('a buffer that nobody waits for is released at once', async t => {
  const { frame, released, connection } = await scene(t);
  const [passed, before] = [connection.passedFrames, released()];
  await frame(undefined, false);
  t.equal(connection.passedFrames, passed + 1);
  t.equal(released(), before + 1);
});

t.test(`not more than ${MOST_RELEASES} releases wait for an answer`, async t => {
  const { frame, released, far } = await scene(t);
  const { answer } = far.peer;
  const unanswered: number[] = [];
  far.peer.answer = received => {
    if (received.name === 'wl_display.sync') unanswered.push(received.args[0] as number);
    else answer(received);
  };
  await frame();
  const before = released();
  for (let i = 1; i < 2 * MOST_RELEASES && released() === before; i++) await frame(undefined, false);
  t.ok(released() > before, 'the first are told all the same');
  t.equal(unanswered.length, 1);
});

for (const [what, change] of [
  [
    'a viewport',
    c =>
      c.app.say(
        c.app.make(c.app.bind(c.registry, nameOf('wp_viewporter'), 'wp_viewporter', 1), 'get_viewport', [
          'new',
          c.surface,
        ]),
        'set_destination',
        [9, 9],
      ),
  ],
  ['a buffer that is destroyed', c => c.app.say(c.buffers[0]!, 'destroy')],
  ['a pool that grows', c => c.pool.resize(1 << 20)],
  ['a scale', c => c.app.say(c.surface, 'set_buffer_scale', [2])],
] as readonly (readonly [string, (c: Awaited<ReturnType<typeof scene>>) => void])[]) {
  t.test(`${what} takes the surface back, and what is shown is right`, async t => {
    const c = await scene(t);
    t.equal(await c.frames(2), 2);
    change(c);
    await settle();
    if (what === 'a buffer that is destroyed') {
      c.buffers[0] = c.pool.buffer(0, SIDE, SIDE);
      await settle();
    }
    const { bytesCopied } = c.connection.counters;
    t.equal(await c.frames(1), 0);
    t.equal(c.connection.counters.bytesCopied - bytesCopied, PIXELS, 'each byte once');
    t.ok(c.shown().equals(Buffer.alloc(PIXELS, c.drawn())));
    t.ok((await c.frames(6)) > 0, 'frames pass again');
    t.ok(c.shown().equals(Buffer.alloc(PIXELS, c.drawn())));
    t.same([c.far.mistakes, c.app.faults], [[], []]);
  });
}

t.test('a pool whose file is cut off ends the connection, as ever', async t => {
  const { pool, frame, connection, ends, app } = await scene(t);
  const before = connection.passedFrames;
  pool.truncate(4096);
  await frame();
  await eventually('its end', () => ends.length === 1);
  t.match(ends[0]!.message, /the file of its pool is shorter/);
  t.equal(app.last('wl_display.error').args[1], 2);
  t.equal(connection.passedFrames, before);
});

t.test('nothing passes where TypeScript is to do it all', async t => {
  process.env.VIRTWL_RELAY = 'typescript';
  t.teardown(() => delete process.env.VIRTWL_RELAY);
  const { frames, shown, drawn } = await scene(t);
  t.equal(await frames(4), 0);
  t.ok(shown().equals(Buffer.alloc(PIXELS, drawn())));
});
