/**
 * `virtwl host`: the host process of one VM.
 *
 * A real VM's VMM connects to the socket named by `--socket PATH` or `--gpu-socket PATH`, a machine without VMs to the
 * sockets in a directory (`--loopback`). The devices reach the servers through such a directory too; where none is asked
 * for, it is made beside the socket.
 */
import { realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { closeAll, OwnedFd } from '../system/fd.js';
import { brokeredNames, BrokeredServers } from '../broker/brokered-servers.js';
import { ALLOCATOR, PROBE, VmHost } from '../host/host.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { BoundSocket } from '../system/private-listener.js';
import { DEFAULT_GUEST_LIMITS, type GuestLimits } from '../host/guest/limits.js';
import {
  crosvmServerArguments,
  deviceArguments,
  shellWords,
  type DeviceKind,
  type Vmm,
  type VmmArguments,
} from '../host/guest/vmm-arguments.js';
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
        'With --socket PATH it is the wl device of a VM, with --gpu-socket PATH a gpu device: the VMM connects there by ' +
        'vhost-user, and --print VMM tells how. ' +
        'With --loopback they are Unix sockets in a directory, for "virtwl" without a VM (VIRTWL_LOOPBACK=DIR) and for ' +
        'crosvm (--wayland-sock DIR/NAME,name=NAME). It prints "ready" when they can be connected to.',
    )
    .action(async ({ sandbox, ...options }: HostOptions & { sandbox: SandboxChoice }, command: Command) => {
      if ((options.compositor ?? options.wayland) !== undefined && options.broker === undefined) {
        command.error('error: --compositor and --wayland need --broker DIR, where "virtwl broker" runs', {
          exitCode: 2,
        });
      }
      const hasDevice = devicesOf(options).length > 0;
      if (options.loopback === undefined && !hasDevice) {
        command.error(
          'error: nobody could connect: give --socket PATH or --gpu-socket PATH for a VM, or --loopback DIR without one',
          { exitCode: 2 },
        );
      }
      if (options.defaultServer !== undefined && !hasDevice) {
        command.error(
          'error: --default-server is for guests that ask a device for a server without a name: give its socket as well, by ' +
            '--socket PATH or --gpu-socket PATH. In the directory of --loopback each server has its name',
          { exitCode: 2 },
        );
      }
      // Nothing would ever be in that directory. A VM that has a device boots without a server, and is only warned.
      if (!hasDevice && serversOf(options).length === 0) {
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
  const devices = devicesOf(options);
  const { sockets: deviceSockets, remove } = deviceSocketsOf(devices);
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
      devices:
        devices.length === 0
          ? undefined
          : { sockets: deviceSockets, limits: limitsOf(options), defaultServer: options.defaultServer },
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
    tellReady(devices[0]?.path ?? directoryOf(options));
    await ended;
    host.close();
    if (another.why !== undefined) throw new Error(another.why);
  } finally {
    remove();
  }
}

/** A device of the VM: its kind, and where the VMM connects. */
interface Device {
  readonly kind: DeviceKind;
  readonly path: string;
}

/** The devices that were asked for. */
function devicesOf({ socket, gpuSocket }: Pick<HostOptions, 'socket' | 'gpuSocket'>): Device[] {
  return [
    ...(socket?.device === undefined ? [] : [{ kind: 'wl' as const, path: socket.device }]),
    ...(gpuSocket === undefined ? [] : [{ kind: 'gpu' as const, path: gpuSocket }]),
  ];
}

/** Their listening sockets: those that this process inherits where it is confined, else new ones, until `remove`. */
function deviceSocketsOf(devices: readonly Device[]): {
  sockets: Partial<Record<DeviceKind, OwnedFd>>;
  remove: () => void;
} {
  const sockets: Partial<Record<DeviceKind, OwnedFd>> = {};
  const bound: BoundSocket[] = [];
  const remove = (): void => bound.forEach(each => each.remove());
  try {
    for (const { kind, path } of devices) {
      const inherited = inheritedFd(DEVICE_FDS[kind]);
      if (inherited === undefined) bound.push(bindDevice(path));
      sockets[kind] = inherited === undefined ? bound.at(-1)!.socket : new OwnedFd(inherited);
    }
    return { sockets, remove };
  } catch (error) {
    closeAll(Object.values(sockets));
    remove();
    throw error;
  }
}

function stateOf({ wlDevice, gpuDevice }: VmHost): StateReport {
  const devices = [wlDevice, gpuDevice].filter(device => device !== undefined);
  if (devices.length === 0 || devices.some(({ connected }) => connected)) return { is: 'served' };
  const which = wlDevice === undefined ? 'gpu' : 'wl';
  return { is: 'waiting', for: 'vmm', text: `no VMM is connected to the ${which} device: start the VM` };
}

function countersOf(host: VmHost): Counters {
  return processCounters()
    .provideBelow('allocator', () => host.allocator?.counts)
    .provideBelow('device', () => {
      const { wlDevice: device } = host;
      return device && { connected: device.connected, ...device.notifications, ...device.counts };
    })
    .provideBelow('gpu', () => {
      const { gpuDevice: device } = host;
      return device && { connected: device.connected, ...device.notifications, ...device.counts };
    });
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

/** Descriptors that a confined host process inherits: the sockets for the VMM, whose directories it does not have. */
const DEVICE_FDS: Readonly<Record<DeviceKind, string>> = { wl: 'device', gpu: 'gpu' };

/** Front-ends that may wait to be accepted; there is one. */
const DEVICE_BACKLOG = 4;

/** The directory of the servers' sockets: the one asked for, else one beside the socket of the VMM. */
function directoryOf(options: Pick<HostOptions, 'loopback' | 'socket' | 'gpuSocket'>): string {
  return options.loopback ?? `${devicesOf(options)[0]?.path}.servers`;
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

function limitsOf(options: HostOptions): GuestLimits {
  return {
    vfds: options.maxVfds,
    connections: options.maxConnections,
    pipes: options.maxPipes,
    mappings: options.maxMappings,
    allocBytes: options.guestMemory,
    // The compositor VM has the whole budget, and its budget is a bound.
    receivedBytes:
      options.maxReceived ?? (options.allocator === undefined ? DEFAULT_GUEST_LIMITS.receivedBytes : Infinity),
    queuedBytes: options.maxQueued,
  };
}

function bindDevice(path: string): BoundSocket {
  return new BoundSocket(path, 'another host process', DEVICE_BACKLOG);
}

function printArguments(vmm: Vmm, options: HostOptions): void {
  const devices = devicesOf(options);
  if (devices.length === 0 && vmm !== 'crosvm') {
    throw new Error(`${vmm} needs a device of ours: give --socket PATH or --gpu-socket PATH`);
  }
  const printed: VmmArguments[] =
    devices.length === 0
      ? [crosvmServerArguments(directoryOf(options), serversOf(options))]
      : devices.map(({ kind, path }) => deviceArguments(vmm, kind, path));
  process.stdout.write(`${shellWords(printed.flatMap(({ args }) => args))}\n`);
  say('info', printed[0]!.note);
}

/**
 * The same host process as it runs confined: with its own directory and the memory it may hand out. It has nothing of the
 * broker's: what the broker is to know of this VM it is told from here, so that a confined process that was taken over
 * cannot tell it anything else.
 */
export function confinedHost(options: HostOptions): ConfinedRun {
  const loopback = directoryOf(options);
  const { vm, broker } = options;
  const devices = devicesOf(options);
  const others = options.socket?.servers ?? {};
  if (broker !== undefined) keepApart(broker, loopback);
  const fds: Record<string, OwnedFd> = {};
  const undo: (() => void)[] = [];
  const made = makePrivateDirectory(loopback);
  if (made) undo.push(() => removeIfEmpty(loopback));
  const cleanUp = (): void => {
    for (const each of undo.splice(0).reverse()) each();
  };
  try {
    for (const { kind, path } of devices) {
      const bound = bindDevice(path);
      fds[DEVICE_FDS[kind]] = bound.socket;
      undo.push(() => bound.remove());
    }
    // In loopback it is the guest that connects to them, by a link; the device is confined with the rest.
    const readable =
      devices.length === 0 ? [] : Object.entries(others).map(([name, path]) => existingSocket(name, path));
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
