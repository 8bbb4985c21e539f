/** When an application is told that a buffer of its is free: together with what it waits for, and not much later. */
import t, { type Test } from 'tap';
import { LATEST_RELEASE_MS, MOST_TURNS, PROMPT_ENOUGH, Releases } from '../../src/client/releases.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import type { Relay } from '../../src/relay/relay.js';
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

type Scene = Awaited<ReturnType<typeof scene>>;

/** A scene in which `act` took less time than a release waits: a machine that is busy may need some attempts. */
async function quickly(t: Test, act: (scene: Scene) => Promise<void>): Promise<Scene> {
  for (;;) {
    const attempt = await scene(t);
    const began = performance.now();
    attempt.frame(true);
    await eventually('the frame', () => attempt.connection.counters.frames === 2);
    await act(attempt);
    if (performance.now() - began < LATEST_RELEASE_MS) return attempt;
  }
}

t.test('who waits for a frame is told with its answer', async t => {
  let early: readonly string[] = [];
  const { frame, said, answer } = await quickly(t, async ({ said }) => {
    await settle(4);
    early = said();
  });
  t.equal(early.length, 1, 'not before');
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
  const { app, said, answer, buffer, pool } = await quickly(t, async ({ app, buffer }) => {
    app.say(buffer, 'destroy');
    await settle();
  });
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

/** Releases of an application that waits for an answer, without one: how often the timer comes round is the test's. */
function withoutTime(t: Test) {
  let told = 0;
  const buffer = { clientId: 3, destroyed: false, is: () => true };
  const relay = {
    ...{ pass: undefined, passedFrames: 0, callbacks: 1, flush: () => {} },
    ...{ clientObject: () => buffer, emitEvent: () => void (told += 1) },
  };
  const releases = new Releases(() => relay as unknown as Relay);
  t.teardown(() => releases.close());
  const add = (): void => {
    releases.add(buffer as unknown as RelayObject<'wl_buffer'>);
    releases.batchEnds(false);
  };
  return {
    add,
    turn: () => releases.turn(),
    answer: () => releases.batchEnds(true),
    /** How often the timer comes round until a release is told that nobody answers. */
    unanswered: (): number => {
      add();
      const before = told;
      for (let turns = 1; turns < 100; turns++) {
        releases.turn();
        if (told > before) return turns;
      }
      return Infinity;
    },
    told: () => told,
  };
}

t.test('where answers do not come in time a release waits longer for the next, but not for ever', async t => {
  const { unanswered } = withoutTime(t);
  t.same(Array.from({ length: 5 }, unanswered), [1, 2, 4, MOST_TURNS, MOST_TURNS]);
});

t.test('late answers keep it so, and prompt ones end it', async t => {
  const { add, turn, answer, unanswered, told } = withoutTime(t);
  t.same([unanswered(), unanswered()], [1, 2]);
  add();
  t.ok(turn());
  t.ok(turn());
  t.equal(told(), 2, 'it waits');
  answer();
  t.equal(told(), 3, 'and goes along with the answer');
  const prompt = (answers: number): void => {
    for (let i = 0; i < answers; i++) {
      add();
      answer();
    }
  };
  prompt(PROMPT_ENOUGH - 1);
  t.equal(unanswered(), 4, 'a few prompt ones say little');
  prompt(MOST_TURNS * PROMPT_ENOUGH);
  t.equal(unanswered(), 1);
});

t.test('several that wait go together', async t => {
  const { add, turn, told } = withoutTime(t);
  add();
  add();
  t.notOk(turn());
  t.equal(told(), 2);
  t.notOk(turn(), 'nothing waits any more');
});
