/**
 * From measurements to what is shown: medians over the rounds, how quick each system is beside a direct connection, the
 * processor time of what a frame goes through, and the targets with met or missed. Widths fit a terminal of 132 columns.
 */
import Table from 'cli-table3';

import type { Case } from './measure.js';
import {
  caseName,
  findCell,
  HEADINGS,
  metricOf,
  P50,
  P99,
  share,
  SYSTEMS,
  value,
  type Cell,
  type SystemName,
} from './results.js';
import type { Place, Use } from './steady.js';
import { judge } from './targets.js';

const STYLE = { head: [], border: [], compact: true, 'padding-left': 0 };

const number = (n: number): string => n.toLocaleString('en-US', { maximumFractionDigits: n < 100 ? 1 : 0 });
const times = (n: number | undefined): string => (n === undefined ? '-' : `${n.toFixed(2)}x`);

function right(head: readonly string[]): Table.Table {
  return new Table({
    head: [...head],
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: STYLE,
  });
}

/** Rates and times, with the p50 and p99 of a frame below its rate. */
function formatValues(cells: readonly Cell[], cases: readonly Case[], systems: readonly SystemName[]): string {
  const table = right(['', ...systems.map(system => HEADINGS[system])]);
  const row = (name: string, show: (system: SystemName) => string | undefined): void => {
    table.push([name, ...systems.map(system => show(system) ?? '-')]);
  };
  for (const what of cases) {
    const { unit } = metricOf(what);
    row(caseName(what), system => {
      const found = value(cells, what, system);
      if (found !== undefined) return `${number(found)} ${unit}`;
      return findCell(cells, what, system)?.failure === undefined ? undefined : 'failed';
    });
    if (what.mode === 'start') continue;
    row('  p50 / p99, ms', system => {
      const [p50, p99] = [value(cells, what, system, P50), value(cells, what, system, P99)];
      return p50 === undefined || p99 === undefined ? undefined : `${milliseconds(p50)} / ${milliseconds(p99)}`;
    });
    if (what.mode === 'flood') {
      // Of a way that is slower, fewer round trips are there to be late: a percentile alone says little.
      row('  over 1 ms, a second', system => {
        const slow = value(cells, what, system, { of: round => round.slow && round.slow / round.seconds });
        return slow === undefined ? undefined : number(slow);
      });
    }
    if (what.mode === 'clients') {
      row('  clients that failed', system => {
        const failed = value(cells, what, system, { of: round => round.failed });
        return failed === undefined ? undefined : String(failed);
      });
    }
  }
  return table.toString();
}

function milliseconds(us: number): string {
  return us < 1e4 ? (us / 1000).toFixed(2) : number(us / 1000);
}

/** How quick each is, where a direct connection is 1. */
function formatShares(cells: readonly Cell[], cases: readonly Case[], systems: readonly SystemName[]): string {
  const others = systems.filter(system => system !== 'direct');
  const table = right(['of direct', ...others.map(system => HEADINGS[system])]);
  for (const what of cases) {
    table.push([caseName(what), ...others.map(system => times(share(cells, what, system)))]);
  }
  return table.toString();
}

/** Processor time by frame and page faults by frame of what lies on the way, where it lives long enough to be watched. */
function formatCosts(cells: readonly Cell[], cases: readonly Case[], systems: readonly SystemName[]): string {
  const table = right(['us a frame', '', 'client', 'proxy, near', 'glue, far', 'sway', 'faults near', 'faults far']);
  for (const what of cases.filter(({ mode }) => mode !== 'start')) {
    for (const system of systems) {
      const cell = findCell(cells, what, system);
      const watched = cell?.rounds.some(({ steady }) => steady?.compositor !== undefined) ?? false;
      if (!watched) continue;
      const frame = (place: Place, of: (use: Use) => number): string => {
        const found = value(cells, what, system, {
          of: ({ fps, steady }) => {
            if (steady === undefined) return undefined;
            const use = steady[place];
            return use && of(use) / (fps * steady.seconds);
          },
        });
        return found === undefined ? '-' : found > 0 && found < 1 ? found.toFixed(2) : number(found);
      };
      const own = value(cells, what, system, { of: ({ cpu_us, frames }) => cpu_us / frames });
      const cpu = (place: Place): string => frame(place, use => use.cpu_us);
      const faults = (place: Place): string => frame(place, use => use.faults);
      table.push([
        ...[caseName(what), HEADINGS[system], own === undefined ? '-' : number(own)],
        ...[cpu('near'), cpu('far'), cpu('compositor'), faults('near'), faults('far')],
      ]);
    }
  }
  return table.length === 0 ? '' : table.toString();
}

function formatTargets(cells: readonly Cell[]): string {
  const table = new Table({ head: ['target', 'wanted', 'measured', ''], style: STYLE });
  for (const { what, wanted, measured, verdict } of judge(cells)) {
    table.push([what, wanted, measured, verdict === 'missed' ? 'MISSED' : verdict]);
  }
  return table.toString();
}

/** All tables, and why what failed did. */
export function formatReport(cells: readonly Cell[]): string {
  const cases = [...new Map(cells.map(cell => [caseName(cell.case), cell.case])).values()];
  const systems = SYSTEMS.filter(system => cells.some(cell => cell.system === system));
  const failures = cells.flatMap(cell =>
    cell.failure === undefined ? [] : [`${HEADINGS[cell.system]}, ${caseName(cell.case)}: ${cell.failure}`],
  );
  const complaints = cells.flatMap(cell => {
    const round = cell.rounds.find(({ complaint }) => complaint !== undefined);
    const where = `${HEADINGS[cell.system]}, ${caseName(cell.case)}`;
    return round === undefined ? [] : [`${where}: ${round.failed} of ${round.clients} failed: ${round.complaint}`];
  });
  const tables = [
    formatValues(cells, cases, systems),
    formatShares(cells, cases, systems),
    formatCosts(cells, cases, systems),
    formatTargets(cells),
  ];
  return [...tables, ...failures, ...complaints].filter(text => text !== '').join('\n');
}
