/**
 * A number among the X displays of this machine: its lock file, the socket that X clients connect to, and the cookie that they
 * have to know. The socket is ours and stays while X servers come and go. There is no TCP, and no socket of the abstract
 * namespace, which every network namespace of its own would hide and no file mode protects.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../system/errno.js';
import type { OwnedFd } from '../system/fd.js';
import { BoundSocket } from '../system/private-listener.js';

/** Displays that are tried. A machine has one for each graphical session, and those of programs like us. */
export const MAX_DISPLAYS = 64;

/** X clients that may wait to be accepted, while a server starts. */
const BACKLOG = 128;

const COOKIE_BYTES = 16;

export interface XDisplayPlace {
  /** Of lock files. Default: where all X servers have them. */
  readonly locks?: string;
  /** Of sockets. Default: where all X clients look for them. */
  readonly sockets?: string;
}

export class XDisplay {
  readonly #socket: BoundSocket;
  readonly #lock: string;

  private constructor(
    readonly number: number,
    readonly cookie: Uint8Array,
    /** The file with the cookie, for X clients and the server. */
    readonly authority: string,
    socket: BoundSocket,
    lock: string,
  ) {
    this.#socket = socket;
    this.#lock = lock;
  }

  /**
   * Takes the first number that is free. `directory`: private, for the file with the cookie, which goes with it.
   * @throws Error where none is free, or nothing can be made there
   */
  static take(directory: string, place: XDisplayPlace = {}): XDisplay {
    const { locks = '/tmp', sockets = '/tmp/.X11-unix' } = place;
    makeSocketDirectory(sockets);
    const abstract = abstractSockets();
    for (let number = 0; number < MAX_DISPLAYS; number++) {
      const lock = join(locks, `.X${number}-lock`);
      if (abstract.has(join(sockets, `X${number}`))) continue;
      if (!takeLock(lock)) continue;
      let socket: BoundSocket;
      try {
        socket = new BoundSocket(join(sockets, `X${number}`), 'another X server', BACKLOG);
      } catch (error) {
        rmSync(lock, { force: true });
        if (codeOf(error) === 'EADDRINUSE') continue;
        throw error;
      }
      const cookie = randomBytes(COOKIE_BYTES);
      const display = new XDisplay(number, cookie, join(directory, 'xauthority'), socket, lock);
      try {
        writeFileSync(display.authority, authorityEntry(number, cookie), { mode: 0o600 });
        return display;
      } catch (error) {
        display.close();
        throw error;
      }
    }
    throw new Error(`all X displays from :0 to :${MAX_DISPLAYS - 1} are in use (${locks}/.X*-lock)`);
  }

  /** DISPLAY of X clients. */
  get name(): string {
    return `:${this.number}`;
  }

  /** Where X clients connect to. */
  get path(): string {
    return this.#socket.path;
  }

  /** Listens. Lent. */
  get socket(): OwnedFd {
    return this.#socket.socket;
  }

  /** Gives the number back. Idempotent. */
  close(): void {
    this.#socket.remove();
    this.#socket.socket.close();
    rmSync(this.#lock, { force: true });
    rmSync(this.authority, { force: true });
  }
}

function makeSocketDirectory(path: string): void {
  const umask = process.umask(0);
  try {
    mkdirSync(path, { mode: 0o1777 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw new Error(`cannot make ${path}, where X clients look for their server: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    process.umask(umask);
  }
}

/**
 * Names of the abstract namespace that somebody has. X clients try such a socket before the one in the directory, and so came to
 * another server: a container's, which has locks of its own and shares the network.
 */
function abstractSockets(): ReadonlySet<string> {
  try {
    const lines = readFileSync('/proc/net/unix', 'latin1').split('\n');
    return new Set(lines.flatMap(line => / @(.+)$/.exec(line)?.[1] ?? []));
  } catch {
    return new Set(); // without /proc there is nobody to ask
  }
}

/** False: another server has it. One that is left over of a process that is gone is taken. */
function takeLock(path: string): boolean {
  for (const left of [true, false]) {
    try {
      writeFileSync(path, `${String(process.pid).padStart(10)}\n`, { flag: 'wx', mode: 0o444 });
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      if (!left || !isLeftOver(path)) return false;
      try {
        rmSync(path, { force: true });
      } catch {
        return false; // another user's
      }
    }
  }
  return false;
}

function isLeftOver(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, 'latin1').trim()), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** What `Xau` reads: for any address (a machine's name may change), this display, this cookie. */
export function authorityEntry(display: number, cookie: Uint8Array): Uint8Array {
  const counted = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const anyAddress = Buffer.from([0xff, 0xff, 0, 0]);
  const name = Buffer.from('MIT-MAGIC-COOKIE-1', 'latin1');
  return Buffer.concat([anyAddress, counted(Buffer.from(String(display))), counted(name), counted(cookie)]);
}
