/**
 * How long something took the last times, for its percentiles: a ring of numbers that is written in passing, and sorted
 * only when somebody asks.
 */
import type { LatencyReport } from './status-report.js';

/** Times that are kept: two seconds of a screen's frames, in 512 bytes of each program's. */
export const MOST_LATENCIES = 128;

export class Latencies {
  readonly #ring = new Float32Array(MOST_LATENCIES);
  #count = 0;

  /** In milliseconds. */
  add(latency: number): void {
    this.#ring[this.#count % MOST_LATENCIES] = latency;
    this.#count += 1;
  }

  /** Of those that are kept, of all `rings` together; undefined where there is none. */
  static report(rings: Iterable<Latencies>): LatencyReport | undefined {
    return latencyReport(
      [...rings].flatMap(each => [...each.#ring.subarray(0, Math.min(each.#count, MOST_LATENCIES))]),
    );
  }

  /** See {@link Latencies.report}. */
  get report(): LatencyReport | undefined {
    return Latencies.report([this]);
  }
}

/** Of times in milliseconds, which are put in order; undefined where there is none. */
export function latencyReport(times: number[]): LatencyReport | undefined {
  if (times.length === 0) return undefined;
  times.sort((a, b) => a - b);
  return { p50: nearest(times, 0.5), p99: nearest(times, 0.99), frames: times.length };
}

/** The smallest of which so large a part of all is not above, in hundredths of a millisecond. */
function nearest(sorted: readonly number[], part: number): number {
  const value = sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
  return Math.round(value * 100) / 100;
}
