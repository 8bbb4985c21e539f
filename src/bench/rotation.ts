/**
 * The measuring itself: in every case the systems take turns, and the whole is repeated, so that a machine that slows down
 * for a while slows all of them. A system that fails in a case is left out of it from then on, and the reason is kept.
 */
import type { Case, Mode } from './measure.js';
import { caseName, metricOf, type Cell, type Round, type SystemName } from './results.js';
import { untilIdle, watchSteady } from './steady.js';
import type { System } from './systems.js';

/** Modes in which frames come at an even pace from soon after the beginning. */
const STEADY: readonly Mode[] = ['sync', 'full', 'small', 'newpool', 'flood'];

export interface Rotation {
  readonly systems: readonly System[];
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** How long each measurement lasts. */
  readonly seconds: number;
  /** Gets a line for each case of each round. */
  readonly say: (line: string) => void;
}

/** What a measurement takes beyond its time, in seconds: processes start, a client warms up. */
const BESIDE_S = 0.7;
/** And for each client of many: it connects and opens its window before any is measured. */
const CLIENT_S = 0.015;

/** About how long it takes, in minutes. */
export function minutes({ systems, cases, rounds, seconds }: Omit<Rotation, 'say'>): number {
  const all = systems.flatMap(system => cases.filter(what => means(system, what)).map(what => ({ system, ...what })));
  const round = all.reduce((sum, { system, mode, clients = 1 }) => {
    const measured = mode === 'start' ? 0 : seconds;
    const settled = settling(system, mode);
    const before = settled > 0 ? settled + BESIDE_S : 0;
    return sum + before + measured + BESIDE_S + clients * CLIENT_S;
  }, 0);
  return Math.ceil((rounds * round) / 60);
}

/** For how many seconds it does what is measured before it is. */
function settling({ settles }: System, mode: Mode): number {
  return settles?.(mode) ?? 0;
}

function means({ without = [] }: System, { mode }: Case): boolean {
  return !without.includes(mode);
}

/** Measures all. There is a cell for each case of each system to which it means something. */
export async function measureAll({ systems, cases, rounds, seconds, say }: Rotation): Promise<Cell[]> {
  const cells = cases.flatMap(what =>
    systems
      .filter(system => means(system, what))
      .map(system => ({ case: what, system, rounds: [] as Round[], failure: undefined as string | undefined })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const what of cases) {
      const line: string[] = [];
      for (const cell of cells.filter(one => one.case === what && one.failure === undefined)) {
        try {
          const settle = settling(cell.system, what.mode);
          if (settle > 0) await cell.system.measure(what, settle);
          // Processes that end meanwhile have nothing steady to tell; the measurement says what became of it.
          const watched = STEADY.includes(what.mode)
            ? watchSteady(cell.system.places, seconds).catch(() => undefined)
            : undefined;
          const found = await cell.system.measure(what, seconds);
          const steady = await watched;
          cell.rounds.push({ ...found, ...(steady && { steady }) });
          line.push(`${cell.system.name} ${said(what, found)}`);
        } catch (error) {
          cell.failure = String(error instanceof Error ? error.message : error);
          line.push(`${cell.system.name} failed`);
        }
        if (what.mode === 'clients') await untilIdle(cell.system.places);
      }
      say(`round ${round}  ${caseName(what)}: ${line.join(', ')}`);
    }
  }
  return cells.map(({ system, failure, ...cell }) => ({
    ...cell,
    system: system.name,
    ...(failure !== undefined && { failure }),
  }));
}

function said(what: Case, round: Round): string {
  const { of, unit } = metricOf(what);
  const failed = round.failed ?? 0;
  return `${Number((of(round) ?? NaN).toFixed(1))} ${unit}${failed > 0 ? `, ${failed} clients failed` : ''}`;
}

/** A cell for each case of a system that did not start. */
export function neverStarted(system: SystemName, cases: readonly Case[], failure: string): Cell[] {
  return cases.map(what => ({ case: what, system, rounds: [], failure }));
}
