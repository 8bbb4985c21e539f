/** What `npm run bench` can be told, and which cases that makes. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEVICE_KINDS, type DeviceKind } from '../host/guest/vmm-arguments.js';
import type { Case, Mode } from './measure.js';
import { SYSTEMS, type SystemName } from './results.js';
import { HD, UHD } from './targets.js';
import { VM_SIZES } from './vms.js';

export interface BenchOptions {
  readonly vm?: boolean;
  readonly seconds?: number;
  readonly rounds: number;
  readonly only: readonly SystemName[];
  readonly modes?: readonly string[];
  readonly sizes?: readonly string[];
  readonly transports: readonly DeviceKind[];
  readonly pin?: readonly number[];
  readonly json?: string;
  readonly svg?: string;
  readonly strict?: boolean;
}

/** Every case, in the order in which they take place. */
const CASES: readonly Case[] = [
  { mode: 'sync', size: HD },
  ...[HD, UHD].flatMap(size => (['full', 'small', 'newpool'] as const).map(mode => ({ mode, size }))),
  { mode: 'start', size: '256x256' },
  { mode: 'flood', size: UHD },
  ...[100, 500].map(clients => ({ mode: 'clients', size: '64x64', clients }) as const),
  { mode: 'clients', size: '64x64', clients: 500, buffers: 10 },
];
/** Those that a run has unless it is told: what takes long is asked for. */
const DEFAULT_MODES: readonly Mode[] = ['sync', 'full', 'small', 'newpool', 'start'];
const MODES: readonly Mode[] = [...DEFAULT_MODES, 'flood', 'clients'];
/** Modes that have both sizes; the others have one of their own. */
const SIZED: readonly Mode[] = ['full', 'small', 'newpool'];

/** How long each takes with all systems, on a machine of two cores. */
const DURATIONS = `
A round of one second for each system takes about: sync 12 s, full, small and newpool 11 s each in each size, start 4 s,
which is what a run has by default; flood 9 s; clients 100 s, since many windows are opened for each measurement. The
default of three rounds takes 4 to 5 minutes, --modes all 10.

Processes can be kept from wandering: --pin 0 runs everything on one core, --pin 0 1 the client's side (client, proxy,
near relay) on the first and the compositor's (sway, glue, far relay, host processes) on the second.`;

/** Reads the command line. Ends the process where it asks for help, or is wrong. */
export function benchOptions(argv: readonly string[]): BenchOptions {
  return new Command('npm run bench --')
    .description('measures virtwl beside a direct connection, beside relays that do nothing, and beside waypipe')
    .option(
      '--vm',
      'measure in two real VMs of each transport, also beside the compositor, and how long they take to start',
    )
    .option('--seconds <n>', 'how long to measure each case, each system, each round (default: 1; in VMs 5)', positive)
    .option('--rounds <n>', 'how often to go round', positive, 3)
    .addOption(new Option('--only <systems...>', 'which systems').choices(SYSTEMS).default([...SYSTEMS]))
    .addOption(
      new Option('--modes <modes...>', `which modes (default: ${DEFAULT_MODES.join(' ')})`).choices([...MODES, 'all']),
    )
    .option(
      '--sizes <sizes...>',
      `which sizes, of ${HD} and ${UHD}, of the modes that have both; in VMs any (default: ${VM_SIZES.join(' ')})`,
    )
    .addOption(
      new Option('--transports <kinds...>', 'in VMs: which, each with a pair of its own')
        .choices(DEVICE_KINDS)
        .default([...DEVICE_KINDS]),
    )
    .option('--pin <cores...>', 'the core or the two cores to run on, so that runs can be compared; not in VMs', cores)
    .option('--json <file>', 'write every measurement to a file')
    .option('--svg <file>', 'draw how quick each system is beside a direct connection; not in VMs')
    .option('--strict', 'exit with status 1 when a target is missed')
    .addHelpText('after', DURATIONS)
    .parse(argv)
    .opts<BenchOptions>();
}

function positive(text: string): number {
  const n = Number(text);
  if (!(n > 0)) throw new InvalidArgumentError('a positive number is wanted');
  return n;
}

function cores(text: string, before: readonly number[] = []): number[] {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('the number of a core is wanted, from 0');
  if (before.length === 2) throw new InvalidArgumentError('one core, or two: for the client and for the compositor');
  return [...before, Number(text)];
}

/** The cases of modes and sizes that are asked for; of all where nothing is said of them. */
export function casesOf(modes: readonly string[] = DEFAULT_MODES, sizes?: readonly string[]): Case[] {
  return CASES.filter(
    ({ mode, size }) =>
      (modes.includes(mode) || modes.includes('all')) &&
      (!SIZED.includes(mode) || sizes === undefined || sizes.includes(size)),
  );
}
