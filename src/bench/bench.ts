/**
 * `npm run bench`: the same client on the compositor itself, through waypipe, and through virtwl, side by side in one
 * run. The systems take turns in every case and the whole is repeated; medians over the rounds are compared, so that a
 * machine that slows down for a while slows all of them. With `--vm` it is measured in real VMs: `vms.ts`.
 */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command, InvalidArgumentError, Option } from 'commander';

import { LoopbackStack } from '../demo/loopback-stack.js';
import { type Case, type Measurement } from './measure.js';
import { killAll } from './processes.js';
import { caseName, formatReport, judge, type Cell } from './report.js';
import { startSway } from './sway.js';
import {
  absent,
  processorName,
  startCopy,
  startDirect,
  startDrawn,
  startWaypipe,
  SYSTEMS,
  type System,
  type SystemName,
} from './systems.js';
import { benchInVms, VM_MODES, VM_SIZES } from './vms.js';

const CASES: readonly Case[] = [
  { mode: 'sync', size: '1920x1080' },
  ...['1920x1080', '3840x2160'].flatMap(size => (['full', 'small', 'newpool'] as const).map(mode => ({ mode, size }))),
];

interface Options {
  vm?: boolean;
  seconds?: number;
  rounds: number;
  only: SystemName[];
  modes?: string[];
  sizes?: string[];
  json?: string;
  strict?: boolean;
}

function positive(text: string): number {
  const n = Number(text);
  if (!(n > 0)) throw new InvalidArgumentError('a positive number is wanted');
  return n;
}

function options(): Options {
  return new Command('npm run bench --')
    .description('measures virtwl beside a direct connection and beside waypipe')
    .option(
      '--vm',
      'measure in two real VMs, beside the same client in the compositor VM, and how long they take to start',
    )
    .option('--seconds <n>', 'how long to measure each case, each system, each round (default: 2; in VMs 5)', positive)
    .option('--rounds <n>', 'how often to go round', positive, 3)
    .addOption(new Option('--only <systems...>', 'which systems').choices(SYSTEMS).default([...SYSTEMS]))
    .addOption(new Option('--modes <modes...>', 'which modes').choices(['sync', 'full', 'small', 'newpool']))
    .option(
      '--sizes <sizes...>',
      `which sizes, of 1920x1080 and 3840x2160; in VMs any (default: ${VM_SIZES.join(' ')})`,
    )
    .option('--json <file>', 'write every measurement to a file')
    .option('--strict', 'exit with status 1 when a target is missed')
    .parse()
    .opts<Options>();
}

const { vm, rounds, only, modes, sizes, json, strict, ...given } = options();
if (vm === true) {
  const inVms = { seconds: given.seconds ?? 5, rounds, modes: modes ?? VM_MODES, sizes: sizes ?? VM_SIZES, json };
  process.exit((await benchInVms(inVms)) ? 0 : 1);
}
const { seconds = 2 } = given;
const cases = CASES.filter(
  ({ mode, size }) => (modes?.includes(mode) ?? true) && (mode === 'sync' || (sizes?.includes(size) ?? true)),
);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-bench-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void stopStack().finally(() => process.exit(1)));
}

const subdirectory = (name: string) => {
  const path = join(directory, name);
  mkdirSync(path, { mode: 0o700 });
  return path;
};

const sway = await startSway(subdirectory('sway'), '1920x1080@60Hz');
let stack: Promise<LoopbackStack> | undefined;
const theStack = () => (stack ??= LoopbackStack.start({ compositor: { attach: sway.display } }));
const stopStack = async () => (await stack?.catch(() => undefined))?.stop();
const starters: Record<SystemName, () => Promise<System>> = {
  direct: async () => startDirect(sway.display),
  waypipe: async () => startWaypipe(sway.display, subdirectory('waypipe')),
  copy: async () => startCopy(await theStack(), subdirectory('copy')),
  drawn: async () => startDrawn(await theStack(), subdirectory('drawn')),
};

const systems: System[] = [];
const failures = new Map<SystemName, string>();
for (const name of only) {
  const path = absent(name);
  try {
    if (path !== undefined) throw new Error(`${path} is not there`);
    systems.push(await starters[name]());
  } catch (error) {
    failures.set(name, String(error instanceof Error ? error.message : error));
    console.error(`${name} is left out: ${failures.get(name)}`);
  }
}

const results = new Map<string, { case: Case; system: SystemName; rounds: Measurement[]; failure?: string }>();
for (const what of cases) {
  for (const system of only) {
    const failure = failures.get(system);
    results.set(`${caseName(what)} ${system}`, {
      case: what,
      system,
      rounds: [],
      ...(failure === undefined ? {} : { failure }),
    });
  }
}

console.log(`${processorName()}, ${cpus().length} cores, Linux ${release()}, Node.js ${process.version}`);
console.log(
  `${rounds} rounds of ${cases.length} cases, ${seconds} s for each of: ${systems.map(s => s.name).join(', ')}`,
);
for (let round = 1; round <= rounds; round++) {
  for (const what of cases) {
    const line: string[] = [];
    for (const system of systems) {
      const result = results.get(`${caseName(what)} ${system.name}`);
      if (result === undefined || result.failure !== undefined) continue;
      if (system.without?.includes(what.mode) === true) continue;
      try {
        const found = await system.measure(what, seconds);
        result.rounds.push(found);
        line.push(`${system.name} ${what.mode === 'sync' ? `${found.p50_us} us` : `${found.fps} /s`}`);
      } catch (error) {
        result.failure = String(error instanceof Error ? error.message : error);
        line.push(`${system.name} failed`);
      }
    }
    console.log(`round ${round}  ${caseName(what)}: ${line.join(', ')}`);
  }
}

for (const system of systems) await system.stop();
await stopStack();
await sway.stop();

const cells: Cell[] = [...results.values()];
const targets = judge(cells);
console.log(`\n${formatReport(cells)}`);
if (json !== undefined) {
  const machine = { processor: processorName(), cores: cpus().length, kernel: release(), node: process.version };
  writeFileSync(json, `${JSON.stringify({ machine, seconds, rounds, cells, targets }, undefined, 2)}\n`);
}
const failed = cells.some(cell => cell.failure !== undefined);
process.exitCode = failed || (strict === true && targets.some(target => !target.met)) ? 1 : 0;
