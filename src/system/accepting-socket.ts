/**
 * A listening socket that somebody else bound: the broker gets its VMs' sockets this way and accepts on them itself.
 * Connections come out as plain descriptors, since they are to be handed on and not read.
 */
import { OwnedFd } from './fd.js';
import { native, POLL_READABLE, type Poll } from './native.js';

/** Connections taken a wake-up, so that a VM that connects in a loop does not keep the others out. */
const ACCEPTS_PER_WAKE = 16;

/** Pause in milliseconds after the process ran out of descriptors: asking at once would only spin. */
const EXHAUSTED_PAUSE_MS = 100;

export class AcceptingSocket {
  #poll: Poll;
  #pause: NodeJS.Timeout | undefined;

  /**
   * Takes ownership of `socket`, also when it throws: which it does (EINVAL, ENOTSOCK) when that is no listening socket.
   * `connection` owns what it is given; `failed` is told of errors, after which accepting goes on.
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
    for (let count = 0; count < ACCEPTS_PER_WAKE && !this.socket.closed; count++) {
      let fd: number;
      try {
        fd = native.accept(this.socket.fd);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ECONNABORTED') continue;
        this.#poll.stop();
        this.#pause = setTimeout(() => this.#poll.start(POLL_READABLE), EXHAUSTED_PAUSE_MS);
        this.failed(error as Error);
        return;
      }
      if (fd < 0) return;
      this.#deliver(new OwnedFd(fd));
    }
  }
}
