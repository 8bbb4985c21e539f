/**
 * A log that guests can cause lines in, and cannot fill: so many lines a VM and span of time, and the number of those
 * that were left out. Nor can they forge lines, or write to a terminal what it takes for a command.
 */
import { printable } from './printable.js';

/** Lines of one VM in one span: enough to see what goes wrong. */
export const DEFAULT_LINES = 100;

/** A span in milliseconds. With the number of lines above, a guest that does its worst writes some 20 MB a day. */
export const DEFAULT_SPAN_MS = 60_000;

interface Count {
  lines: number;
  since: number;
}

export class LogLimit {
  readonly #counts = new Map<string, Count>();

  constructor(
    private readonly log: (line: string) => void,
    private readonly most = DEFAULT_LINES,
    private readonly spanMs = DEFAULT_SPAN_MS,
  ) {}

  /** Logs a line that this VM caused, or counts it. */
  line(vm: string, text: string): void {
    const now = performance.now();
    let count = this.#counts.get(vm);
    if (count === undefined || now - count.since > this.spanMs) {
      this.#tellHidden(vm, count);
      count = { lines: 0, since: now };
      this.#counts.set(vm, count);
    }
    if (++count.lines <= this.most) this.log(printable(text));
  }

  /** Tells how many lines of this VM were left out, and forgets it: for when it is gone. */
  forget(vm: string): void {
    this.#tellHidden(vm, this.#counts.get(vm));
    this.#counts.delete(vm);
  }

  #tellHidden(vm: string, count: Count | undefined): void {
    const hidden = (count?.lines ?? 0) - this.most;
    if (hidden > 0) this.log(`${hidden} more lines on VM "${vm}" were left out`);
  }
}
