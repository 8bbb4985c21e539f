/**
 * Confinement by bubblewrap: user, mount, PID, network, IPC, UTS and (where there is one) cgroup namespaces of its own,
 * a session of its own, no capabilities, and a root that is empty and read-only but for what is bound into it. Nothing
 * of the machine is there: no /etc, no /home, no /dev, no /proc; only what {@link runtimeFiles} names and what the
 * {@link Confinement} does.
 *
 * There is no /proc because Node.js does without, and because of root: even without a single capability, a user who is
 * root outside still owns /proc/sys, and a word in core_pattern makes a program of its choice run outside with all
 * rights.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { realpathSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Confinement } from './confinement.js';
import { engineFlags, FILTER_FD, STATUS_FD, type Launch, type Launched } from './launcher.js';
import { libraryDirectories, runtimeFiles } from './runtime-files.js';

/** How long a trial may take, in milliseconds. */
const TRIAL_TIMEOUT_MS = 10_000;

/** The user and group that a confined process is, to itself: nobody. */
export const CONFINED_UID = 65534;

/** Descriptors of bwrap's own; the confined process does not get them. */
export interface BubblewrapDescriptors {
  /** Where it tells the process's id, and its end. */
  readonly status: number;
  /** Where it reads the system call filter that is to hold from the process's first instruction on. */
  readonly filter: number;
}

/**
 * The arguments of bwrap for a confinement, up to and with the program. `environment` is the whole of the process's
 * environment, but for the way to its libraries.
 */
export function bubblewrapArguments(
  confinement: Confinement,
  fds: BubblewrapDescriptors,
  environment: Readonly<Record<string, string>>,
): string[] {
  const all = { ...environment, LD_LIBRARY_PATH: libraryDirectories().join(':') };
  return [
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--uid', String(CONFINED_UID), '--gid', String(CONFINED_UID), '--hostname', 'virtwl'],
    ...['--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
    ...Object.entries(all).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--json-status-fd', String(fds.status), '--seccomp', String(fds.filter)],
    ...binds(confinement),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...[process.execPath, ...engineFlags(), ...confinement.command],
  ];
}

/** Whether bubblewrap is there and may make namespaces. */
export function bubblewrapWorks(): boolean {
  const trial = ['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', '--', 'true'];
  return spawnSync('bwrap', trial, { stdio: 'ignore', timeout: TRIAL_TIMEOUT_MS }).status === 0;
}

export function launchInBubblewrap({ confinement, environment, filter }: Launch): Launched {
  const args = bubblewrapArguments(confinement, { status: STATUS_FD, filter: FILTER_FD }, environment);
  const child = spawn('bwrap', args, {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe', ...Object.values(confinement.fds).map(fd => fd.fd)],
    // Apart from our process group: Ctrl-C shall reach us, who pass it on, and not kill bwrap at work.
    detached: true,
  });
  const pipe = child.stdio[FILTER_FD] as Writable | null | undefined;
  // A bwrap that ends before it has read the filter says itself why.
  pipe?.on('error', () => {}).end(filter);
  return new Bubblewrap(child);
}

/** What bwrap tells. */
class Bubblewrap implements Launched {
  readonly program = 'bubblewrap (bwrap)';
  readonly install = 'apt-get install bubblewrap';
  confinedPid: number | undefined;
  #told = '';

  constructor(readonly process: ChildProcess) {
    const status = process.stdio[STATUS_FD] as Readable | null | undefined;
    status?.setEncoding('utf8').on('data', (text: string) => {
      this.#told += text;
      // The first is bwrap's word, told before there is a confined process that could tell anything.
      this.confinedPid ??= Number(/"child-pid":\s*(\d+)\D/.exec(this.#told)?.[1] ?? NaN) || undefined;
    });
  }

  /** bwrap tells the program's end only when there was one. */
  get ran(): boolean {
    return this.#told.includes('"exit-code"');
  }

  confinedStatus(status: number): number {
    return status;
  }
}

/** What is bound. Directories come before what is in them: what may only be read stays so inside of what may be written. */
function binds({ readable, writable }: Confinement): string[] {
  const all = [
    ...[...runtimeFiles(), ...readable].map(path => ({ how: '--ro-bind', path })),
    ...writable.map(path => ({ how: '--bind', path })),
  ];
  all.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return all.flatMap(({ how, path }) => [how, realpathSync(path), path]);
}
