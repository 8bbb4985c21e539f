/**
 * How much host memory one VM may hold, kept by the kernel.
 *
 * The budget is a tmpfs of that size, mounted nowhere; every grant is an unnamed file in it, with all its pages
 * reserved. So the bound holds whoever has the files: the room comes back when the last holder, in whatever process,
 * lets go, and what the tmpfs says is used is exactly what is out. Reserving first also means that nobody faults later
 * on memory that was promised and is not there.
 */
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { MAX_ALLOCATION_BYTES } from '../virtwl/limits.js';
import { MAX_REPRESENTABLE_BYTES, Status } from './protocol.js';

/**
 * The largest single grant in bytes unless told otherwise: a 4K slab of eight buffers is 253 MiB, and reserving it
 * keeps the host process busy for a tenth of a second.
 */
export const DEFAULT_REQUEST_LIMIT = 256 * 1024 * 1024;

/**
 * Most pieces that are out at a time. Each costs the host an inode and, once it is mapped into a VM, one of some 500
 * memory slots of the VMM; honest clients hold a few dozen slabs.
 */
export const DEFAULT_MAX_PIECES = 4096;

export interface BudgetOptions {
  /** The budget in bytes, rounded up to pages. */
  readonly bytes: number;
  /** The largest single grant in bytes. Default: {@link DEFAULT_REQUEST_LIMIT}, never over 4 GiB less a page. */
  readonly requestLimit?: number | undefined;
  /** Most grants out at a time. Default: {@link DEFAULT_MAX_PIECES}. */
  readonly maxPieces?: number | undefined;
  /**
   * A directory on a tmpfs that serves nothing else, instead of a private one. The kernel then keeps that file system's
   * bound, and only this process keeps the budget's. The budget takes ownership.
   */
  readonly directory?: OwnedFd | undefined;
}

/** What became of a request. */
export type Grant =
  | { readonly status: typeof Status.Ok; /** The caller's. */ readonly memory: OwnedFd; readonly bytes: number }
  | { readonly status: Exclude<Status, typeof Status.Ok>; /** Why, for the log. */ readonly reason: string };

export class Budget {
  readonly bytes: number;
  readonly requestLimit: number;
  readonly maxPieces: number;
  #directory: OwnedFd;

  /** Makes the tmpfs. Throws where the kernel refuses one, telling what is missing. */
  constructor(options: BudgetOptions) {
    this.bytes = roundUpToPages(checkedBytes(options.bytes, 'a budget'));
    this.requestLimit = Math.min(
      checkedBytes(options.requestLimit ?? DEFAULT_REQUEST_LIMIT, 'a request limit'),
      MAX_ALLOCATION_BYTES,
    );
    this.maxPieces = options.maxPieces ?? DEFAULT_MAX_PIECES;
    this.#directory = options.directory ?? privateTmpfs(this.bytes);
  }

  /** Bytes that are out, in whatever process. */
  get used(): number {
    return native.usage(this.#directory.fd).used;
  }

  /** Grants that are out, in whatever process. */
  get pieces(): number {
    return Math.max(0, native.usage(this.#directory.fd).inodes - 1);
  }

  /** Memory of `size` bytes, rounded up to pages, readable and writable, all pages there; or why not. Never throws. */
  grant(size: bigint): Grant {
    if (size === 0n || size > MAX_REPRESENTABLE_BYTES) {
      return { status: Status.BadSize, reason: size === 0n ? 'size 0' : 'no file can have this size' };
    }
    if (size > BigInt(this.requestLimit)) {
      return { status: Status.OverRequestLimit, reason: `over the limit of ${this.requestLimit} bytes a request` };
    }
    const bytes = roundUpToPages(Number(size));
    let file: OwnedFd | undefined;
    try {
      const used = this.used;
      if (bytes > this.bytes - used) {
        return { status: Status.OverBudget, reason: `${used} of ${this.bytes} bytes are out` };
      }
      const { pieces } = this;
      if (pieces >= this.maxPieces) {
        return { status: Status.OverBudget, reason: `${pieces} pieces are out, the most there may be` };
      }
      file = new OwnedFd(native.temporaryFile(this.#directory.fd));
      native.reserve(file.fd, bytes);
      return { status: Status.Ok, memory: file, bytes };
    } catch (error) {
      file?.close();
      return { status: Status.HostOutOfMemory, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Lets go of the tmpfs; it lives on while grants do. Idempotent. */
  close(): void {
    this.#directory.close();
  }
}

/** A tmpfs of `bytes` bytes, a multiple of the page size, mounted nowhere. The caller's. */
export function privateTmpfs(bytes: number): OwnedFd {
  try {
    return new OwnedFd(native.createTmpfs(bytes));
  } catch (cause) {
    const { code, errno, message } = cause as NodeJS.ErrnoException;
    throw Object.assign(
      new Error(
        `the allocator cannot make a tmpfs of ${bytes} bytes for its budget: ${message}; ` +
          'it needs CAP_SYS_ADMIN or permission to make user namespaces',
      ),
      { code, errno, cause },
    );
  }
}

/** What `bytes` bytes take in whole pages. */
export function roundUpToPages(bytes: number): number {
  return Math.ceil(bytes / native.pageSize) * native.pageSize;
}

function checkedBytes(bytes: number, what: string): number {
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new RangeError(`${what} of ${bytes} bytes: it must be a positive integer`);
}
