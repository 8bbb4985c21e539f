/**
 * What becomes of an application's frame for which there is no memory. It is not refused: its window keeps the picture
 * that it has, and the frame is tried again until there is memory. That may be soon, when a window is closed or another
 * program gives something up. Where it is not, it is said in the log, with the numbers, and again when it is over.
 */

/** The first pause before memory is asked for again, in milliseconds; each is twice as long as the one before. */
export const FIRST_RETRY_MS = 50;
/** The longest of these pauses, in milliseconds. */
export const LAST_RETRY_MS = 2000;
/** How long a frame may wait before that is said, in milliseconds: a window that is closed gives its memory back sooner. */
export const TELL_AFTER_MS = 1000;

export interface ShortageOptions {
  /** Tries the frames that wait. */
  readonly retry: () => void;
  /** Is told, for people, that frames wait or do not wait any more. */
  readonly tell: (text: string) => void;
  /** Default: {@link TELL_AFTER_MS}. */
  readonly tellAfterMs?: number | undefined;
}

/** The shortage of memory of one application. */
export class MemoryShortage {
  readonly #options: ShortageOptions;
  /** What waits: surfaces. */
  readonly #waiting = new Set<object>();
  #pauseMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  /** Since when something waits. */
  #since = 0;
  #told = false;
  #closed = false;

  constructor(options: ShortageOptions) {
    this.#options = options;
  }

  /** Memory was refused, and is not asked for again before the pause is over. */
  get pausing(): boolean {
    return this.#timer !== undefined;
  }

  /** Since when frames wait, of `performance.now()`; undefined where none does. */
  get since(): number | undefined {
    return this.#waiting.size > 0 ? this.#since : undefined;
  }

  /** There is no memory for a frame of `surface`, of `size` pixels, like 640x480; `why` has the numbers. */
  refused(surface: object, size: string, why: string): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#waiting.size === 0) this.#since = now;
    this.#waiting.add(surface);
    if (!this.#told && now - this.#since >= (this.#options.tellAfterMs ?? TELL_AFTER_MS)) {
      this.#told = true;
      this.#options.tell(
        `no memory for a frame of ${size} pixels: its window keeps the picture that it has, and is drawn when there is ` +
          `some: ${why}`,
      );
    }
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#options.retry();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LAST_RETRY_MS);
  }

  /** A frame of `surface` got through, or the surface is gone. */
  over(surface: object): void {
    if (!this.#waiting.delete(surface)) return;
    // Where one got memory, the next may.
    this.#pauseMs = FIRST_RETRY_MS;
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#told) return;
    this.#told = false;
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(1);
    this.#options.tell(`no frame waits for memory any more, after ${seconds} s`);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
