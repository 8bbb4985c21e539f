/**
 * The stack with a compositor of its own, `virtwl run` in one of its client VMs, and clients that draw: what the tests
 * that kill its processes work on. Each part can be started again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { holdingsOf, processTree, programOf, type ProcessHoldings } from './process-holdings.js';

/** Clients of this VM draw straight into the slab. */
export const DIRECT = 'alpha';
/** Clients of this VM draw through `virtwl run`. */
export const COPIED = 'beta';

const SWAY_CONFIG = `
xwayland disable
output HEADLESS-1 mode 320x120@60Hz position 0 0 scale 1
default_border none
default_floating_border none
focus_follows_mouse no
for_window [title="^\\[${DIRECT}\\]"] floating enable, move position 8 8
for_window [title="^\\[${COPIED}\\]"] floating enable, move position 168 8
`;

/** The processes of a part, outermost first. What is confined runs below bwrap, which runs below what a user starts. */
const CONFINED = ['outside', 'bwrap', 'confined'];
/** Every process there is to kill. */
export const VICTIMS: readonly (readonly [part: string, process: string])[] = [
  ...['broker', 'compositor-host', `${DIRECT}-host`, `${COPIED}-host`].flatMap(part =>
    CONFINED.map(process => [part, process] as const),
  ),
  ...(process.getuid?.() === 0 ? ['glue', 'bwrap', 'sway'] : ['glue', 'sway']).map(
    process => ['compositor', process] as const,
  ),
  ['proxy', 'virtwl run'],
  ['direct', 'virtwl frames'],
  ['copied', 'virtwl frames'],
];

/** How long anything may take to come about, in milliseconds: far above what it takes on a machine that is busy. */
const PATIENCE_MS = 60_000;

/** Of every process of the stack and of `virtwl run`, by part and process. */
export type Holdings = Readonly<Record<string, ProcessHoldings>>;

/** A run of `virtwl frames`. */
export interface Client {
  readonly child: ChildProcess;
  /** Its exit status, or the signal that ended it; and the reasons that it gave, in its report or beside it. */
  readonly ended: Promise<{ status: number | NodeJS.Signals | null; errors: string }>;
}

/** The stack, and `virtwl run` in one of its VMs. */
export class House {
  readonly #directory = LoopbackStack.makeDirectory();
  #stack: LoopbackStack | undefined;
  #proxy: { child: ChildProcess; display: string } | undefined;

  get stack(): LoopbackStack {
    if (this.#stack === undefined) throw new Error('the stack is not up');
    return this.#stack;
  }

  async start(): Promise<void> {
    const config = join(this.#directory, 'sway.config');
    writeFileSync(config, SWAY_CONFIG);
    this.#stack = await LoopbackStack.start({
      directory: this.#directory,
      clients: [DIRECT, COPIED],
      compositor: { command: ['sway', '-c', config], headless: true },
      budget: '64M',
    });
    await this.#startProxy();
  }

  async stop(): Promise<void> {
    this.#proxy?.child.kill('SIGKILL');
    await this.#stack?.stop();
  }

  async restart(part: string): Promise<void> {
    if (part === 'proxy') return this.#startProxy();
    const { stack } = this;
    await stack.kill(part);
    if (part === 'broker') await stack.startBroker();
    else if (part === 'compositor-host') await stack.startCompositorHost();
    else if (part === 'compositor') await stack.startCompositor();
    else await stack.startClientHost(part.replace(/-host$/, ''));
  }

  /** The processes of a part, outermost first. */
  tree(part: string): number[] {
    const child = part === 'proxy' ? this.#proxy?.child : this.stack.parts.get(part)?.process;
    return child?.pid === undefined ? [] : processTree(child.pid);
  }

  pid(part: string, process: string): number | undefined {
    const place = VICTIMS.filter(([of]) => of === part).findIndex(([, name]) => name === process);
    return this.tree(part)[place];
  }

  /** Every process but those of clients, with its name and number. */
  processes(): (readonly [name: string, pid: number])[] {
    const named = VICTIMS.filter(([part]) => part !== 'direct' && part !== 'copied');
    return [...new Set(named.map(([part]) => part))].flatMap(part => {
      const names = named.filter(([of]) => of === part).map(([, name]) => name);
      return this.tree(part).map((pid, i) => [`${part}: ${names[i] ?? programOf(pid)}`, pid] as const);
    });
  }

  holdings(): Holdings {
    return Object.fromEntries(this.processes().map(([name, pid]) => [name, holdingsOf(pid)]));
  }

  /** The Wayland socket of `virtwl run`. */
  get proxyDisplay(): string {
    if (this.#proxy === undefined) throw new Error('virtwl run is not up');
    return this.#proxy.display;
  }

  /** Everything in the stack's directory, without what chance has named, and without what a killed sway leaves. */
  files(): string[] {
    return readdirSync(this.#directory, { recursive: true, encoding: 'utf8' })
      .map(name => name.replace(/^(virtwl-[a-z]+)-[^/]*/, '$1').replace(/[0-9]+/g, ''))
      .filter(name => !name.startsWith('sway-ipc'))
      .sort();
  }

  /** Starts a client that draws, captures every frame and compares it. */
  frames(kind: 'direct' | 'copied', count: number): Client {
    const way = kind === 'direct' ? ['--loopback', this.stack.loopback(DIRECT)] : ['--display', this.proxyDisplay];
    const child = spawn(
      globalThis.process.execPath,
      [
        ...[VIRTWL, 'frames', ...way, '--capture', this.stack.display, '--size', '128x96', '--frames', String(count)],
        ...['--timeout', String(PATIENCE_MS)],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let errors = '';
    for (const output of [child.stdout, child.stderr])
      output.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const ended = new Promise<Awaited<Client['ended']>>(resolve => {
      child.once('close', (code, signal) => resolve({ status: code ?? signal, errors }));
    });
    return { child, ended };
  }

  /** Waits until the glue has a client of either VM, with memory, or one of them has ended. */
  async drawing(clients: readonly Client[]): Promise<void> {
    await until('both clients draw', async () => {
      if (clients.some(({ child }) => child.exitCode !== null)) return true;
      const { bytes } = await this.stack.status('compositor');
      return [DIRECT, COPIED].every(vm => ((bytes as Record<string, number>)[vm] ?? 0) > 0);
    });
  }

  /** Asserts that new clients are served. */
  async served(t: Test, when: string): Promise<void> {
    const clients = (['direct', 'copied'] as const).map(kind => ({ kind, ...this.frames(kind, 3) }));
    for (const { kind, ended } of clients) {
      const { status, errors } = await ended;
      t.equal(status, 0, `${kind}: served ${when}`, { errors });
    }
  }

  /** Lets the clients' ends come to everybody, and what was killed be forgotten: until all is as `like`, if it ever is. */
  async settle(like?: Holdings): Promise<void> {
    const idle = async (): Promise<boolean> => {
      const { clients } = await this.stack.status('compositor');
      const { allocator } = await this.stack.status('compositor-host');
      return clients === 0 && (allocator as { used: number }).used === 0;
    };
    await until('all clients are gone and their memory is back', idle);
    if (like === undefined) return pause(1_000);
    for (let tries = 0; tries < 100 && JSON.stringify(this.holdings()) !== JSON.stringify(like); tries++)
      await pause(50);
  }

  async #startProxy(): Promise<void> {
    const child = this.stack.virtwl(COPIED, ['run']);
    child.stderr?.resume();
    const display = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', line => {
        resolve(line.replace('WAYLAND_DISPLAY=', ''));
      });
      child.once('exit', () => reject(new Error('virtwl run ended too early')));
    });
    this.#proxy = { child, display };
  }
}

export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await condition()); await pause(20)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}
