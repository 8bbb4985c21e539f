/** Measurements that were made up, for the tests of what is made of them. */
import type { Case, Mode } from '../../src/bench/measure.js';
import type { Cell, Round, SystemName } from '../../src/bench/results.js';

export const HD = '1920x1080';
export const UHD = '3840x2160';

/** A round with this rate and p50, and what else is said of it. */
export function round(mode: Mode, fps: number, p50_us: number, more: Partial<Round> = {}): Round {
  return {
    ...{ mode, width: 1920, height: 1080, frames: fps, seconds: 1, fps, p50_us, p90_us: p50_us, p99_us: p50_us },
    ...{ max_us: p50_us, buffers: 2, before: 0, cpu_us: 0, ...more },
  };
}

/** A cell whose rounds have these values of what tells its case. */
export function cell(what: Case, system: SystemName, values: readonly number[], more: Partial<Round> = {}): Cell {
  const { mode } = what;
  const rounds = values.map(n => {
    if (mode === 'sync') return round(mode, 1, n, more);
    if (mode === 'flood') return round(mode, 1, 1, { p99_us: n, ...more });
    return mode === 'start' ? round(mode, 1, 1, { start_ms: n, ...more }) : round(mode, n, 1, more);
  });
  return { case: what, system, rounds };
}
