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

export class AcceptingSocket {
  readonly #poll: Poll;
  #pause: NodeJS.Timeout | undefined;

  /**
   * Takes ownership of `socket`, also when it throws: which it does (EINVAL, ENOTSOCK) when that is no listening
   * socket. `connection` owns what it is given; `failed` is called with errors, after which accepting goes on.
   */
  constructor(
    private readonly socket: OwnedFd,
    private readonly connection: (fd: OwnedFd) => void,
    private readonly failed: (error: Error) => void,
  ) {
    try {
      native.setNonblocking(socket.fd);
      const first = native.accept(socket.fd);
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
      let fd: number;
      try {
        fd = native.accept(this.socket.fd);
      } catch (error) {
        if (codeOf(error) === 'ECONNABORTED') continue;
        // The connection still waits.
        this.#poll.stop();
        clearTimeout(this.#pause);
        this.#pause = setTimeout(() => this.#poll.start(POLL_READABLE), ACCEPT_PAUSE_MS);
        this.failed(error as Error);
        return;
      }
      if (fd < 0) return;
      this.#deliver(new OwnedFd(fd));
    }
  }
}
