/**
 * Listening sockets that only their owner may connect to, made in place of what a killed process left behind.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './errno.js';
import type { OwnedFd } from './fd.js';
import { native } from './native.js';
import { adviceFor } from './private-directory.js';
import { bindPath, UnixListener, type UnixListenerOptions } from './unix-listener.js';

/**
 * Listens at `path` with mode 0600. A socket there that nobody listens on any more is removed first; throws EADDRINUSE
 * when another process listens on it, calling that process `who`.
 */
export function listenPrivately(path: string, who: string, options?: UnixListenerOptions): UnixListener {
  return privately(path, who, () => UnixListener.listen(path, options));
}

/** A socket that listens at its path, for another process or object to accept on. */
export class BoundSocket {
  /** The listening descriptor. It belongs to the maker of this object, who closes it or gives it away. */
  readonly socket: OwnedFd;
  readonly #unlink: () => void;

  /**
   * Binds with mode 0600, as {@link listenPrivately} does. `backlog`: connections that may wait to be accepted before the
   * kernel refuses more.
   */
  constructor(
    readonly path: string,
    who: string,
    backlog: number,
  ) {
    const { socket, unlink } = privately(path, who, () => bindPath(path, backlog));
    this.socket = socket;
    this.#unlink = unlink;
  }

  /** Takes the socket off its path, if it is still the one that was put there. The descriptor stays. Idempotent. */
  remove(): void {
    this.#unlink();
  }
}

function privately<T>(path: string, who: string, listen: () => T): T {
  // The mode is set while the socket is made: a later chmod would leave a moment in which others can connect.
  const umask = process.umask(0o177);
  try {
    removeStale(path, who);
    return listen();
  } catch (error) {
    throw listenError(path, error);
  } finally {
    process.umask(umask);
  }
}

/**
 * Removes a socket at `path` that nobody listens on. What is in the way there: nothing any more, a file that is no socket, or
 * a process that listens.
 */
export function clearStale(path: string): 'nothing' | 'a file' | 'a process' {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return 'nothing';
  if (!there.isSocket()) return 'a file';
  try {
    native.close(native.connectUnix(path));
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED') {
      unlinkSync(path);
      return 'nothing';
    }
    // EAGAIN: so many wait to be accepted that a process must be listening.
    if (codeOf(error) !== 'EAGAIN') throw error;
  }
  return 'a process';
}

/** Removes a socket at `path` that nobody listens on. Throws EADDRINUSE for anything else that is there. */
export function removeStale(path: string, who: string): void {
  const inTheWay = clearStale(path);
  if (inTheWay === 'a file') throw inUse(`${path} exists and is no socket: remove it, or choose another directory`);
  if (inTheWay === 'a process') throw inUse(`${who} listens on ${path} already`);
}

/** An error of what is there already. */
export function inUse(message: string): Error {
  return Object.assign(new Error(message), { code: 'EADDRINUSE' });
}

/** The same error, with what to do where its errno tells. */
function listenError(path: string, cause: unknown): unknown {
  const code = codeOf(cause);
  const advice = adviceFor(code, dirname(path));
  if (advice === undefined) return cause;
  return Object.assign(new Error(`cannot listen at ${path} (${code}): ${advice}`, { cause }), { code });
}
