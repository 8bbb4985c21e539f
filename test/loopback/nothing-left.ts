/**
 * Proves that the clients that were there have left nothing behind: in the glue's accounts, in the allocator's books,
 * and in the tables of descriptors of every process of a stack.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import type { LoopbackStack } from '../../src/demo/loopback-stack.js';

/** How long what a client held may take to come back after its end, in milliseconds. */
const TIMEOUT_MS = 15_000;
const LOOK_INTERVAL_MS = 50;
const SETTLING_MS = 500;

const GLUE = { clients: 0, bytes: {} };
const HOST = { allocator: { used: 0, pieces: 0 } };

/** Waits until the last client is gone everywhere, at most `timeoutMs` milliseconds. `glue`: whether there is one to ask. */
async function clientsGone(stack: LoopbackStack, timeoutMs: number, glue = true): Promise<void> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await pause(LOOK_INTERVAL_MS)) {
    const { clients } = glue ? await stack.status('compositor') : GLUE;
    const { used } = (await stack.status('compositor-host')).allocator as typeof HOST.allocator;
    if (clients === 0 && used === 0) break;
  }
}

/** The same, and what each process has learned of it is done: one end notices in its next turn what the other has closed. */
export async function settled(stack: LoopbackStack, timeoutMs: number): Promise<void> {
  await clientsGone(stack, timeoutMs);
  await pause(SETTLING_MS);
}

/** Waits for it a while; the assertions are about what is so in the end. `glue`: whether there is one to ask. */
export async function nothingLeft(t: Test, stack: LoopbackStack, glue = true): Promise<void> {
  await clientsGone(stack, TIMEOUT_MS, glue);
  if (glue) t.match(await stack.status('compositor'), GLUE, 'the glue has no client left, and no bytes on any account');
  t.match(await stack.status('compositor-host'), HOST, "the allocator's books say zero");
}

/** Descriptors of each part of a stack, by what they lead to. */
type Descriptors = ReadonlyMap<string, readonly string[]>;

/**
 * What the parts hold now. What is confined is a child of what was started, so descendants count. Some connections are
 * made with the first client and stay, so look after there was one.
 */
export function descriptorsOf(stack: LoopbackStack): Descriptors {
  const running = [...stack.parts.values()].filter(
    ({ process }) => process.exitCode === null && process.signalCode === null,
  );
  return new Map(running.map(({ name, process }) => [name, withDescendants(process.pid!).flatMap(held)]));
}

/**
 * Asserts that the parts which were there before hold no descriptor more than then; waits a while for it. They may hold
 * fewer: the glue's own connection to a compositor that has died, for instance.
 */
export async function sameDescriptors(t: Test, stack: LoopbackStack, before: Descriptors): Promise<void> {
  const differing = (): string[] => {
    const now = descriptorsOf(stack);
    return [...before.keys()].filter(name => now.has(name) && now.get(name)!.length > before.get(name)!.length);
  };
  for (const end = Date.now() + TIMEOUT_MS; differing().length > 0 && Date.now() < end;) await pause(LOOK_INTERVAL_MS);
  const parts = differing();
  for (const name of parts) {
    t.same([...descriptorsOf(stack).get(name)!].sort(), [...before.get(name)!].sort(), `descriptors of ${name}`);
  }
  if (parts.length === 0) t.pass('no process holds a descriptor more than before');
}

/** A process and all that it started and that run now. */
export function withDescendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(withDescendants)];
}

function held(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}
