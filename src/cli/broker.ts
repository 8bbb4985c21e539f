/**
 * `virtwl broker`: pairs clients with the compositor VM.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Broker } from '../host/broker.js';
import { makePrivateFolder } from '../host/private-folder.js';
import { DEFAULT_MAX_WAITING, DEFAULT_MAX_WAITING_PER_VM, DEFAULT_WAIT_MS } from '../host/waiting-clients.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun } from './confined.js';
import { parseCount } from './count.js';
import { untilSignal } from './until-signal.js';

interface Options {
  directory: string;
  waitingPerVm: number;
  waiting: number;
  waitSeconds: number;
  sandbox: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('broker')
    .summary('pair clients with the compositor VM (on the host)')
    .description(
      'Runs the broker: the process on the host that pairs the connections of client VMs with the compositor VM.\n' +
        'One serves all VMs; their host processes ("virtwl host") find it by its folder. It can be restarted at any\n' +
        'time: clients that were paired stay, new ones wait.',
    )
    .requiredOption('-d, --directory <dir>', 'folder for its control socket, made when it is not there')
    .option('--waiting-per-vm <n>', 'clients of one VM that may wait for a compositor', parseCount, DEFAULT_MAX_WAITING_PER_VM)
    .option('--waiting <n>', 'clients of all VMs that may wait', parseCount, DEFAULT_MAX_WAITING)
    .option('--wait-seconds <n>', 'how long one may wait', parseCount, DEFAULT_WAIT_MS / 1000)
    .action(async (options: Options) => {
      if (await ranConfined(options.sandbox, () => confinedBroker(options))) return;
      const broker = new Broker({
        directory: resolve(options.directory),
        maxWaitingPerVm: options.waitingPerVm,
        maxWaiting: options.waiting,
        waitMs: options.waitSeconds * 1000,
        log: (line) => process.stderr.write(`${line}\n`),
      });
      serveLockedDown();
      process.stdout.write(`ready: ${broker.path}\n`);
      await untilSignal();
      broker.close();
    });
  addSandboxOption(command);
}

/** The same broker as it runs confined: it may write to its own folder, and has nothing else. */
export function confinedBroker(options: Omit<Options, 'sandbox'>): ConfinedRun {
  const directory = resolve(options.directory);
  // It stays when the broker ends, as it does unconfined: host processes look into it for the next one.
  makePrivateFolder(directory);
  return {
    name: 'broker',
    args: [
      ...['broker', '--directory', directory, '--waiting-per-vm', String(options.waitingPerVm)],
      ...['--waiting', String(options.waiting), '--wait-seconds', String(options.waitSeconds)],
    ],
    writable: [directory],
    readable: [],
    fds: {},
  };
}
