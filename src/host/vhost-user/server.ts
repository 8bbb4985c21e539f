/**
 * The vhost-user socket of one device: its VMM connects, and may come back after it was gone. One at a time: a VMM that
 * comes while another is there waits a moment, in case the other is just about to be noticed gone, and is then turned away.
 */
import type { Level } from '../../observe/level.js';
import { AcceptingSocket } from '../../system/accepting-socket.js';
import type { OwnedFd } from '../../system/fd.js';
import { VhostUserBackend } from './backend.js';
import type { VhostUserDevice } from './device.js';

/** How long a second front-end waits for the first to be gone, in milliseconds. */
const SUCCESSION_MS = 500;

export interface FrontEndServerOptions<D extends VhostUserDevice> {
  /** A listening socket. The server takes ownership of it, also when its constructor throws. */
  readonly socket: OwnedFd;
  /** The device for a front-end that has come. */
  readonly device: () => D;
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string, level?: Level) => void;
}

export class FrontEndServer<D extends VhostUserDevice> {
  readonly #socket: AcceptingSocket;
  #frontEnd: { readonly backend: VhostUserBackend; readonly device: D } | undefined;
  #successor: { fd: OwnedFd; timer: NodeJS.Timeout } | undefined;
  #closed = false;

  constructor(private readonly options: FrontEndServerOptions<D>) {
    this.#socket = new AcceptingSocket(
      options.socket,
      fd => this.#connected(fd),
      error => options.log(error.message),
    );
  }

  /** The device of the VMM that is connected. */
  get device(): D | undefined {
    return this.#frontEnd?.device;
  }

  /** Ends the connection and what the guest had through it. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
    this.#dropSuccessor();
    this.#frontEnd?.backend.close();
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
      const device = this.options.device();
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
