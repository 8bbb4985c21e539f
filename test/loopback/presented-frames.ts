/** What `presented-window.ts` says of its frames, read and compared with what is possible. */
import type { Test } from 'tap';
import type { PresentedLine } from './presented-window.js';

const CLOCK_MONOTONIC = 1;

/** The whole lines of its output so far. */
export function presentedFrames(output: string): PresentedLine[] {
  const whole = output.split('\n').slice(0, -1);
  return whole.map(line => JSON.parse(line) as PresentedLine);
}

/** Each was shown after its commit and before it was told so, as far as a clock that is wrong by `tolerance` nanoseconds shows. */
export function inOrder(t: Test, frames: readonly PresentedLine[], tolerance: bigint): void {
  for (const { clock, before, presented, after, refresh } of frames) {
    t.equal(clock, CLOCK_MONOTONIC);
    t.ok(presented !== undefined, 'it was shown');
    const [from, at, to] = [before, presented ?? '0', after].map(BigInt) as [bigint, bigint, bigint];
    t.ok(
      from - tolerance <= at && at <= to + tolerance,
      `shown ${at - from} ns after the commit, told ${to - at} later`,
    );
    t.ok(refresh > 0);
  }
}
