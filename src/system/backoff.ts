/**
 * Waiting longer and longer between attempts: for a peer that is not up yet, or comes back.
 */
export class Backoff {
  #next: number;
  #timer: NodeJS.Timeout | undefined;

  /** The first wait and the longest one, in milliseconds; each is twice the one before. */
  constructor(
    readonly firstMs = 100,
    readonly longestMs = 5000,
  ) {
    this.#next = firstMs;
  }

  /** Calls `attempt` after the next wait. One at a time: an earlier one that is still due is dropped. */
  schedule(attempt: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(attempt, this.#next);
    this.#next = Math.min(this.#next * 2, this.longestMs);
  }

  /** After a success: the next wait is the first one again. */
  reset(): void {
    this.#next = this.firstMs;
  }

  /** Drops what is due. */
  cancel(): void {
    clearTimeout(this.#timer);
  }
}
