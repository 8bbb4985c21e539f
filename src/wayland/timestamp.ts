/** Points in time as presentation-time.xml has them on the wire: 64 bits of seconds in two halves, and nanoseconds. */

export interface Timestamp {
  readonly tv_sec_hi: number;
  readonly tv_sec_lo: number;
  /** Below 10^9. */
  readonly tv_nsec: number;
}

const SECOND = 1_000_000_000n;

/** @param time nanoseconds of some clock, not negative */
export function timestamp(time: bigint): Timestamp {
  const seconds = time / SECOND;
  return {
    tv_sec_hi: Number((seconds >> 32n) & 0xffffffffn),
    tv_sec_lo: Number(seconds & 0xffffffffn),
    tv_nsec: Number(time % SECOND),
  };
}

/** In nanoseconds. */
export function fromTimestamp({ tv_sec_hi, tv_sec_lo, tv_nsec }: Timestamp): bigint {
  return ((BigInt(tv_sec_hi) << 32n) | BigInt(tv_sec_lo)) * SECOND + BigInt(tv_nsec);
}
