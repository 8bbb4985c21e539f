/** A log of a test's own: what is said is in an array, a line an event, without the time. */
import { LogOutput, type Log, type LogOutputOptions } from '../src/observe/log.js';

/** Options with which nothing is counted instead of printed. */
export const EVERY_LINE: Partial<LogOutputOptions> = { limit: { lines: Infinity }, repeatIntervalMs: 0 };

/** @param lines get each line: `broker warning vm=work: ...` */
export function logTo(lines: { push(line: string): unknown }, options: Partial<LogOutputOptions> = {}): Log {
  // The journal has its own clock; its priority is cut off.
  const write = (line: string): void => void lines.push(line.replace(/^<\d>/, ''));
  return new LogOutput({ write, journal: true, level: 'debug', ...options }).log('test');
}
