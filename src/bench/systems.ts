/**
 * The ways from a client to the compositor that are compared. Each is started once, beside the same sway, and then
 * measured in turn with the others.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { VIRTWL, type LoopbackStack } from '../demo/loopback-stack.js';
import { measure, type Case, type Measurement, type Mode } from './measure.js';
import { Running, waitFor } from './processes.js';

export type SystemName = 'direct' | 'waypipe' | 'copy' | 'drawn';
export const SYSTEMS: readonly SystemName[] = ['direct', 'waypipe', 'copy', 'drawn'];

/** One way to the compositor. */
export interface System {
  readonly name: SystemName;
  /** Modes that mean nothing to it. */
  readonly without?: readonly Mode[];
  measure(what: Case, seconds: number): Promise<Measurement>;
  stop(): Promise<void>;
}

/** A server that we start shows its socket within this many milliseconds. */
const START_TIMEOUT_MS = 20_000;

const package_ = fileURLToPath(new URL('../../../', import.meta.url));
const client = join(package_, 'build/bench/client');
const drawingClient = join(package_, 'dist/src/bench/direct-client.js');

const clientArguments = (what: Case, seconds: number) => [
  ...['--mode', what.mode],
  ...['--size', what.size],
  ...['--seconds', String(seconds)],
];

/** The plain client on the compositor's own socket. */
export function startDirect(display: string): System {
  return {
    name: 'direct',
    measure: (what, seconds) =>
      measure('direct', [client, ...clientArguments(what, seconds)], { WAYLAND_DISPLAY: display }, seconds),
    stop: async () => undefined,
  };
}

/** waypipe with both its ends here, uncompressed: the two relays and the socket between them, and nothing else. */
export async function startWaypipe(display: string, directory: string): Promise<System> {
  const socket = join(directory, 'waypipe');
  const options = ['--no-gpu', '-c', 'none', '-s', socket];
  const env = { WAYLAND_DISPLAY: display, XDG_RUNTIME_DIR: directory };
  const near = new Running('waypipe client', ['waypipe', ...options, 'client'], env);
  await waitFor(near, 'its socket', START_TIMEOUT_MS, () => existsSync(socket) || undefined);
  return {
    name: 'waypipe',
    measure: (what, seconds) =>
      measure(
        'waypipe server',
        ['waypipe', ...options, 'server', '--', client, ...clientArguments(what, seconds)],
        { XDG_RUNTIME_DIR: directory, WAYLAND_DISPLAY: undefined },
        seconds,
      ),
    stop: () => near.stop(),
  };
}

/** A program in the client VM of the stack. Its sockets go where `directory` is, which must be private. */
const inClientVm = (stack: LoopbackStack, directory: string) => ({
  VIRTWL_LOOPBACK: stack.loopback('client'),
  XDG_RUNTIME_DIR: directory,
  WAYLAND_DISPLAY: undefined,
});

/** The plain client under `virtwl run`: what is damaged is copied once, into memory that the compositor reads. */
export function startCopy(stack: LoopbackStack, directory: string): System {
  return {
    name: 'copy',
    measure: (what, seconds) =>
      measure(
        'virtwl run',
        [process.execPath, VIRTWL, 'run', '--', client, ...clientArguments(what, seconds)],
        inClientVm(stack, directory),
        seconds,
      ),
    stop: async () => undefined,
  };
}

/** A client that knows us and draws straight into that memory. */
export function startDrawn(stack: LoopbackStack, directory: string): System {
  return {
    name: 'drawn',
    // Its buffers are parts of a slab: there are no pools to make.
    measure: (what, seconds) =>
      measure(
        'drawing client',
        [process.execPath, drawingClient, ...clientArguments(what, seconds)],
        inClientVm(stack, directory),
        seconds,
      ),
    stop: async () => undefined,
  };
}

/** What of the package must be there for a system, or undefined. */
export function absent(name: SystemName): string | undefined {
  const needed = {
    direct: [client],
    waypipe: [client],
    copy: [client],
    drawn: [drawingClient],
  }[name];
  return needed.find(path => !existsSync(resolve(path)));
}

/** The processor's name, for the report. */
export function processorName(): string {
  const found = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return found?.[1] ?? process.arch;
}
