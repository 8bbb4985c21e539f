/**
 * Confines a program of a test exactly as the product confines one of its processes, but for the program:
 *
 *   node confine.js POLICY DIRECTORY PROGRAM ARGUMENT
 *
 * Prints nothing of its own. CONFINE_BY in the environment names the program that confines. DIRECTORY holds what the
 * policy names.
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
    socket: { servers: {} },
  },
  ...{ maxVfds: 10, maxConnections: 10, maxPipes: 10, maxMappings: 10, maxQueued: MIB },
};

/** Each process of the product that is confined: with nothing turned on, and with everything. */
export const POLICIES: Readonly<Record<string, (directory: string) => ConfinedRun>> = {
  broker: directory =>
    confinedBroker({ directory: join(directory, 'broker'), waitingPerVm: 1, waiting: 1, arrivals: 1, waitSeconds: 1 }),
  'host with nothing on': directory => confinedHost({ ...HOST, loopback: join(directory, 'vm') }),
  'host of the compositor VM': directory => confinedHost({ ...HOST, ...everything(directory) }),
  'host with a wl device': directory =>
    confinedHost({
      ...HOST,
      ...everything(directory),
      socket: { device: join(directory, 'device'), servers: {} },
    }),
  allocator: directory =>
    confinedAllocator({ vm: 'vm', socket: join(directory, 'allocator'), budget: MIB, request: MIB, pieces: 10 }),
};

function everything(directory: string) {
  return {
    loopback: join(directory, 'vm'),
    allocator: MIB,
    compositor: 'handover' as const,
    wayland: true as const,
    probe: true as const,
    broker: join(directory, 'broker'),
    socket: { servers: { display: join(directory, 'wayland-0') } },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [policy = '', directory = '', program = '', argument = '', ...readable] = process.argv.slice(2);
  const { cleanUp, ...run } = POLICIES[policy]!(directory);
  const { status, signal } = await runConfined(
    { ...run, readable: [...run.readable, dirname(program), ...readable], command: [program, argument] },
    { sandbox: process.env.CONFINE_BY as Sandbox | undefined },
  );
  cleanUp?.();
  if (signal !== undefined) process.stderr.write(`ended by ${signal}\n`);
  process.exitCode = status;
}
