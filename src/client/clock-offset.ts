/**
 * How far the clock at the other end of the link is from ours. A reading is three times: when we asked, what the other
 * end's clock said, when the answer was here. The other end read its clock somewhere between, so half of the way there
 * and back is the most by which the middle can be wrong. The reading with the least of that is kept, as long as no later
 * one is better or contradicts it: a VM that was paused comes back with another clock.
 *
 * All times are nanoseconds.
 */

/**
 * What two clocks may drift apart, in parts per million: NTP may make each of them faster or slower by 500. A reading's
 * bound grows by that as it ages.
 */
export const MAX_DRIFT_PPM = 1_000n;

interface Reading {
  /** Their clock minus ours. */
  readonly offset: bigint;
  /** The most by which that was wrong. */
  readonly error: bigint;
  /** Ours, when the answer was here. */
  readonly at: bigint;
}

export class ClockOffset {
  #best: Reading | undefined;

  /** Whether anything is known. */
  get known(): boolean {
    return this.#best !== undefined;
  }

  /** Their clock minus ours. 0 where both may be the same clock: nothing is changed then that was right. */
  get offset(): bigint {
    if (this.#best === undefined) return 0n;
    const { offset, error } = this.#best;
    return abs(offset) <= error ? 0n : offset;
  }

  /** The most by which {@link offset} is wrong at our time `now`; undefined where nothing is known. */
  errorAt(now: bigint): bigint | undefined {
    if (this.#best === undefined) return undefined;
    return bound(this.#best, now) + abs(this.offset - this.#best.offset);
  }

  /** A reading. One whose answer came before its question says nothing. */
  add(asked: bigint, theirs: bigint, answered: bigint): void {
    if (answered < asked) return;
    const error = (answered - asked + 1n) / 2n;
    const reading = { offset: theirs - (asked + answered) / 2n, error, at: answered };
    const best = this.#best;
    const contradicts = best !== undefined && abs(reading.offset - best.offset) > error + bound(best, answered);
    if (best === undefined || contradicts || error <= bound(best, answered)) this.#best = reading;
  }

  /** What our clock said, or will say, at a time of theirs. */
  toOurs(theirs: bigint): bigint {
    const ours = theirs - this.offset;
    return ours > 0n ? ours : 0n;
  }
}

function bound({ error, at }: Reading, now: bigint): bigint {
  return error + (abs(now - at) * MAX_DRIFT_PPM) / 1_000_000n;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}
