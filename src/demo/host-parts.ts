/**
 * The processes of virtwl on a host, as the demo, the benchmark and the tests run them: started with their output read
 * line by line, waited for until they say that they serve, asked for their status, killed. What runs beside them, guests
 * for instance, is the business of the stacks that build on this.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { statusIn } from '../observe/status.js';
import { BUNDLE } from '../sandbox/runtime-files.js';
import type { NativeCounters } from '../system/native.js';

/**
 * What Node.js is told where the command is started by its own first line: to keep short-lived objects in 4 MiB at a time,
 * from the start, and not in up to 16. A relay makes many of them and keeps none, so a process is then no larger after a
 * million messages than after some thousands. What outlives that, clients for the most part, is collected when the heap
 * has grown by a third or a few MiB; left alone, Node.js lets a small heap grow to a multiple of what is in it first.
 */
export const NODE_FLAGS: readonly string[] = [
  '--heap-growing-percent=30',
  '--min-semi-space-size=4',
  '--max-semi-space-size=4',
];
/** The command line's entry point, as the package has it: bundled. */
export const VIRTWL = join(BUNDLE, 'cli/main.js');
/** What the broker and host processes print when they serve. */
const READY = /^ready: /;
/** How long a part may take until it is ready, in milliseconds. */
const START_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 20;
/** How long a part may take to end after SIGTERM, in milliseconds. */
const STOP_TIMEOUT_MS = 5_000;
/** How long a part may take to tell its status, in milliseconds. */
const STATUS_TIMEOUT_MS = 10_000;

/** How long the output of a part that has ended is waited for, in milliseconds. */
const LAST_WORDS_MS = 500;
/** Lines of a part's output that are told when it ends too early. */
const KEPT_LINES = 12;

/** A process of the stack. */
export interface Part {
  readonly name: string;
  readonly process: ChildProcess;
  /** Its exit status; undefined where a signal ended it. */
  readonly ended: Promise<number | undefined>;
  /** The last lines that it printed. */
  readonly lines: string[];
}

/** The answer of a process of ours to SIGUSR2; what else is in it depends on the subcommand. */
export interface PartStatus {
  readonly native: NativeCounters;
  readonly [key: string]: unknown;
}

/** Asks a process that runs a subcommand of `virtwl`, whose standard error is a pipe of ours. */
export async function statusOf(child: ChildProcess): Promise<PartStatus> {
  const { stderr, pid } = child;
  if (stderr === null || pid === undefined) throw new Error('a process without a standard error to answer on');
  const end = Date.now() + STATUS_TIMEOUT_MS;
  // Before its handler is there, the signal would end it.
  while (!catchesStatusSignal(pid)) {
    if (Date.now() > end) throw new Error(`process ${pid} does not answer to SIGUSR2`);
    await pause(LOOK_INTERVAL_MS);
  }
  return new Promise((resolve, reject) => {
    let text = '';
    const finish = (): void => {
      clearTimeout(timer);
      stderr.off('data', listen);
    };
    const listen = (chunk: Buffer | string): void => {
      text += chunk.toString();
      // The last part is no whole line yet.
      const [status] = text
        .split('\n')
        .slice(0, -1)
        .flatMap(line => statusIn(line) ?? []);
      if (status === undefined) return;
      finish();
      resolve(status as PartStatus);
    };
    const timer = setTimeout(() => {
      finish();
      reject(new Error(`process ${pid} did not tell its status in time`));
    }, STATUS_TIMEOUT_MS);
    stderr.on('data', listen);
    child.kill('SIGUSR2');
  });
}

function catchesStatusSignal(pid: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${caught}`) & (1n << BigInt(constants.signals.SIGUSR2 - 1))) !== 0n;
}

export interface HostPartsOptions {
  /** A directory of {@link HostParts.makeDirectory}, perhaps with files in it that the parts need. Default: a new one. */
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments of the broker. */
  readonly brokerArguments?: readonly string[];
  /** Gets every line that a part prints. */
  readonly log?: (part: string, line: string) => void;
}

export abstract class HostParts {
  /** Holds everything that the stack makes, and is the parts' XDG_RUNTIME_DIR. Removed by `stop`. */
  readonly directory: string;
  readonly parts = new Map<string, Part>();
  readonly #options: HostPartsOptions;

  readonly #killAll = (): void => {
    for (const part of this.parts.values()) part.process.kill('SIGKILL');
  };

  protected constructor(options: HostPartsOptions) {
    this.#options = options;
    this.directory = options.directory ?? HostParts.makeDirectory();
    // Nothing of it stays when this process ends without having stopped it.
    process.once('exit', this.#killAll);
  }

  /** A directory for one stack, which becomes its owner. */
  static makeDirectory(): string {
    return mkdtempSync(join(tmpdir(), 'virtwl-stack-'));
  }

  async startBroker(): Promise<void> {
    const { brokerArguments = [] } = this.#options;
    await this.says(this.spawn('broker', ['broker', '--directory', this.broker, ...brokerArguments]), READY);
  }

  /** The broker's directory. */
  protected get broker(): string {
    return join(this.directory, 'broker');
  }

  /** Starts a host process, as the part `VM-host`. */
  protected async startHost(vm: string, args: readonly string[]): Promise<void> {
    await this.says(this.spawn(`${vm}-host`, ['host', '--vm', vm, ...args]), READY);
  }

  /** What a part holds and has done: its answer to SIGUSR2. */
  async status(name: string): Promise<PartStatus> {
    const part = this.parts.get(name);
    if (part === undefined) throw new Error(`no part "${name}" runs`);
    return statusOf(part.process);
  }

  /** Sends a signal to one part and waits for its end. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const part = this.parts.get(name);
    if (part === undefined) return;
    part.process.kill(signal);
    const timer = setTimeout(() => part.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await part.ended;
    clearTimeout(timer);
    this.parts.delete(name);
  }

  /** Ends every part, the ones that depend on others first, and removes the directory. */
  async stop(): Promise<void> {
    for (const name of [...this.parts.keys()].reverse()) await this.kill(name);
    rmSync(this.directory, { recursive: true, force: true });
    process.off('exit', this.#killAll);
  }

  /** The environment of a part. */
  protected env(): Record<string, string> {
    const env: Record<string, string> = { ...(process.env as Record<string, string>) };
    // Parts find each other by the stack's directory and not by the session that this runs in, which may have none.
    for (const name of ['WAYLAND_DISPLAY', 'DISPLAY', 'SWAYSOCK', 'VIRTWL_DEVICE', 'VIRTWL_LOOPBACK']) delete env[name];
    return { ...env, XDG_RUNTIME_DIR: this.directory, ...this.#options.env };
  }

  protected spawn(name: string, args: readonly string[]): Part {
    const child = spawn(process.execPath, [...NODE_FLAGS, VIRTWL, ...args], {
      env: this.env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const outputs = [child.stdout, child.stderr].map(input => {
      const output = createInterface({ input });
      output.on('line', line => {
        // The answer to a question of ours is no news.
        if (statusIn(line) !== undefined) return;
        this.#options.log?.(name, line);
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
      });
      return new Promise<void>(resolve => output.once('close', () => resolve()));
    });
    const exited = new Promise<number | undefined>(resolve => child.once('exit', code => resolve(code ?? undefined)));
    const ended = exited.then(async code => {
      // What it printed last, unless something that it left behind holds its output open.
      await Promise.race([Promise.all(outputs), new Promise(resolve => setTimeout(resolve, LAST_WORDS_MS).unref())]);
      return code;
    });
    const part = { name, process: child, ended, lines };
    this.parts.set(name, part);
    return part;
  }

  /**
   * Waits for the line by which a part tells that it can be used. Its socket does not tell: one that was left behind by
   * an earlier process, which was killed, looks the same.
   */
  protected says(part: Part, line: RegExp): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const output = createInterface({ input: part.process.stdout as NodeJS.ReadableStream });
      const timer = setTimeout(() => {
        reject(new Error(`the part "${part.name}" was not ready within ${START_TIMEOUT_MS / 1000} s`));
      }, START_TIMEOUT_MS);
      output.on('line', said => {
        const found = line.exec(said);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found);
      });
      void part.ended.then(() => {
        clearTimeout(timer);
        reject(endedTooEarly(part));
      });
    });
  }
}

function endedTooEarly({ name, process: { exitCode, signalCode }, lines }: Part): Error {
  const how = signalCode === null ? `with status ${exitCode}` : `by ${signalCode}`;
  return new Error([`the part "${name}" ended ${how} before it was ready. It said:`, ...lines].join('\n  '));
}
