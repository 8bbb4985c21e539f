/**
 * `virtwl broker`: pairs clients with the compositor VM.
 *
 * The control socket is bound outside of the confined process, which gets it as a descriptor: it has no directory at all,
 * and cannot put anything in that socket's place, where the processes that register would connect to it.
 */
import type { Command } from 'commander';
import { OwnedFd } from '../system/fd.js';
import { bindControl, Broker, DEFAULT_ARRIVALS } from '../broker/broker.js';
import { DEFAULT_MAX_WAITING, DEFAULT_MAX_WAITING_PER_VM, DEFAULT_WAIT_MS } from '../broker/waiting-clients.js';
import { CompositorState } from '../broker/protocol.js';
import { isoTime } from '../observe/clock-time.js';
import { processCounters } from '../observe/native-counters.js';
import { processLog } from '../observe/process-log.js';
import type { StateReport } from '../observe/status-report.js';
import { inheritedFd } from '../sandbox/confinement.js';
import { answerFor } from './answers.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { addOptions, COUNT, PATH, required, withDefault, type Values } from './option.js';
import { tellReady } from './readiness.js';
import { untilSignal } from './until-signal.js';

const OPTIONS = {
  directory: required('-d, --directory <dir>', 'directory for its control socket, made when it is not there', PATH),
  waitingPerVm: withDefault(
    '--waiting-per-vm <n>',
    'clients of one VM that may wait for a compositor',
    COUNT,
    DEFAULT_MAX_WAITING_PER_VM,
  ),
  waiting: withDefault('--waiting <n>', 'clients of all VMs that may wait', COUNT, DEFAULT_MAX_WAITING),
  arrivals: withDefault('--arrivals <n>', 'programs of one VM that may connect in a second', COUNT, DEFAULT_ARRIVALS),
  waitSeconds: withDefault('--wait-seconds <n>', 'how long one may wait', COUNT, DEFAULT_WAIT_MS / 1000),
} as const;

export type BrokerOptions = Values<typeof OPTIONS>;

/** The descriptor that a confined broker inherits: its control socket. */
const CONTROL_FD = 'control';

export function register(program: Command): void {
  const command = program
    .command('broker')
    .summary('pair clients with the compositor VM (on the host)')
    .description(
      'Runs the broker: the process on the host that pairs the connections of client VMs with the compositor VM. ' +
        'One serves all VMs; their host processes ("virtwl host") find it by its directory. It can be restarted at any ' +
        'time: clients that were paired stay, new ones wait.',
    )
    .action(async ({ sandbox, ...options }: BrokerOptions & { sandbox: SandboxChoice }) => {
      if (!(await ranConfined(sandbox, () => confinedBroker(options)))) await serve(options);
    });
  addSandboxOption(addOptions(command, OPTIONS));
}

/** Serves until a signal comes. */
export async function serve(options: BrokerOptions): Promise<void> {
  const control = inheritedFd(CONTROL_FD);
  const broker = new Broker({
    directory: options.directory,
    control: control === undefined ? undefined : new OwnedFd(control),
    maxWaitingPerVm: options.waitingPerVm,
    maxWaiting: options.waiting,
    arrivals: options.arrivals,
    waitMs: options.waitSeconds * 1000,
    log: processLog.log('broker'),
  });
  answerFor(
    'broker',
    processCounters().provide(() => ({
      ...{ waiting: broker.waiting, links: broker.links, relayed: broker.relayed },
      registered: broker.vms.length,
    })),
    () => ({ state: stateOf(broker), vms: broker.vms }),
  );
  serveLockedDown();
  // The program that reads "ready" may end us the next moment.
  const ended = untilSignal();
  tellReady(broker.path);
  await ended;
  broker.close();
}

const ABSENT: Readonly<Partial<Record<CompositorState, string>>> = {
  [CompositorState.NoVm]:
    'no compositor VM is registered: start its "virtwl host --compositor", with this broker\'s directory',
  [CompositorState.NoGlue]: 'nothing serves clients in the compositor VM: start "virtwl compositor" there',
};

function stateOf({ compositorState, compositorSince }: Broker): StateReport {
  const text = ABSENT[compositorState];
  if (text === undefined) return { is: 'served' };
  return { is: 'waiting', for: 'compositor', since: isoTime(compositorSince), text };
}

/** The same broker as it runs confined: with its control socket, and no directory. */
export function confinedBroker(options: BrokerOptions): ConfinedRun {
  // The directory stays when the broker ends: host processes look there for the next one.
  const control = bindControl(options.directory);
  return {
    name: 'broker',
    subcommand: 'broker',
    options,
    writable: [],
    readable: [],
    fds: { [CONTROL_FD]: control.socket },
    cleanUp: () => control.remove(),
  };
}
