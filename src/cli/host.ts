/**
 * `virtwl host`: the host process of one VM.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_REQUEST_LIMIT } from '../allocator/budget.js';
import { VmHost } from '../host/host.js';
import { parseBytes } from './bytes.js';
import { answerStatus } from './status.js';
import { untilSignal } from './until-signal.js';

interface Options {
  vm: string;
  loopback: string;
  allocator?: number;
  allocatorRequest: number;
  compositor?: true | 'handover' | 'relay';
  wayland?: true;
  probe?: true;
  broker?: string;
  socket: ReadonlyMap<string, string>;
}

export function register(program: Command): void {
  program
    .command('host')
    .summary("offer one VM the host's servers (on the host)")
    .description(
      'Runs the host process of one VM. It offers that VM the servers that the flags turn on, and nothing else.\n' +
        'With --loopback they are Unix sockets in a folder, for "virtwl" without a VM (VIRTWL_LOOPBACK=DIR) and for\n' +
        'crosvm (--wayland-sock DIR/NAME,name=NAME). It prints "ready" when they can be connected to.',
    )
    .requiredOption('--vm <name>', 'name of the VM, as it shows in logs')
    .requiredOption('--loopback <dir>', 'folder for the sockets, made when it is not there')
    .option('--allocator <budget>', 'serve memory, in all at most this much (512M, 2G); for the compositor VM', parseBytes)
    .option('--allocator-request <size>', 'most memory in one request', parseBytes, DEFAULT_REQUEST_LIMIT)
    .addOption(
      new Option(
        '--compositor [mode]',
        'this is the compositor VM; "relay" where its front-end cannot receive sockets (unmodified crosvm)',
      )
        .choices(['handover', 'relay'])
        .preset('handover'),
    )
    .option('--wayland', 'applications of this VM may reach the compositor VM')
    .option('--probe', 'serve "virtwl probe"')
    .option('--broker <dir>', 'folder of the broker; needed with --compositor and --wayland')
    .option('--socket <name=path>', "another server: connections go to the host's socket at path; repeatable", collect, new Map())
    .action(async (options: Options, command: Command) => {
      if ((options.compositor || options.wayland) && options.broker === undefined) {
        command.error('error: --compositor and --wayland need --broker DIR, where "virtwl broker" runs', { exitCode: 2 });
      }
      const host = new VmHost({
        vm: options.vm,
        loopback: options.loopback,
        allocator:
          options.allocator === undefined
            ? undefined
            : { bytes: options.allocator, requestLimit: options.allocatorRequest },
        compositor: options.compositor === true ? 'handover' : options.compositor,
        wayland: options.wayland,
        probe: options.probe,
        broker: options.broker,
        sockets: options.socket,
        log: (line) => process.stderr.write(`${line}\n`),
      });
      answerStatus(() => {
        const budget = host.allocator?.budget;
        return { vm: options.vm, ...(budget && { allocator: { budget: budget.bytes, used: budget.used, pieces: budget.pieces } }) };
      });
      process.stdout.write(`ready: ${options.loopback}\n`);
      await untilSignal();
      host.close();
    });
}

function collect(text: string, sockets: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) throw new InvalidArgumentError('give NAME=PATH.');
  return new Map([...sockets, [name, path]]);
}
