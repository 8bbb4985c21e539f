/**
 * Starting a compositor and finding its socket. wlroots compositors choose the name of their socket themselves and most
 * refuse to run as root; here they get a runtime directory if there is none, another user if we are root, and the socket
 * that appears is taken for theirs only if it was made by their process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OwnedFd } from '../src/system/fd.js';
import { native } from '../src/system/native.js';
import { makeRuntimeDirectory } from '../src/system/runtime-directory.js';
import { asOrdinaryUser, endGroup, endingWithUs, endOf, requireProgram } from './ordinary-user.js';
import { lackOfScreen } from './screen-hardware.js';

/** How long a compositor may take to make its socket, in milliseconds: a cold start in an emulated VM takes 20 s. */
export const DEFAULT_START_TIMEOUT_MS = 60_000;
/** How often the runtime directory is read while waiting, in milliseconds. */
const LOOK_INTERVAL_MS = 30;
/**
 * How long it may go without a socket until a GPU or seat that is missing is told, in milliseconds: wlroots waits ten
 * seconds for a GPU before it says anything, and a compositor that needs none is there before.
 */
const LACK_IS_TOLD_MS = 2_000;
/** What helps where there is nothing to show a picture on. */
const WITHOUT_SCREEN = '"virtwl compositor --headless" needs neither, and --vnc shows its picture';

export interface LaunchOptions {
  /** The compositor and its arguments. */
  readonly command: readonly string[];
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly startTimeoutMs?: number;
  /** Gets a sentence where it seems to wait for a GPU or a seat that this machine has not. */
  readonly warn?: (text: string) => void;
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
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDir, ...options.env };
  const child = spawn(command[0]!, command.slice(1), {
    env,
    stdio: ['ignore', output, output],
    // A process group of its own, to recognise its socket by and to end all of it.
    detached: true,
  });
  const ended = endOf(child);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= endGroup(child, ended).then(() => {
      if (given === undefined) rmSync(runtimeDir, { recursive: true, force: true });
    }));

  const lack = lackOfScreen(env);
  const timer = setTimeout(() => {
    if (lack !== undefined) options.warn?.(`${program} has no socket yet: ${lack}; ${WITHOUT_SCREEN}`);
  }, LACK_IS_TOLD_MS);
  try {
    const timeout = options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS;
    const display = await socketOf(child, ended, runtimeDir, program, timeout);
    return { display, runtimeDir, process: child, ended, stop };
  } catch (error) {
    await stop();
    if (lack === undefined) throw error;
    throw new Error(`${(error as Error).message}: ${lack}; ${WITHOUT_SCREEN}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
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
