/**
 * `virtwl host`: the host process of one VM.
 */
import { existsSync, rmdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_REQUEST_LIMIT, privateTmpfs, roundUpToPages } from '../allocator/budget.js';
import { OwnedFd } from '../fd.js';
import { checkVmName } from '../host/broker-protocol.js';
import { VmHost } from '../host/host.js';
import { makePrivateFolder } from '../host/private-folder.js';
import { inheritedFd } from '../sandbox/confinement.js';
import { parseBytes } from './bytes.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun } from './confined.js';
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
  sandbox: boolean;
}

export function register(program: Command): void {
  const host = program
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
      if (await ranConfined(options.sandbox, () => confinedHost(options))) return;
      const directory = inheritedFd(BUDGET_FD);
      const host = new VmHost({
        vm: options.vm,
        loopback: options.loopback,
        allocator:
          options.allocator === undefined
            ? undefined
            : {
                bytes: options.allocator,
                requestLimit: options.allocatorRequest,
                directory: directory === undefined ? undefined : new OwnedFd(directory),
              },
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
      serveLockedDown();
      process.stdout.write(`ready: ${options.loopback}\n`);
      await untilSignal();
      host.close();
    });
  addSandboxOption(host);
}

/** The descriptor of the allocator's tmpfs, in a confined host process: it may not mount one itself. */
const BUDGET_FD = 'budget';

/** The same host process as it runs confined: with its own folder and the broker's, and the memory it may hand out. */
export function confinedHost(options: Omit<Options, 'sandbox'>): ConfinedRun {
  checkVmName(options.vm);
  const loopback = resolve(options.loopback);
  const broker = options.broker === undefined ? undefined : resolve(options.broker);
  const servers = [
    ...(options.allocator === undefined ? [] : [`--allocator=${options.allocator}`]),
    ...['--allocator-request', String(options.allocatorRequest)],
    ...(options.compositor === undefined ? [] : [`--compositor=${options.compositor === true ? 'handover' : options.compositor}`]),
    ...(options.wayland ? ['--wayland'] : []),
    ...(options.probe ? ['--probe'] : []),
    ...(broker === undefined ? [] : ['--broker', broker]),
    ...[...options.socket].flatMap(([name, path]) => ['--socket', `${name}=${resolve(path)}`]),
  ];
  const made = makePrivateFolder(loopback);
  const cleanUp = (): void => {
    if (made) removeIfEmpty(loopback);
  };
  try {
    // A folder in which the broker will be, once it is started. What is bound into the confined process is this folder,
    // not whatever has its name later.
    if (broker !== undefined && !existsSync(broker)) makePrivateFolder(broker);
    const budget = options.allocator === undefined ? undefined : privateTmpfs(roundUpToPages(options.allocator));
    return {
      name: `host process of VM "${options.vm}"`,
      args: ['host', '--vm', options.vm, '--loopback', loopback, ...servers],
      writable: [loopback],
      readable: broker === undefined ? [] : [broker],
      fds: budget === undefined ? {} : { [BUDGET_FD]: budget },
      cleanUp,
    };
  } catch (error) {
    cleanUp();
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody put files there meanwhile: they are theirs.
  }
}

function collect(text: string, sockets: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) throw new InvalidArgumentError('give NAME=PATH.');
  return new Map([...sockets, [name, path]]);
}
