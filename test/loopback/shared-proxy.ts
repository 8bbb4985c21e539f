/** A `virtwl run` without an application of its own, for clients that a test connects to it by themselves. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import type { LoopbackStack } from '../../src/demo/loopback-stack.js';

export interface SharedProxy {
  readonly proxy: ChildProcess;
  /** The socket that it serves. */
  readonly path: string;
  /** What it has logged so far. */
  log(): string;
}

/** Started, and listening. Ended with the test. */
export async function sharedProxy(t: Test, stack: LoopbackStack, runtimeDir: string): Promise<SharedProxy> {
  const proxy = stack.virtwl('client', ['run'], { XDG_RUNTIME_DIR: runtimeDir });
  t.teardown(() => proxy.kill());
  let log = '';
  proxy.stderr?.on('data', data => (log += String(data)));
  const path = await new Promise<string>(resolve => {
    createInterface({ input: proxy.stdout as NodeJS.ReadableStream }).on('line', line => {
      const display = /^WAYLAND_DISPLAY=(.*)/.exec(line)?.[1];
      if (display !== undefined) resolve(display);
    });
  });
  return { proxy, path, log: () => log };
}
