/**
 * `virtwl host`: the host process of one VM.
 *
 * A real VM's VMM connects to the socket named by `--socket PATH`, a machine without VMs to the sockets in a directory
 * (`--loopback`). The wl device reaches the servers through such a directory too; where none is asked for, it is made beside
 * the socket.
 */
import { realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { closeAll, OwnedFd } from '../system/fd.js';
import { brokeredNames, BrokeredServers } from '../broker/brokered-servers.js';
import { ALLOCATOR, PROBE, VmHost } from '../host/host.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { BoundSocket } from '../system/private-listener.js';
import { DEFAULT_WL_LIMITS, type WlLimits } from '../host/wl-device/limits.js';
import { crosvmServerArguments, shellWords, wlDeviceArguments, type Vmm } from '../host/wl-device/vmm-arguments.js';
import type { Counters } from '../observe/counters.js';
import { processCounters } from '../observe/native-counters.js';
import { processLog } from '../observe/process-log.js';
import { inheritedFd, isConfined } from '../sandbox/confinement.js';
import type { StateReport } from '../observe/status-report.js';
import { answerFor } from './answers.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { say } from './failure.js';
import { OPTIONS, type HostOptions } from './host-options.js';
import { addOptions } from './option.js';
import { tellReady } from './readiness.js';
import { untilSignal } from './until-signal.js';

export function register(program: Command): void {
  const host = program
    .command('host')
    .summary("offer one VM the host's servers (on the host)")
    .description(
      'Runs the host process of one VM. It offers that VM the servers that the flags turn on, and nothing else. ' +
        'With --socket PATH it is the wl device of a VM: the VMM connects there by vhost-user, and --print VMM tells how. ' +
        'With --loopback they are Unix sockets in a directory, for "virtwl" without a VM (VIRTWL_LOOPBACK=DIR) and for ' +
        'crosvm (--wayland-sock DIR/NAME,name=NAME). It prints "ready" when they can be connected to.',
    )
    .action(async ({ sandbox, ...options }: HostOptions & { sandbox: SandboxChoice }, command: Command) => {
      if ((options.compositor ?? options.wayland) !== undefined && options.broker === undefined) {
        command.error('error: --compositor and --wayland need --broker DIR, where "virtwl broker" runs', {
          exitCode: 2,
        });
      }
      if (options.loopback === undefined && options.socket?.device === undefined) {
        command.error('error: nobody could connect: give --socket PATH for a VM, or --loopback DIR without one', {
          exitCode: 2,
        });
      }
      if (options.defaultServer !== undefined && options.socket?.device === undefined) {
        command.error(
          "error: --default-server is for guests that ask the wl device for a server without a name: give the device's socket " +
            'as well, by --socket PATH. In the directory of --loopback each server has its name',
          { exitCode: 2 },
        );
      }
      // Nothing would ever be in that directory. A VM that has a wl device boots without a server, and is only warned.
      if (options.socket?.device === undefined && serversOf(options).length === 0) {
        command.error(`error: the directory of --loopback would stay empty: ${NO_SERVER}`, { exitCode: 2 });
      }
      if (options.print !== undefined) return printArguments(options.print, options);
      if (!(await ranConfined(sandbox, () => confinedHost(options)))) await serve(options);
    });
  addSandboxOption(addOptions(host, OPTIONS));
}

/** What is said where no option turns a server on, with those that do. */
const NO_SERVER =
  'no server is turned on for this VM, so it reaches nothing: give --wayland to an application VM, --allocator BUDGET and ' +
  '--compositor to the compositor VM, --probe for "virtwl probe", or --socket NAME=PATH';

/** Serves until a signal comes. */
export async function serve(options: HostOptions): Promise<void> {
  const inherited = inheritedFd(DEVICE_FD);
  const device = options.socket?.device;
  const bound = device !== undefined && inherited === undefined ? bindDevice(device) : undefined;
  const socket = inherited === undefined ? bound?.socket : new OwnedFd(inherited);
  const log = processLog.log('host');
  const another = new AnotherProcess();
  try {
    const host = new VmHost({
      vm: options.vm,
      loopback: directoryOf(options),
      allocator:
        options.allocator === undefined
          ? undefined
          : {
              bytes: options.allocator,
              requestLimit: options.allocatorRequest,
              requestsPerSecond: options.allocatorRate,
            },
      compositor: options.compositor,
      wayland: options.wayland,
      probe: options.probe,
      broker: options.broker,
      brokeredElsewhere: isConfined(),
      sockets: new Map(Object.entries(options.socket?.servers ?? {})),
      wlDevice:
        socket === undefined ? undefined : { socket, limits: limitsOf(options), defaultServer: options.defaultServer },
      log,
      taken: another.found,
    });
    if (serversOf(options).length === 0) {
      log.about(options.vm).warning(NO_SERVER);
    }
    answerFor('host', countersOf(host), () => ({ vm: options.vm, state: stateOf(host) }));
    serveLockedDown();
    // The program that reads "ready" may end us the next moment.
    const ended = untilSignal(another.known);
    tellReady(device ?? directoryOf(options));
    await ended;
    host.close();
    if (another.why !== undefined) throw new Error(another.why);
  } finally {
    bound?.remove();
  }
}

function stateOf({ wlDevice }: VmHost): StateReport {
  if (wlDevice === undefined || wlDevice.connected) return { is: 'served' };
  return { is: 'waiting', for: 'vmm', text: 'no VMM is connected to the wl device: start the VM' };
}

function countersOf(host: VmHost): Counters {
  return processCounters()
    .provideBelow('allocator', () => host.allocator?.counts)
    .provideBelow('device', () => host.wlDevice && { connected: host.wlDevice.connected, ...host.wlDevice.counts });
}

/** Another process that speaks for this VM at the broker, should there be one. */
class AnotherProcess {
  why: string | undefined;
  readonly found: (why: string) => void;
  /** Resolves when it is found. */
  readonly known: Promise<void>;

  constructor() {
    let resolve!: () => void;
    this.known = new Promise(done => (resolve = done));
    this.found = why => {
      this.why = why;
      resolve();
    };
  }
}

/** The descriptor that a confined host process inherits: the socket for the VMM, whose directory it does not have. */
const DEVICE_FD = 'device';

/** Front-ends that may wait to be accepted; there is one. */
const DEVICE_BACKLOG = 4;

/** The directory of the servers' sockets: the one asked for, else one beside the socket of the VMM. */
function directoryOf(options: Pick<HostOptions, 'loopback' | 'socket'>): string {
  return options.loopback ?? `${options.socket?.device}.servers`;
}

/** Names of the servers that are turned on. */
function serversOf(options: HostOptions): string[] {
  return [
    ...(options.allocator === undefined ? [] : [ALLOCATOR]),
    ...brokeredNames(options),
    ...(options.probe ? [PROBE] : []),
    ...Object.keys(options.socket?.servers ?? {}),
  ];
}

function limitsOf(options: HostOptions): WlLimits {
  return {
    vfds: options.maxVfds,
    connections: options.maxConnections,
    pipes: options.maxPipes,
    mappings: options.maxMappings,
    allocBytes: options.guestMemory,
    // The compositor VM has the whole budget, and its budget is a bound.
    receivedBytes:
      options.maxReceived ?? (options.allocator === undefined ? DEFAULT_WL_LIMITS.receivedBytes : Infinity),
    queuedBytes: options.maxQueued,
  };
}

function bindDevice(path: string): BoundSocket {
  return new BoundSocket(path, 'another host process', DEVICE_BACKLOG);
}

function printArguments(vmm: Vmm, options: HostOptions): void {
  const device = options.socket?.device;
  if (device === undefined && vmm !== 'crosvm') throw new Error(`${vmm} needs a wl device of ours: give --socket PATH`);
  const { args, note } =
    device === undefined
      ? crosvmServerArguments(directoryOf(options), serversOf(options))
      : wlDeviceArguments(vmm, device);
  process.stdout.write(`${shellWords(args)}\n`);
  say('info', note);
}

/**
 * The same host process as it runs confined: with its own directory and the memory it may hand out. It has nothing of the
 * broker's: what the broker is to know of this VM it is told from here, so that a confined process that was taken over
 * cannot tell it anything else.
 */
export function confinedHost(options: HostOptions): ConfinedRun {
  const loopback = directoryOf(options);
  const { vm, broker } = options;
  const { device, servers: others } = options.socket ?? { servers: {} };
  if (broker !== undefined) keepApart(broker, loopback);
  const fds: Record<string, OwnedFd> = {};
  const undo: (() => void)[] = [];
  const made = makePrivateDirectory(loopback);
  if (made) undo.push(() => removeIfEmpty(loopback));
  const cleanUp = (): void => {
    for (const each of undo.splice(0).reverse()) each();
  };
  try {
    if (device !== undefined) {
      const bound = bindDevice(device);
      fds[DEVICE_FD] = bound.socket;
      undo.push(() => bound.remove());
    }
    // In loopback it is the guest that connects to them, by a link; the device is confined with the rest.
    const readable =
      device === undefined ? [] : Object.entries(others).map(([name, path]) => existingSocket(name, path));
    // Last: from here on the broker may send clients.
    const { compositor, wayland } = options;
    const log = processLog.log('host').about(vm);
    const another = new AnotherProcess();
    const taken = another.found;
    const brokered = new BrokeredServers({ vm, directory: loopback, compositor, wayland, broker, log, taken });
    undo.push(() => brokered.close());
    return {
      name: `host process of VM "${vm}"`,
      subcommand: 'host',
      options: { ...options, loopback },
      writable: [loopback],
      readable,
      fds,
      cleanUp,
      ends: another.known.then(() => another.why!),
    };
  } catch (error) {
    closeAll(Object.values(fds));
    cleanUp();
    throw error;
  }
}

/** A broker's directory inside of the VM's would be bound into the confined process with it, and may not be. */
function keepApart(broker: string, directory: string): void {
  const inside = (path: string, of: string): boolean => path === of || path.startsWith(`${of}/`);
  if (!inside(broker, directory) && !inside(realPath(broker), realPath(directory))) return;
  throw new Error(
    `the broker's directory ${broker} lies in ${directory}, which the confined process of this VM gets: it could register as ` +
      'any VM there; choose another directory for one of them',
  );
}

/** The path without symbolic links, as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(realPath(dirname(path)), basename(path));
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Another program put files there meanwhile: they are not ours to remove.
  }
}

/** The path of a server's socket, which must be there: it is this very socket that the confined process gets. */
function existingSocket(name: string, path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket()) return path;
  throw new Error(`there is no socket ${path} for the server "${name}": start what listens there first`);
}
