/**
 * The processes of a benchmark. Each is started in a process group of its own with its output kept, so that a failure
 * can be told with what the program said, and all of them are gone when the benchmark ends, however it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';

/** Most output kept of one process, in characters: its end is what explains a failure. */
const KEPT_OUTPUT = 20_000;
/** How long a process may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
const STOP_GRACE_MS = 3_000;

const live = new Set<Running>();

/** One started process. */
export class Running {
  /** What it wrote to stdout. */
  stdout = '';
  /** What it wrote to stderr. */
  stderr = '';
  /** Fulfilled when it has ended: '' for status 0, else what happened. Never rejected. */
  readonly ended: Promise<string>;
  #child: ChildProcess;
  #hasEnded = false;

  constructor(
    readonly name: string,
    command: readonly string[],
    env: Record<string, string | undefined>,
  ) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-KEPT_OUTPUT);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-KEPT_OUTPUT);
    });
    live.add(this);
    this.ended = new Promise<string>(done => {
      this.#child.once('error', error => done(`could not be started: ${error.message}`));
      this.#child.once('close', (status, signal) =>
        done(signal ? `ended by ${signal}` : status === 0 ? '' : `ended with status ${status}`),
      );
    }).then(how => {
      this.#hasEnded = true;
      live.delete(this);
      return how;
    });
  }

  /** Of the process that was started. Throws where it could not be. */
  get pid(): number {
    if (this.#child.pid === undefined) throw this.failure('could not be started');
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sends a signal to its whole process group. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // Gone already.
    }
  }

  /** Ends it and waits until it has ended. */
  async stop(): Promise<void> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** An error about this process that carries the end of what it said. */
  failure(what: string): Error {
    const said = (this.stderr + this.stdout).trim().split('\n').slice(-15).join('\n  ');
    return new Error(`${this.name}: ${what}${said === '' ? '' : `\n  ${said}`}`);
  }
}

/** Waits until `ready()` gives something, and throws when `process` ends first or `timeoutMs` have passed. */
export async function waitFor<T>(
  process: Running,
  what: string,
  timeoutMs: number,
  ready: () => T | undefined,
): Promise<T> {
  for (const end = Date.now() + timeoutMs; ;) {
    const found = ready();
    if (found !== undefined) return found;
    if (process.hasEnded) throw process.failure(`${await process.ended}, before ${what}`);
    if (Date.now() > end) throw process.failure(`no sign of ${what} after ${timeoutMs / 1000} s`);
    await new Promise(done => setTimeout(done, 20));
  }
}

/** Kills whatever still runs: for exits. */
export function killAll(): void {
  for (const process of live) process.kill('SIGKILL');
}
