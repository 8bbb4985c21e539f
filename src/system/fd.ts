/**
 * Ownership of file descriptors. Every descriptor that this project holds has one {@link OwnedFd}, and the holder of
 * the OwnedFd closes it, also on error paths. Passing an OwnedFd to a function either lends it or gives it away, and
 * the function's docstring says which.
 */
import { native, type FdInfo } from './native.js';

/** One descriptor with one owner. */
export class OwnedFd {
  #fd: number;

  /** Takes ownership of `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor, still owned by this object. Throws when it was closed or released. */
  get fd(): number {
    if (this.#fd < 0) throw new Error('file descriptor used after it was closed or given away');
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  info(): FdInfo {
    return native.info(this.fd);
  }

  /** Gives the descriptor away: the caller owns the number now. */
  release(): number {
    const fd = this.fd;
    this.#fd = -1;
    return fd;
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    native.close(fd);
  }
}

/** Closes every one of them: for error paths. */
export function closeAll(fds: Iterable<OwnedFd>): void {
  for (const fd of fds) fd.close();
}
