/**
 * The victim's table, by hand: what a VM still has while another one floods the compositor with each kind of request.
 *
 *   node dist/test/firewall/victims-table.js [--seconds N] [--only TEXT] [--connections N,N] [--list] [--json FILE]
 *
 *   --seconds N        for the whole table; 540 by default
 *   --only TEXT        kinds that have it in their name
 *   --connections N,N  connections of the hostile VM, 1 and 8 by default
 *   --direct           the hostile VM is at the compositor itself: what there is without virtwl
 *   --nice N           the hostile VM's priority; 10 by default
 *   --asleep           processors may halt when nothing is to be done
 *   --json FILE        every number, for comparing two versions
 *
 * Processors are kept awake by work of the lowest class, which gives way to everything: in a VM of a cloud a halted one
 * takes 10 to 60 us to wake, as its host sees fit, so a round trip alone has a p50 of 60 or of 240 us, and compares with nothing.
 *
 * Every kind is measured beside the victim alone a moment before, so what the machine does meanwhile is in both. What misses the
 * bound is marked: a p50 over 3 times that alone, a p99 over 20 ms, frames over a tenth fewer, a window, a click or a paste that is missing.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { startSway, type Sway } from '../compositors.js';
import type { Order, Told } from './victims/flooder.js';
import { kinds } from './victims/kinds.js';
import { CLICKS, Victim, WINDOWS, type Deeds, type Sample } from './victims/victim.js';

const MAX_P50_TIMES = 3;
const MAX_P99_MS = 20;
/** Frames of a second that a screen shows, and of those alone, at least: a look is half a second, a frame more or less. */
const FRAMES = 60;
const MIN_FRAMES = 0.9;
/** Of the time for one kind, what the victim is alone for. */
const ALONE_PART = 0.3;
const SETUP_MS = 3_000;
/** How long a flood may take to end, in milliseconds. */
const END_MS = 20_000;
/** Until what there is of buffers on the way is full, in milliseconds. */
const FILL_MS = 100;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '540' },
    only: { type: 'string', default: '' },
    connections: { type: 'string', default: '1,8' },
    list: { type: 'boolean', default: false },
    direct: { type: 'boolean', default: false },
    nice: { type: 'string', default: '10' },
    asleep: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

interface Row {
  readonly kind: string;
  readonly connections: number;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  readonly alone: { readonly p50: number; readonly p99: number; readonly framesPerSecond: number };
  readonly framesPerSecond: number;
  readonly late: number;
  readonly deeds: Deeds;
  /** Requests a second that were sent. */
  readonly rate: number;
  /** Parts of a second that the processes worked. */
  readonly sway: number;
  readonly glue: number;
  readonly ended?: string;
}

/** Milliseconds that a process has worked so far. */
function worked(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** A process of the lowest class for each processor. Returns what ends them. */
function keepAwake(): () => void {
  const spins = ['--idle', '0', 'sh', '-c', 'while :; do :; done'];
  const spinners = Array.from({ length: availableParallelism() }, () => spawn('chrt', spins, { stdio: 'ignore' }));
  return () => {
    for (const spinner of spinners) spinner.kill();
  };
}

class Field {
  readonly #alone: number[] = [];

  private constructor(
    readonly sway: Sway,
    readonly stack: LoopbackStack,
    readonly victim: Victim,
    readonly flooder: ChildProcess,
    private readonly ends: (() => unknown)[],
  ) {}

  static async open(): Promise<Field> {
    const ends: (() => unknown)[] = [];
    const t = { teardown: (end: () => unknown): void => void ends.push(end) };
    if (!options.asleep) ends.push(keepAwake());
    const config = 'for_window [title="victim"] floating enable, move position 0 0';
    const sway = await startSway(t, { width: 800, height: 600, config });
    const stack = await LoopbackStack.start({ clients: ['work', 'private'], compositor: { attach: sway.display } });
    ends.push(() => stack.stop());
    const control = await Display.connect(sway.display);
    ends.push(() => control.close());
    const victim = await Victim.open(join(stack.loopback('private'), 'wayland'), control);
    ends.push(() => victim.close());
    const flooder = fork(fileURLToPath(new URL('victims/flooder.js', import.meta.url)), [options.nice], {
      // Whatever the rest of it is run under: the victim is measured, and the hostile VM has what is left.
      execPath: 'chrt',
      execArgv: ['--other', '0', process.execPath],
    });
    ends.push(() => flooder.kill());
    return new Field(sway, stack, victim, flooder, ends);
  }

  async close(): Promise<void> {
    for (const end of this.ends.splice(0).reverse()) await end();
  }

  get stands(): boolean {
    return this.sway.process.exitCode === null && this.sway.process.signalCode === null;
  }

  get entrance(): string {
    return options.direct ? this.sway.display : join(this.stack.loopback('work'), 'wayland');
  }

  told(state: Told['state']): Promise<Told> {
    return new Promise(resolve => {
      const listen = (told: Told): void => {
        if (told.state !== state) return;
        this.flooder.off('message', listen);
        resolve(told);
      };
      this.flooder.on('message', listen);
    });
  }

  /** What it has alone: now, or as a rule where that is more. A short look finds a quiet moment easily. */
  #usual<T extends { readonly p50: number }>(now: T): T {
    this.#alone.push(now.p50);
    const sorted = [...this.#alone].sort((a, b) => a - b);
    return { ...now, p50: Math.max(now.p50, sorted[sorted.length >> 1]!) };
  }

  async #soFar(): Promise<number> {
    const told = this.told('so far');
    this.flooder.send('count');
    return (await told).requests;
  }

  async measure(kind: string, connections: number, milliseconds: number): Promise<Row | undefined> {
    const alone = this.#usual(summary(await this.victim.watch(milliseconds * ALONE_PART)));
    const floods = this.told('floods');
    const over = this.told('over');
    this.flooder.send({ kind, connections, path: this.entrance } satisfies Order);
    const begun = await Promise.race([floods, pause(SETUP_MS, undefined)]);
    if (begun?.offered === false && begun.ended === undefined) {
      await over;
      return undefined;
    }
    await pause(FILL_MS);
    const first = await this.#soFar();
    const pids = [this.sway.process.pid!, this.stack.parts.get('compositor')!.process.pid!] as const;
    const before = pids.map(worked);
    const sample = await this.victim.watch(milliseconds * (1 - ALONE_PART));
    const took = pids.map((pid, i) => (worked(pid) - before[i]!) / sample.milliseconds);
    const requests = (await this.#soFar()) - first;
    const deeds = await this.victim.work();
    this.flooder.send('stop');
    const finished = await Promise.race([over, pause(END_MS, undefined)]);
    if (finished === undefined) throw new Error('the hostile VM itself is served no more');
    const { ended } = finished;
    await this.victim.recovers();
    const { p50, p99, longest, framesPerSecond, late } = summary(sample);
    return {
      kind,
      connections,
      ...{ p50, p99, longest, alone, framesPerSecond, late, deeds },
      rate: requests / (sample.milliseconds / 1000),
      sway: took[0]!,
      glue: took[1]!,
      ...(ended !== undefined && { ended }),
    };
  }
}

function summary({ roundTrips, frames, late, milliseconds }: Sample) {
  const at = (part: number): number =>
    roundTrips[Math.min(roundTrips.length - 1, Math.floor(roundTrips.length * part))]!;
  return { p50: at(0.5), p99: at(0.99), longest: at(1), framesPerSecond: (1000 * frames) / milliseconds, late };
}

/** What of the bound a row misses. */
function missed({ p50, p99, alone, framesPerSecond, deeds }: Row): string[] {
  return [
    ...(p50 > MAX_P50_TIMES * alone.p50 ? ['p50'] : []),
    ...(p99 > MAX_P99_MS ? ['p99'] : []),
    ...(framesPerSecond < MIN_FRAMES * Math.min(FRAMES, alone.framesPerSecond) ? ['frames'] : []),
    ...(deeds.windows < WINDOWS ? ['windows'] : []),
    ...(deeds.clicks < CLICKS ? ['clicks'] : []),
    ...(deeds.pasted ? [] : ['paste']),
  ];
}

/** A row for who waits for the table. */
function progress(row: Row): string {
  const { kind, connections, p50, p99, longest, alone, framesPerSecond, deeds, rate, sway, glue, ended } = row;
  return [
    `${kind}, ${connections}:`,
    `p50 ${p50.toFixed(3)} ms, alone ${alone.p50.toFixed(3)}, p99 ${p99.toFixed(1)}, longest ${longest.toFixed(1)},`,
    `${framesPerSecond.toFixed(0)} frames/s, windows ${deeds.windows}, clicks ${deeds.clicks}, paste ${deeds.pasted},`,
    `${rate.toFixed(0)} requests/s, sway ${(100 * sway).toFixed(0)} %, glue ${(100 * glue).toFixed(0)} %,`,
    `µs a request ${((1e6 * sway) / rate).toFixed(1)} and ${((1e6 * glue) / rate).toFixed(1)}`,
    missed(row)
      .map(what => `**${what}**`)
      .join(' '),
    ended === undefined ? '' : `(ended: ${ended})`,
  ].join(' ');
}

/** A number of each row, the worst first, marked where it misses the bound. */
function cell(rows: readonly Row[], of: (row: Row) => number, digits: number, what: string): string {
  return counts
    .map(connections => {
      const these = rows.filter(row => row.connections === connections);
      if (these.length === 0) return '-';
      const sign = what === 'frames' ? -1 : 1;
      const worst = these.reduce((a, b) => (sign * of(b) > sign * of(a) ? b : a));
      const text = of(worst).toFixed(digits);
      return these.some(row => missed(row).includes(what)) ? `**${text}**` : text;
    })
    .join(' / ');
}

/** What was done at least beside any of them. */
function least(rows: readonly Row[], of: (row: Row) => number, most: number): string {
  const number = Math.min(...rows.map(of));
  return number < most ? `**${number}**` : String(number);
}

/** The table: a line for the requests of each interface, with the worst of them, and one for each flood of several requests. */
function table(all: readonly Row[]): string {
  const groups = new Map<string, Row[]>();
  for (const row of all) {
    const [, name] = /^([a-z0-9_]+)\.[a-z0-9_]+$/.exec(row.kind) ?? [];
    const group = name === undefined ? row.kind : `\`${name}\``;
    groups.set(group, [...(groups.get(group) ?? []), row]);
  }
  const lines = [...groups].map(([group, rows]) => {
    const cells = [
      group,
      String(new Set(rows.map(({ kind }) => kind)).size),
      cell(rows, ({ p50, alone }) => p50 / alone.p50, 1, 'p50'),
      cell(rows, ({ p99 }) => p99, 1, 'p99'),
      cell(rows, ({ framesPerSecond }) => Math.min(FRAMES, framesPerSecond), 0, 'frames'),
      least(rows, ({ deeds }) => deeds.windows, WINDOWS),
      least(rows, ({ deeds }) => deeds.clicks, CLICKS),
      rows.every(({ deeds }) => deeds.pasted) ? 'yes' : '**no**',
      cell(rows, ({ rate }) => rate / 1000, 0, ''),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const heads = [
    'flood',
    'kinds',
    'p50, times alone',
    'p99, ms',
    'frames/s',
    'windows',
    'clicks',
    'paste',
    '1,000 requests/s',
  ];
  return [`| ${heads.join(' | ')} |`, `|${' --- |'.repeat(heads.length)}`, ...lines].join('\n');
}

const counts = options.connections.split(',').map(Number);
const chosen = kinds().filter(({ name }) => name.includes(options.only));
if (options.list) {
  for (const { name } of chosen) console.log(name);
  process.exit();
}
const runs = chosen.flatMap(({ name }) => counts.map(connections => [name, connections] as const));
const rows: Row[] = [];
const absent = new Set<string>();
const broken: string[] = [];
let field = await Field.open();
try {
  const end = Date.now() + 1000 * Number(options.seconds);
  for (const [i, [kind, connections]] of runs.entries()) {
    if (absent.has(kind)) continue;
    // Besides the looks there is what a person does, and the beginning and end of the flood.
    const milliseconds = Math.min(3000, Math.max(300, (0.5 * (end - Date.now())) / (runs.length - i)));
    // What the kind before it has left in the hostile VM's own queues may be much: then it is tried on a new field.
    for (let tries = 0; tries < 2; tries++) {
      try {
        const row = await field.measure(kind, connections, milliseconds);
        if (row === undefined) absent.add(kind);
        else {
          rows.push(row);
          console.error(progress(row));
          // It may go on in the queues behind it, beside the next one.
          if (missed(row).length > 0) {
            await field.close();
            field = await Field.open();
          }
        }
        break;
      } catch (error) {
        const why = `${field.stands ? '' : 'the compositor ended: '}${(error as Error).message}`;
        console.error(`${kind}, ${connections}: ${why}`);
        if (tries > 0 || !field.stands) broken.push(`${kind}, ${connections}: ${why}`);
        await field.close();
        field = await Field.open();
      }
    }
  }
} finally {
  await field.close();
}
const alone = rows.map(({ alone }) => alone.p50).sort((a, b) => a - b);
console.log(table(rows));
const bad = rows.filter(row => missed(row).length > 0);
console.log(
  `\nAlone: p50 ${(alone[alone.length >> 1] ?? NaN).toFixed(3)} ms. ${rows.length} floods, ${bad.length} miss something:`,
);
for (const row of bad) console.log(`- ${row.kind}, ${row.connections}: ${missed(row).join(', ')}`);
for (const text of broken) console.log(`- ${text}`);
if (absent.size > 0) console.log(`Not offered here: ${[...absent].join(', ')}.`);
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(rows, undefined, 1));
process.exit();
