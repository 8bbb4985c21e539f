/**
 * `npm run bench`: the same client on the compositor itself, through two relays that do nothing, through waypipe, and through
 * virtwl, side by side in one run: `rotation.ts`. What is compared is `systems.ts`, what of it is wanted `targets.ts`. With
 * `--vm` it is measured in real VMs: `vms.ts`.
 */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';

import { LoopbackStack } from '../demo/loopback-stack.js';
import type { Case } from './measure.js';
import { benchOptions, casesOf } from './options.js';
import { Placement } from './placement.js';
import { formatPlot } from './plot.js';
import { killAll } from './processes.js';
import { formatReport } from './report.js';
import type { Cell } from './results.js';
import { measureAll, minutes, neverStarted } from './rotation.js';
import { startSway } from './sway.js';
import { processorName, startSystem, type System } from './systems.js';
import { judge } from './targets.js';
import { benchInVms, VM_MODES, VM_SIZES } from './vms.js';

const {
  vm,
  rounds,
  only,
  modes,
  sizes,
  transports,
  json,
  svg,
  strict,
  pin = [],
  ...given
} = benchOptions(process.argv);
if (vm === true) {
  const what = { modes: modes ?? VM_MODES, sizes: sizes ?? VM_SIZES, transports };
  process.exit((await benchInVms({ ...what, seconds: given.seconds ?? 5, rounds, json })) ? 0 : 1);
}
const { seconds = 1 } = given;
const cases: readonly Case[] = casesOf(modes, sizes);
const placement = new Placement(pin);
placement.apply();

const directory = mkdtempSync(join(tmpdir(), 'virtwl-bench-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void stopStack().finally(() => process.exit(1)));
}

const subdirectory = (name: string): string => {
  const path = join(directory, name);
  mkdirSync(path, { mode: 0o700, recursive: true });
  return path;
};

const sway = await startSway(subdirectory('sway'), '1920x1080@60Hz');
let stack: Promise<LoopbackStack> | undefined;
const theStack = (): Promise<LoopbackStack> =>
  (stack ??= LoopbackStack.start({ compositor: { attach: sway.display } }));
const stopStack = async (): Promise<void> => (await stack?.catch(() => undefined))?.stop();

const systems: System[] = [];
const failed: Cell[] = [];
for (const name of only) {
  try {
    systems.push(await startSystem(name, { sway, placement, stack: theStack, directory: subdirectory }));
  } catch (error) {
    const failure = String(error instanceof Error ? error.message : error);
    failed.push(...neverStarted(name, cases, failure));
    console.error(`${name} is left out: ${failure}`);
  }
}

const machine = {
  processor: processorName(),
  cores: cpus().length,
  kernel: release(),
  node: process.version,
  placement: String(placement),
  /** Of the minute before: a number far above 0 is a machine that had other work. */
  load: loadavg()[0],
};
const rotation = { systems, cases, rounds, seconds };
console.log(
  `${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, Node.js ${machine.node}; ${machine.placement}; ` +
    `load ${machine.load?.toFixed(1)}`,
);
console.log(
  `${rounds} rounds of ${cases.length} cases, ${seconds} s for each of: ${systems.map(({ name }) => name).join(', ')}; ` +
    `some ${minutes(rotation)} minutes`,
);
const cells = [...(await measureAll({ ...rotation, say: console.log })), ...failed];

for (const system of systems) await system.stop();
await stopStack();
await sway.stop();

const targets = judge(cells);
console.log(`\n${formatReport(cells)}`);
const under = `${machine.processor}, ${machine.cores} cores, ${machine.placement}, Node.js ${machine.node}`;
const date = new Date().toISOString().slice(0, 10);
if (svg !== undefined) writeFileSync(svg, formatPlot(cells, `${under}, ${date}`));
if (json !== undefined) {
  writeFileSync(json, `${JSON.stringify({ date, machine, seconds, rounds, cells, targets }, undefined, 2)}\n`);
}
const missed = targets.some(({ verdict }) => verdict === 'missed');
process.exitCode = cells.some(({ failure }) => failure !== undefined) || (strict === true && missed) ? 1 : 0;
