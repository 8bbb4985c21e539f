/**
 * What is measured, and one measurement: a case is a mode and a size of the client, its result the line that the
 * client printed.
 */
import { Running } from './processes.js';

export type Mode = 'sync' | 'full' | 'small' | 'newpool';

export interface Case {
  readonly mode: Mode;
  /** Of the buffers, in pixels: '1920x1080'. */
  readonly size: string;
}

/** The line of JSON that a client prints. Times are in microseconds. */
export interface Measurement {
  readonly mode: Mode;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly seconds: number;
  readonly fps: number;
  readonly p50_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  /** How many buffers it came to use; 0 in a mode without lasting ones. */
  readonly buffers: number;
  /** How many frames it drew before those that were measured. */
  readonly before: number;
  /** Processor time that it took itself, meanwhile. */
  readonly cpu_us: number;
}

/** A measurement may take this many milliseconds longer than asked: connecting, warming up, the last frame. */
const OVERHEAD_MS = 30_000;

/** Reads the client's line. Throws a SyntaxError for anything else. */
export function parseMeasurement(line: string): Measurement {
  const found = JSON.parse(line) as Partial<Record<keyof Measurement, unknown>>;
  for (const key of ['frames', 'seconds', 'fps', 'p50_us', 'p99_us'] as const) {
    if (typeof found[key] !== 'number') throw new SyntaxError(`a measurement without ${key}: ${line}`);
  }
  return found as Measurement;
}

/** Runs a client's command to its end and returns what it measured. */
export async function measure(
  name: string,
  command: readonly string[],
  env: Record<string, string | undefined>,
  seconds: number,
): Promise<Measurement> {
  const client = new Running(name, command, env);
  const timer = setTimeout(() => client.kill('SIGKILL'), seconds * 1000 + OVERHEAD_MS);
  const how = await client.ended;
  clearTimeout(timer);
  const line = client.stdout.split('\n').find(text => text.startsWith('{'));
  if (how !== '' || line === undefined) throw client.failure(how === '' ? 'printed no result' : how);
  return parseMeasurement(line);
}

/** The middle value; of an even number of values the lower middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new RangeError('the median of nothing');
  return middle;
}
