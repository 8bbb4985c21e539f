/**
 * Keeps what guests cause in the log from filling it: so many lines a VM and span of time, and the number of those that
 * were left out.
 */

/** Lines of one VM in one span: enough to see what goes wrong. */
export const DEFAULT_LINES = 100;

/** A span in milliseconds. With the number of lines above, a guest that does its worst writes some 20 MB a day. */
export const DEFAULT_SPAN_MS = 60_000;

/**
 * VMs that are counted at a time. A broker serves 256; one more than this is counted in the place of the one that was
 * counted first.
 */
export const MAX_COUNTED_VMS = 1024;

interface Count {
  lines: number;
  since: number;
}

export class LogLimit {
  readonly #counts = new Map<string, Count>();

  /** @param left told how many lines of a VM were left out, when its span is over or it is forgotten */
  constructor(
    private readonly left: (vm: string, lines: number) => void,
    private readonly most = DEFAULT_LINES,
    private readonly spanMs = DEFAULT_SPAN_MS,
    /** In milliseconds, of any beginning. */
    private readonly now = () => performance.now(),
  ) {}

  /** Counts a line that this VM caused, and tells whether it may be printed. */
  admits(vm: string): boolean {
    const now = this.now();
    let count = this.#counts.get(vm);
    if (count === undefined || now - count.since > this.spanMs) {
      this.forget(vm);
      const [first] = this.#counts.keys();
      if (this.#counts.size >= MAX_COUNTED_VMS) this.forget(first!);
      count = { lines: 0, since: now };
      this.#counts.set(vm, count);
    }
    return ++count.lines <= this.most;
  }

  /** Tells how many lines of this VM were left out, and forgets it: for when it is gone. */
  forget(vm: string): void {
    const hidden = (this.#counts.get(vm)?.lines ?? 0) - this.most;
    this.#counts.delete(vm);
    if (hidden > 0) this.left(vm, hidden);
  }

  /** The same for all: at the end of the process. */
  forgetAll(): void {
    for (const vm of [...this.#counts.keys()]) this.forget(vm);
  }
}
