/**
 * From what processes have answered to the reports that are shown: `status-report.ts` has their shape. Frames a second come
 * from two readings, by the time that each process itself has told with it, so that no process has to count by the clock.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { askAll, type Answer } from './ask-status.js';
import type { FrameReport, ProcessReport } from './status-report.js';

/** The time between two readings where there is one to be shown, in milliseconds: some frames of the slowest animation. */
export const READING_MS = 1_000;

/**
 * Reads all processes of a directory. `before`: what was read some time before, if anything was; without it they are
 * asked twice, {@link READING_MS} apart, and the first time so that they look whether the compositor answers.
 */
export async function readReports(
  directory: string,
  before?: readonly ProcessReport[],
): Promise<readonly ProcessReport[]> {
  let earlier = before;
  if (earlier === undefined) {
    earlier = (await askAll(directory)).map(reportOf);
    if (earlier.some(({ clientVms, programs }) => (clientVms ?? programs) !== undefined)) await pause(READING_MS);
    else return earlier;
  }
  return withRates(earlier, (await askAll(directory)).map(reportOf));
}

/** One answer, or that there was none. */
export function reportOf({ role, pid, status, silent }: Answer): ProcessReport {
  if (status === undefined) return { role, pid, silent: silent ?? 'no answer', state: { is: 'frozen' } };
  // Processes of an older version say nothing of their state.
  return { state: { is: 'served' }, ...status, role, pid };
}

/** The later readings, with frames a second of those that are in both. */
export function withRates(before: readonly ProcessReport[], now: readonly ProcessReport[]): ProcessReport[] {
  return now.map(report => {
    const { role, pid, since, at, programs, clientVms } = report;
    const earlier = before.find(other => other.role === role && other.pid === pid && other.since === since);
    if (at === undefined || earlier?.at === undefined || at <= earlier.at) return report;
    const seconds = (at - earlier.at) / 1000;
    if (programs !== undefined) {
      const rated = rates(programs, earlier.programs ?? [], 'client', seconds);
      return { ...report, framesPerSecond: sum(rated), programs: rated };
    }
    if (clientVms === undefined) return report;
    const vms = rates(clientVms, earlier.clientVms ?? [], 'vm', seconds).map(each => {
      const same = earlier.clientVms?.find(({ vm }) => vm === each.vm);
      return { ...each, clients: rates(each.clients, same?.clients ?? [], 'client', seconds) };
    });
    return { ...report, framesPerSecond: sum(vms), clientVms: vms };
  });
}

/** What came between the readings has had all its frames since then. */
function rates<T extends FrameReport>(now: readonly T[], before: readonly T[], key: keyof T, seconds: number): T[] {
  const earlier = new Map(before.map(each => [each[key], each.frames]));
  return now.map(each => {
    const frames = each.frames - (earlier.get(each[key]) ?? 0);
    return { ...each, framesPerSecond: tenths(Math.max(0, frames) / seconds) };
  });
}

function sum(all: readonly FrameReport[]): number {
  return tenths(all.reduce((total, { framesPerSecond = 0 }) => total + framesPerSecond, 0));
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
