/**
 * Who gets the next pages. To reserve memory takes the kernel as long as to clear it, a tenth of a second for a large slab,
 * so what is large is reserved in steps, and all who wait take turns: a small request is not held up by a large one that
 * came before it on another connection.
 */

/** Bytes that are reserved in one step: a quarter of a millisecond, and as much as the smallest slab of an application. */
export const STEP_BYTES = 1 << 20;

/** Does one turn. Returns whether another one is wanted. */
export type Step = () => boolean;

export class Turns {
  #waiting: Step[] = [];
  #scheduled: NodeJS.Immediate | undefined;

  /** `step` is called when its turn comes, and again as long as it says so. Each connection has one at most. */
  add(step: Step): void {
    this.#waiting.push(step);
    this.#scheduled ??= setImmediate(() => this.#next());
  }

  /** Nobody has a turn any more. */
  close(): void {
    clearImmediate(this.#scheduled);
    this.#waiting = [];
  }

  #next(): void {
    this.#scheduled = undefined;
    const step = this.#waiting.shift();
    if (step?.() === true) this.#waiting.push(step);
    if (this.#waiting.length > 0) this.#scheduled ??= setImmediate(() => this.#next());
  }
}
