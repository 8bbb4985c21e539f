/**
 * Programs of the compositor's user: the compositor, and what is started beside it. Most compositors refuse to run as
 * root; where we are root they run as another user of a namespace. None of them outlives us, and what they started
 * goes with them.
 */
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as system } from 'node:os';
import { delimiter, join } from 'node:path';

/** Whom a compositor runs as when we are root: the first ordinary user of a Debian system. */
const ORDINARY_UID = 1000;
/** Time between SIGTERM and SIGKILL at the end, in milliseconds. */
const STOP_TIMEOUT_MS = 3_000;

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
export function endingWithUs(command: readonly string[]): string[] {
  if (command[0] === 'bwrap' || !hasProgram('setpriv')) return [...command];
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...command];
}

/** @throws Error with the code ENOENT and what to do, where there is no such program in PATH, or at a path */
export function requireProgram(program: string, advice: string): void {
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

/** Resolves when it has ended, with its exit code: 128 + signal where a signal ended it, 127 where it could not be started. */
export function endOf(child: ChildProcess): Promise<number> {
  return new Promise<number>(resolve => {
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => resolve(code ?? 128 + system.signals[signal!]));
  });
}

/** Ends a process that leads a group, and all of that group. Resolves when the process has ended. */
export async function endGroup(child: ChildProcess, ended: Promise<number>): Promise<void> {
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
