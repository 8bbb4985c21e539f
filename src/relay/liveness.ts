/**
 * Whether the other side still answers: it is asked as long as somebody says something to it, and not otherwise, so that
 * nothing wakes up where nothing happens. Nor is it asked while it answers others: five hundred programs that draw have an
 * answer for each frame. In: that somebody has spoken, and how much was answered. Out: questions, and since when one has had
 * no answer. Who asks, and of whom, is the owner's: a proxy asks over each link, the glue asks the compositor itself.
 */

/** How long after a word the question follows, and the time between two questions, in milliseconds. */
export const ASK_MS = 500;
/**
 * How long a question may be open before that is a wait that a status tells, in milliseconds: less than the time between
 * two readings of `virtwl status`, whose first one asks.
 */
export const SILENT_MS = 800;

export interface LivenessOptions {
  /** Asks; `answered` is called when there is an answer, or nobody any more who could give one. */
  readonly ask: (answered: () => void) => void;
  /** Calls `spoken` once, when somebody says something the next time. */
  readonly listen: (spoken: () => void) => void;
  /** How much the other side has answered so far, to whomever: while that becomes more, there is no question. */
  readonly answers: () => number;
  /** {@link Liveness.silentSince} is another one. */
  readonly changed: () => void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  /** When the open question was asked, of `performance.now()`. */
  #asked: number | undefined;
  #silent = false;
  /** Something was said since the last question. */
  #spoken = false;
  /**
   * What was said before the last question is asked about once more: who waits for a frame says nothing until it comes, and
   * the other side may have stopped just after its answer.
   */
  #again = false;
  /** What was answered when it was looked last. */
  #answers = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#listen();
  }

  /** Since when there is no answer, of `performance.now()`; undefined where there was one, or nobody has asked. */
  get silentSince(): number | undefined {
    return this.#silent ? this.#asked : undefined;
  }

  /** Asks now, whether or not somebody has spoken, unless a question is open. */
  ask(): void {
    if (this.#closed) return;
    if (this.#asked === undefined) this.#ask();
    else this.#look();
  }

  /** Nothing is asked any more. Idempotent. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asked = undefined;
    this.#silent = false;
  }

  #listen(): void {
    this.#options.listen(() => {
      this.#spoken = true;
      this.#lookAgain();
    });
  }

  #lookAgain(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#answers = this.#options.answers();
    this.#schedule(ASK_MS);
  }

  #schedule(ms: number): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#due();
    }, ms);
    // To ask is no reason to be there.
    this.#timer.unref();
  }

  #due(): void {
    if (this.#asked !== undefined) this.#look();
    else if (this.#options.answers() !== this.#answers) this.#lookAgain();
    else if (this.#spoken || this.#again) this.#ask();
  }

  #ask(): void {
    this.#again = this.#spoken;
    if (this.#spoken) {
      this.#spoken = false;
      this.#listen();
    }
    const asked = performance.now();
    this.#asked = asked;
    this.#schedule(SILENT_MS);
    this.#options.ask(() => {
      // A later one, or none.
      if (this.#asked === asked) this.#answered();
    });
  }

  #answered(): void {
    this.#asked = undefined;
    const silent = this.#silent;
    this.#silent = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#spoken || this.#again) this.#lookAgain();
    if (silent) this.#options.changed();
  }

  /** The question is open. */
  #look(): void {
    if (this.#silent) return;
    const left = SILENT_MS - (performance.now() - this.#asked!);
    if (left > 0) {
      this.#schedule(left);
      return;
    }
    this.#silent = true;
    this.#options.changed();
  }
}
