/**
 * Where running processes of ours can be asked how they are: each has a socket of its own in one directory of its user, and
 * answers every connection with one line of JSON. Only that user may connect. A confined process has its socket made
 * outside, and inherits it.
 *
 * Nobody depends on it: a process that cannot have one, since there is no directory for it, goes without.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AcceptingSocket } from '../system/accepting-socket.js';
import type { OwnedFd } from '../system/fd.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { BoundSocket } from '../system/private-listener.js';
import { UnixSocket } from '../system/unix-socket.js';

/** Names another directory. */
export const STATUS_DIRECTORY_ENV = 'VIRTWL_STATUS_DIR';
/** The name of the descriptor that a confined process inherits. */
export const STATUS_FD = 'status';

/** Questions that wait, and answers a second: a person, and what collects metrics. */
const BACKLOG = 8;
const ANSWERS = { burst: 8, perSecond: 20 } as const;

/** Where the processes of this user can be asked; undefined where there is no place for that. */
export function statusDirectory(env = process.env): string | undefined {
  const named = env[STATUS_DIRECTORY_ENV];
  if (named !== undefined) return named === '' ? undefined : named;
  if (process.geteuid!() === 0) return '/run/virtwl/status';
  return env.XDG_RUNTIME_DIR === undefined ? undefined : join(env.XDG_RUNTIME_DIR, 'virtwl-status');
}

/** What is asked: how a process is, or what its outputs show. Each has a socket of its own, which answers whoever connects. */
export type Question = 'sock' | 'thumbnails';

/** The file of a process: `host-123.sock`, by the process that is seen outside of a sandbox. */
export function statusFile(role: string, pid: number, question: Question = 'sock'): string {
  return `${role}-${pid}.${question}`;
}

/** The role and the process that a file is of; undefined for another file. */
export function askedBy(
  file: string,
  question: Question = 'sock',
): { readonly role: string; readonly pid: number } | undefined {
  const [, role, pid, ending] = /^([a-z]+)-(\d+)\.(\w+)$/.exec(file) ?? [];
  return role === undefined || ending !== question ? undefined : { role, pid: Number(pid) };
}

/** Makes the socket of this process. Undefined where it cannot be: `refused` is told why. The socket is the caller's. */
export function bindStatusSocket(
  role: string,
  refused: (why: string) => void,
  question: Question = 'sock',
): BoundSocket | undefined {
  const directory = statusDirectory();
  if (directory === undefined) return undefined;
  try {
    mkdirSync(join(directory, '..'), { recursive: true, mode: 0o755 });
    makePrivateDirectory(directory);
    const path = join(directory, statusFile(role, process.pid, question));
    return new BoundSocket(path, 'another process of that number', BACKLOG);
  } catch (error) {
    refused(`"virtwl status" will not know of this process: ${(error as Error).message}`);
    return undefined;
  }
}

/** Answers until it is closed. */
export class StatusSocket {
  readonly #accepting: AcceptingSocket;

  /** Takes ownership of the listening `socket`. A promise of `describe` must not reject. */
  constructor(socket: OwnedFd, describe: () => object | Promise<object>) {
    this.#accepting = new AcceptingSocket(
      socket,
      fd => {
        const asking = new UnixSocket(fd);
        const answer = (told: object): void => {
          asking.send(Buffer.from(`${JSON.stringify(told)}\n`));
          asking.closeWhenDrained();
        };
        const told = describe();
        if (told instanceof Promise) void told.then(answer);
        else answer(told);
      },
      () => {
        // No descriptors are left: who asks waits, or asks again.
      },
      ANSWERS,
    );
    // To be asked is no reason to be there.
    this.#accepting.unref();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#accepting.closed) this.#accepting.close();
  }
}
