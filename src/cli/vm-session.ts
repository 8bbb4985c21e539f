/**
 * The session of `virtwl vm up`, as the other subcommands of `virtwl vm` find it: a directory of its user's with a socket, on
 * which each asks for one thing and is answered by lines of JSON, and a note by which what a killed session left behind is
 * found.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { makePrivateDirectory } from '../system/private-directory.js';

/** What is asked. */
export type VmRequest =
  | { readonly do: 'list' }
  /** As the user of the guests, with the display of its VM; it ends with the connection. */
  | { readonly do: 'run'; readonly vm: string; readonly command: readonly string[] }
  | { readonly do: 'console'; readonly vm: string }
  /** None: all of them, and the session. */
  | { readonly do: 'down'; readonly vms: readonly string[] };

/** A line of the answer. */
export type VmAnswer =
  | { readonly output: string }
  | { readonly errors: string }
  | { readonly line: string }
  | { readonly vms: readonly { readonly name: string; readonly role: string; readonly state: string }[] }
  | { readonly failed: string }
  /** The last. */
  | { readonly status: number };

/** The longest request, in bytes: a command line. */
export const MAX_REQUEST_BYTES = 1 << 20;
/** How long a session that was told to end may take, in milliseconds: its VMs have ten seconds each, at the same time. */
const END_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 100;

/** Names another directory for the session: there may be one for each. */
export const SESSION_DIRECTORY_ENV = 'VIRTWL_VM_DIR';
/** Names of directories of stacks, whose processes are ended. */
const STACK = /\/virtwl-stack-\w+$/;

/** The directory of this user's session. */
function sessionDirectory(): string {
  const named = process.env[SESSION_DIRECTORY_ENV];
  if (named !== undefined && named !== '') return named;
  if (process.geteuid!() === 0) return '/run/virtwl/vm';
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (runtime === undefined) throw new Error('XDG_RUNTIME_DIR is not set: "virtwl vm up" has no place for its socket');
  return join(runtime, 'virtwl-vm');
}

export const sessionSocket = (): string => join(sessionDirectory(), 'socket');
const note = (): string => join(sessionDirectory(), 'session.json');

interface Note {
  /** The directory of its stack, which is named on the command lines of all that it has started. */
  readonly directory: string;
}

/** Notes a session that begins. @throws Error where one is up */
export async function beginSession(directory: string): Promise<void> {
  mkdirSync(dirname(sessionDirectory()), { recursive: true, mode: 0o755 });
  makePrivateDirectory(sessionDirectory());
  if (await isUp()) throw new Error('VMs are up already: "virtwl vm list" names them, "virtwl vm down" ends them');
  clearSession();
  writeFileSync(note(), JSON.stringify({ directory } satisfies Note), { mode: 0o600 });
}

/** Of a session that has ended in order. */
export function endSession(): void {
  rmSync(note(), { force: true });
  rmSync(sessionSocket(), { force: true });
}

/** Whether a session answers. */
export function isUp(): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(sessionSocket());
    const settle = (up: boolean): void => {
      socket.destroy();
      resolve(up);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

/** Ends what a session that was killed has left behind. Returns how many processes that were. */
export function clearSession(): number {
  if (!existsSync(note())) return 0;
  const { directory } = readNote();
  let ended = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid || !names(entry, directory)) continue;
    try {
      process.kill(Number(entry), 'SIGKILL');
      ended += 1;
    } catch {
      // It has ended meanwhile.
    }
  }
  rmSync(directory, { recursive: true, force: true });
  endSession();
  return ended;
}

/** @throws Error for a file that is none: by what stands there processes are ended */
function readNote(): Note {
  try {
    const read = JSON.parse(readFileSync(note(), 'utf8')) as Partial<Note>;
    if (typeof read.directory === 'string' && STACK.test(read.directory)) return read as Note;
  } catch {
    // Told below.
  }
  throw new Error(`${note()} is no note of a session: remove it`);
}

/** Whether the command line of a process names the directory, whose name no other has. */
function names(pid: string, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
  } catch {
    return false;
  }
}

/** Asks the session, and tells each line of the answer. Resolves to the status that it ends with. */
export async function askSession(
  request: VmRequest,
  told: (answer: VmAnswer) => void,
  signal?: AbortSignal,
): Promise<number> {
  const socket = connect(sessionSocket());
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', () => reject(new Error('no VMs are up: start them with "virtwl vm up NAME…"')));
    });
    // Its end is the end of what was asked for.
    signal?.addEventListener('abort', () => socket.destroy());
    socket.write(`${JSON.stringify(request)}\n`);
    return await answered(socket, told);
  } finally {
    socket.destroy();
  }
}

async function answered(socket: Socket, told: (answer: VmAnswer) => void): Promise<number> {
  for await (const line of createInterface({ input: socket })) {
    const answer = JSON.parse(line) as VmAnswer;
    if ('failed' in answer) throw new Error(answer.failed);
    if ('status' in answer) return answer.status;
    told(answer);
  }
  throw new Error('the VMs were taken down meanwhile, or "virtwl vm up" has ended');
}

/** Waits until the session has ended. */
export async function untilDown(): Promise<void> {
  for (const end = Date.now() + END_TIMEOUT_MS; existsSync(note()); await pause(LOOK_INTERVAL_MS)) {
    if (Date.now() > end) throw new Error(`the VMs were not down within ${END_TIMEOUT_MS / 1000} s`);
  }
}
