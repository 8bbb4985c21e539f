/**
 * The results of a run: what each system measured in each case, round by round, and the medians that are compared. Some
 * cases are told by a rate, others by a time; here is which.
 */
import { median, type Case, type Measurement, type Mode } from './measure.js';
import type { Steady } from './steady.js';

/** The ways to the compositor, in the order of the tables; `systems.ts` has them. */
export const SYSTEMS = ['direct', 'floor', 'one-relay', 'waypipe', 'copy', 'warm', 'drawn'] as const;
export type SystemName = (typeof SYSTEMS)[number];

export const HEADINGS: Record<SystemName, string> = {
  direct: 'direct',
  floor: 'floor',
  'one-relay': 'one relay',
  waypipe: 'waypipe',
  copy: 'copied, cold',
  warm: 'copied, warm',
  drawn: 'drawn',
};

/** One measurement, with what the processes on the way needed meanwhile. */
export type Round = Measurement & { readonly steady?: Steady };

/** One system in one case. */
export interface CellOf<System, One> {
  readonly case: Case;
  readonly system: System;
  readonly rounds: readonly One[];
  /** Why there are no measurements, or fewer. */
  readonly failure?: string;
}

export type Cell = CellOf<SystemName, Round>;

const CASE_NAMES: Record<Mode, string> = {
  sync: 'round trip',
  full: 'full damage',
  small: '64x64 damage',
  newpool: 'new pool a frame',
  start: 'start to first frame',
  flood: 'round trip beside',
  clients: 'clients, 64x64 damage',
};

export function caseName({ mode, size, clients, buffers }: Case): string {
  if (mode === 'sync' || mode === 'start') return CASE_NAMES[mode];
  if (mode === 'clients') {
    return `${clients} ${CASE_NAMES.clients}${buffers === undefined ? '' : `, ${buffers} buffers each`}`;
  }
  if (mode === 'flood') return `${CASE_NAMES.flood} ${size}`;
  return `${CASE_NAMES[mode]}, ${size}`;
}

/** What tells a case, and whether more of it is better. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly of: (round: Round) => number | undefined;
  readonly better: 'more' | 'less';
}

const RATE: Metric = { name: 'frames', unit: '/s', of: ({ fps }) => fps, better: 'more' };
export const P50: Metric = { name: 'p50', unit: 'us', of: ({ p50_us }) => p50_us, better: 'less' };
export const P99: Metric = { name: 'p99', unit: 'us', of: ({ p99_us }) => p99_us, better: 'less' };
const START: Metric = { name: 'start', unit: 'ms', of: ({ start_ms }) => start_ms, better: 'less' };

export function metricOf({ mode }: Case): Metric {
  if (mode === 'sync') return P50;
  if (mode === 'flood') return P99;
  return mode === 'start' ? START : RATE;
}

export function sameCase(a: Case, b: Case): boolean {
  return a.mode === b.mode && a.size === b.size && a.clients === b.clients && a.buffers === b.buffers;
}

export function findCell<System, One>(
  cells: readonly CellOf<System, One>[],
  what: Case,
  system: System,
): CellOf<System, One> | undefined {
  return cells.find(cell => cell.system === system && sameCase(cell.case, what));
}

/** The median of what `of` says of each round; undefined where it was not measured in each. */
export function medianOf<System, One>(
  cells: readonly CellOf<System, One>[],
  what: Case,
  system: System,
  of: (round: One) => number | undefined,
): number | undefined {
  const values = findCell(cells, what, system)?.rounds.map(of) ?? [];
  const known = values.filter(one => one !== undefined);
  return known.length === 0 || known.length < values.length ? undefined : median(known);
}

/** The median over the rounds of what tells the case, or of another metric. undefined where it was not measured. */
export function value(
  cells: readonly Cell[],
  what: Case,
  system: SystemName,
  { of }: Pick<Metric, 'of'> = metricOf(what),
): number | undefined {
  return medianOf(cells, what, system, of);
}

/** One system's value as a multiple of another's: of rates the more the better, of times the less. */
export function ratio(
  cells: readonly Cell[],
  what: Case,
  system: SystemName,
  against: SystemName,
  metric: Metric = metricOf(what),
): number | undefined {
  const [a, b] = [value(cells, what, system, metric), value(cells, what, against, metric)];
  return a === undefined || b === undefined || b === 0 ? undefined : a / b;
}

/** How quick a system is, as a share of a direct connection: 1 is as quick, more is quicker, for rates and times. */
export function share(cells: readonly Cell[], what: Case, system: SystemName): number | undefined {
  const found = ratio(cells, what, system, 'direct');
  if (found === undefined || found === 0) return undefined;
  return metricOf(what).better === 'more' ? found : 1 / found;
}
