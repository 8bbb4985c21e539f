/**
 * `virtwl host`: the host process of one VM.
 *
 * A real VM's VMM connects to the socket named by `--socket PATH`, a machine without VMs to the sockets in a directory
 * (`--loopback`). The wl device reaches the servers through such a directory too; where none is asked for, it is made beside
 * the socket.
 */
import { realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_REQUESTS_PER_SECOND } from '../allocator/request-rate.js';
import { DEFAULT_REQUEST_LIMIT, privateTmpfs, roundUpToPages } from '../allocator/budget.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import { checkVmName } from '../broker/protocol.js';
import { BrokeredServers, COMPOSITOR, WAYLAND } from '../broker/brokered-servers.js';
import { ALLOCATOR, PROBE, VmHost } from '../host/host.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { BoundSocket } from '../system/private-listener.js';
import { DEFAULT_WL_LIMITS, MAX_MAPPINGS, type WlLimits } from '../host/wl-device/limits.js';
import {
  crosvmServerArguments,
  shellWords,
  VMMS,
  wlDeviceArguments,
  type Vmm,
} from '../host/wl-device/vmm-arguments.js';
import { LogLimit } from '../observe/log-limit.js';
import { inheritedFd, isConfined } from '../sandbox/confinement.js';
import { parseBytes } from './bytes.js';
import { parseCount } from './count.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { answerStatus } from '../observe/status.js';
import { untilSignal } from './until-signal.js';

interface Options {
  vm: string;
  loopback?: string;
  allocator?: number;
  allocatorRequest: number;
  allocatorRate: number;
  compositor?: true | 'handover' | 'relay';
  wayland?: true;
  probe?: true;
  broker?: string;
  socket: Sockets;
  guestMemory: number;
  maxVfds: number;
  maxConnections: number;
  maxPipes: number;
  maxMappings: number;
  maxQueued: number;
  maxReceived?: number;
  print?: Vmm;
  sandbox: SandboxChoice;
}

/** What `--socket` names: where the VMM connects, and further servers. */
interface Sockets {
  readonly device?: string;
  readonly servers: ReadonlyMap<string, string>;
}

export function register(program: Command): void {
  const host = program
    .command('host')
    .summary("offer one VM the host's servers (on the host)")
    .description(
      'Runs the host process of one VM. It offers that VM the servers that the flags turn on, and nothing else.\n' +
        'With --socket PATH it is the wl device of a VM: the VMM connects there by vhost-user, and --print VMM tells how.\n' +
        'With --loopback they are Unix sockets in a directory, for "virtwl" without a VM (VIRTWL_LOOPBACK=DIR) and for\n' +
        'crosvm (--wayland-sock DIR/NAME,name=NAME). It prints "ready" when they can be connected to.',
    )
    .requiredOption('--vm <name>', 'name of the VM, as it shows in logs')
    .option('--loopback <dir>', 'directory for the sockets, made when it is not there')
    .option(
      '--allocator <budget>',
      'serve memory, in all at most this much (512M, 2G); for the compositor VM',
      parseBytes,
    )
    .option('--allocator-request <size>', 'most memory in one request', parseBytes, DEFAULT_REQUEST_LIMIT)
    .option('--allocator-rate <n>', 'requests answered a second; more wait', parseCount, DEFAULT_REQUESTS_PER_SECOND)
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
    .option('--broker <dir>', 'directory of the broker; needed with --compositor and --wayland')
    .option(
      '--socket <path|name=path>',
      "PATH: where the VM's VMM connects. NAME=PATH: another server, whose connections go to the host's socket at PATH; repeatable",
      collect,
      { servers: new Map() },
    )
    .addOption(new Option('--print <vmm>', "print the VMM's arguments for this VM, and end").choices(VMMS))
    .option(
      '--guest-memory <size>',
      'most memory that the guest may make itself',
      parseBytes,
      DEFAULT_WL_LIMITS.allocBytes,
    )
    .option(
      '--max-received <size>',
      `most memory of servers that the guest may have open (default: ${DEFAULT_WL_LIMITS.receivedBytes / 2 ** 20}M; with --allocator no bound but its own)`,
      parseBytes,
    )
    .option('--max-vfds <n>', 'most vfds of the guest', parseCount, DEFAULT_WL_LIMITS.vfds)
    .option('--max-connections <n>', 'most connections of the guest', parseCount, DEFAULT_WL_LIMITS.connections)
    .option('--max-pipes <n>', 'most pipes of the guest', parseCount, DEFAULT_WL_LIMITS.pipes)
    .option(
      '--max-mappings <n>',
      `most pieces of memory mapped into the guest, ${MAX_MAPPINGS} at most`,
      parseMappings,
      DEFAULT_WL_LIMITS.mappings,
    )
    .option(
      '--max-queued <size>',
      'most bytes that wait for the guest to read',
      parseBytes,
      DEFAULT_WL_LIMITS.queuedBytes,
    )
    .action(async (options: Options, command: Command) => {
      if ((options.compositor || options.wayland) && options.broker === undefined) {
        command.error('error: --compositor and --wayland need --broker DIR, where "virtwl broker" runs', {
          exitCode: 2,
        });
      }
      if (options.loopback === undefined && options.socket.device === undefined) {
        command.error('error: nobody could connect: give --socket PATH for a VM, or --loopback DIR without one', {
          exitCode: 2,
        });
      }
      if (options.print !== undefined) return printArguments(options.print, options);
      if (await ranConfined(options.sandbox, () => confinedHost(options))) return;
      await serve(options);
    });
  addSandboxOption(host);
}

/** Serves until a signal comes. */
async function serve(options: Options): Promise<void> {
  const directory = inheritedFd(BUDGET_FD);
  const memory = inheritedFd(MEMORY_FD);
  const inherited = inheritedFd(DEVICE_FD);
  const { device } = options.socket;
  const bound = device !== undefined && inherited === undefined ? bindDevice(device) : undefined;
  const socket = inherited === undefined ? bound?.socket : new OwnedFd(inherited);
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
              directory: directory === undefined ? undefined : new OwnedFd(directory),
            },
      compositor: modeOf(options),
      wayland: options.wayland,
      probe: options.probe,
      broker: options.broker,
      brokeredElsewhere: isConfined(),
      sockets: options.socket.servers,
      wlDevice:
        socket === undefined
          ? undefined
          : { socket, limits: limitsOf(options), memory: memory === undefined ? undefined : new OwnedFd(memory) },
      log: line => process.stderr.write(`${line}\n`),
    });
    answerStatus(() => {
      const budget = host.allocator?.budget;
      return {
        vm: options.vm,
        ...(budget && { allocator: { budget: budget.bytes, used: budget.used, pieces: budget.pieces } }),
        ...(host.wlDevice && { device: { connected: host.wlDevice.connected, ...host.wlDevice.counts } }),
      };
    });
    serveLockedDown();
    // Whoever is told that it serves may end it the next moment.
    const ended = untilSignal();
    process.stdout.write(`ready: ${device ?? options.loopback}\n`);
    await ended;
    host.close();
  } finally {
    bound?.remove();
  }
}

/**
 * Descriptors of a confined host process: the tmpfs of the allocator and the one of the guest's own memory, which it may
 * not mount itself, and the socket for the VMM, whose directory it does not have.
 */
const BUDGET_FD = 'budget';
const MEMORY_FD = 'memory';
const DEVICE_FD = 'device';

/** Front-ends that may wait to be accepted; there is one. */
const DEVICE_BACKLOG = 4;

/** The directory of the servers' sockets: the one asked for, else one beside the socket of the VMM. */
function directoryOf(options: Pick<Options, 'loopback' | 'socket'>): string {
  return resolve(options.loopback ?? `${options.socket.device}.servers`);
}

function limitsOf(options: Options): WlLimits {
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

function modeOf({ compositor }: Pick<Options, 'compositor'>): 'handover' | 'relay' | undefined {
  return compositor === true ? 'handover' : compositor;
}

function printArguments(vmm: Vmm, options: Options): void {
  const { device, servers } = options.socket;
  const turnedOn = [
    ...(options.allocator === undefined ? [] : [ALLOCATOR]),
    ...(options.compositor === undefined ? [] : [COMPOSITOR]),
    ...(options.wayland ? [WAYLAND] : []),
    ...(options.probe ? [PROBE] : []),
    ...servers.keys(),
  ];
  if (device === undefined && vmm !== 'crosvm') throw new Error(`${vmm} needs a wl device of ours: give --socket PATH`);
  const { args, note } =
    device === undefined
      ? crosvmServerArguments(directoryOf(options), turnedOn)
      : wlDeviceArguments(vmm, resolve(device));
  process.stdout.write(`${shellWords(args)}\n`);
  process.stderr.write(`virtwl: ${note}\n`);
}

/**
 * The same host process as it runs confined: with its own directory and the memory it may hand out. It has nothing of the
 * broker's: what the broker is to know of this VM it is told from here, so that a confined process that was taken over
 * cannot tell it anything else.
 */
export function confinedHost(options: Options): ConfinedRun {
  checkVmName(options.vm);
  const loopback = directoryOf(options);
  const { device, servers: others } = options.socket;
  const broker = options.broker === undefined ? undefined : resolve(options.broker);
  if (broker !== undefined) keepApart(broker, loopback);
  const servers = [
    ...(options.allocator === undefined ? [] : [`--allocator=${options.allocator}`]),
    ...['--allocator-request', String(options.allocatorRequest), '--allocator-rate', String(options.allocatorRate)],
    ...(options.compositor === undefined ? [] : [`--compositor=${modeOf(options)}`]),
    ...(options.wayland ? ['--wayland'] : []),
    ...(options.probe ? ['--probe'] : []),
    ...(broker === undefined ? [] : ['--broker', broker]),
    ...[...others].flatMap(([name, path]) => ['--socket', `${name}=${resolve(path)}`]),
    ...(device === undefined ? [] : ['--socket', resolve(device)]),
    ...['--guest-memory', String(options.guestMemory), '--max-vfds', String(options.maxVfds)],
    ...['--max-connections', String(options.maxConnections), '--max-pipes', String(options.maxPipes)],
    ...['--max-mappings', String(options.maxMappings), '--max-queued', String(options.maxQueued)],
    ...(options.maxReceived === undefined ? [] : ['--max-received', String(options.maxReceived)]),
  ];
  const fds: Record<string, OwnedFd> = {};
  const undo: (() => void)[] = [];
  const made = makePrivateDirectory(loopback);
  if (made) undo.push(() => removeIfEmpty(loopback));
  const cleanUp = (): void => {
    for (const each of undo.splice(0).reverse()) each();
  };
  try {
    if (options.allocator !== undefined) fds[BUDGET_FD] = privateTmpfs(roundUpToPages(options.allocator));
    if (device !== undefined) {
      fds[MEMORY_FD] = privateTmpfs(roundUpToPages(options.guestMemory));
      const bound = bindDevice(device);
      fds[DEVICE_FD] = bound.socket;
      undo.push(() => bound.remove());
    }
    // In loopback it is the guest that connects to them, by a link; the device is confined with the rest.
    const readable = device === undefined ? [] : [...others].map(([name, path]) => existingSocket(name, path));
    // Last: from here on the broker may send clients.
    const limit = new LogLimit(line => process.stderr.write(`host: ${line}\n`));
    const brokered = new BrokeredServers({
      ...{ vm: options.vm, directory: loopback, compositor: modeOf(options), wayland: options.wayland, broker },
      log: line => limit.line(options.vm, `VM "${options.vm}": ${line}`),
    });
    undo.push(() => brokered.close());
    return {
      name: `host process of VM "${options.vm}"`,
      args: ['host', '--vm', options.vm, '--loopback', loopback, ...servers],
      writable: [loopback],
      readable,
      fds,
      cleanUp,
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
    // Somebody put files there meanwhile: they are theirs.
  }
}

/** The absolute path of a server's socket, which must be there: it is this very socket that the confined process gets. */
function existingSocket(name: string, path: string): string {
  const absolute = resolve(path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isSocket()) return absolute;
  throw new Error(`there is no socket ${absolute} for the server "${name}": start what listens there first`);
}

/** A name of a server has no slash, so a path may have an equals sign behind one. */
function collect(text: string, sockets: Sockets): Sockets {
  const [, name, path] = /^([^=/]+)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && path !== undefined)
    return { ...sockets, servers: new Map([...sockets.servers, [name, path]]) };
  if (text === '' || /^[^/]*=/.test(text)) throw new InvalidArgumentError('give PATH, or NAME=PATH.');
  if (sockets.device !== undefined)
    throw new InvalidArgumentError(`${sockets.device} was given already; another server is NAME=PATH.`);
  return { ...sockets, device: text };
}

function parseMappings(text: string): number {
  const count = parseCount(text);
  if (count <= MAX_MAPPINGS) return count;
  throw new InvalidArgumentError(`QEMU has room for ${MAX_MAPPINGS}.`);
}
