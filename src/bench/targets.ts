/**
 * What the project set out to reach, and whether a run did. Rates and times are medians of that one run; "cold" goes through
 * a `virtwl run` that the case has to itself, "warm" through one that stays.
 */
import type { Case } from './measure.js';
import { findCell, metricOf, P50, P99, ratio, value, type Cell, type Metric, type SystemName } from './results.js';

export const HD = '1920x1080';
export const UHD = '3840x2160';

/** Page faults a frame that pass as none: the heap of a JavaScript engine has some of its own, now and then. */
const NO_FAULTS = 0.01;

/** What was found of a target: the number as it is shown, and whether that is enough. */
interface Finding {
  readonly measured: string;
  readonly met: boolean;
}

export interface Target {
  readonly what: string;
  readonly wanted: string;
  /** What it needs, by case and system. */
  readonly needs: readonly (readonly [Case, SystemName])[];
  /** Only asked where all that it needs was measured. */
  readonly find: (cells: readonly Cell[]) => Finding | undefined;
}

export interface TargetResult {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  /** A target whose cases were not asked for is not measured; one whose case failed is missed. */
  readonly verdict: 'met' | 'missed' | 'not measured';
}

const SYNC: Case = { mode: 'sync', size: HD };
const FULL: Case = { mode: 'full', size: HD };
const SMALL: Case = { mode: 'small', size: HD };
const START: Case = { mode: 'start', size: '256x256' };
const FLOOD: Case = { mode: 'flood', size: UHD };
const CROWD: Case = { mode: 'clients', size: '64x64', clients: 500 };

const AGAINST: Partial<Record<SystemName, string>> = {
  floor: 'the floor',
  'one-relay': 'the one-relay floor',
};

/** One system's value against another's in the same case. */
function against(
  what: string,
  of: Case,
  system: SystemName,
  bound: 'at least' | 'at most',
  factor: number,
  other: SystemName,
): Target {
  return {
    what,
    wanted: `${bound} ${factor}x ${AGAINST[other] ?? other}`,
    needs: [
      [of, system],
      [of, other],
    ],
    find: cells => bounded(ratio(cells, of, system, other), bound, factor),
  };
}

function bounded(found: number | undefined, bound: 'at least' | 'at most', factor: number): Finding | undefined {
  if (found === undefined) return undefined;
  return { measured: `${found.toFixed(2)}x`, met: bound === 'at least' ? found >= factor : found <= factor };
}

/** The slowest hundredth against the middle, of one system. */
function tail(what: string, of: Case, system: SystemName): Target {
  return {
    what,
    wanted: 'at most 4x its p50',
    needs: [[of, system]],
    find: cells => {
      const [p99, p50] = [value(cells, of, system, P99), value(cells, of, system, P50)];
      return p99 === undefined || p50 === undefined ? undefined : bounded(p99 / p50, 'at most', 4);
    },
  };
}

function crowd(what: string, system: SystemName): Target {
  const target = against(what, CROWD, system, 'at least', 0.5, 'direct');
  return {
    ...target,
    wanted: `${target.wanted}, none fails`,
    find: cells => {
      const found = target.find(cells);
      const failed = Math.max(...findCell(cells, CROWD, system)!.rounds.map(round => round.failed ?? 0));
      return found && { measured: `${found.measured}, ${failed} failed`, met: found.met && failed === 0 };
    },
  };
}

/** Page faults a frame of proxy and glue, and what they hold more than before. */
function steady(what: string, of: Case, system: SystemName): Target {
  const both = (use: (of: { faults: number; fds: number; mappings: number }) => number): Metric => ({
    ...metricOf(of),
    of: ({ steady: watched }) =>
      watched?.near === undefined || watched.far === undefined ? undefined : use(watched.near) + use(watched.far),
  });
  return {
    what,
    wanted: 'no page fault, descriptor, mapping',
    needs: [[of, system]],
    find: cells => {
      const faults = value(cells, of, system, {
        of: round => {
          const count = both(({ faults: n }) => n).of(round);
          return count === undefined ? undefined : count / (round.fps * round.steady!.seconds);
        },
      });
      const [fds, mappings] = [both(({ fds: n }) => n), both(({ mappings: n }) => n)].map(metric =>
        value(cells, of, system, metric),
      );
      if (faults === undefined || fds === undefined || mappings === undefined) return undefined;
      const met = faults < NO_FAULTS && fds <= 0 && mappings <= 0;
      return { measured: `${faults.toFixed(2)} faults, ${fds} fds, ${mappings} maps`, met };
    },
  };
}

const START_TARGET: Target = {
  what: 'start of virtwl run to the first frame',
  wanted: 'at most 200 ms more than direct',
  needs: [
    [START, 'copy'],
    [START, 'direct'],
  ],
  find: cells => {
    const [ours, direct] = [value(cells, START, 'copy'), value(cells, START, 'direct')];
    if (ours === undefined || direct === undefined) return undefined;
    return { measured: `${Math.round(ours - direct)} ms more`, met: ours - direct <= 200 };
  },
};

const byCopy = (system: 'copy' | 'warm', how: 'cold' | 'warm'): Target[] => [
  against(`round trip p50, ${how}`, SYNC, system, 'at most', 1, 'waypipe'),
  against(`round trip p50, ${how}`, SYNC, system, 'at most', 1.3, 'floor'),
  against(`64x64 damage, ${how}`, SMALL, system, 'at least', 0.8, 'floor'),
  against(`full damage 1080p by copy, ${how}`, FULL, system, 'at least', 0.45, 'direct'),
  against(`full damage 4K by copy, ${how}`, { mode: 'full', size: UHD }, system, 'at least', 0.55, 'direct'),
  against(`new pool each frame, ${how}`, { mode: 'newpool', size: HD }, system, 'at least', 0.8, 'direct'),
];

/** All of them, in the order in which they are shown. */
export const TARGETS: readonly Target[] = [
  ...byCopy('copy', 'cold'),
  ...byCopy('warm', 'warm'),
  against('drawn directly, full damage', FULL, 'drawn', 'at least', 0.85, 'direct'),
  against('drawn directly, 64x64 damage', SMALL, 'drawn', 'at least', 0.85, 'one-relay'),
  tail('round trip p99, warm', SYNC, 'warm'),
  tail('64x64 damage p99, warm', SMALL, 'warm'),
  against('round trip p99 beside a 4K flood, cold', FLOOD, 'copy', 'at most', 3, 'direct'),
  against('round trip p99 beside a 4K flood, warm', FLOOD, 'warm', 'at most', 3, 'direct'),
  crowd('500 clients, cold', 'copy'),
  crowd('500 clients, warm', 'warm'),
  START_TARGET,
  steady('steady frames, 64x64 damage', SMALL, 'warm'),
  steady('steady frames, full damage', FULL, 'warm'),
];

export function judge(cells: readonly Cell[]): TargetResult[] {
  return TARGETS.map(({ what, wanted, needs, find }) => {
    if (!needs.every(([of, system]) => findCell(cells, of, system) !== undefined)) {
      return { what, wanted, measured: '-', verdict: 'not measured' };
    }
    const measured = needs.every(([of, system]) => findCell(cells, of, system)!.rounds.length > 0);
    const found = measured ? find(cells) : undefined;
    return { what, wanted, measured: found?.measured ?? 'failed', verdict: found?.met === true ? 'met' : 'missed' };
  });
}
