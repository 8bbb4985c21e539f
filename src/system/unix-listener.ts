/**
 * Listening Unix sockets: each connection that is accepted is a {@link UnixSocket}, not started yet.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { EventEmitter } from 'eventemitter3';
import { OwnedFd } from './fd.js';
import { native, POLL_READABLE, type Poll } from './native.js';
import { codeOf, UnixSocket, type UnixSocketOptions } from './unix-socket.js';

/** Connections accepted per wake-up, so that a flood of them leaves time for those that are there. */
const ACCEPTS_PER_WAKEUP = 16;
/** How long a listener waits when the process or machine has no descriptor left for a connection. */
const ACCEPT_PAUSE_MS = 100;

export interface UnixListenerEvents {
  /** A new connection, not started yet. It is the listener's to close; without one it is closed at once. */
  connection: (socket: UnixSocket) => void;
  /** A connection could not be accepted (no descriptors left, say). The listener goes on. */
  error: (error: Error) => void;
}

export interface UnixListenerOptions {
  /** Connections that may wait to be accepted before others are refused; default 128. */
  readonly backlog?: number;
  /** Options of the accepted sockets. */
  readonly socket?: UnixSocketOptions;
}

/** A Unix socket that listens at a path. */
export class UnixListener extends EventEmitter<UnixListenerEvents> {
  readonly path: string;
  readonly #fd: OwnedFd;
  readonly #poll: Poll;
  readonly #socketOptions: UnixSocketOptions | undefined;
  /** The file that bind made, to know it again: somebody else may have put another one there. */
  readonly #inode: bigint;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * Listens at `path`, which must not exist.
   * @throws Error with `code`: EADDRINUSE when the path exists, ENOENT or EACCES for its directory, ENAMETOOLONG over 107
   * bytes
   */
  static listen(path: string, options?: UnixListenerOptions): UnixListener {
    return new UnixListener(path, options);
  }

  private constructor(path: string, options: UnixListenerOptions = {}) {
    super();
    this.path = path;
    this.#socketOptions = options.socket;
    this.#fd = new OwnedFd(native.listenUnix(path, options.backlog ?? 128));
    this.#inode = lstatSync(path, { bigint: true }).ino;
    this.#poll = new native.Poll(this.#fd.fd, () => this.#onReady());
    this.#poll.start(POLL_READABLE);
  }

  /** Stops listening and removes the path, if it is still the file made by this listener. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#poll.close();
    this.#fd.close();
    this.removeAllListeners();
    try {
      if (lstatSync(this.path, { bigint: true }).ino === this.#inode) unlinkSync(this.path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }

  #onReady(): void {
    for (let i = 0; i < ACCEPTS_PER_WAKEUP && !this.#closed; i++) {
      let number: number;
      try {
        number = native.accept(this.#fd.fd);
      } catch (error) {
        if (codeOf(error) === 'ECONNABORTED') continue;
        // The connection still waits, so asking again at once would only spin.
        this.#poll.stop();
        this.#pause = setTimeout(() => this.#poll.start(POLL_READABLE), ACCEPT_PAUSE_MS);
        this.emit('error', error as Error);
        return;
      }
      if (number === -1) return;
      const socket = new UnixSocket(new OwnedFd(number), this.#socketOptions);
      if (!this.emit('connection', socket)) socket.close();
    }
  }
}
