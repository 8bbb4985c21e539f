/**
 * Asks the processes of this user how they are: what `virtwl status` shows. In: the directory of their sockets. Out: for each
 * process its answer, or that it gave none.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../system/errno.js';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { clearStale } from '../system/private-listener.js';
import { UnixSocket } from '../system/unix-socket.js';
import { askedBy, type Question } from './status-socket.js';

/** How long an answer is waited for, in milliseconds: a process that is frozen has none. */
export const ANSWER_MS = 1_000;
/** Most bytes of an answer that are read: one has some kilobytes, one of 256 VMs that were all denied everything some 3 MiB. */
const MOST_BYTES = 4 << 20;

/** What one process has answered. */
export interface Answer {
  /** The subcommand. */
  readonly role: string;
  readonly pid: number;
  /** What it says of itself; undefined: it has not answered. */
  readonly status: Readonly<Record<string, unknown>> | undefined;
  /** Why there is no answer. */
  readonly silent?: string;
}

/** Asks all, in the order of their roles and numbers. A socket of a process that is gone is removed. */
export async function askAll(directory: string, answerMs = ANSWER_MS, question: Question = 'sock'): Promise<Answer[]> {
  let files: string[];
  try {
    files = readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  const answers = await Promise.all(files.map(file => ask(directory, file, answerMs, question)));
  return answers.filter(answer => answer !== undefined).sort((a, b) => a.role.localeCompare(b.role) || a.pid - b.pid);
}

async function ask(directory: string, file: string, answerMs: number, question: Question): Promise<Answer | undefined> {
  const process = askedBy(file, question);
  if (process === undefined) return undefined;
  const path = join(directory, file);
  let socket: UnixSocket;
  try {
    socket = new UnixSocket(new OwnedFd(native.connectUnix(path)));
  } catch (error) {
    if (codeOf(error) === 'EAGAIN')
      return { ...process, status: undefined, silent: 'others wait for its answer already' };
    if (codeOf(error) !== 'ECONNREFUSED') return { ...process, status: undefined, silent: (error as Error).message };
    // A file that is no socket is refused as well, and stays.
    clearStale(path);
    return undefined;
  }
  const text = await read(socket, answerMs);
  socket.close();
  if (text === undefined) {
    return { ...process, status: undefined, silent: `no answer within ${answerMs} ms: it is stopped, or very busy` };
  }
  try {
    return { ...process, status: JSON.parse(text) as Record<string, unknown> };
  } catch {
    return { ...process, status: undefined, silent: 'it ended while it was asked' };
  }
}

/** All that is said up to the end; undefined where that does not come in time. */
function read(socket: UnixSocket, answerMs: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), answerMs);
    const parts: Buffer[] = [];
    let length = 0;
    const done = (): void => {
      clearTimeout(timer);
      resolve(Buffer.concat(parts).toString());
    };
    socket.on('data', bytes => {
      length += bytes.length;
      if (length > MOST_BYTES) return done();
      parts.push(Buffer.from(bytes));
    });
    socket.on('end', done);
    socket.on('error', done);
    socket.start();
  });
}
