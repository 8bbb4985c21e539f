/**
 * The glue: serves the Wayland clients of other VMs on the compositor of this one. Clients arrive by the broker, each
 * with the name of its VM; memory comes from the host's allocator, which only this VM may ask.
 */
import { EventEmitter } from 'eventemitter3';
import { AllocatorClient } from '../src/allocator/client.js';
import type { Channel } from '../src/channel.js';
import { UnixSocket } from '../src/unix-socket.js';
import type { Device } from '../src/virtwl/device.js';
import type { Memory } from '../src/virtwl/vfd.js';
import { Transfers } from '../src/wayland/carry.js';
import { RemoteClient } from './remote-client.js';
import { DEFAULT_VM_SHARE, VmAccount } from './vm-account.js';

/** Clients of one VM at the same time: a desktop has dozens. */
export const DEFAULT_CLIENTS_PER_VM = 512;

export interface GlueOptions {
  /** The way to the host. Lent. */
  readonly device: Device;
  /** The compositor's Wayland socket. */
  readonly display: string;
  /** Bytes of slabs that each client VM may hold. Default: {@link DEFAULT_VM_SHARE}. */
  readonly vmShare?: number;
  /** Default: {@link DEFAULT_CLIENTS_PER_VM}. */
  readonly clientsPerVm?: number;
}

export interface GlueEvents {
  arrived: (vm: string) => void;
  /** `reason` where it did not just leave. */
  left: (vm: string, reason: Error | undefined) => void;
}

export class Glue extends EventEmitter<GlueEvents> {
  readonly #options: GlueOptions;
  readonly #accounts = new Map<string, VmAccount>();
  readonly #clients = new Set<RemoteClient>();
  #allocator: AllocatorClient | null = null;

  constructor(options: GlueOptions) {
    super();
    this.#options = options;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Bytes on the account of a client VM. */
  bytesOf(vm: string): number {
    return this.#accounts.get(vm)?.bytes ?? 0;
  }

  /** The same of every VM that has clients, by name. */
  bytesByVm(): Record<string, number> {
    return Object.fromEntries([...this.#accounts.values()].map(account => [account.name, account.bytes]));
  }

  /** Serves a client that arrived from `vm`. Takes ownership of `link`, not yet started. */
  serve(vm: string, link: Channel): void {
    const account = this.#account(vm);
    const limit = this.#options.clientsPerVm ?? DEFAULT_CLIENTS_PER_VM;
    if (account.clients >= limit) {
      link.close();
      this.emit('left', vm, new Error(`refused: VM "${vm}" has ${limit} clients already`));
      return;
    }
    let compositor: UnixSocket;
    try {
      compositor = UnixSocket.connect(this.#options.display);
    } catch (error) {
      link.close();
      this.emit('left', vm, error as Error);
      return;
    }
    const client = new RemoteClient(link, compositor, {
      account,
      device: this.#options.device,
      allocate: bytes => this.#allocate(bytes),
    });
    account.clients += 1;
    this.#clients.add(client);
    this.emit('arrived', vm);
    client.relay.on('close', reason => {
      this.#clients.delete(client);
      account.clients -= 1;
      if (account.clients === 0) account.forgetKeymaps();
      this.#forgetIdleAccounts();
      this.emit('left', vm, reason);
    });
  }

  /** Disconnects every client. */
  close(): void {
    for (const client of [...this.#clients]) client.relay.close(undefined);
    for (const account of this.#accounts.values()) account.close();
    this.#accounts.clear();
    this.#allocator?.close();
    this.#allocator = null;
  }

  #account(vm: string): VmAccount {
    let account = this.#accounts.get(vm);
    if (account === undefined) {
      account = new VmAccount(vm, this.#options.vmShare ?? DEFAULT_VM_SHARE, new Transfers(this.#options.device));
      this.#accounts.set(vm, account);
    }
    return account;
  }

  /** A VM without clients keeps its account while memory for them is on its way, or a transfer still runs. */
  #forgetIdleAccounts(): void {
    for (const account of this.#accounts.values()) if (account.idle) this.#accounts.delete(account.name);
  }

  /** The connection to the allocator is made when it is needed, and again after it was lost. */
  async #allocate(bytes: number): Promise<Memory> {
    if (this.#allocator === null || this.#allocator.closed) {
      this.#allocator = new AllocatorClient(this.#options.device.connect('allocator'));
    }
    return this.#allocator.allocate(bytes);
  }
}
