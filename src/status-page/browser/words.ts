/** Numbers and states of a report, as the page writes them. */
import type { LatencyReport, StateReport } from '../../observe/status-report.js';
import { waitedForWords } from '../../observe/waited-for-words.js';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** "12.5 MiB". */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${UNITS[unit]!}`;
}

/** How long before `now` that was: times of a report against the time of its reading, which are by the same clock. */
export function age(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** What is waited for, and what to do; empty where nothing is. */
export function waitWords({ is, for: wanted, text }: StateReport): string {
  if (is !== 'waiting') return '';
  const what = wanted === undefined ? 'waits' : `waits for ${waitedForWords(wanted)}`;
  return text === undefined ? what : `${what}: ${text}`;
}

/** To a tenth below a hundred. */
export function milliseconds(value: number): string {
  return value < 100 ? value.toFixed(1) : `${Math.round(value)}`;
}

/** Milliseconds, or a dash where there were no frames. */
export function latencyWords(latency: LatencyReport | undefined): string {
  return latency === undefined ? '–' : `${milliseconds(latency.p50)} / ${milliseconds(latency.p99)}`;
}

export function rateWords(framesPerSecond: number | undefined): string {
  return framesPerSecond === undefined ? '–' : framesPerSecond.toFixed(1);
}

/** The time of day, of where the page is looked at. `time`: ISO 8601, or milliseconds since 1970. */
export function clock(time: string | number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}
