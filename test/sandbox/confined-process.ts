/**
 * Confined processes, started by a test and seen from outside: the process that stands by, the program that
 * confines behind it, and behind that the confined one, with what /proc tells of it.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Test } from 'tap';
import { eventually } from '../eventually.js';

/** The programs that confine, by the names of their processes. */
const LAUNCHERS = ['bwrap', 'minijail0'];

export interface StartOptions {
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Descriptors beside the standard ones, by number. */
  readonly extra?: Readonly<Record<number, number>>;
}

/** What was started, and everything that it printed. */
export class Confined {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  /** Status or signal of the process outside, once nothing holds its output any more. */
  readonly ended: Promise<number | NodeJS.Signals>;
  #ended = false;

  constructor(t: Pick<Test, 'teardown'>, args: readonly string[], options: StartOptions = {}) {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    for (const [number, fd] of Object.entries(options.extra ?? {})) stdio[Number(number)] = fd;
    for (let i = 0; i < stdio.length; i++) stdio[i] ??= 'ignore';
    this.process = spawn(options.command ?? process.execPath, args, {
      stdio,
      env: options.env ?? process.env,
      // A process group of its own, as a shell gives it one.
      detached: true,
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code, signal) => {
        this.#ended = true;
        resolve(code ?? signal!);
      });
    });
    t.teardown(() => this.kill());
  }

  /** The process outside. */
  get outer(): number {
    return this.process.pid!;
  }

  /** The program that confines, which stands between the two; undefined while or when it is not there. */
  get launcher(): number | undefined {
    return childrenOf(this.outer).find(pid => LAUNCHERS.includes(commandOf(pid)));
  }

  /** The confined process; undefined while or when it is not there. */
  get inner(): number | undefined {
    const { launcher } = this;
    return launcher === undefined ? undefined : childrenOf(launcher)[0];
  }

  /** Waits for a text on its standard output or error, and returns the confined process. */
  async says(text: string): Promise<number> {
    await eventually(`${JSON.stringify(text)}; there is ${JSON.stringify(this.stdout + this.stderr)}`, () => {
      if (this.#ended && !this.#has(text)) throw new Error(`it ended: ${this.stdout}${this.stderr}`);
      return this.#has(text);
    });
    return this.inner!;
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.process.kill('SIGKILL');
    await this.ended.catch(() => {});
  }

  #has(text: string): boolean {
    return this.stdout.includes(text) || this.stderr.includes(text);
  }
}

/** Whether a process is there and not only unburied. */
export function lives(pid: number): boolean {
  return !['', 'Z', 'X'].includes(statOf(pid)[0] ?? '');
}

/** Fields of /proc/PID/stat from the third on: state, parent, process group, session, terminal ... */
export function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  } catch {
    return [];
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => Number(statOf(pid)[1]) === parent);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A field of /proc/PID/status, or of one thread's. */
export function statusField(pid: number | string, name: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
}

/** Every thread: a path for {@link statusField}. */
export function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map(task => `${pid}/task/${task}`);
}

/** Where its descriptors lead, by number, without the inode numbers. */
export function descriptorsOf(pid: number): Record<string, string> {
  return Object.fromEntries(
    readdirSync(`/proc/${pid}/fd`).map(fd => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\[\d+\]/, '')]),
  );
}

/** Its mounts: where, and whether it may write there. */
export function mountsOf(pid: number): { path: string; options: readonly string[]; type: string }[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => {
      const [mount = '', file = ''] = line.split(' - ');
      const fields = mount.split(' ');
      return { path: fields[4] ?? '', options: (fields[5] ?? '').split(','), type: file.split(' ')[0] ?? '' };
    });
}

/** Soft and hard limit by name, as /proc/PID/limits tells them. */
export function limitsOf(pid: number): Record<string, [string, string]> {
  const lines = readFileSync(`/proc/${pid}/limits`, 'utf8').trimEnd().split('\n').slice(1);
  return Object.fromEntries(
    lines.map(line => {
      const [name = '', soft = '', hard = ''] = line.split(/ {2,}/);
      return [name, [soft, hard] as [string, string]];
    }),
  );
}

/** Everything that can be reached below its root, but not what is in `bound`: what lies beside it. */
export function reachable(pid: number, bound: readonly string[], directory = '/'): string[] {
  return readdirSync(`/proc/${pid}/root${directory}`, { withFileTypes: true }).flatMap(entry => {
    const path = `${directory === '/' ? '' : directory}/${entry.name}`;
    if (bound.includes(path)) return [];
    if (entry.isDirectory() && bound.some(other => other.startsWith(`${path}/`))) return reachable(pid, bound, path);
    return [path];
  });
}
