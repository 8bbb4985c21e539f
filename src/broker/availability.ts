/**
 * What this VM can know about the way to its compositor: whether the host process and the broker are there, and by the
 * broker's word, on the server `wayland-status`, whether there is a compositor. A host that is older, or a server that
 * leads elsewhere, says nothing.
 */
import { EventEmitter } from 'eventemitter3';
import { CompositorState, Kind, RecordReader } from './protocol.js';
import { Backoff } from '../system/backoff.js';
import { closeAll } from '../system/fd.js';
import { isNoSuchServer, type Context, type Device } from '../virtwl/device.js';

export type Way =
  /** Nobody says. */
  | 'unknown'
  /** The host process does not serve the VM. */
  | 'no host'
  /** The broker does not answer. */
  | 'no broker'
  /** No VM is the compositor VM. */
  | 'no compositor VM'
  /** Nothing serves clients in the compositor VM. */
  | 'no compositor'
  /** Clients are given to a compositor. */
  | 'there';

const WAYS: Readonly<Record<number, Way>> = {
  [CompositorState.NoVm]: 'no compositor VM',
  [CompositorState.NoGlue]: 'no compositor',
  [CompositorState.There]: 'there',
};

/** Which server says so of another one. */
const STATUS_SERVERS: Readonly<Record<string, string>> = { wayland: 'wayland-status' };

/**
 * Connects to a server once, to find out whether the host offers it: to the one that tells of it where there is one, since
 * a connection to the compositor would take one of the places that the policy gives this VM's clients.
 *
 * @throws Error as `Device.connect` does
 */
export function lookForServer(device: Device, server: string): void {
  const status = STATUS_SERVERS[server];
  try {
    if (status !== undefined) {
      device.connect(status).close();
      return;
    }
  } catch {
    // The host is an older one, or not there: the server itself says which.
  }
  device.connect(server).close();
}

export interface AvailabilityEvents {
  change: () => void;
}

export class Availability extends EventEmitter<AvailabilityEvents> {
  #way: Way = 'unknown';
  readonly #server: string | undefined;
  readonly #backoff = new Backoff();
  #context: Context | undefined;
  /** The server was there once. */
  #found = false;
  #closed = false;

  /** Looks for the way to `server` at once, and until `close()`. `device` is lent. */
  constructor(
    private readonly device: Device,
    server: string,
  ) {
    super();
    this.#server = STATUS_SERVERS[server];
    if (this.#server !== undefined) this.#connect(this.#server);
  }

  get way(): Way {
    return this.#way;
  }

  /** Idempotent. No event comes afterwards. */
  close(): void {
    this.#closed = true;
    this.removeAllListeners();
    this.#backoff.cancel();
    this.#context?.close();
  }

  #connect(server: string): void {
    let context: Context;
    try {
      context = this.device.connect(server);
    } catch (error) {
      if (isNoSuchServer(error) && !this.#found) return; // the host is an older one
      // Where it was there before, its host process has left in order, and the sockets with it.
      this.#set('no host');
      this.#retry();
      return;
    }
    this.#context = context;
    this.#found = true;
    const reader = new RecordReader();
    let answered = false;
    context.on('data', (bytes, fds) => {
      closeAll(fds);
      try {
        for (const { kind, detail } of reader.push(bytes)) {
          if (kind !== Kind.State) continue;
          answered = true;
          this.#backoff.reset();
          this.#set(WAYS[detail] ?? 'unknown');
        }
      } catch {
        this.#lost('unknown');
      }
    });
    // Closed without a word: the broker has enough of us.
    context.on('end', () => this.#lost(answered ? 'no broker' : 'unknown'));
    context.on('error', () => this.#lost('unknown'));
    context.start();
    // Connections wait in the socket as long as there is no broker to take them.
    this.#set('no broker');
  }

  #lost(way: Way): void {
    this.#context?.close();
    this.#context = undefined;
    this.#set(way);
    this.#retry();
  }

  #retry(): void {
    if (!this.#closed) this.#backoff.schedule(() => this.#connect(this.#server!));
  }

  #set(way: Way): void {
    if (this.#closed || way === this.#way) return;
    this.#way = way;
    this.emit('change');
  }
}
