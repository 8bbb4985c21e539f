/**
 * The allocator's client: asks the host for memory over a context. Requests may be made without waiting for one
 * another; each promise settles when its reply, in turn, has come.
 */
import type { Channel } from '../system/channel.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import { Memory } from '../virtwl/vfd.js';
import {
  BUDGET_BYTES,
  BUDGET_REQUEST,
  describeStatus,
  encodeRequest,
  NOTICE_BYTES,
  NOTICES_REQUEST,
  Status,
} from './protocol.js';

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
  if (status === Status.OverRequestLimit)
    return '; ask for smaller pieces, or raise the limit with --allocator-request on the host';
  if (status === Status.HostOutOfMemory) return '; free memory on the host and try again';
  return '';
}

/** Memory, and when it is gone. */
export interface Loan {
  /** The caller's. */
  readonly memory: Memory;
  /**
   * Resolves when nobody holds the memory any more, in any process or VM, and when the connection to the allocator is
   * lost, since nobody will tell then. Undefined where the allocator does not tell.
   */
  readonly gone: Promise<void> | undefined;
}

interface Waiting {
  readonly id: bigint;
  readonly bytes: number;
  resolve(loan: Loan): void;
  reject(error: Error): void;
  /** It was the budget that was asked for. */
  readonly budget?: (bytes: number | undefined) => void;
}

export interface AllocatorClientOptions {
  /** Default: {@link DEFAULT_REPLY_TIMEOUT_MS}. */
  readonly replyTimeoutMs?: number | undefined;
  /** Asks to be told when memory is gone: see {@link AllocatorClient.lend}. Default: false. */
  readonly notices?: boolean | undefined;
}

export class AllocatorClient {
  readonly #channel: Channel;
  readonly #waiting: Waiting[] = [];
  /** What came and is not whole yet, or waits for its descriptor. */
  #received: Uint8Array = new Uint8Array(0);
  /** Asked for, and not answered. */
  #asksForNotices: boolean;
  /** The allocator tells what is gone. */
  #notices = false;
  /** Whom to tell, by the id of the request. */
  readonly #gone = new Map<bigint, () => void>();
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
      this.#received = this.#received.length === 0 ? bytes.slice() : Buffer.concat([this.#received, bytes]);
      this.#fds.push(...fds);
      this.#settle();
    });
    channel.on('end', () =>
      this.#fail(new Error('the allocator closed the connection: see the log of the host process')),
    );
    channel.on('error', error => this.#fail(error));
    channel.start();
    this.#asksForNotices = options.notices ?? false;
    if (this.#asksForNotices) channel.send(encodeRequest(NOTICES_REQUEST));
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
  async allocate(bytes: number): Promise<Memory> {
    return (await this.lend(bytes)).memory;
  }

  /** The same, and says when the memory is gone, if this client was made to ask for that. */
  lend(bytes: number): Promise<Loan> {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      return Promise.reject(new RangeError(`an allocation of ${bytes} bytes: the size must be a positive integer`));
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.push({ id, bytes, resolve, reject });
      this.#channel.send(encodeRequest({ id, size: BigInt(bytes) }));
      if (this.#timer === undefined) this.#restartTimer();
    });
  }

  /** How much the VM may have in all, in bytes; undefined where the allocator does not tell. Rejects as {@link lend}. */
  budget(): Promise<number | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((budget, reject) => {
      this.#waiting.push({ id: BUDGET_REQUEST.id, bytes: 0, resolve: () => undefined, reject, budget });
      this.#channel.send(encodeRequest(BUDGET_REQUEST));
      if (this.#timer === undefined) this.#restartTimer();
    });
  }

  /** Closes the connection; what is pending is rejected, memory that was granted stays. Idempotent. */
  close(): void {
    this.#fail(new Error('the connection to the allocator was closed here'));
  }

  #settle(): void {
    let settled = false;
    while (this.#received.length > 0) {
      const status = this.#received[0]!;
      if (this.#asksForNotices) {
        this.#asksForNotices = false;
        this.#notices = status === Status.Notices;
        this.#taken(1);
        continue;
      }
      if (this.#notices && status === Status.Gone) {
        if (this.#received.length < NOTICE_BYTES) break;
        const { buffer, byteOffset } = this.#received;
        const id = new DataView(buffer, byteOffset + 1, NOTICE_BYTES - 1).getBigUint64(0, true);
        this.#taken(NOTICE_BYTES);
        this.#gone.get(id)?.();
        this.#gone.delete(id);
        continue;
      }
      const waiting = this.#waiting[0];
      if (waiting === undefined) {
        this.#fail(new Error(`the allocator sent a reply (status ${status}) that nobody asked for`));
        return;
      }
      if (waiting.budget !== undefined) {
        const told = status === Status.Budget;
        if (told && this.#received.length < BUDGET_BYTES) break;
        const { buffer, byteOffset } = this.#received;
        const bytes = told ? Number(new DataView(buffer, byteOffset + 1, 8).getBigUint64(0, true)) : undefined;
        this.#taken(told ? BUDGET_BYTES : 1);
        this.#waiting.shift();
        settled = true;
        waiting.budget(Number.isSafeInteger(bytes) ? bytes : undefined);
        continue;
      }
      // Where more fds were queued than one transaction carries, a byte can come before its fd.
      if (status === Status.Ok && this.#fds.length === 0) break;
      this.#taken(1);
      this.#waiting.shift();
      settled = true;
      if (status !== Status.Ok) {
        waiting.reject(new AllocationRefused(status, waiting.bytes));
        continue;
      }
      const fd = this.#fds.shift()!;
      if (fd instanceof Memory) {
        const { id } = waiting;
        const gone = this.#notices ? new Promise<void>(resolve => this.#gone.set(id, resolve)) : undefined;
        waiting.resolve({ memory: fd.withSize(waiting.bytes), gone });
      } else {
        fd.close();
        waiting.reject(new Error('the allocator sent a descriptor that is no memory'));
      }
    }
    if (this.#fds.length > 0 && this.#received.length === 0) {
      this.#fail(new Error('the allocator sent a descriptor that nobody asked for'));
    } else if (settled) {
      this.#restartTimer();
    }
  }

  #taken(bytes: number): void {
    this.#received = this.#received.subarray(bytes);
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
    for (const gone of this.#gone.values()) gone();
    this.#gone.clear();
  }
}
