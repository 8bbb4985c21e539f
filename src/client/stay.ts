/**
 * How long the proxy of one program stays. Its first process may be a launcher, or go into the background, so it is not
 * that which counts: the proxy stays as long as a client is connected, a transfer runs, or a program that was started
 * with this socket may be about to connect.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { someoneHas } from './nearby.js';
import type { ClientProxy } from './proxy.js';

/**
 * How long a program that has the socket in its environment is waited for while nobody is connected, in milliseconds. A
 * terminal on a machine that emulates its processor takes seconds until it connects; one that never does (an agent that
 * was started along the way) is not to keep us.
 */
export const LATE_CLIENT_MS = 10_000;

/** How often it is looked whether such a program is still there, in milliseconds. */
const LOOK_MS = 200;

/** Resolves when nobody is connected and nobody is to be expected, or `signal` aborts. */
export async function untilNobodyIsLeft(
  proxy: Pick<ClientProxy, 'path' | 'isIdle' | 'once' | 'off'>,
  signal: AbortSignal,
  lateClientMs = LATE_CLIENT_MS,
): Promise<void> {
  do await untilIdle(proxy, signal);
  while (!signal.aborted && (await someoneComes(proxy, signal, lateClientMs)));
}

function untilIdle(proxy: Pick<ClientProxy, 'isIdle' | 'once' | 'off'>, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      proxy.off('idle', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    if (proxy.isIdle() || signal.aborted) {
      resolve();
      return;
    }
    proxy.once('idle', done);
    signal.addEventListener('abort', done);
  });
}

/** Whether a client connects within the time. */
async function someoneComes(
  proxy: Pick<ClientProxy, 'path' | 'isIdle'>,
  signal: AbortSignal,
  lateClientMs: number,
): Promise<boolean> {
  const end = performance.now() + lateClientMs;
  while (!signal.aborted) {
    // In this order: one that has connected and left in between waits in the socket.
    const expected = performance.now() < end && someoneHas(proxy.path);
    if (!proxy.isIdle()) return true;
    if (!expected) return false;
    await pause(LOOK_MS, undefined, { signal }).catch(() => {});
  }
  return false;
}
