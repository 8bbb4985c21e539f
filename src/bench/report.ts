/**
 * From measurements to what is shown: medians over the rounds, the table, and the targets with met or missed.
 */
import Table from 'cli-table3';

import { median, type Case, type Measurement } from './measure.js';
import { SYSTEMS, type SystemName } from './systems.js';

/** One system in one case. */
export interface Cell {
  readonly case: Case;
  readonly system: SystemName;
  readonly rounds: readonly Measurement[];
  /** Why there are no measurements, or fewer. */
  readonly failure?: string;
}

/** A target is a ratio of two medians: rates for frames, p50 times for `sync`. */
export interface Target {
  readonly what: string;
  readonly case: Case;
  readonly system: SystemName;
  readonly against: SystemName;
  /** 'at least' for rates, 'at most' for times. */
  readonly bound: 'at least' | 'at most';
  readonly factor: number;
}

export interface TargetResult extends Target {
  /** undefined when one of the two was not measured. */
  readonly ratio: number | undefined;
  readonly met: boolean;
}

const HD = '1920x1080';

/** What the project set out to reach. */
export const TARGETS: readonly Target[] = [
  {
    what: 'full damage, by copy',
    case: { mode: 'full', size: HD },
    system: 'copy',
    against: 'waypipe',
    bound: 'at least',
    factor: 3,
  },
  {
    what: 'full damage, drawn directly',
    case: { mode: 'full', size: HD },
    system: 'drawn',
    against: 'direct',
    bound: 'at least',
    factor: 0.5,
  },
  {
    what: 'small damage, by copy',
    case: { mode: 'small', size: HD },
    system: 'copy',
    against: 'waypipe',
    bound: 'at least',
    factor: 2,
  },
  {
    what: 'round trip p50, through virtwl run',
    case: { mode: 'sync', size: HD },
    system: 'copy',
    against: 'waypipe',
    bound: 'at most',
    factor: 3,
  },
];

const HEADINGS: Record<SystemName, string> = {
  direct: 'direct',
  waypipe: 'waypipe',
  copy: 'virtwl, copied',
  drawn: 'virtwl, drawn',
};

const CASE_NAMES = {
  sync: 'round trip (p50)',
  full: 'full damage',
  small: '64x64 damage',
  newpool: 'new pool each frame',
} as const;

export function caseName({ mode, size }: Case): string {
  return mode === 'sync' ? CASE_NAMES.sync : `${CASE_NAMES[mode]}, ${size}`;
}

/** The median over the rounds: frames a second, or for `sync` the p50 in microseconds. */
export function value(cells: readonly Cell[], what: Case, system: SystemName): number | undefined {
  const cell = cells.find(c => c.system === system && c.case.mode === what.mode && c.case.size === what.size);
  if (cell === undefined || cell.rounds.length === 0) return undefined;
  return median(cell.rounds.map(round => (what.mode === 'sync' ? round.p50_us : round.fps)));
}

function ratio(cells: readonly Cell[], what: Case, system: SystemName, against: SystemName): number | undefined {
  const [a, b] = [value(cells, what, system), value(cells, what, against)];
  return a === undefined || b === undefined ? undefined : a / b;
}

export function judge(cells: readonly Cell[]): TargetResult[] {
  return TARGETS.map(target => {
    const found = ratio(cells, target.case, target.system, target.against);
    const met = found !== undefined && (target.bound === 'at least' ? found >= target.factor : found <= target.factor);
    return { ...target, ratio: found, met };
  });
}

const number = (n: number) => n.toLocaleString('en-US', { maximumFractionDigits: n < 100 ? 1 : 0 });
const times = (n: number | undefined) => (n === undefined ? '-' : `${n.toFixed(2)}x`);

/** The table of all cases, and the one of targets. Widths fit a terminal of 120 columns. */
export function formatReport(cells: readonly Cell[]): string {
  const cases = [...new Map(cells.map(cell => [caseName(cell.case), cell.case])).values()];
  const measured = SYSTEMS.filter(system => cells.some(cell => cell.system === system));
  const style = { head: [], border: [] };
  const table = new Table({
    head: ['', ...measured.map(system => HEADINGS[system]), 'copied/waypipe', 'drawn/direct'],
    colAligns: ['left', ...measured.map(() => 'right' as const), 'right', 'right'],
    style,
  });
  for (const what of cases) {
    const unit = what.mode === 'sync' ? ' us' : ' /s';
    table.push([
      caseName(what),
      ...measured.map(system => {
        const found = value(cells, what, system);
        const failed = cells.some(c => c.system === system && c.case === what && c.failure !== undefined);
        return found !== undefined ? number(found) + unit : failed ? 'failed' : '-';
      }),
      times(ratio(cells, what, 'copy', 'waypipe')),
      times(ratio(cells, what, 'drawn', 'direct')),
    ]);
  }
  const targets = new Table({ head: ['target', 'wanted', 'measured', ''], style });
  for (const { what, bound, factor, against, ratio: found, met } of judge(cells)) {
    const verdict = found === undefined ? 'not measured' : met ? 'met' : 'MISSED';
    targets.push([what, `${bound} ${factor}x ${HEADINGS[against]}`, times(found), verdict]);
  }
  const failures = cells.flatMap(cell =>
    cell.failure === undefined ? [] : [`${HEADINGS[cell.system]}, ${caseName(cell.case)}: ${cell.failure}`],
  );
  return [table.toString(), targets.toString(), ...failures].join('\n');
}
