/**
 * Starting a compositor and finding its socket. wlroots compositors choose the name of their socket themselves and most
 * refuse to run as root; here they get a runtime directory if there is none, another user if we are root, and the socket
 * that appears is taken for theirs only if it was made by their process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants as system } from 'node:os';
import { delimiter, join } from 'node:path';
import { OwnedFd } from '../src/system/fd.js';
import { native } from '../src/system/native.js';
import { makeRuntimeDirectory } from '../src/system/runtime-directory.js';

/** How long a compositor may take to make its socket, in milliseconds: a cold start in an emulated VM takes 20 s. */
export const DEFAULT_START_TIMEOUT_MS = 60_000;
/** How often the runtime directory is read while waiting, in milliseconds. */
const LOOK_INTERVAL_MS = 30;
/** Whom a compositor runs as when we are root: the first ordinary user of a Debian system. */
const ORDINARY_UID = 1000;
/** Time between SIGTERM and SIGKILL at the end, in milliseconds. */
const STOP_TIMEOUT_MS = 3_000;

export interface LaunchOptions {
  /** The compositor and its arguments. */
  readonly command: readonly string[];
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly startTimeoutMs?: number;
  /** Where its output goes. Default: `inherit`. */
  readonly output?: 'inherit' | 'ignore' | number;
}

/** A compositor that runs. */
export interface Compositor {
  /** Its Wayland socket. */
  readonly display: string;
  readonly runtimeDir: string;
  /** The process itself, a ChildProcess; typed by what is needed of it, so that our types need none of Node.js's. */
  readonly process: {
    readonly pid?: number | undefined;
    kill(signal?: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): boolean;
  };
  /** Resolves when it has ended, with its exit code (128 + signal where a signal ended it). */
  readonly ended: Promise<number>;
  /** Ends it and what it started, and removes the runtime directory if it was made here. Idempotent. */
  stop(): Promise<void>;
}

/** What turns a wlroots compositor into one without GPU, seat or screen. */
export const HEADLESS: Readonly<Record<string, string>> = {
  WLR_BACKENDS: 'headless',
  WLR_RENDERER: 'pixman',
  WLR_LIBINPUT_NO_DEVICES: '1',
};

/** Starts a compositor and waits for its socket. */
export async function launchCompositor(options: LaunchOptions): Promise<Compositor> {
  const [program] = options.command;
  if (program === undefined) throw new Error('no compositor given: virtwl compositor -- sway');
  requireProgram(program, 'install a wlroots compositor, for instance: apt-get install sway');
  const command = endingWithUs(asOrdinaryUser(options.command));

  const given = process.env.XDG_RUNTIME_DIR;
  const runtimeDir = given ?? makeRuntimeDirectory('compositor');
  const output = options.output ?? 'inherit';
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDir, ...options.env },
    stdio: ['ignore', output, output],
    // A process group of its own, to recognise its socket by and to end all of it.
    detached: true,
  });
  const ended = new Promise<number>(resolve => {
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => resolve(code ?? 128 + system.signals[signal!]));
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= endGroup(child, ended).then(() => {
      if (given === undefined) rmSync(runtimeDir, { recursive: true, force: true });
    }));

  try {
    const display = await socketOf(
      child,
      ended,
      runtimeDir,
      program,
      options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
    );
    return { display, runtimeDir, process: child, ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The command as it must be for root: through bubblewrap, as an ordinary user of a namespace with the same files. */
export function asOrdinaryUser(command: readonly string[]): string[] {
  if (process.getuid?.() !== 0) return [...command];
  requireProgram(
    'bwrap',
    'compositors refuse to run as root; either start this as another user or: apt-get install bubblewrap',
  );
  const id = String(ORDINARY_UID);
  return [
    'bwrap',
    '--unshare-user',
    '--uid',
    id,
    '--gid',
    id,
    '--dev-bind',
    '/',
    '/',
    '--die-with-parent',
    '--',
    ...command,
  ];
}

/**
 * The command such that the kernel ends it when we are killed: a compositor without its glue would keep screen and
 * keyboard, and the one that is started in its place would get neither. bwrap sees to that by itself. setpriv is a part
 * of util-linux; where there is none, the compositor stays.
 */
function endingWithUs(command: readonly string[]): string[] {
  if (command[0] === 'bwrap' || !hasProgram('setpriv')) return [...command];
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...command];
}

function requireProgram(program: string, advice: string): void {
  if (hasProgram(program)) return;
  throw Object.assign(new Error(`there is no program "${program}" here: ${advice}`), { code: 'ENOENT' });
}

function hasProgram(program: string): boolean {
  const places = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map(dir => join(dir, program));
  return places.some(place => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function socketOf(
  child: ChildProcess,
  ended: Promise<number>,
  runtimeDir: string,
  program: string,
  timeoutMs: number,
): Promise<string> {
  let exitCode: number | undefined;
  void ended.then(code => (exitCode = code));
  for (let waited = 0; waited < timeoutMs; waited += LOOK_INTERVAL_MS) {
    for (const name of readdirSync(runtimeDir)) {
      const path = join(runtimeDir, name);
      if (/^wayland-\d+$/.test(name) && listensIn(path, child.pid!)) return path;
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_INTERVAL_MS));
    if (exitCode !== undefined) throw new Error(`${program} ended with status ${exitCode} before it made a socket`);
  }
  throw new Error(`${program} made no Wayland socket in ${runtimeDir} within ${timeoutMs / 1000} s`);
}

/** Whether the process that listens at `path` belongs to the process group `group`. */
function listensIn(path: string, group: number): boolean {
  let socket: OwnedFd;
  try {
    socket = new OwnedFd(native.connectUnix(path));
  } catch {
    return false; // not listening yet, or left over from a compositor that died
  }
  try {
    const { pid } = native.peerCredentials(socket.fd);
    // The fields after the command's name, which may hold anything, in parentheses: state, parent, process group.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return Number(fields[2]) === group;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

async function endGroup(child: ChildProcess, ended: Promise<number>): Promise<void> {
  const group = child.pid;
  if (group === undefined) return;
  signalGroup(group, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(group, 'SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
  // What it started and left behind.
  signalGroup(group, 'SIGKILL');
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // all gone
  }
}
