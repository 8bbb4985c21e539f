/**
 * The victim's table, by hand: what a VM still has while another one floods the compositor with each kind of request.
 *
 *   node dist/test/firewall/victims-table.js [--seconds N] [--only TEXT] [--connections N,N] [--list] [--json FILE]
 *
 *   --seconds N        for the whole table; 540 by default
 *   --only TEXT        kinds that have it in their name
 *   --connections N,N  connections of the hostile VM, 1 and 8 by default
 *   --nice N           the hostile VM's priority; 10 by default
 *   --json FILE        every number, for comparing two versions
 *
 * Every kind is measured beside the victim alone a moment before, so what the machine does meanwhile is in both. What misses the
 * bound is marked: a p50 over 3 times that alone, a p99 over 20 ms, frames over a tenth fewer, a window, a click or a paste that is missing.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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
/** Of the frames alone, at least. */
const MIN_FRAMES = 0.9;
/** Looks beside the flood of one kind, each after one alone: their median counts. */
const ALONE_PART = 0.3;
const SETUP_MS = 3_000;
/** Until what there is of buffers on the way is full, in milliseconds. */
const FILL_MS = 100;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '540' },
    only: { type: 'string', default: '' },
    connections: { type: 'string', default: '1,8' },
    list: { type: 'boolean', default: false },
    nice: { type: 'string', default: '10' },
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

class Field {
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
    return join(this.stack.loopback('work'), 'wayland');
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

  async #soFar(): Promise<number> {
    const told = this.told('so far');
    this.flooder.send('count');
    return (await told).requests;
  }

  async measure(kind: string, connections: number, milliseconds: number): Promise<Row | undefined> {
    const alone = summary(await this.victim.watch(milliseconds * ALONE_PART));
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
    const { ended } = await over;
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
    ...(framesPerSecond < MIN_FRAMES * alone.framesPerSecond ? ['frames'] : []),
    ...(deeds.windows < WINDOWS ? ['windows'] : []),
    ...(deeds.clicks < CLICKS ? ['clicks'] : []),
    ...(deeds.pasted ? [] : ['clipboard']),
  ];
}

const HEAD = [
  '| flood | connections | p50, ms | alone | × | p99, ms | longest | frames/s | late | windows | clicks | paste | requests/s | sway | glue | µs/request | missed |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
];

function line(row: Row): string {
  const { kind, connections, p50, p99, longest, alone, framesPerSecond, late, deeds, rate, sway, glue, ended } = row;
  const told = [
    kind,
    connections,
    p50.toFixed(3),
    alone.p50.toFixed(3),
    (p50 / alone.p50).toFixed(1),
    p99.toFixed(1),
    longest.toFixed(1),
    framesPerSecond.toFixed(0),
    late,
    `${deeds.windows}/${WINDOWS}`,
    `${deeds.clicks}/${CLICKS}`,
    deeds.pasted ? 'yes' : 'no',
    rate.toFixed(0),
    `${(100 * sway).toFixed(0)} %`,
    `${(100 * glue).toFixed(0)} %`,
    `${((1e6 * sway) / rate).toFixed(1)}, ${((1e6 * glue) / rate).toFixed(1)}`,
    [...missed(row).map(what => `**${what}**`), ...(ended === undefined ? [] : [`(ended: ${ended})`])].join(' '),
  ];
  return `| ${told.join(' | ')} |`;
}

const chosen = kinds().filter(({ name }) => name.includes(options.only));
if (options.list) {
  for (const { name } of chosen) console.log(name);
  process.exit();
}
const runs = chosen.flatMap(({ name }) =>
  options.connections.split(',').map(connections => [name, Number(connections)] as const),
);
const rows: Row[] = [];
const absent: string[] = [];
let field = await Field.open();
try {
  console.log(HEAD.join('\n'));
  const end = Date.now() + 1000 * Number(options.seconds);
  for (const [i, [kind, connections]] of runs.entries()) {
    // Besides the looks there is what a person does, and the beginning and end of the flood.
    const milliseconds = Math.min(3000, Math.max(300, (0.6 * (end - Date.now())) / (runs.length - i)));
    try {
      const row = await field.measure(kind, connections, milliseconds);
      if (row === undefined) absent.push(kind);
      else console.log(line(row));
      if (row !== undefined) rows.push(row);
    } catch (error) {
      console.log(
        `| ${kind} | ${connections} | **${field.stands ? 'the victim' : 'the compositor'} ended: ${(error as Error).message}** |`,
      );
      await field.close();
      field = await Field.open();
    }
  }
} finally {
  await field.close();
}
const bad = rows.filter(row => missed(row).length > 0);
console.log(`\n${rows.length} floods, ${bad.length} of them miss something.`);
for (const row of bad) console.log(`- ${row.kind}, ${row.connections}: ${missed(row).join(', ')}`);
if (absent.length > 0) console.log(`Not offered here: ${[...new Set(absent)].join(', ')}.`);
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(rows, undefined, 1));
process.exit();
