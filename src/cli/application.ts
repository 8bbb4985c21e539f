/**
 * The application that `virtwl run` starts: its environment, the signals that are passed on to it, and how it ended.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Log } from '../observe/log.js';

/**
 * How long an application may go on after SIGTERM or SIGHUP, in milliseconds: enough to save what is open. Then its
 * connections are closed.
 */
export const LEAVE_MS = 5_000;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Status of what a signal ended. */
export function statusOfSignal(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}

/** The signals that end this process, until `close()`. */
export class EndSignals {
  /** Aborted at the first one. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #listeners = new Map<NodeJS.Signals, () => void>();

  /** `received` is told each time, also after the first. */
  constructor(private readonly received: (signal: NodeJS.Signals) => void = () => {}) {
    this.signal = this.#controller.signal;
    for (const name of SIGNALS) {
      const listener = (): void => this.end(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  /** As if `signal` had come. */
  end(signal: NodeJS.Signals): void {
    this.#controller.abort();
    this.received(signal);
  }

  close(): void {
    for (const [name, listener] of this.#listeners) process.removeListener(name, listener);
  }
}

/** The environment of an application whose display is the socket `display`. */
export function applicationEnvironment(display: string, directory: string): NodeJS.ProcessEnv {
  // A connection that we were given ourselves would come before WAYLAND_DISPLAY, and our service manager is not its.
  const { WAYLAND_SOCKET: _, NOTIFY_SOCKET: __, ...env } = process.env;
  return { ...env, WAYLAND_DISPLAY: display, XDG_RUNTIME_DIR: env.XDG_RUNTIME_DIR ?? directory };
}

export class Application {
  /** Its exit status, as a shell has it. */
  readonly ended: Promise<number>;
  readonly #child;
  #end!: (status: number) => void;
  #leave: NodeJS.Timeout | undefined;

  /** Starts it. One that cannot be started is logged and has ended with status 126 or 127. */
  constructor(
    readonly command: readonly string[],
    env: NodeJS.ProcessEnv,
    private readonly log: Log,
  ) {
    const [program = '', ...args] = command;
    this.ended = new Promise(resolve => (this.#end = resolve));
    this.#child = spawn(program, args, { stdio: 'inherit', env });
    this.#child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such program here' : error.message;
      log.error(`${program}: ${why}`);
      this.#end(error.code === 'ENOENT' ? 127 : 126);
    });
    this.#child.once('exit', (code, signal) => {
      clearTimeout(this.#leave);
      this.#end(code ?? statusOfSignal(signal!));
    });
  }

  /**
   * Passes a signal on. An application that goes on after SIGTERM or SIGHUP counts as ended after {@link LEAVE_MS}, or
   * at the next one. SIGINT is its own to judge: a terminal gives it to both of us, and a shell goes on after it.
   */
  pass(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
    if (signal === 'SIGINT') return;
    if (this.#leave !== undefined) this.#end(statusOfSignal(signal));
    this.#leave ??= setTimeout(() => {
      this.log.warning(`${this.command[0]} goes on after ${signal}: its connections are closed`);
      this.#end(statusOfSignal(signal));
    }, LEAVE_MS);
  }
}
