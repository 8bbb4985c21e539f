/**
 * Running the programs that make images. What passes through: their output, of which the last lines are kept to be
 * shown when they fail, and a line of progress now and then, since some take minutes.
 */
import { spawn } from 'node:child_process';
import type { Say } from './cache.js';

/** Last lines of a program that failed. */
const SHOWN_LINES = 15;
/** How often to say that a program is still at work, in milliseconds. */
const PROGRESS_MS = 5_000;

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly say?: Say;
  /** What it is doing, for progress and errors. */
  readonly doing: string;
  /** Longest it may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Runs it at low priority, without input. Resolves with what it printed on standard output. */
export async function run(command: readonly [string, ...string[]], options: CommandOptions): Promise<string> {
  const child = spawn('nice', ['-n', '10', ...command], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const output: Buffer[] = [];
  let told: string[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  const listen = (bytes: Buffer): void => {
    told.push(
      ...bytes
        .toString()
        .split(/[\r\n]+/)
        .filter(line => line.trim() !== ''),
    );
    told = told.slice(-SHOWN_LINES);
  };
  child.stderr.on('data', listen);
  child.stdout.on('data', listen);
  const began = Date.now();
  const progress = setInterval(() => {
    options.say?.(
      `  ${options.doing}: ${Math.round((Date.now() - began) / 1000)} s${told.length > 0 ? ` (${told.at(-1)?.slice(0, 80)})` : ''}`,
    );
  }, PROGRESS_MS);
  let late = false;
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  const timer = setTimeout(() => {
    late = true;
    end();
  }, options.timeoutMs);
  process.once('exit', end);
  try {
    const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, by) => resolve([code, by]));
    });
    if (status !== 0) {
      const how = late
        ? `took longer than ${options.timeoutMs / 1000} s`
        : status === null
          ? `was ended by ${signal}`
          : `ended with status ${status}`;
      throw new Error(`${options.doing}: ${command[0]} ${how}\n${told.map(line => `  | ${line}`).join('\n')}`);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Error(`${options.doing}: there is no program "${command[0]}" here`, { cause: error });
    }
    throw error;
  } finally {
    clearInterval(progress);
    clearTimeout(timer);
    process.removeListener('exit', end);
  }
  return Buffer.concat(output).toString();
}
