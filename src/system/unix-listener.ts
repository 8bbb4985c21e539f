/**
 * Listening Unix sockets at a path: each connection that is accepted is a {@link UnixSocket}, not started yet.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { EventEmitter } from 'eventemitter3';
import { AcceptingSocket } from './accepting-socket.js';
import { OwnedFd } from './fd.js';
import { native } from './native.js';
import { UnixSocket, type UnixSocketOptions } from './unix-socket.js';

export interface UnixListenerEvents {
  /** A new connection, not started yet. It is the listener's to close; without one it is closed at once. */
  connection: (socket: UnixSocket) => void;
  /**
   * A connection could not be accepted (no descriptors left, say). Accepting goes on. Without a listener the error is
   * thrown, as an uncaught exception.
   */
  error: (error: Error) => void;
}

export interface UnixListenerOptions {
  /** Connections that may wait to be accepted before others are refused; default 128. */
  readonly backlog?: number;
  /** Options of the accepted sockets. */
  readonly socket?: UnixSocketOptions;
}

/** A listening descriptor, and the file that bind made for it. */
export interface BoundPath {
  readonly socket: OwnedFd;
  /** Takes the file off its path, if it is still that one: another process may have put its own there. Idempotent. */
  readonly unlink: () => void;
}

/** Binds and listens at `path`. The descriptor is the caller's. Throws as {@link UnixListener.listen}. */
export function bindPath(path: string, backlog: number): BoundPath {
  const socket = new OwnedFd(native.listenUnix(path, backlog));
  const inode = (): bigint | undefined => lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
  const made = inode();
  const unlink = (): void => {
    if (made !== undefined && inode() === made) unlinkSync(path);
  };
  return { socket, unlink };
}

/** A Unix socket that listens at a path. */
export class UnixListener extends EventEmitter<UnixListenerEvents> {
  readonly #accepting: AcceptingSocket;
  readonly #unlink: () => void;

  /**
   * Listens at `path`, which must not exist.
   * @throws Error with `code`: EADDRINUSE when the path exists, ENOENT or EACCES for its directory, ENAMETOOLONG over 107
   * bytes
   */
  static listen(path: string, options?: UnixListenerOptions): UnixListener {
    return new UnixListener(path, options);
  }

  /**
   * Accepts on a socket that somebody else has bound at `path` and listens already, which stays there afterwards. Takes
   * ownership of it, also when it throws: EINVAL, ENOTSOCK for one that does not listen.
   */
  static adopt(socket: OwnedFd, path: string, options?: UnixListenerOptions): UnixListener {
    return new UnixListener(path, options, { socket, unlink: () => {} });
  }

  private constructor(
    readonly path: string,
    options: UnixListenerOptions = {},
    { socket, unlink }: BoundPath = bindPath(path, options.backlog ?? 128),
  ) {
    super();
    this.#unlink = unlink;
    try {
      this.#accepting = new AcceptingSocket(
        socket,
        fd => {
          const accepted = new UnixSocket(fd, options.socket);
          if (!this.emit('connection', accepted)) accepted.close();
        },
        error => {
          if (!this.emit('error', error)) throw error;
        },
      );
    } catch (error) {
      unlink();
      throw error;
    }
  }

  /** Emits `connection` now for what waits at this moment, some of it where there is much. */
  acceptWaiting(): void {
    this.#accepting.acceptWaiting();
  }

  /** Stops listening and removes the path, if it is still the file made by this listener. Idempotent. */
  close(): void {
    if (this.#accepting.closed) return;
    this.#accepting.close();
    this.removeAllListeners();
    this.#unlink();
  }
}
