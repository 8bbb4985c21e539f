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

/**
 * What a client may cost each of the two, in bytes. It is less than 40 KiB, 20 MiB for five hundred of them; what V8 notes of
 * the code that runs meanwhile is in what is read here too, some KiB of each client more or less.
 */
const MOST_OF_CLIENT = 48 * 1024;
/** Those that are there before: what the first ones have compiled and made for all is no cost of the others. */
const FIRST = 60;
const MORE = 50;
/** How often so many come; of what a client costs, the middle one counts. */
const ROUNDS = 3;
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
  const programs = come(t, display, FIRST);
  await drawn(child, programs);
  const readings = [await both(telling)];
  for (let round = 0; round < ROUNDS; round++) {
    for (const program of programs) program.kill('SIGCONT');
    programs.push(...come(t, display, MORE));
    await drawn(child, programs);
    readings.push(await both(telling));
  }
  for (const [i, name] of (['the glue', 'virtwl run'] as const).entries()) {
    // Some code is still compiled, or thrown away, in one of the rounds.
    const each = readings.slice(1).map((bytes, round) => (bytes[i]! - readings[round]![i]!) / MORE);
    const [, median = NaN] = each.sort((a, b) => a - b);
    t.ok(median < MOST_OF_CLIENT, `${name}: ${(median / 1024).toFixed(1)} KiB for each`);
    t.ok(median > 1024, `${name}: they were counted`);
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
function come(t: Test, display: string, count: number): ChildProcess[] {
  return Array.from({ length: count }, () => {
    const child = spawn('weston-simple-shm', { env: { ...process.env, WAYLAND_DISPLAY: display }, stdio: 'ignore' });
    t.teardown(() => ended(child));
    return child;
  });
}

/** Waits until all are connected and each has drawn some frames since; then they stand still, and nothing is on its way. */
async function drawn(child: ChildProcess, programs: readonly ChildProcess[]): Promise<void> {
  const counted = async (): Promise<Counted> => (await statusOf(child)) as unknown as Counted;
  for (let begun: number | undefined; ; await pause(LOOK_INTERVAL_MS)) {
    const { connections, frames } = await counted();
    if (connections !== programs.length) continue;
    begun ??= frames;
    if (frames >= begun + FRAMES * programs.length) break;
  }
  for (const program of programs) program.kill('SIGSTOP');
  for (let frames = -1; ; await pause(LOOK_INTERVAL_MS)) {
    const now = (await counted()).frames;
    if (now === frames) return;
    frames = now;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await over;
}
