/**
 * What the page is told: the reports of all processes, read when somebody looks and not before. In: questions of however
 * many pages. Out: one reading for all of them, and frames a second since the one before.
 */
import { readReports } from '../observe/process-report.js';
import type { ProcessReport } from '../observe/status-report.js';

/** What was read at least so long ago is read anew, in milliseconds: a page asks each second, and there may be more pages. */
export const FRESH_MS = 500;
/** After how long nobody can mean a rate since the last reading, in milliseconds: then it begins anew. */
const FORGET_MS = 10_000;

export interface Reading {
  /** When it was read: ISO 8601 in UTC. */
  readonly read: string;
  readonly reports: readonly ProcessReport[];
}

export class Readings {
  #last: Reading | undefined;
  #at = -Infinity;
  #underWay: Promise<Reading> | undefined;
  #count = 0;

  /** `directory`: of the sockets of the processes. */
  constructor(private readonly directory: string) {}

  /** How often processes were asked. */
  get count(): number {
    return this.#count;
  }

  /** The reading of this moment. Rejects where the directory cannot be read. */
  now(): Promise<Reading> {
    if (this.#last !== undefined && performance.now() - this.#at < FRESH_MS) return Promise.resolve(this.#last);
    this.#underWay ??= this.#read().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #read(): Promise<Reading> {
    this.#count += 1;
    // Without a reading before, there are no rates yet: better than a page that stays empty for a second.
    const before = performance.now() - this.#at < FORGET_MS ? (this.#last?.reports ?? []) : [];
    const reports = await readReports(this.directory, before);
    this.#at = performance.now();
    this.#last = { read: new Date().toISOString(), reports };
    return this.#last;
  }
}
