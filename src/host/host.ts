/**
 * The host process of one VM: offers that VM the servers that were turned on, and nothing else.
 *
 * In loopback the servers are Unix sockets in a directory, which is also what unmodified crosvm wants
 * (`--wayland-sock PATH,name=NAME`). The allocator and the probe are served here; `compositor` and `wayland` are the
 * broker's to serve (`brokered-servers.ts`); any other name leads to a socket of the host's by a symbolic link, so that
 * the VM's connections are plain connect(2) calls.
 *
 * With a real VM, this process is its device as well (`wl-device/`, `gpu-device/`, or both), which connects to the same
 * sockets by name: a server does not know which of them its client is.
 */
import { lstatSync, readlinkSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BudgetOptions } from '../allocator/budget.js';
import { ALLOCATOR_SOCKET, AllocatorServer, type AllocatorServerOptions } from '../allocator/server.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import type { Level } from '../observe/level.js';
import { SILENT, type Log } from '../observe/log.js';
import { checkName } from '../virtwl/limits.js';
import type { UnixListener } from '../system/unix-listener.js';
import { brokeredNames, BrokeredServers, COMPOSITOR, WAYLAND, WAYLAND_STATUS } from '../broker/brokered-servers.js';
import { checkVmName } from '../broker/protocol.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { listenPrivately, removeStale } from '../system/private-listener.js';
import { ProbeServer } from '../probe/server.js';
import { makeShares } from './guest/device-server.js';
import { GpuDeviceServer } from './gpu-device/server.js';
import type { GuestLimits } from './guest/limits.js';
import { WlDeviceServer } from './wl-device/server.js';

/** Names of the servers that are ours. */
export const ALLOCATOR = 'allocator';
export const PROBE = 'probe';
const OURS: readonly string[] = [ALLOCATOR, COMPOSITOR, WAYLAND, WAYLAND_STATUS, PROBE];

export interface DevicesOptions {
  /** The listening sockets to which the VMM connects, for each kind. Given away, also when the constructor throws. */
  readonly sockets: { readonly wl?: OwnedFd | undefined; readonly gpu?: OwnedFd | undefined };
  /** What the guest may use at most; of memory and mappings, by all of its devices together. */
  readonly limits?: Partial<GuestLimits> | undefined;
  /** The server of a context without a name. Default: `wayland`, where the VM has it. */
  readonly defaultServer?: string | undefined;
}

/** Everything is off unless it is given. */
export interface VmHostOptions {
  readonly vm: string;
  /** The loopback directory, made (mode 0700) when it is not there; the directory that it is in must be. */
  readonly loopback: string;
  /** Turns the allocator on. */
  readonly allocator?: (BudgetOptions & Pick<AllocatorServerOptions, 'requestsPerSecond'>) | undefined;
  /** Makes this the compositor VM. `relay`: its front-end cannot receive sockets, so the broker carries the bytes. */
  readonly compositor?: 'handover' | 'relay' | undefined;
  /** Lets this VM's applications reach the compositor VM. */
  readonly wayland?: boolean | undefined;
  /** Turns the probe server on. */
  readonly probe?: boolean | undefined;
  /** The broker's directory; needed for `compositor` and `wayland`, unless they are brokered elsewhere. */
  readonly broker?: string | undefined;
  /** `compositor` and `wayland` are in the directory, bound and registered by the process that started this one. */
  readonly brokeredElsewhere?: boolean | undefined;
  /** Further servers by name: paths of sockets on the host. */
  readonly sockets?: ReadonlyMap<string, string> | undefined;
  /** Makes this process the VM's devices, by vhost-user. */
  readonly devices?: DevicesOptions | undefined;
  /** Told, once, when another process speaks for this VM at the broker and stays: this one is of no use. */
  readonly taken?: ((why: string) => void) | undefined;
  /** Default: nobody listens. */
  readonly log?: Log | undefined;
}

export class VmHost {
  readonly vm: string;
  readonly loopback: string;
  allocator: AllocatorServer | undefined;
  wlDevice: WlDeviceServer | undefined;
  gpuDevice: GpuDeviceServer | undefined;
  #brokered: BrokeredServers | undefined;
  /** Names of the servers that this VM has. */
  readonly #servers = new Set<string>();
  /** Undoes what was set up, last first. */
  readonly #cleanup: (() => void)[] = [];
  /** For what this VM causes. */
  readonly #log: Log;

  /** Sets everything up. Where one thing fails it undoes the rest and throws. */
  constructor(options: VmHostOptions) {
    checkVmName(options.vm);
    this.vm = options.vm;
    this.loopback = options.loopback;
    this.#log = (options.log ?? SILENT).part('host').causedBy(this.vm);
    this.#cleanup.push(() => this.#log.output.forget(this.vm));
    try {
      this.#setUp(options);
    } catch (error) {
      closeAll(Object.values(options.devices?.sockets ?? {}).filter(socket => socket !== undefined));
      this.close();
      throw error;
    }
  }

  /** Whether this process has told the broker of this VM; false also where that is not needed, or not its task. */
  get registered(): boolean {
    return this.#brokered?.registered ?? false;
  }

  /** Takes the servers down and removes their sockets; memory that was granted stays valid. Idempotent. */
  close(): void {
    for (const undo of this.#cleanup.splice(0).reverse()) undo();
  }

  #setUp(options: VmHostOptions): void {
    this.#makeDirectory();
    // What a killed host process left behind, also of servers that are off now: they would look broken and not off.
    const elsewhere = options.brokeredElsewhere ? brokeredNames(options) : [];
    for (const name of OURS) {
      if (!elsewhere.includes(name)) removeStale(join(this.loopback, name), 'another host process');
    }

    if (options.allocator) {
      const allocator = new AllocatorServer({ ...options.allocator, vm: this.vm, log: options.log });
      this.allocator = allocator;
      this.#cleanup.push(() => allocator.close());
      const listener = this.#listen(ALLOCATOR);
      listener.on('connection', socket => allocator.serve(socket));
    }
    if (options.probe) {
      const probe = new ProbeServer(this.#log.part('probe'));
      this.#cleanup.push(() => probe.close());
      this.#listen(PROBE).on('connection', socket => probe.serve(socket));
    }
    for (const name of brokeredNames(options)) this.#servers.add(name);
    for (const [name, target] of options.sockets ?? []) this.#link(name, target);
    if (!options.brokeredElsewhere) {
      const brokered = new BrokeredServers({ ...options, directory: this.loopback, log: this.#log });
      this.#brokered = brokered;
      this.#cleanup.push(() => brokered.close());
    }
    if (options.devices) this.#makeDevices(options.devices);
  }

  #makeDevices(options: DevicesOptions): void {
    const { wl, gpu } = options.sockets;
    const common = {
      limits: options.limits,
      directory: this.loopback,
      servers: this.#servers,
      defaultServer: this.#defaultServer(options),
      log: (line: string, level: Level = 'warning') => this.#log.part('device').write(level, line),
    };
    const shares = makeShares(common);
    this.#cleanup.push(() => shares.resources.close());
    if (wl !== undefined) {
      const device = new WlDeviceServer({ ...common, shares, socket: wl });
      this.wlDevice = device;
      this.#cleanup.push(() => device.close());
    }
    if (gpu !== undefined) {
      const device = new GpuDeviceServer({ ...common, shares, socket: gpu });
      this.gpuDevice = device;
      this.#cleanup.push(() => device.close());
    }
  }

  /** As ChromeOS has it, where the one server of a VM is the Wayland one. */
  #defaultServer({ defaultServer: named }: DevicesOptions): string | undefined {
    if (named === undefined) return this.#servers.has(WAYLAND) ? WAYLAND : undefined;
    if (this.#servers.has(named)) return named;
    const there = [...this.#servers].map(name => `"${name}"`).join(', ');
    throw new Error(`--default-server ${named}: this VM has no such server; it has ${there || 'none'}`);
  }

  #makeDirectory(): void {
    if (!makePrivateDirectory(this.loopback)) return;
    this.#cleanup.push(() => {
      try {
        rmdirSync(this.loopback);
      } catch {
        // Another process put files there meanwhile: they are its own.
      }
    });
  }

  #listen(name: string): UnixListener {
    this.#servers.add(name);
    const options = name === ALLOCATOR ? { socket: ALLOCATOR_SOCKET } : {};
    const listener = listenPrivately(join(this.loopback, name), 'another host process', options);
    listener.on('error', error => this.#log.error(`server "${name}": ${error.message}`));
    this.#cleanup.push(() => listener.close());
    return listener;
  }

  #link(name: string, target: string): void {
    checkName(name);
    if (OURS.includes(name)) throw new Error(`the server name "${name}" is taken: it has a flag of its own`);
    const path = join(this.loopback, name);
    const absolute = resolve(target);
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there !== undefined && !there.isSymbolicLink()) {
      throw new Error(`${path} exists and is no symbolic link: remove it, or choose another name`);
    }
    if (there !== undefined) unlinkSync(path);
    symlinkSync(absolute, path);
    this.#servers.add(name);
    this.#cleanup.push(() => {
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(path) === absolute)
        unlinkSync(path);
    });
  }
}
