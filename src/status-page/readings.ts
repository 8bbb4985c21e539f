/**
 * What the page is told: the reports of all processes and pictures of outputs, asked for when somebody looks and not before.
 * In: questions of however many pages. Out: one reading for all of them, and frames a second since the last but one.
 */
import { ANSWER_MS, askAll } from '../observe/ask-status.js';
import { readReports } from '../observe/process-report.js';
import type { ProcessReport, ThumbnailsReport } from '../observe/status-report.js';
import { EVERY_MS } from './pace.js';

/** What was read less long ago is told again, in milliseconds: a page asks less often, and there may be more pages. */
const FRESH_MS = EVERY_MS / 2;
/** The same of pictures. */
const FRESH_PICTURES_MS = 1_000;
/** After how long nobody can mean a rate since the last reading, in milliseconds: then it begins anew. */
const FORGET_MS = 10_000;

export interface Reading {
  /** When it was read: ISO 8601 in UTC. */
  readonly read: string;
  readonly reports: readonly ProcessReport[];
}

/** The pictures of one compositor. */
export interface Pictures extends ThumbnailsReport {
  /** The glue's process. */
  readonly pid: number;
}

/** Reads once for all who ask at the same time, and for those who come soon after. */
export class Shared<T> {
  #last: { readonly value: T; readonly at: number } | undefined;
  #underWay: Promise<T> | undefined;
  #count = 0;

  /** `read` gets what it read before, where that is not too old. */
  constructor(
    private readonly freshMs: number,
    private readonly read: (before: T | undefined) => Promise<T>,
  ) {}

  /** How often it was read. */
  get count(): number {
    return this.#count;
  }

  /** That of this moment. Rejects as `read` does. */
  now(): Promise<T> {
    const age = this.#last === undefined ? Infinity : performance.now() - this.#last.at;
    if (age < this.freshMs) return Promise.resolve(this.#last!.value);
    this.#underWay ??= this.#again(age < FORGET_MS ? this.#last!.value : undefined).finally(
      () => (this.#underWay = undefined),
    );
    return this.#underWay;
  }

  async #again(before: T | undefined): Promise<T> {
    this.#count += 1;
    const value = await this.read(before);
    this.#last = { value, at: performance.now() };
    return value;
  }
}

/** Of all processes of a directory of their sockets. */
export function readings(directory: string): Shared<Reading> {
  let earlier: Reading | undefined;
  return new Shared<Reading>(FRESH_MS, async before => {
    // Between two readings there are few frames. Without any before, there are no rates yet: better than an empty page.
    const since = before && (earlier ?? before);
    earlier = before;
    const reports = await readReports(directory, since?.reports ?? []);
    return { read: new Date().toISOString(), reports };
  });
}

/** Of the compositors there that hand them out. */
export function pictures(directory: string): Shared<readonly Pictures[]> {
  return new Shared<readonly Pictures[]>(FRESH_PICTURES_MS, async () => {
    const answers = await askAll(directory, ANSWER_MS, 'thumbnails');
    return answers.map(({ pid, status, silent = 'no answer' }) => ({
      pid,
      ...((status as unknown as ThumbnailsReport | undefined) ?? { outputs: [], refused: silent }),
    }));
  });
}
