/**
 * Accepts on a listening socket, which another process may have bound: the broker gets those of its VMs that way.
 * Connections come out as plain descriptors, since some are handed on and never read; `unix-listener.ts` makes sockets
 * of them.
 */
import { codeOf } from './errno.js';
import { OwnedFd } from './fd.js';
import { native, POLL_READABLE, type Poll } from './native.js';

/** Connections accepted per wake-up, so that a flood of them leaves time for those that are there. */
const ACCEPTS_PER_WAKEUP = 16;
/** Pause in milliseconds when the process or machine has no descriptor left: asking at once would only spin. */
const ACCEPT_PAUSE_MS = 100;

/** How fast connections are accepted: others wait in the kernel's backlog, where they cost nothing. */
export interface AcceptRate {
  /** At once. */
  readonly burst: number;
  /** Beyond that, a second. */
  readonly perSecond: number;
}

export class AcceptingSocket {
  readonly #poll: Poll;
  #pause: NodeJS.Timeout | undefined;
  /** Connections that may be accepted now, and when that was worked out. */
  #allowed: number;
  #countedAt = performance.now();

  /**
   * Takes ownership of `socket`, also when it throws: which it does (EINVAL, ENOTSOCK) when that is no listening
   * socket. `connection` owns what it is given; `failed` is called with errors, after which accepting goes on. Default of
   * `rate`: as they come.
   */
  constructor(
    private readonly socket: OwnedFd,
    private readonly connection: (fd: OwnedFd) => void,
    private readonly failed: (error: Error) => void,
    private readonly rate: AcceptRate = { burst: Infinity, perSecond: Infinity },
  ) {
    this.#allowed = rate.burst;
    try {
      native.setNonblocking(socket.fd);
      const first = native.accept(socket.fd);
      if (first >= 0) this.#allowed -= 1;
      this.#poll = new native.Poll(socket.fd, () => this.#accept());
      this.#poll.start(POLL_READABLE);
      if (first >= 0) setImmediate(() => this.#deliver(new OwnedFd(first)));
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.socket.closed;
  }

  /** Accepts what waits at this moment, some of it where there is much, without waiting for the loop to tell. */
  acceptWaiting(): void {
    if (!this.socket.closed) this.#accept();
  }

  /** It does not keep the process running. */
  unref(): void {
    this.#poll.unref();
  }

  /** Stops accepting and closes the socket. Idempotent. */
  close(): void {
    if (this.socket.closed) return;
    clearTimeout(this.#pause);
    this.#poll.close();
    this.socket.close();
  }

  #deliver(fd: OwnedFd): void {
    if (this.socket.closed) fd.close();
    else this.connection(fd);
  }

  #accept(): void {
    for (let count = 0; count < ACCEPTS_PER_WAKEUP && !this.socket.closed; count++) {
      if (!this.#mayAccept()) return;
      let fd: number;
      try {
        fd = native.accept(this.socket.fd);
      } catch (error) {
        if (codeOf(error) === 'ECONNABORTED') continue;
        // The connection still waits.
        this.#rest(ACCEPT_PAUSE_MS);
        this.failed(error as Error);
        return;
      }
      if (fd < 0) return;
      this.#allowed -= 1;
      this.#deliver(new OwnedFd(fd));
    }
  }

  /** Whether one more connection may be accepted now; if not, it is tried again when one may. */
  #mayAccept(): boolean {
    const { burst, perSecond } = this.rate;
    if (burst === Infinity) return true;
    const now = performance.now();
    this.#allowed = Math.min(burst, this.#allowed + ((now - this.#countedAt) * perSecond) / 1000);
    this.#countedAt = now;
    if (this.#allowed >= 1) return true;
    this.#rest(Math.ceil(((1 - this.#allowed) * 1000) / perSecond));
    return false;
  }

  /** Accepts nothing for a time, in milliseconds. */
  #rest(pauseMs: number): void {
    this.#poll.stop();
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#poll.start(POLL_READABLE), pauseMs);
  }
}
