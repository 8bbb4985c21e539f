/**
 * `virtwl broker`: pairs clients with the compositor VM.
 *
 * The control socket is bound outside of the confined process, which gets it as a descriptor: it has no directory at all,
 * and cannot put anything in that socket's place, where the processes that register would connect to it.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { OwnedFd } from '../system/fd.js';
import { bindControl, Broker } from '../broker/broker.js';
import { DEFAULT_MAX_WAITING, DEFAULT_MAX_WAITING_PER_VM, DEFAULT_WAIT_MS } from '../broker/waiting-clients.js';
import { inheritedFd } from '../sandbox/confinement.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { parseCount } from './count.js';
import { untilSignal } from './until-signal.js';

interface Options {
  directory: string;
  waitingPerVm: number;
  waiting: number;
  waitSeconds: number;
  sandbox: SandboxChoice;
}

/** The descriptor that a confined broker inherits: its control socket. */
const CONTROL_FD = 'control';

export function register(program: Command): void {
  const command = program
    .command('broker')
    .summary('pair clients with the compositor VM (on the host)')
    .description(
      'Runs the broker: the process on the host that pairs the connections of client VMs with the compositor VM.\n' +
        'One serves all VMs; their host processes ("virtwl host") find it by its directory. It can be restarted at any\n' +
        'time: clients that were paired stay, new ones wait.',
    )
    .requiredOption('-d, --directory <dir>', 'directory for its control socket, made when it is not there')
    .option(
      '--waiting-per-vm <n>',
      'clients of one VM that may wait for a compositor',
      parseCount,
      DEFAULT_MAX_WAITING_PER_VM,
    )
    .option('--waiting <n>', 'clients of all VMs that may wait', parseCount, DEFAULT_MAX_WAITING)
    .option('--wait-seconds <n>', 'how long one may wait', parseCount, DEFAULT_WAIT_MS / 1000)
    .action(async (options: Options) => {
      if (await ranConfined(options.sandbox, () => confinedBroker(options))) return;
      const control = inheritedFd(CONTROL_FD);
      const broker = new Broker({
        directory: resolve(options.directory),
        control: control === undefined ? undefined : new OwnedFd(control),
        maxWaitingPerVm: options.waitingPerVm,
        maxWaiting: options.waiting,
        waitMs: options.waitSeconds * 1000,
        log: line => process.stderr.write(`${line}\n`),
      });
      serveLockedDown();
      // Whoever is told that it serves may end it the next moment.
      const ended = untilSignal();
      process.stdout.write(`ready: ${broker.path}\n`);
      await ended;
      broker.close();
    });
  addSandboxOption(command);
}

/** The same broker as it runs confined: with its control socket, and no directory. */
export function confinedBroker(options: Omit<Options, 'sandbox'>): ConfinedRun {
  const directory = resolve(options.directory);
  // The directory stays when the broker ends: host processes look there for the next one.
  const control = bindControl(directory);
  return {
    name: 'broker',
    args: [
      ...['broker', '--directory', directory, '--waiting-per-vm', String(options.waitingPerVm)],
      ...['--waiting', String(options.waiting), '--wait-seconds', String(options.waitSeconds)],
    ],
    writable: [],
    readable: [],
    fds: { [CONTROL_FD]: control.socket },
    cleanUp: () => control.remove(),
  };
}
