/** `virtwl compositor`: runs a wlroots compositor in this VM and serves the clients of other VMs on it. */
import type { Command } from 'commander';
import { AllocatorClient } from '../allocator/client.js';
import { BrokerLink } from '../broker/glue-link.js';
import { CompositorLiveness } from '../../compositor-glue/compositor-liveness.js';
import { Glue } from '../../compositor-glue/glue.js';
import { HEADLESS, launchCompositor, type Compositor } from '../../compositor-glue/launch.js';
import { DEFAULT_POLICY, Policies, type VmPolicy } from '../../compositor-glue/policy.js';
import { SecurityContexts } from '../../compositor-glue/security-context.js';
import { Thumbnails } from '../../compositor-glue/thumbnails.js';
import { SparePointers } from '../../compositor-glue/spare-pointer.js';
import { DEFAULT_VM_SHARE, shareOf } from '../../compositor-glue/vm-account.js';
import { requireVncServer, showPlace, startVncServer, type VncServer } from '../../compositor-glue/vnc-server.js';
import { processCounters } from '../observe/native-counters.js';
import { isoTime } from '../observe/clock-time.js';
import type { StateReport, VmReport } from '../observe/status-report.js';
import { passesByDefault } from '../relay/pass.js';
import { tellServiceManager } from '../system/service-manager.js';
import { processLog } from '../observe/process-log.js';
import { ProtocolError } from '../relay/call.js';
import type { Log } from '../observe/log.js';
import { isNoSuchServer, openDevice, type Device } from '../virtwl/device.js';
import { answerFor, answerThumbnails } from './answers.js';
import { DEVICE_OPTIONS } from './device-options.js';
import { addOptions, BYTES, flag, optional, PATH, TEXT, type Values } from './option.js';
import { TRACE_OPTION, tracing } from './trace-option.js';
import { mistakeIn, VNC_OPTIONS, whoMayLook } from './vnc-options.js';

const OPTIONS = {
  attach: optional('--attach <path>', 'serve on a compositor that runs already, by its Wayland socket', TEXT),
  headless: flag('--headless', 'start it without GPU, seat and screen'),
  ...VNC_OPTIONS,
  policy: optional('--policy <dir>', 'directory of policy files, one per client VM (see docs/policy.md)', PATH),
  vmShare: optional(
    '--vm-share <size>',
    "host memory that each client VM may hold; without it half of the allocator's budget",
    BYTES,
  ),
  thumbnails: flag(
    '--thumbnails',
    'hand out small pictures of the outputs to "virtwl status --web" of this user, while somebody looks at it',
  ),
  ...DEVICE_OPTIONS,
  ...TRACE_OPTION,
} as const;

/** How long the allocator may take to tell its budget, in milliseconds. */
const BUDGET_TIMEOUT_MS = 3000;

type CompositorOptions = Values<typeof OPTIONS>;

export function register(program: Command): void {
  const compositor = program
    .command('compositor')
    .summary('run a wlroots compositor for clients in other VMs')
    .description(
      'Runs COMPOSITOR (sway, cage, labwc or any other that uses wlroots) in this VM, and serves on it the Wayland clients ' +
        'that arrive from other VMs. Their buffers are host memory, from the allocator that the host gives this VM.',
    )
    .argument('[command...]', 'the compositor and its arguments, after --')
    .action(async (command: string[], options: CompositorOptions) => {
      if ((options.attach === undefined) === (command.length === 0)) {
        program.error('error: give either a compositor to start (after --) or --attach PATH', { exitCode: 2 });
      }
      const mistake = mistakeIn(options);
      if (mistake !== undefined) program.error(`error: ${mistake}`, { exitCode: 2 });
      const log = processLog.log('glue');
      const policiesOf = (memory: number): Policies => {
        const base = { ...DEFAULT_POLICY, memory };
        return options.policy === undefined ? Policies.uniform(base) : readPolicies(options.policy, base);
      };
      // What is wrong with them is told before anything is started.
      if (options.vnc !== undefined) requireVncServer();
      passesByDefault();
      let policies = policiesOf(options.vmShare ?? DEFAULT_VM_SHARE);
      const device = openDevice(options);
      if (options.vmShare === undefined) policies = policiesOf(await shareOfBudget(device, log));
      let compositor: Compositor | undefined;
      if (options.attach === undefined) {
        const env = options.headless === true ? HEADLESS : {};
        compositor = await launchCompositor({ command, env, warn: text => log.warning(text) });
      }
      const display = compositor?.display ?? options.attach!;
      const contexts = await SecurityContexts.connect(display).catch(async (error: Error) => {
        await compositor?.stop();
        throw new Error(
          `no compositor answers at ${display}: ${error.message}; is this its Wayland socket, and does it run as a user who ` +
            'lets you connect?',
        );
      });
      const vnc = await serveVnc(options, display).catch(async (error: Error) => {
        contexts?.close();
        await compositor?.stop();
        throw error;
      });
      log.info(
        contexts
          ? 'remote clients come in by security contexts'
          : 'the compositor knows no security contexts: what remote clients see is up to the relay alone',
      );
      const spares = new SparePointers(display);
      await spares.ensure().catch((error: Error) => log.warning(`no spare pointer for the seats: ${error.message}`));
      const liveness = new CompositorLiveness({
        display,
        tell: (silent, ms) => {
          const seconds = `${Math.round(ms / 1000)} s`;
          if (silent) log.warning(`the compositor has not answered for ${seconds}: it hangs, or is stopped`);
          else log.info('the compositor answers again');
        },
      });
      const glue = new Glue({ device, display, policies, contexts, spares, liveness, trace: tracing(options.trace) });
      glue.on('denied', (vm, { setting, policy, text }) =>
        log.causedBy(vm).warning(`denied by "${setting}"${policy === undefined ? '' : ` (${policy})`}: ${text}`),
      );
      glue.on('arrived', (vm, client) => log.causedBy(vm, client).info('a client arrived'));
      glue.on('refused', (vm, reason, client) =>
        log.causedBy(vm, client).warning(`the client is short of memory: ${reason}`),
      );
      glue.on('left', (vm, reason, client) => {
        const from = log.causedBy(vm, client);
        if (reason === undefined) from.info('the client left');
        else if (reason instanceof ProtocolError && reason.foundBy === 'compositor')
          from.warning(`the client left: the compositor refused what it asked: ${reason.message}`);
        else from.warning(`the client left: ${reason.message}`);
      });
      const broker = new BrokerLink(device);
      const thumbnails = options.thumbnails === true ? new Thumbnails(display) : undefined;
      const shows = thumbnails && { thumbnails: true };
      if (thumbnails !== undefined) answerThumbnails('compositor', () => thumbnails.ask());
      answerFor(
        'compositor',
        processCounters().provide(() => ({
          clients: glue.clientCount,
          slabs: glue.slabsByVm(),
          bytes: glue.bytesByVm(),
          clientFrames: glue.framesByVm(),
          denied: glue.denialsByVm(),
        })),
        () => {
          liveness.ask();
          const state = stateOf(glue, liveness, broker);
          return { state, clientVms: glue.report().map(vm => ({ ...vm, state: vmState(vm, state) })), ...shows };
        },
      );
      broker.on('client', (vm, link) => glue.serve(vm, link));
      // The first attempt tells at once whether the host has a way to the broker for this VM; one that it had may come back.
      let noWay: Error | undefined;
      let attempted = false;
      broker.on('down', reason => {
        if (!attempted && isNoSuchServer(reason)) noWay = reason;
        else log.warning(`the broker is not there: ${reason.message}`);
      });
      broker.on('up', () => log.info('clients can come'));
      const taken = new Promise<Error>(resolve => broker.on('taken', resolve));
      broker.start();
      attempted = true;
      const shutDown = async (): Promise<void> => {
        tellServiceManager('STOPPING=1');
        broker.close();
        glue.close();
        liveness.close();
        thumbnails?.close();
        spares.close();
        contexts?.close();
        await vnc?.stop();
        await compositor?.stop();
        device.close();
      };
      if (noWay !== undefined) {
        await shutDown();
        throw new Error(
          `no clients can come: ${noWay.message}; ${device.path} has to be that of the VM whose "virtwl host" has --compositor`,
        );
      }
      process.stdout.write(`WAYLAND_DISPLAY=${display}\n`);
      tellServiceManager('READY=1', `STATUS=serving clients of other VMs on ${display}`);
      const signalled = new Promise<undefined>(resolve => {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(undefined));
      });
      const status = await Promise.race([signalled, taken, ...(compositor === undefined ? [] : [compositor.ended])]);
      if (status instanceof Error) log.error(status.message);
      else if (status !== undefined) {
        log.write(status === 0 ? 'info' : 'error', `${command[0]} ended with status ${status}`);
      }
      await shutDown();
      process.exitCode = status instanceof Error ? 1 : (status ?? 0);
      // Channels that drain for a moment must not keep us.
      setTimeout(() => process.exit(), 1_500).unref();
    });
  addOptions(compositor, OPTIONS);
}

/** Shows the compositor's picture by VNC, where that is asked for. Its end costs nothing else. */
async function serveVnc(options: CompositorOptions, display: string): Promise<VncServer | undefined> {
  const { vnc: place, vncConfig: config, vncViewOnly: viewOnly } = options;
  if (place === undefined) return undefined;
  const log = processLog.log('vnc');
  const server = await startVncServer({ place, display, config, viewOnly, log });
  const { text, open } = whoMayLook({ ...options, vnc: place });
  log.write(open ? 'warning' : 'info', `the picture is at ${showPlace(place)}, ${text}`);
  let stopping = false;
  void server.ended.then(status => {
    if (!stopping) log.warning(`wayvnc ended with status ${status}: the picture is no longer at ${showPlace(place)}`);
  });
  return {
    ended: server.ended,
    stop: () => {
      stopping = true;
      return server.stop();
    },
  };
}

/** What this process waits for, if it does. */
function stateOf(glue: Glue, liveness: CompositorLiveness, broker: BrokerLink): StateReport {
  const { silentSince } = liveness;
  if (silentSince !== undefined) {
    const text = 'the compositor has not answered: it hangs, or is stopped';
    return { is: 'waiting', for: 'answer', since: isoTime(silentSince), text };
  }
  const { downSince } = broker;
  if (downSince !== undefined) {
    const text = 'new clients cannot come: the broker on the host does not answer; start "virtwl broker"';
    return { is: 'waiting', for: 'broker', since: isoTime(downSince), text };
  }
  return { is: glue.clientCount === 0 ? 'idle' : 'served' };
}

/** Whose clients have what they need waits for the compositor all the same. */
function vmState({ state }: VmReport, all: StateReport): StateReport {
  return state.is === 'served' && all.for === 'answer' ? all : state;
}

/** What each client VM may have, in bytes, where the operator does not say. */
async function shareOfBudget(device: Device, log: Log): Promise<number> {
  let budget: number | undefined;
  try {
    const allocator = new AllocatorClient(device.connect('allocator'), { replyTimeoutMs: BUDGET_TIMEOUT_MS });
    budget = await allocator.budget().finally(() => allocator.close());
  } catch (error) {
    log.warning(`the allocator does not answer: ${(error as Error).message}`);
  }
  const share = shareOf(budget);
  const why = budget === undefined ? 'the allocator tells no budget' : `half of the budget of ${budget}`;
  log.info(`each client VM may have ${share} bytes of host memory, where its policy says nothing else: ${why}`);
  return share;
}

/** @throws Error that says what is wrong with the directory, or with a file in it */
function readPolicies(directory: string, base: VmPolicy): Policies {
  try {
    return Policies.read(directory, base);
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const why =
      path !== directory
        ? message
        : code === 'ENOENT'
          ? 'there is no such directory: make it, or leave --policy out for the default policy'
          : code === 'ENOTDIR'
            ? 'it is a file: --policy takes the directory that it is in'
            : message;
    throw new Error(`the policies in ${directory} cannot be read: ${why}`, { cause: error });
  }
}
