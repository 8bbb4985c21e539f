/**
 * What a client with a window costs the glue and its own VM's `virtwl run` in memory of their own: objects that live, of
 * both processes as they run with a real compositor, before and after a crowd of clients has come.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack, statusOf } from '../../src/demo/loopback-stack.js';
import { liveBytesOf, tellingHeap } from './tells-heap.js';

/** What a client may cost each of the two, in bytes: five hundred of them are 20 MiB. */
const MOST_OF_CLIENT = 40 * 1024;
/** Those that are there before: what the first ones have compiled and made for all is no cost of the others. */
const FIRST = 40;
const MORE = 80;
/** How many frames of each client are waited for, as a mean, and how long is between two looks, in milliseconds. */
const FRAMES = 10;
const LOOK_INTERVAL_MS = 100;

/** Of the answer of `virtwl run`. */
interface Counted {
  readonly connections: number;
  readonly frames: number;
}

t.setTimeout(120_000);
t.test(`${MORE} more clients with a window`, async t => {
  const telling = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(telling, { recursive: true, force: true }));
  const stack = await LoopbackStack.start({
    compositor: { command: ['sway', '-c', '/dev/null'], headless: true },
    budget: '256M',
    env: tellingHeap(telling),
  });
  t.teardown(() => stack.stop());
  const child = stack.virtwl('client', ['run']);
  t.teardown(() => ended(child));
  const display = await displayOf(child);
  come(t, display, FIRST);
  await drawing(child, FIRST);
  const before = await both(telling);
  come(t, display, MORE);
  await drawing(child, FIRST + MORE);
  const after = await both(telling);
  for (const [i, name] of (['the glue', 'virtwl run'] as const).entries()) {
    const bytes = (after[i]! - before[i]!) / MORE;
    t.ok(bytes < MOST_OF_CLIENT, `${name}: ${(bytes / 1024).toFixed(1)} KiB for each`);
    t.ok(bytes > 1024, `${name}: they were counted`);
  }
});

const both = (telling: string): Promise<number[]> =>
  Promise.all(['compositor', 'run'].map(process_ => liveBytesOf(telling, process_)));

/** The Wayland socket of a `virtwl run`. */
async function displayOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const [, display] = /^WAYLAND_DISPLAY=(.*)$/.exec(line) ?? [];
    if (display !== undefined) return display;
  }
  throw new Error('virtwl run ended without a socket');
}

/** So many programs, each with a window. */
function come(t: Test, display: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const child = spawn('weston-simple-shm', { env: { ...process.env, WAYLAND_DISPLAY: display }, stdio: 'ignore' });
    t.teardown(() => ended(child));
  }
}

/** Waits until all are connected, and each has drawn some frames since. */
async function drawing(child: ChildProcess, clients: number): Promise<void> {
  for (let begun: number | undefined; ; await pause(LOOK_INTERVAL_MS)) {
    const { connections, frames } = (await statusOf(child)) as unknown as Counted;
    if (connections !== clients) continue;
    begun ??= frames;
    if (frames >= begun + FRAMES * clients) return;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await over;
}
