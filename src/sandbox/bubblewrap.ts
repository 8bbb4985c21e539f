/**
 * Confinement by bubblewrap: user, mount, PID, network, IPC, UTS and (where there is one) cgroup namespaces of its own,
 * a session of its own, no capabilities, and a root that is empty and read-only but for what is bound into it. Nothing
 * of the machine is there: no /etc, no /home, no /dev, no /proc; only what {@link runtimeFiles} names and what the
 * {@link Confinement} does.
 *
 * There is no /proc because Node.js does without, and because of root: without a single capability, whoever is root
 * outside still owns /proc/sys, and a word in core_pattern makes a program of its choice run outside with all rights.
 */
import { realpathSync } from 'node:fs';
import type { Confinement } from './confinement.js';
import { libraryFolders, runtimeFiles } from './runtime-files.js';

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
  const all = { ...environment, LD_LIBRARY_PATH: libraryFolders().join(':') };
  return [
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--uid', String(CONFINED_UID), '--gid', String(CONFINED_UID), '--hostname', 'virtwl'],
    ...['--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
    ...Object.entries(all).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--json-status-fd', String(fds.status), '--seccomp', String(fds.filter)],
    ...binds(confinement),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...[process.execPath, ...confinement.command],
  ];
}

/** What is bound. Folders come before what is in them: what may only be read stays so inside of what may be written. */
function binds({ readable, writable }: Confinement): string[] {
  const all = [
    ...[...runtimeFiles(), ...readable].map(path => ({ how: '--ro-bind', path })),
    ...writable.map(path => ({ how: '--bind', path })),
  ];
  all.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return all.flatMap(({ how, path }) => [how, realpathSync(path), path]);
}
