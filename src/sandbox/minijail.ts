/**
 * Confinement by minijail, on machines that have minijail0: the same namespaces, the same empty root, the same filter
 * and the same descriptors as in `bubblewrap.ts`, said in its words. Four things minijail0 does not do, and they are
 * done beside it:
 *
 * - It does not end with its parent, nor does its child with it. `setpriv` (util-linux) has it killed when this process
 *   ends, and the confined process has itself killed when minijail0 does: `in-minijail.ts`, before anything else.
 * - It does not tell whether the program was started. `in-minijail.ts` tells it, and waits for an answer, so that
 *   neither side can have gone unnoticed meanwhile.
 * - It leaves its own descriptors open. `in-minijail.ts` closes them.
 * - It makes a session only where a terminal is in sight. `in-minijail.ts` makes one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, realpathSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { CONFINED_UID } from './bubblewrap.js';
import type { Confinement } from './confinement.js';
import { engineFlags, FILTER_FD, findProgram, STATUS_FD, type Launch, type Launched } from './launcher.js';
import { libraryDirectories, runtimeFiles } from './runtime-files.js';

/** The command of minijail. */
export const MINIJAIL = 'minijail0';

const INSTALL = 'apt-get install minijail util-linux (Debian: from forky on), or leave it to bubblewrap';

/** The module that a process in minijail runs first, compiled. */
const FIRST_MODULE = fileURLToPath(new URL('in-minijail.js', import.meta.url));

/**
 * Where the new root is put together: a directory that every machine has, and in which nothing is that could be bound into
 * it. The host's /proc is out of sight from then on.
 */
const ROOT = '/proc';

/** minijail0's status for a process that the filter killed (libminijail.h). */
const SECCOMP_VIOLATION = 253;

/** The user and group outside, whom the confined process's own stand for. */
export interface OutsideIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The arguments of minijail0 for a confinement, up to and with the program. `filter` is the number of a descriptor of
 * memory that holds the filter.
 *
 * @throws Error for a path that cannot be said in minijail0's arguments
 */
export function minijailArguments(confinement: Confinement, filter: number, { uid, gid }: OutsideIds): string[] {
  return [
    // User, PID, mount, network, IPC, UTS and cgroup namespaces; nobody inside, who is the user outside.
    ...['-U', `-m${CONFINED_UID} ${uid} 1`, `-M${CONFINED_UID} ${gid} 1`, '-p', '-v', '-e', '-l', '--uts=virtwl', '-N'],
    // A process that makes a user namespace without privileges may not drop groups. They are nobody's inside.
    ...['-u', String(CONFINED_UID), '-g', String(CONFINED_UID), '-y'],
    // The first process of its namespace itself; everything is set up before the program is started, not by a library
    // that is put into it (static); no capabilities.
    ...['-I', '-T', 'static', '-n', '-c', '0', '--ambient', '--logging=stderr'],
    ...[`--seccomp-bpf-binary=/proc/self/fd/${filter}`],
    ...['-P', ROOT, '-k', 'none,/,tmpfs,MS_NODEV|MS_NOSUID,mode=0755'],
    ...binds(confinement),
    ...['-k', 'none,/,none,MS_REMOUNT|MS_BIND|MS_RDONLY|MS_NODEV|MS_NOSUID', '--'],
    ...[process.execPath, ...engineFlags(), '--import', FIRST_MODULE, ...confinement.command],
  ];
}

/** As in bubblewrap: directories before what is in them. */
function binds({ readable, writable }: Confinement): string[] {
  const all = [
    ...[...runtimeFiles(), ...readable].map(path => ({ path, mode: '0' })),
    ...writable.map(path => ({ path, mode: '1' })),
  ];
  all.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return all.flatMap(({ path, mode }) => {
    const source = realpathSync(path);
    for (const part of [source, path]) {
      if (part.includes(',')) throw new Error(`minijail takes no path with a comma in it: ${part}`);
    }
    return ['-b', `${source},${path},${mode}`];
  });
}

/** @throws Error where minijail0 or setpriv is missing, or a path cannot be said to minijail0 */
export function launchInMinijail({ confinement, environment, filter }: Launch): Launched {
  const [setpriv, minijail] = ['setpriv', MINIJAIL].map(name => {
    const path = findProgram(name);
    if (path !== undefined) return path;
    throw new Error(`cannot confine the ${confinement.name}: there is no ${name} on the PATH; install it: ${INSTALL}`);
  }) as [string, string];
  const memory = new OwnedFd(native.memfd('virtwl-filter', 0, 0));
  try {
    writeSync(memory.fd, filter);
    const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const args = ['--pdeathsig', 'KILL', '--', minijail, ...minijailArguments(confinement, FILTER_FD, ids)];
    const child = spawn(setpriv, args, {
      // minijail0 keeps the environment as it is.
      env: { ...environment, LD_LIBRARY_PATH: libraryDirectories().join(':'), PWD: '/' },
      cwd: '/',
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', memory.fd, ...Object.values(confinement.fds).map(fd => fd.fd)],
      // As for bwrap: out of the reach of Ctrl-C.
      detached: true,
    });
    return new Minijail(child);
  } finally {
    memory.close();
  }
}

/** What is seen of minijail0, and what the confined process tells when it starts. */
class Minijail implements Launched {
  readonly program = `minijail (${MINIJAIL}, by setpriv)`;
  readonly install = INSTALL;
  ran = false;

  constructor(readonly process: ChildProcess) {
    const status = process.stdio[STATUS_FD] as Duplex | null | undefined;
    status?.on('error', () => {});
    status?.once('data', () => {
      this.ran = true;
      // The confined process goes on when it learns that minijail0 is still there: from here on its end ends both.
      if (process.exitCode === null && process.signalCode === null) status.end('.');
      else status.destroy();
    });
    // One that outlives minijail0 before it has told is not left waiting.
    process.once('exit', () => status?.destroy());
  }

  /** The only child of minijail0. */
  get confinedPid(): number | undefined {
    const { pid } = this.process;
    try {
      return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]) || undefined;
    } catch {
      return undefined; // it has ended
    }
  }

  confinedStatus(status: number): number {
    return this.ran && status === SECCOMP_VIOLATION ? 128 + constants.signals.SIGSYS : status;
  }
}
