/**
 * The application's side of shared memory: its `wl_shm` pools and the buffers in them. They never leave this machine.
 * The proxy maps each pool for reading and answers for pool and buffers itself, with the checks and error codes of a
 * compositor; what is committed is copied out of here.
 */
import type { OwnedFd } from '../system/fd.js';
import { native, type Mapping } from '../system/native.js';
import { ProtocolError, type RequestValues } from '../relay/call.js';
import { WlDisplayError, WlShmError } from '../wayland/protocols/wayland.js';
import { bytesPerPixel } from '../wayland/shm-formats.js';

const INT32_MAX = 0x7fffffff;

/**
 * Pools of all applications of a proxy at a time, those included that only a buffer keeps alive. Each is a mapping, of which
 * a process has 65,530, and a descriptor until its pool object is destroyed. A program has one for each buffer at most.
 */
export const DEFAULT_MAX_POOLS = 16_384;

/** How many pools the applications of a proxy have, and may have. One of them alone may have half as many. */
export class PoolLimit {
  count = 0;
  constructor(readonly most = DEFAULT_MAX_POOLS) {}
}

/** A `wl_shm_pool` of the application. Lives as long as the pool object or a buffer of it. */
export class AppPool {
  #fd: OwnedFd | undefined;
  #mapping: Mapping;
  #size: number;
  #users = 1;
  /** The pool object is gone: the fd is kept for `#unread` alone. */
  #fixed = false;
  /** Buffers whose pixels were not looked at yet. */
  #unread = 0;
  readonly #live: Set<AppPool>;
  readonly #limit: PoolLimit;

  /**
   * Takes ownership of `fd`, also when it throws. `shmId` is for errors. The pool is in `live` while it holds anything,
   * so that a connection that breaks off can close them all, and is counted by `limit`.
   */
  constructor(fd: OwnedFd, size: number, shmId: number, live: Set<AppPool>, limit = new PoolLimit()) {
    this.#live = live;
    this.#limit = limit;
    if (size <= 0) {
      fd.close();
      throw new ProtocolError(shmId, WlShmError.invalid_stride, `invalid pool size (${size})`);
    }
    if (limit.count >= limit.most || live.size >= limit.most / 2) {
      fd.close();
      const text = `virtwl: this program has ${live.size} pools, and all have ${limit.count} of ${limit.most} (--max-pools)`;
      throw new ProtocolError(1, WlDisplayError.no_memory, text);
    }
    try {
      this.#mapping = native.map(fd.fd, 0, size, false);
    } catch (error) {
      fd.close();
      throw new ProtocolError(
        shmId,
        WlShmError.invalid_fd,
        `failed mmap of a pool of ${size} bytes: ${(error as Error).message}`,
      );
    }
    this.#fd = fd;
    this.#size = size;
    live.add(this);
    limit.count += 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Read only. Another one after each `resize`. */
  get mapping(): Mapping {
    return this.#mapping;
  }

  /**
   * The pool's file, lent, for a buffer that is read for the first time: through the mapping each of its pages would cost
   * a fault. Undefined when there is no need of it any more.
   */
  get file(): number | undefined {
    return this.#fd?.fd;
  }

  /** A buffer begins to be one that is read for the first time, or was read or destroyed (-1). */
  countUnread(by: 1 | -1): void {
    this.#unread += by;
    if (this.#fixed && this.#unread === 0) this.#closeFile();
  }

  /** Pools only grow. */
  resize(size: number, poolId: number): void {
    if (size < this.#size) throw new ProtocolError(poolId, WlShmError.invalid_fd, 'shrinking pool invalid');
    if (size === this.#size || this.#fd === undefined) return;
    let larger: Mapping;
    try {
      larger = native.map(this.#fd.fd, 0, size, false);
    } catch (error) {
      throw new ProtocolError(
        poolId,
        WlShmError.invalid_fd,
        `failed mmap of ${size} bytes: ${(error as Error).message}`,
      );
    }
    this.#mapping.unmap();
    this.#mapping = larger;
    this.#size = size;
  }

  /** The pool object was destroyed: no resize can come, so the fd is needed for buffers alone that were not read yet. */
  destroyed(): void {
    this.#fixed = true;
    if (this.#unread === 0) this.#closeFile();
    this.release();
  }

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.close();
  }

  /** Gives everything back, even while buffers still use it. Idempotent. */
  close(): void {
    this.#closeFile();
    if (!this.#live.delete(this)) return;
    this.#limit.count -= 1;
    this.#mapping.unmap();
  }

  #closeFile(): void {
    this.#fd?.close();
    this.#fd = undefined;
  }
}

/** Who knows a buffer beyond a commit. */
export interface BufferBorrower {
  forget(buffer: AppBuffer): void;
}

/** A `wl_buffer` of the application, in one of its pools. */
export class AppBuffer {
  #users = 1;
  #unread = true;
  /** Who is to forget it when the application destroys it. */
  #borrower: BufferBorrower | undefined;

  private constructor(
    readonly pool: AppPool,
    readonly offset: number,
    readonly width: number,
    readonly height: number,
    readonly stride: number,
    readonly format: number,
    readonly bytesPerPixel: number,
  ) {
    pool.retain();
    pool.countUnread(1);
  }

  /** The file to read the pixels from, lent; undefined once they were read: the mapping's pages are there then, mostly. */
  get file(): number | undefined {
    return this.#unread ? this.pool.file : undefined;
  }

  /** The pixels have been read. */
  wasRead(): void {
    if (!this.#unread) return;
    this.#unread = false;
    this.pool.countUnread(-1);
  }

  /**
   * Checks the arguments of wl_shm_pool.create_buffer; `poolId` is for errors. Compositors differ on rows that overlap
   * or are no whole pixels: libwayland's own wl_shm takes any stride that is no less than the width, wlroots' (from 0.17
   * on) does not. Such rows are copied into proper ones here, so the lenient answer is given, as long as each lies
   * inside of the pool.
   */
  static create(
    pool: AppPool,
    poolId: number,
    { offset, width, height, stride, format }: RequestValues<'wl_shm_pool', 'create_buffer'>,
  ): AppBuffer {
    const bytes = bytesPerPixel(format);
    if (bytes === undefined) {
      throw new ProtocolError(poolId, WlShmError.invalid_format, `invalid format 0x${format.toString(16)}`);
    }
    if (
      offset < 0 ||
      width <= 0 ||
      height <= 0 ||
      stride < width ||
      stride * height > INT32_MAX ||
      offset + stride * (height - 1) + Math.max(stride, width * bytes) > pool.size
    ) {
      throw new ProtocolError(
        poolId,
        WlShmError.invalid_stride,
        `invalid width, height or stride (${width}x${height}, ${stride}) at offset ${offset} of a pool of ${pool.size} bytes`,
      );
    }
    return new AppBuffer(pool, offset, width, height, stride, format, bytes);
  }

  /** From now on `borrower` alone knows it, until it is destroyed. */
  lendTo(borrower: BufferBorrower): void {
    if (this.#borrower !== borrower) this.#borrower?.forget(this);
    this.#borrower = borrower;
  }

  /** The application has destroyed it. */
  destroyed(): void {
    this.#borrower?.forget(this);
    this.#borrower = undefined;
    this.release();
  }

  /** Kept by a surface from attach to commit, even if the application destroys the buffer in between. */
  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.wasRead();
    this.pool.release();
  }
}
