/**
 * The trace of a run for a bug report, whatever its length. In: lines, one a message. Out: a text of bounded size, with how
 * it began, which has globals and buffers, and what came last, which is where something went wrong.
 */

/** Most bytes of it: the messages of some 3,000 frames, and what a bug tracker takes as an attachment. */
export const MOST_TRACE_BYTES = 2 << 20;

export class KeptTrace {
  readonly #half: number;
  readonly #first: string[] = [];
  readonly #last: string[] = [];
  #firstBytes = 0;
  #lastBytes = 0;
  #leftOut = 0;

  /** @param mostBytes of {@link KeptTrace.text}, in bytes, the line about what was left out not counted */
  constructor(private readonly mostBytes = MOST_TRACE_BYTES) {
    this.#half = mostBytes / 2;
  }

  /** @param line without its end */
  add(line: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    // Once a line did not fit, all are of the end: they stay in order.
    if (this.#last.length === 0 && this.#leftOut === 0 && this.#firstBytes + bytes <= this.#half) {
      this.#first.push(line);
      this.#firstBytes += bytes;
      return;
    }
    this.#last.push(line);
    this.#lastBytes += bytes;
    while (this.#firstBytes + this.#lastBytes > this.mostBytes) {
      this.#lastBytes -= Buffer.byteLength(this.#last.shift()!) + 1;
      this.#leftOut += 1;
    }
  }

  /** Whole lines, each with its end. */
  get text(): string {
    const between = this.#leftOut === 0 ? [] : [`... left out: ${this.#leftOut} ...`];
    return [...this.#first, ...between, ...this.#last].map(line => `${line}\n`).join('');
  }
}
