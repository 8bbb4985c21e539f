/**
 * How much host memory one VM may hold.
 *
 * Every grant is a memfd with all its pages reserved, and sealed: no holder can grow or shrink it. It is on the books
 * from before its first page until the kernel says that no process holds it ({@link MemoryWatch}), so what is out is
 * what was granted, and never more than the budget. Reserving first also means that nobody faults later on memory that
 * was promised and is not there.
 */
import { OwnedFd } from '../system/fd.js';
import { native, SEAL_GROW, SEAL_SEAL, SEAL_SHRINK } from '../system/native.js';
import { MAX_ALLOCATION_BYTES } from '../virtwl/limits.js';
import { MemoryWatch } from './memory-watch.js';
import { MAX_REPRESENTABLE_BYTES, Status } from './protocol.js';

/**
 * The largest single grant in bytes unless told otherwise: a buffer of 16,384 x 16,384 pixels, beyond which compositors
 * have no textures.
 */
export const DEFAULT_REQUEST_LIMIT = 1024 * 1024 * 1024;

/**
 * Most pieces that are out at a time. Each costs the host an inode and, once it is mapped into a VM, one of some 500
 * memory slots of the VMM; honest clients hold a few dozen slabs. The kernel's queue of what has gone holds 16,384.
 */
export const DEFAULT_MAX_PIECES = 4096;

export interface BudgetOptions {
  /** The budget in bytes, rounded up to pages. */
  readonly bytes: number;
  /** The largest single grant in bytes. Default: {@link DEFAULT_REQUEST_LIMIT}, never over 4 GiB less a page. */
  readonly requestLimit?: number | undefined;
  /** Most grants out at a time. Default: {@link DEFAULT_MAX_PIECES}. */
  readonly maxPieces?: number | undefined;
}

/** What became of a request that was refused. */
export interface Refusal {
  readonly status: Exclude<Status, typeof Status.Ok>;
  /** Why, for the log. */
  readonly reason: string;
}

/** What became of a request. */
export type Grant =
  | { readonly status: typeof Status.Ok; /** The caller's. */ readonly memory: OwnedFd; readonly bytes: number }
  | Refusal;

/** Memory on its way: on the books already, its pages not all there. */
export class Reservation {
  #reserved = 0;

  constructor(
    /** In whole pages. */
    readonly bytes: number,
    private readonly file: OwnedFd,
  ) {}

  /**
   * Reserves at most `bytes` bytes more, a multiple of the page size. Returns what became of the request once that is
   * known. Never throws.
   */
  advance(bytes: number): Grant | undefined {
    try {
      const step = Math.min(bytes, this.bytes - this.#reserved);
      native.reserve(this.file.fd, step, this.#reserved);
      this.#reserved += step;
      if (this.#reserved < this.bytes) return undefined;
      native.addSeals(this.file.fd, SEAL_GROW | SEAL_SHRINK | SEAL_SEAL);
      return { status: Status.Ok, memory: this.file, bytes: this.bytes };
    } catch (error) {
      this.file.close();
      return outOfMemory(error);
    }
  }

  /** Nobody wants it any more. Not after it was granted. */
  abandon(): void {
    this.file.close();
  }
}

export class Budget {
  readonly bytes: number;
  readonly requestLimit: number;
  readonly maxPieces: number;
  readonly #watch: MemoryWatch;
  #closed = false;
  #used = 0;
  #pieces = 0;

  /** Throws where the kernel cannot tell who holds memory, telling what is missing. */
  constructor(options: BudgetOptions) {
    this.bytes = roundUpToPages(checkedBytes(options.bytes, 'a budget'));
    this.requestLimit = Math.min(
      checkedBytes(options.requestLimit ?? DEFAULT_REQUEST_LIMIT, 'a request limit'),
      MAX_ALLOCATION_BYTES,
    );
    this.maxPieces = options.maxPieces ?? DEFAULT_MAX_PIECES;
    this.#watch = MemoryWatch.acquire();
  }

  /** Bytes that are out, in any process, or on their way. */
  get used(): number {
    this.#look();
    return this.#used;
  }

  /** Grants that are out, in any process, or on their way. */
  get pieces(): number {
    this.#look();
    return this.#pieces;
  }

  /** Memory of `size` bytes, rounded up to pages, readable and writable, all pages there; or why not. Never throws. */
  grant(size: bigint): Grant {
    const begun = this.begin(size);
    return begun instanceof Reservation ? begun.advance(begun.bytes)! : begun;
  }

  /**
   * The same, to be finished by the caller, step by step. `gone` is called once nobody holds the memory any more, also
   * where it was never granted. Never throws.
   */
  begin(size: bigint, gone?: () => void): Reservation | Refusal {
    if (size === 0n || size > MAX_REPRESENTABLE_BYTES) {
      return { status: Status.BadSize, reason: size === 0n ? 'size 0' : 'no file can have this size' };
    }
    if (size > BigInt(this.requestLimit)) {
      return { status: Status.OverRequestLimit, reason: `over the limit of ${this.requestLimit} bytes a request` };
    }
    const bytes = roundUpToPages(Number(size));
    const { used, pieces } = this;
    if (bytes > this.bytes - used) {
      return { status: Status.OverBudget, reason: `${used} of ${this.bytes} bytes are out` };
    }
    if (pieces >= this.maxPieces) {
      return { status: Status.OverBudget, reason: `${pieces} pieces are out, the most there may be` };
    }
    let file: OwnedFd | undefined;
    try {
      file = new OwnedFd(native.memfd('virtwl-memory', bytes, 0));
      this.#watch.add(file, () => {
        this.#used -= bytes;
        this.#pieces -= 1;
        gone?.();
      });
      this.#used += bytes;
      this.#pieces += 1;
      return new Reservation(bytes, file);
    } catch (error) {
      file?.close();
      return outOfMemory(error);
    }
  }

  /** Grants nothing more. Memory that is out stays valid. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#look();
    this.#closed = true;
    this.#watch.release();
  }

  #look(): void {
    if (!this.#closed) this.#watch.look();
  }
}

function outOfMemory(error: unknown): Refusal {
  return { status: Status.HostOutOfMemory, reason: error instanceof Error ? error.message : String(error) };
}

/** What `bytes` bytes take in whole pages. */
export function roundUpToPages(bytes: number): number {
  return Math.ceil(bytes / native.pageSize) * native.pageSize;
}

function checkedBytes(bytes: number, what: string): number {
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new RangeError(`${what} of ${bytes} bytes: it must be a positive integer`);
}
