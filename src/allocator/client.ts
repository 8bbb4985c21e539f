/**
 * The allocator's client: asks the host for memory over a context. Requests may be made without waiting for one
 * another; each promise settles when its reply, in turn, has come.
 */
import type { Channel } from '../system/channel.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import { Memory } from '../virtwl/vfd.js';
import { describeStatus, encodeRequest, Status } from './protocol.js';

/** How long a reply may take in milliseconds: reserving 4 GiB takes seconds on a slow host. */
export const DEFAULT_REPLY_TIMEOUT_MS = 30_000;

/** The host refused a request. */
export class AllocationRefused extends Error {
  override readonly name = 'AllocationRefused';

  constructor(
    readonly status: number,
    /** What was asked for, in bytes. */
    readonly bytes: number,
  ) {
    super(`the allocator refused ${bytes} bytes: ${describeStatus(status)}${advice(status)}`);
  }
}

function advice(status: number): string {
  if (status === Status.OverBudget) return '; close some windows, or give the VM more with --allocator on the host';
  if (status === Status.OverRequestLimit) return '; ask for smaller pieces';
  if (status === Status.HostOutOfMemory) return '; free memory on the host and try again';
  return '';
}

interface Waiting {
  readonly bytes: number;
  resolve(memory: Memory): void;
  reject(error: Error): void;
}

export interface AllocatorClientOptions {
  /** Default: {@link DEFAULT_REPLY_TIMEOUT_MS}. */
  readonly replyTimeoutMs?: number | undefined;
}

export class AllocatorClient {
  readonly #channel: Channel;
  readonly #waiting: Waiting[] = [];
  readonly #statuses: number[] = [];
  readonly #fds: OwnedFd[] = [];
  readonly #replyTimeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1n;
  #failure: Error | undefined;

  /** Takes ownership of `channel`, a new context to `allocator` that was not started. */
  constructor(channel: Channel, options: AllocatorClientOptions = {}) {
    this.#channel = channel;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS;
    channel.on('data', (bytes, fds) => {
      this.#statuses.push(...bytes);
      this.#fds.push(...fds);
      this.#settle();
    });
    channel.on('end', () =>
      this.#fail(new Error('the allocator closed the connection: see the log of the host process')),
    );
    channel.on('error', error => this.#fail(error));
    channel.start();
  }

  /** Requests without a reply yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Whether the connection is gone; every further request is rejected. */
  get closed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Asks for `bytes` bytes. The memory is the caller's; the host rounds it up to pages, all of which exist. Rejects
   * with {@link AllocationRefused} where the host says no, and with another Error where the connection is lost.
   */
  allocate(bytes: number): Promise<Memory> {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      return Promise.reject(new RangeError(`an allocation of ${bytes} bytes: the size must be a positive integer`));
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
      this.#channel.send(encodeRequest({ id: this.#nextId++, size: BigInt(bytes) }));
      if (this.#timer === undefined) this.#restartTimer();
    });
  }

  /** Closes the connection; what is pending is rejected, memory that was granted stays. Idempotent. */
  close(): void {
    this.#fail(new Error('the connection to the allocator was closed here'));
  }

  #settle(): void {
    let settled = false;
    while (this.#statuses.length > 0) {
      const status = this.#statuses[0]!;
      const waiting = this.#waiting[0];
      if (waiting === undefined) {
        this.#fail(new Error(`the allocator sent a reply (status ${status}) that nobody asked for`));
        return;
      }
      // Where more fds were queued than one transaction carries, a byte can come before its fd.
      if (status === Status.Ok && this.#fds.length === 0) break;
      this.#statuses.shift();
      this.#waiting.shift();
      settled = true;
      if (status !== Status.Ok) {
        waiting.reject(new AllocationRefused(status, waiting.bytes));
        continue;
      }
      const fd = this.#fds.shift()!;
      if (fd instanceof Memory) {
        waiting.resolve(fd.withSize(waiting.bytes));
      } else {
        fd.close();
        waiting.reject(new Error('the allocator sent a descriptor that is no memory'));
      }
    }
    if (this.#fds.length > 0 && this.#statuses.length === 0) {
      this.#fail(new Error('the allocator sent a descriptor that nobody asked for'));
    } else if (settled) {
      this.#restartTimer();
    }
  }

  #restartTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#fail(new Error(`the allocator did not answer within ${this.#replyTimeoutMs} ms`));
    }, this.#replyTimeoutMs);
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#channel.close();
    closeAll(this.#fds);
    this.#fds.length = 0;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
