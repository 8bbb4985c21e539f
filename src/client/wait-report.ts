/**
 * What applications wait for, said in the log: soon after the wait has begun, when the reason is another one, and from
 * time to time as the seconds that it has taken. A wait that takes too long can be given up.
 */

/** After how long a wait is told, in milliseconds: a compositor that is there answers in less, also when it is busy. */
export const TELL_AFTER_MS = 2_000;

/** When it is told again, in milliseconds from its beginning; each further time after twice as long. */
export const TELL_AGAIN_MS = 10_000;

/** The longest that a timer can be set to, in milliseconds. */
const LONG = 2 ** 31 - 1;

export interface WaitReportOptions {
  /** Why applications wait at this moment, or undefined where they do not. */
  readonly reason: () => string | undefined;
  /**
   * Where the wait that begins is older: when it has begun, of `performance.now()`, and after how long from then it is told,
   * in milliseconds. Default: now, and {@link TELL_AFTER_MS}.
   */
  readonly begun?: (() => { readonly since: number; readonly tellAfterMs: number } | undefined) | undefined;
  /** Gets a line: that it waits, or that the wait is over. */
  readonly say: (level: 'warning' | 'info', line: string) => void;
  /** After how long a wait is given up, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
  /** Told, once, that it was given up, and why. Nothing is told any more then. */
  readonly timedOut?: ((reason: string) => void) | undefined;
  /** Default: {@link TELL_AFTER_MS}. */
  readonly tellAfterMs?: number | undefined;
  /** Default: {@link TELL_AGAIN_MS}. */
  readonly tellAgainMs?: number | undefined;
}

export class WaitReport {
  readonly #tellAfterMs: number;
  /** When the wait began, of `performance.now()`. */
  #since: number | undefined;
  /** The reason that holds, and the one that was told last. */
  #reason: string | undefined;
  #told: string | undefined;
  /** Milliseconds from the beginning until the reason has lasted long enough to be told. */
  #changeDue = Infinity;
  /** Milliseconds from the beginning until it is told again. */
  #againDue = Infinity;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds from the beginning until it is given up. */
  #timeoutMs: number;
  #closed = false;

  constructor(private readonly options: WaitReportOptions) {
    this.#tellAfterMs = options.tellAfterMs ?? TELL_AFTER_MS;
    this.#timeoutMs = options.timeoutMs ?? Infinity;
    this.update();
  }

  /** The wait that is on, and since when, of `performance.now()`. */
  get wait(): { readonly reason: string; readonly since: number } | undefined {
    return this.#since === undefined ? undefined : { reason: this.#reason!, since: this.#since };
  }

  /** To be called when something has changed on which the reason depends. */
  update(): void {
    if (this.#closed) return;
    const reason = this.options.reason();
    if (reason === undefined) {
      this.#end();
      return;
    }
    if (this.#since === undefined) {
      const begun = this.options.begun?.();
      this.#since = begun?.since ?? performance.now();
      this.#changeDue = begun?.tellAfterMs ?? this.#tellAfterMs;
      this.#againDue = this.options.tellAgainMs ?? TELL_AGAIN_MS;
    } else if (reason !== this.#reason && this.#told !== undefined) {
      // On the way to a compositor that is starting, one reason follows the other in moments.
      this.#changeDue = this.#waited() + this.#tellAfterMs;
    }
    this.#reason = reason;
    this.#schedule();
  }

  /**
   * An application was answered: from now on no wait is given up, since that would take its connection along. Where others wait
   * still, as when hundreds start at once, the wait begins anew: who answers one does not hang.
   */
  answered(): void {
    this.#timeoutMs = Infinity;
    if (this.#told === undefined) this.#since = undefined;
    this.update();
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #end(): void {
    clearTimeout(this.#timer);
    if (this.#told !== undefined) this.options.say('info', `the wait is over, after ${seconds(this.#waited())}`);
    this.#since = this.#reason = this.#told = undefined;
  }

  #waited(): number {
    return performance.now() - this.#since!;
  }

  #schedule(): void {
    const due = Math.min(this.#changeDue, this.#againDue, this.#timeoutMs);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#due(), Math.min(Math.max(due - this.#waited(), 1), LONG));
  }

  #due(): void {
    const waited = this.#waited();
    const reason = this.#reason!;
    if (waited >= this.#timeoutMs) {
      this.close();
      this.options.timedOut?.(reason);
      return;
    }
    const again = waited >= this.#againDue;
    if (again) this.#againDue *= 2;
    if (waited >= this.#changeDue) this.#changeDue = Infinity;
    if (again || (this.#changeDue === Infinity && reason !== this.#told)) {
      this.#told = reason;
      this.#changeDue = Infinity;
      this.options.say('warning', `applications have waited for ${seconds(waited)}: ${reason}`);
    }
    this.#schedule();
  }
}

function seconds(ms: number): string {
  const whole = Math.floor(ms / 1000);
  return `${whole} second${whole === 1 ? '' : 's'}`;
}
