/** Proves that the clients that were there have left nothing behind: in the glue's accounts and in the allocator's books. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import type { LoopbackStack } from '../../src/demo/loopback-stack.js';

/** How long what a client held may take to come back after its end, in milliseconds. */
const TIMEOUT_MS = 15_000;

const GLUE = { clients: 0, bytes: {} };
const HOST = { allocator: { used: 0, pieces: 0 } };

/** Waits for it a while; the assertions are about what is so in the end. `glue`: whether there is one to ask. */
export async function nothingLeft(t: Test, stack: LoopbackStack, glue = true): Promise<void> {
  for (const end = Date.now() + TIMEOUT_MS; Date.now() < end; await pause(50)) {
    const { clients } = glue ? await stack.status('compositor') : GLUE;
    const { used } = (await stack.status('compositor-host'))['allocator'] as typeof HOST.allocator;
    if (clients === 0 && used === 0) break;
  }
  if (glue) t.match(await stack.status('compositor'), GLUE, 'the glue has no client left, and no bytes on any account');
  t.match(await stack.status('compositor-host'), HOST, "the allocator's books say zero");
}
