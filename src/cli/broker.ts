/**
 * `virtwl broker`: pairs clients with the compositor VM.
 */
import type { Command } from 'commander';
import { Broker } from '../host/broker.js';
import { DEFAULT_MAX_WAITING, DEFAULT_MAX_WAITING_PER_VM, DEFAULT_WAIT_MS } from '../host/waiting-clients.js';
import { parseCount } from './count.js';
import { untilSignal } from './until-signal.js';

interface Options {
  directory: string;
  waitingPerVm: number;
  waiting: number;
  waitSeconds: number;
}

export function register(program: Command): void {
  program
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
      const broker = new Broker({
        directory: options.directory,
        maxWaitingPerVm: options.waitingPerVm,
        maxWaiting: options.waiting,
        waitMs: options.waitSeconds * 1000,
        log: (line) => process.stderr.write(`${line}\n`),
      });
      process.stdout.write(`ready: ${broker.path}\n`);
      await untilSignal();
      broker.close();
    });
}
