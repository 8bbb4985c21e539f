/**
 * The vhost-user socket of one VM: its VMM connects, and may come back after it was gone. One at a time: a VMM that comes
 * while another is there waits a moment, in case the other is just about to be noticed gone, and is then turned away.
 */
import type { Level } from '../../observe/level.js';
import { AcceptingSocket } from '../../system/accepting-socket.js';
import type { OwnedFd } from '../../system/fd.js';
import { VhostUserBackend } from '../vhost-user/backend.js';
import { WlDevice } from './device.js';
import { DEFAULT_WL_LIMITS, type WlLimits } from './limits.js';
import { VmResources } from './wl-host.js';

/** How long a second front-end waits for the first to be gone, in milliseconds. */
const SUCCESSION_MS = 500;

export interface WlDeviceServerOptions {
  /** A listening socket. The server takes ownership of it, also when its constructor throws. */
  readonly socket: OwnedFd;
  /** The directory of the VM's servers. */
  readonly directory: string;
  /** Those of them that the guest may reach. */
  readonly servers: ReadonlySet<string>;
  /** The one of a context without a name. Default: there is none. */
  readonly defaultServer?: string | undefined;
  /** Default: {@link DEFAULT_WL_LIMITS}, each. */
  readonly limits?: Partial<WlLimits> | undefined;
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string, level?: Level) => void;
}

export class WlDeviceServer {
  readonly limits: WlLimits;
  readonly #socket: AcceptingSocket;
  readonly #resources: VmResources;
  #frontEnd: { readonly backend: VhostUserBackend; readonly device: WlDevice } | undefined;
  #successor: { fd: OwnedFd; timer: NodeJS.Timeout } | undefined;
  #closed = false;

  constructor(private readonly options: WlDeviceServerOptions) {
    this.limits = { ...DEFAULT_WL_LIMITS };
    for (const [name, value] of Object.entries(options.limits ?? {}))
      if (value !== undefined) Object.assign(this.limits, { [name]: value });
    try {
      this.#resources = new VmResources({ ...options, allocBytes: this.limits.allocBytes });
    } catch (error) {
      options.socket.close();
      throw error;
    }
    try {
      this.#socket = new AcceptingSocket(
        options.socket,
        fd => this.#connected(fd),
        error => options.log(error.message),
      );
    } catch (error) {
      this.#resources.close();
      throw error;
    }
  }

  /** Whether a VMM is connected. */
  get connected(): boolean {
    return this.#frontEnd !== undefined;
  }

  /** What the guest has. */
  get counts(): (WlDevice['counts'] & { allocBytes: number }) | undefined {
    return this.#frontEnd && { ...this.#frontEnd.device.counts, allocBytes: this.#resources.allocBytes };
  }

  /** Ends the connection and what the guest had through it. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
    this.#dropSuccessor();
    this.#frontEnd?.backend.close();
    this.#resources.close();
  }

  #connected(fd: OwnedFd): void {
    if (this.#frontEnd !== undefined) {
      this.#turnAway();
      const timer = setTimeout(() => this.#turnAway(), SUCCESSION_MS);
      this.#successor = { fd, timer };
      return;
    }
    const { log } = this.options;
    log('a front-end has connected', 'info');
    try {
      const device = new WlDevice(this.#resources, this.limits);
      this.#frontEnd = { device, backend: new VhostUserBackend(fd, device, { log, ended: () => this.#ended() }) };
    } catch (error) {
      log(`a front-end was turned away: ${(error as Error).message}`);
    }
  }

  #ended(): void {
    this.#frontEnd = undefined;
    const fd = this.#successor?.fd;
    clearTimeout(this.#successor?.timer);
    this.#successor = undefined;
    if (fd !== undefined && !this.#closed) this.#connected(fd);
    else fd?.close();
  }

  #turnAway(): void {
    if (this.#successor !== undefined) this.options.log('a front-end was turned away: another one is connected');
    this.#dropSuccessor();
  }

  #dropSuccessor(): void {
    clearTimeout(this.#successor?.timer);
    this.#successor?.fd.close();
    this.#successor = undefined;
  }
}
