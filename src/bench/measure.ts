/**
 * What is measured, and one measurement: a case is a mode and a size of the client, its result the line that the
 * client printed.
 */
import { Running } from './processes.js';

/** What one client draws, as its --mode. */
export type FrameMode = 'sync' | 'full' | 'small' | 'newpool';
/**
 * What is measured. `start` is one frame from nothing; `clients` is `small` by many clients at once; `flood` is `sync` beside
 * a client that draws `full` frames.
 */
export type Mode = FrameMode | 'start' | 'clients' | 'flood';

export interface Case {
  readonly mode: Mode;
  /** Of the buffers, in pixels: '1920x1080'. In `flood`, of the one that floods. */
  readonly size: string;
  /** Of `clients`: how many. */
  readonly clients?: number;
  /** Of `clients`: how many buffers each draws into in turn, rather than as few as there can be. */
  readonly buffers?: number;
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
  /** Of the C client: how many took over 1 ms. */
  readonly slow?: number;
  /** How many buffers it came to use; 0 in a mode without lasting ones. */
  readonly buffers: number;
  /** How many frames it drew before those that were measured. */
  readonly before: number;
  /** Processor time that it took itself, meanwhile. */
  readonly cpu_us: number;
  /** Of the C client: when the compositor had its first frame, in seconds of CLOCK_MONOTONIC. */
  readonly first_frame?: number;
  /** The same, in milliseconds since its command was started; {@link measure} adds it. */
  readonly start_ms?: number;
  /** Of the C client: how many measured at once, and how many of them failed. */
  readonly clients?: number;
  readonly failed?: number;
  /** What was said of it where clients failed; {@link measure} adds it. */
  readonly complaint?: string;
  /** Of the C client: frames a second of the slowest of `clients`, and of the one beside it. */
  readonly least_fps?: number;
  readonly beside_fps?: number;
}

/** A measurement may take this many milliseconds longer than asked: connecting, warming up, the last frame. */
const OVERHEAD_MS = 30_000;
/** And this many for each client: arrivals are paced, and all windows are there before one is measured. */
const CLIENT_OVERHEAD_MS = 300;

/** Reads the client's line. Throws a SyntaxError for anything else. */
export function parseMeasurement(line: string): Measurement {
  const found = JSON.parse(line) as Partial<Record<keyof Measurement, unknown>>;
  for (const key of ['frames', 'seconds', 'fps', 'p50_us', 'p99_us'] as const) {
    if (typeof found[key] !== 'number') throw new SyntaxError(`a measurement without ${key}: ${line}`);
  }
  return found as Measurement;
}

/** What the C client is told of a case. */
export function clientArguments({ mode, size, clients = 1, buffers }: Case, seconds: number): string[] {
  const time = ['--seconds', String(seconds)];
  if (mode === 'clients') {
    const each = buffers === undefined ? [] : ['--buffers', String(buffers)];
    return ['--mode', 'small', '--size', size, '--clients', String(clients), ...each, ...time];
  }
  if (mode === 'flood') return ['--mode', 'sync', '--beside', size, ...time];
  return ['--mode', mode, '--size', size, ...time];
}

/** Runs a client's command to its end and returns what it measured. `clients` are waited for longer. */
export async function measure(
  name: string,
  command: readonly string[],
  env: Record<string, string | undefined>,
  seconds: number,
  clients = 1,
): Promise<Measurement> {
  const begun = Number(process.hrtime.bigint()) / 1e6;
  const client = new Running(name, command, env);
  const patience = seconds * 1000 + OVERHEAD_MS + clients * CLIENT_OVERHEAD_MS;
  const timer = setTimeout(() => client.kill('SIGKILL'), patience);
  const how = await client.ended;
  clearTimeout(timer);
  const line = client.stdout.split('\n').find(text => text.startsWith('{'));
  if (how !== '' || line === undefined) throw client.failure(how === '' ? 'printed no result' : how);
  const found = parseMeasurement(line);
  return {
    ...found,
    ...(found.first_frame !== undefined && { start_ms: found.first_frame * 1000 - begun }),
    ...((found.failed ?? 0) > 0 && { complaint: client.stderr.trim().split('\n')[0] ?? '' }),
  };
}

/** The middle value; of an even number of values the lower middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new RangeError('the median of nothing');
  return middle;
}
