/**
 * Confines a program of a test exactly as the product confines one of its processes, but for the program:
 *
 *   node confine.js POLICY FOLDER PROGRAM ARGUMENT
 *
 * Prints nothing of its own. CONFINE_BY in the environment names the program that confines. FOLDER holds the folders that the policy is about.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { confinedAllocator } from '../../src/cli/allocator.js';
import { confinedBroker } from '../../src/cli/broker.js';
import type { ConfinedRun } from '../../src/cli/confined.js';
import { confinedHost } from '../../src/cli/host.js';
import type { Sandbox } from '../../src/sandbox/launcher.js';
import { runConfined } from '../../src/sandbox/run-confined.js';

const MIB = 1024 * 1024;

/** What a host process is told in any case. */
const HOST = {
  ...{
    vm: 'vm',
    allocatorRequest: MIB,
    allocatorRate: 1000,
    guestMemory: MIB,
    socket: { servers: new Map<string, string>() },
  },
  ...{ maxVfds: 10, maxConnections: 10, maxPipes: 10, maxMappings: 10, maxQueued: MIB, sandbox: undefined },
};

/** Each process of the product that is confined: with nothing turned on, and with everything. */
export const POLICIES: Readonly<Record<string, (folder: string) => ConfinedRun>> = {
  broker: folder => confinedBroker({ directory: join(folder, 'broker'), waitingPerVm: 1, waiting: 1, waitSeconds: 1 }),
  'host with nothing on': folder => confinedHost({ ...HOST, loopback: join(folder, 'vm') }),
  'host of the compositor VM': folder => confinedHost({ ...HOST, ...everything(folder) }),
  'host with a wl device': folder =>
    confinedHost({ ...HOST, ...everything(folder), socket: { device: join(folder, 'device'), servers: new Map() } }),
  allocator: folder =>
    confinedAllocator({ vm: 'vm', socket: join(folder, 'allocator'), budget: MIB, request: MIB, pieces: 10 }),
};

function everything(folder: string) {
  return {
    loopback: join(folder, 'vm'),
    allocator: MIB,
    compositor: 'handover' as const,
    wayland: true as const,
    probe: true as const,
    broker: join(folder, 'broker'),
    socket: { servers: new Map([['display', join(folder, 'wayland-0')]]) },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [policy = '', folder = '', program = '', argument = '', ...readable] = process.argv.slice(2);
  const { cleanUp, ...run } = POLICIES[policy]!(folder);
  const { status, signal } = await runConfined(
    { ...run, readable: [...run.readable, dirname(program), ...readable], command: [program, argument] },
    process.env['CONFINE_BY'] as Sandbox | undefined,
  );
  cleanUp?.();
  if (signal !== undefined) process.stderr.write(`ended by ${signal}\n`);
  process.exitCode = status;
}
