/**
 * A bare Debian 13 with Node.js and nothing that compiles, in a directory that can be written to: where the packages are
 * tried as an operator of a guest would. The system is made once and kept in the cache; each test has a copy.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { artifact } from '../../src/vm/cache.js';
import { makeSystem, systemInputs, type SystemSpec } from '../../src/vm/debian.js';

/** Node.js 20, what confines a host process, and what shows a manual page. */
const SYSTEM: SystemSpec = { variant: 'minbase', packages: ['nodejs', 'bubblewrap', 'man-db'] };

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

export class BareRoot {
  private constructor(
    /** Its root directory, from outside. Removed by {@link remove}. */
    readonly directory: string,
  ) {}

  /** A copy of the system; the system itself is made first where it is not in the cache. */
  static async make(): Promise<BareRoot> {
    const system = await artifact(
      {
        name: 'bare-root',
        inputs: [systemInputs(SYSTEM)],
        build: directory => makeSystem(SYSTEM, directory, say),
      },
      say,
    );
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-bare-'));
    execFileSync('cp', ['-a', '--reflink=auto', `${system}/.`, directory]);
    return new BareRoot(directory);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /**
   * Runs a shell command there as root, without a network.
   * @param places directories of this machine by where they are to be seen, read-only
   */
  run(command: string, places: Readonly<Record<string, string>> = {}): Outcome {
    const { status, stdout, stderr, error } = spawnSync(
      'bwrap',
      [
        ...['--unshare-all', '--die-with-parent', '--uid', '0', '--gid', '0', '--bind', this.directory, '/'],
        ...['--dev', '/dev', '--proc', '/proc', '--tmpfs', '/run', '--clearenv', '--chdir', '/root'],
        ...['--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', '--setenv', 'HOME', '/root'],
        ...Object.entries(places).flatMap(([there, here]) => ['--ro-bind', here, there]),
        ...['--', 'sh', '-c', command],
      ],
      { encoding: 'utf8' },
    );
    if (error !== undefined) throw error;
    return { status, output: stdout, errors: stderr };
  }

  /** Paths of all files, links and directories, but for those of dpkg's own records and of caches. */
  files(): string[] {
    const skipped = ['/var/lib/dpkg', '/var/log', '/var/cache', '/proc', '/dev', '/run', '/tmp', '/root'];
    return execFileSync('find', [this.directory, '-printf', '/%P\\n'], { encoding: 'utf8', maxBuffer: 2 ** 26 })
      .split('\n')
      .filter(path => !skipped.some(directory => path === directory || path.startsWith(`${directory}/`)))
      .sort();
  }
}

function say(line: string): void {
  console.log(`# ${line}`);
}
