/**
 * A program that draws by its own clock at a real compositor that gives nothing back for a while: it lives, costs no more
 * memory than before, and what it drew last is shown in the end.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { MAX_BUSY_LINK_BUFFERS } from '../../src/client/app-surface.js';
import { SlabArena } from '../../src/slabs/slab-arena.js';
import { DEFAULT_SIZE } from '../../src/direct/window.js';
import { LoopbackStack, statusOf } from '../../src/demo/loopback-stack.js';
import { COLOUR_MASK } from '../../src/frames/picture.js';
import { startSway, type Sway } from '../compositors.js';
import { quietEnvironment, runIn, type Application } from './applications.js';
import { Screen } from './screen.js';

const PROGRAM = fileURLToPath(new URL('unpaced-window.js', import.meta.url));
/** How long the compositor gives nothing back, in milliseconds. */
const WHILE_MS = 3_000;
const LOOK_INTERVAL_MS = 50;
const WHITE = 0xffffff;
const BUFFER_BYTES = DEFAULT_SIZE.width * DEFAULT_SIZE.height * 4;
/** Slabs for as many link buffers as the compositor may hold: each has room for two of them. */
const MOST_BYTES = Math.ceil(MAX_BUSY_LINK_BUFFERS / 2) * new SlabArena().wish(BUFFER_BYTES);

t.setTimeout(240_000);

interface Scene {
  readonly sway: Sway;
  readonly app: Application;
  /** Frames that were copied so far. */
  frames(): Promise<number>;
  /** The program's memory on the glue's account, in bytes, and the proxy's descriptors and mappings. */
  holds(): Promise<Record<string, unknown>>;
}

async function scene(t: Test, ...args: readonly string[]): Promise<Scene> {
  const sway = await startSway(t, DEFAULT_SIZE); // so that the window covers it, whatever it commits
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const app = runIn(t, stack, 'client', [process.execPath, PROGRAM, ...args], quietEnvironment(t));
  return {
    sway,
    app,
    frames: async () => (await statusOf(app.process)).frames as number,
    holds: async () => {
      const { native } = await statusOf(app.process);
      const { bytes } = await stack.status('compositor');
      return { bytes, mappings: native.mmap - native.munmap, descriptors: native.fdsOpened - native.fdsClosed };
    },
  };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await holds()); await pause(LOOK_INTERVAL_MS)) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
  }
}

/**
 * The program draws, and has as many link buffers as it may have. sway 1.7 (wlroots 0.15) holds three of them as soon as
 * the window is laid out; sway 1.10 (wlroots 0.18) holds one or two as long as it goes on, so it is stopped once.
 */
async function drawing(t: Test, { sway, app, frames, holds }: Scene): Promise<void> {
  await until('frames', async () => (await frames()) > 20);
  const held = async (): Promise<number> => (await statusOf(app.process)).held as number;
  const heldBefore = await held();
  const pid = sway.process.pid!;
  process.kill(pid, 'SIGSTOP');
  try {
    await until('a frame that is held back', async () => (await held()) > heldBefore);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const framesBefore = await frames();
  await until('frames again', async () => (await frames()) > framesBefore + 20);
  t.match(await holds(), { bytes: { client: MOST_BYTES } }, 'no more memory than for what the compositor may hold');
}

/** The program draws its last frame, which is shown, and ends well. */
async function ends(t: Test, { sway, app }: Scene): Promise<void> {
  const screen = await Screen.open(t, sway.display);
  app.process.stdin!.write('last\n');
  await screen.until('the last frame', ({ pixels }) => pixels.every(pixel => (pixel & COLOUR_MASK) === WHITE));
  app.process.stdin!.end();
  t.equal(await app.ended, 0, 'it ends well');
  t.match(app.output().toString(), /^(skips\n)?last\n$/);
}

t.test('a compositor that is stopped', { timeout: 120_000 }, async t => {
  const s = await scene(t);
  await drawing(t, s);
  const before = { frames: await s.frames(), holds: await s.holds() };
  const { pid } = s.sway.process;
  process.kill(pid!, 'SIGSTOP');
  try {
    await pause(WHILE_MS);
    t.same(await s.holds(), before.holds, 'nothing was asked for');
    // What is on its way to sway when it stops comes back, and what it has read before.
    const copied = await s.frames();
    await pause(WHILE_MS);
    t.equal(await s.frames(), copied, 'and nothing is copied any more');
  } finally {
    process.kill(pid!, 'SIGCONT');
  }
  await until('frames again', async () => (await s.frames()) > before.frames + 20);
  await ends(t, s);
});

t.test('a window that is not shown', { timeout: 120_000 }, async t => {
  const s = await scene(t);
  await drawing(t, s);
  const before = await s.holds();
  await s.sway.message('workspace', '2');
  await pause(WHILE_MS);
  t.same(await s.holds(), before);
  await s.sway.message('workspace', '1');
  await ends(t, s);
});

t.test('a synchronized subsurface whose parent does not commit', { timeout: 120_000 }, async t => {
  const s = await scene(t, 'below');
  // Only then have all of its buffers come to the proxy.
  await until('a frame that is skipped', async () => s.app.output().toString().startsWith('skips\n'));
  // The program skips when it has no buffer left; the proxy may be some frames behind it.
  const most = MAX_BUSY_LINK_BUFFERS + 1;
  await until("its frames, and one of the parent's", async () => (await s.frames()) >= most);
  await until('a frame that is held back', async () => (await statusOf(s.app.process)).held === 1);
  const before = await s.holds();
  await pause(WHILE_MS);
  t.same(await s.holds(), before);
  t.equal(await s.frames(), most, 'no more are copied');
  t.equal((await statusOf(s.app.process)).held, 1);
  await ends(t, s);
});
