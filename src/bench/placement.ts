/**
 * Where the benchmark's processes run. On cores that are given, two runs can be compared: the scheduler has no choice
 * left. One core is for everything; of two, the first is for the client's side (client, proxy, near relay), the second for
 * the compositor's (compositor, glue, far relay, the host's processes). Without any, the scheduler chooses.
 */
import { spawnSync } from 'node:child_process';

export class Placement {
  /** @param cores none, one or two numbers of cores */
  constructor(readonly cores: readonly number[]) {
    if (cores.length > 2 || cores.some(core => !Number.isSafeInteger(core) || core < 0)) {
      throw new RangeError(`one core or two, by their numbers from 0: not ${cores.join(' ')}`);
    }
  }

  /**
   * Puts this process, and with it what it starts from now on, on the compositor's side. Throws where there is no such core,
   * or none that this process may use.
   */
  apply(): void {
    // Of the client's core it is only tried whether it can be had.
    for (const core of this.cores) {
      const { status, stderr, error } = spawnSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)], {
        encoding: 'utf8',
      });
      if (status === 0) continue;
      const why = error?.message ?? stderr.trim();
      throw new Error(`pinning the benchmark to core ${core}: ${why} (which there are: taskset -c -p $$)`);
    }
  }

  /** A command of the client's side. */
  clientSide(command: readonly string[]): string[] {
    return this.cores.length < 2 ? [...command] : ['taskset', '-c', String(this.cores[0]), ...command];
  }

  /** For the report: where everything ran. */
  toString(): string {
    const [client, compositor] = this.cores;
    if (client === undefined) return 'not pinned to cores';
    if (compositor === undefined) return `everything pinned to core ${client}`;
    return `the client's side pinned to core ${client}, the compositor's to core ${compositor}`;
  }
}
