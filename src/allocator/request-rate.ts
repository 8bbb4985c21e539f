/**
 * How many requests a VM may make a second. Each costs the host some microseconds even when it is refused, so a guest that
 * asks in a loop would keep a core busy for nothing. What is too much waits: a request beyond the rate is answered when
 * its turn comes, and until then nothing more is read, so that the guest feels it as a slow allocator and loses nothing.
 */

/**
 * Requests a second when nothing else is said: a thousand clients that start at once make four each, and an honest
 * compositor VM makes a few a minute.
 */
export const DEFAULT_REQUESTS_PER_SECOND = 10_000;

/** A bucket of one second's requests, which fills as time goes. */
export class RequestRate {
  #left: number;
  #filled: number;

  /** `now` tells the time in milliseconds. */
  constructor(
    readonly perSecond: number = DEFAULT_REQUESTS_PER_SECOND,
    private readonly now: () => number = () => performance.now(),
  ) {
    if (!(perSecond > 0)) throw new RangeError(`a rate of ${perSecond} requests a second: it must be positive`);
    this.#left = Math.max(1, perSecond);
    this.#filled = now();
  }

  /** Takes one request out, or says how many milliseconds it has to wait for its turn. 0: it was taken. */
  take(): number {
    const now = this.now();
    this.#left = Math.min(Math.max(1, this.perSecond), this.#left + ((now - this.#filled) / 1000) * this.perSecond);
    this.#filled = now;
    if (this.#left >= 1) {
      this.#left -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - this.#left) / this.perSecond) * 1000));
  }
}
