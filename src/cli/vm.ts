/** `virtwl vm`: guests for tests and demonstrations: makes their images, boots them, runs a command in one. */
import { setTimeout as pause } from 'node:timers/promises';
import { Argument, InvalidArgumentError, type Command } from 'commander';
import { cacheDirectory } from '../vm/cache.js';
import { bootGuest, buildGuests, DEFAULT_MEMORY_BYTES, GUESTS, type GuestName } from '../vm/guest.js';
import { DEVICE_KINDS } from '../host/guest/vmm-arguments.js';
import type { GuestDevice } from '../vm/device-connection.js';
import { findQemu } from '../vm/qemu.js';
import { GuestProgram, PrintedLines } from '../vm/guest-program.js';
import type { Machine } from '../vm/machine.js';
import { processLog } from '../observe/process-log.js';
import { parseBytes } from './bytes.js';
import { consoleLine } from './console-line.js';
import { addOptions, BYTES, COUNT, flag, optional, TEXT, withDefault, type Values } from './option.js';
import { untilSignal } from './until-signal.js';
import { TRANSPORT } from './transport-option.js';
import { registerDesktop } from './vm-desktop.js';

/** How long a script of `--run` may take where nobody says otherwise: enough for a build in an emulated guest. */
const DEFAULT_RUN_SECONDS = 300;
/** How often what it has printed is read, in milliseconds. */
const LOOK_INTERVAL_MS = 500;

const BOOT_OPTIONS = {
  wl: optional(
    '--wl <socket>',
    'give it a wl device: the socket of "virtwl host --socket"; the VM ends with that',
    TEXT,
  ),
  gpu: optional(
    '--gpu <socket>',
    'give it a gpu device: the socket of "virtwl host --gpu-socket"; the VM ends with that',
    TEXT,
  ),
  transport: optional(
    '--transport <kind>',
    'what its kernel has a driver for: our wl device, or, without a module of ours, a gpu device (default: as its devices)',
    TRANSPORT,
  ),
  run: optional('--run <script>', 'run this there, print its output as it comes, and end with its status', TEXT),
  runSeconds: withDefault(
    '--run-seconds <count>',
    'seconds after which that is given up, with what it has printed until then',
    COUNT,
    DEFAULT_RUN_SECONDS,
  ),
  memory: withDefault('--memory <size>', 'its memory', { ...BYTES, parse: parseMemory }, DEFAULT_MEMORY_BYTES),
  name: optional('--name <name>', 'as it shows in messages', TEXT),
  quiet: flag('-q, --quiet', 'do not show its console'),
} as const;

const BUILD_OPTIONS = {
  transport: withDefault('--transport <kind>', 'wl, with our driver, or gpu, without', TRANSPORT, 'wl'),
} as const;

const say = (line: string): void => processLog.log('vm').info(line);

export function register(program: Command): void {
  const vm = program
    .command('vm')
    .summary('make and boot VMs for tests and demonstrations (on the host)')
    .description(
      'Makes Debian guests with mmdebstrap and boots them with QEMU. What is made is kept in the cache ' +
        `(${cacheDirectory()}) and made anew when its inputs change. For images of one's own see docs/vm-images.md.`,
    );
  const build = vm
    .command('build')
    .summary('make QEMU, kernel, driver, disks')
    .addArgument(new Argument('[guests...]', 'which guests').choices(GUESTS))
    .action(async (guests: GuestName[], { transport }: Values<typeof BUILD_OPTIONS>) => {
      await buildGuests(guests.length > 0 ? guests : GUESTS, say, transport);
    });
  addOptions(build, BUILD_OPTIONS);
  const boot = vm
    .command('boot')
    .summary('boot a guest, until it ends or a signal comes')
    .addArgument(new Argument('<guest>', 'which guest').choices(GUESTS))
    .action(async (guest: GuestName, options: Values<typeof BOOT_OPTIONS>) => {
      const devices = DEVICE_KINDS.flatMap((kind): GuestDevice[] => {
        const socket = options[kind];
        return socket === undefined ? [] : [{ kind, socket }];
      });
      const machine = await bootGuest({
        guest,
        ...(options.name === undefined ? {} : { name: options.name }),
        memoryBytes: options.memory,
        devices,
        transport: options.transport,
        ...(options.quiet ? {} : { onLine: (line: string) => consoleLine(options.name ?? guest, line) }),
        say,
      });
      try {
        say(`up after ${(machine.bootMs / 1000).toFixed(1)} s (${machine.options.accelerator})`);
        if (options.run !== undefined) {
          process.exitCode = await runScript(machine, options.run, options.runSeconds);
        } else {
          await untilSignal(machine.ended());
          if (machine.lostDevice) {
            throw new Error(
              `the VM "${machine.options.name}" has to end: ${await machine.ended()}. Start that again, then this`,
            );
          }
        }
      } finally {
        await machine.stop();
      }
    });
  addOptions(boot, BOOT_OPTIONS);
  registerDesktop(vm);
  vm.command('qemu')
    .summary('print how the QEMU that is used is started')
    .action(async () => {
      const { command, env, version } = await findQemu(say);
      say(version);
      const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      process.stdout.write(`${[...settings, ...command].join(' ')}\n`);
    });
}

/** Guests with less than this do not come to their init. In bytes. */
const LEAST_MEMORY_BYTES = 192 * 2 ** 20;

function parseMemory(text: string): number {
  const bytes = parseBytes(text);
  if (bytes < LEAST_MEMORY_BYTES || bytes % 2 ** 20 !== 0) {
    throw new InvalidArgumentError('give whole MiB, at least 192M.');
  }
  return bytes;
}

/** Runs a shell script in the guest and prints whole lines as they come. Its status. Throws when its time is over. */
async function runScript(machine: Machine, script: string, seconds: number): Promise<number> {
  const program = await GuestProgram.start(machine, 'the script of --run', `cd /\n${script}`);
  const lines = new PrintedLines();
  for (const end = Date.now() + seconds * 1000; ; await pause(LOOK_INTERVAL_MS)) {
    const state = await program.state();
    const late = Date.now() > end;
    const { output, errors } = lines.since(state, late || state.status !== undefined);
    process.stdout.write(output);
    process.stderr.write(errors);
    if (state.status !== undefined) return state.status;
    if (late) {
      throw new Error(
        `the script of --run had not ended in the VM "${machine.options.name}" after ${seconds} s; what it has printed is above. ` +
          'Give it longer with --run-seconds',
      );
    }
  }
}
