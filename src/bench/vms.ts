/**
 * `npm run bench -- --vm`: the same client beside the compositor in its VM and in a client VM, in one run, in turns; and
 * how long it takes from nothing that runs to the first frame of which every pixel was compared. Where guests are
 * emulated in software, times are those of the emulation: ratios within the run say more, and it is said.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { VmStack } from '../demo/vm-stack.js';
import { guestFiles } from '../vm/initramfs.js';
import { ColdStart, type Stage } from './cold-start.js';
import { caseName } from './results.js';
import type { Case, Mode } from './measure.js';
import { processorName } from './systems.js';
import { formatCpu, formatRates, formatStages, type VmCell } from './vm-report.js';
import { CLIENT, PLAIN_CLIENT, VM_SYSTEMS, VmSystems, type VmMeasurement } from './vm-systems.js';

/** Modes that mean something in VMs, and the sizes where none are given: what is emulated draws slowly. */
export const VM_MODES: readonly Mode[] = ['sync', 'full', 'small'];
export const VM_SIZES: readonly string[] = ['640x480', '1920x1080'];

const SWAY_CONFIG = 'output HEADLESS-1 mode 1920x1080@60Hz\nxwayland disable\ndefault_border none\n';

export interface VmBenchOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly modes: readonly string[];
  readonly sizes: readonly string[];
  /** Where every measurement is written to. */
  readonly json: string | undefined;
}

/** Runs it all and prints the tables. True when everything was measured. */
export async function benchInVms({ seconds, rounds, modes, sizes, json }: VmBenchOptions): Promise<boolean> {
  const cold = new ColdStart();
  const stack = await VmStack.start({
    clients: [CLIENT],
    policies: { [CLIENT]: 'capture yes\n' },
    swayConfig: SWAY_CONFIG,
    files: Object.fromEntries([CLIENT, 'compositor'].map(vm => [vm, guestFiles({ 'bench-client': PLAIN_CLIENT })])),
    log: cold.log,
    say: line => console.log(line),
  });
  try {
    const stages = await cold.stages(stack, CLIENT);
    stages.push(...(await cold.firstFrame(stack, CLIENT)));
    const emulated = stack.machine(CLIENT).options.accelerator === 'tcg';
    const how = emulated ? 'software emulation (TCG): compare within a line, not with other machines' : 'KVM';
    console.log(`${processorName()}, ${cpus().length} cores, Linux ${release()}; ${how}`);
    console.log(`load while it started: ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')}`);
    console.log(formatStages(stages));

    const cases: Case[] = VM_MODES.filter(mode => modes.includes(mode)).flatMap(mode =>
      (mode === 'sync' ? sizes.slice(0, 1) : sizes).map(size => ({ mode, size })),
    );
    const cells = await measureAll(await VmSystems.start(stack), cases, seconds, rounds);
    console.log(`${rounds} rounds of ${seconds} s; ${how}`);
    console.log(`${formatRates(cells)}\n${formatCpu(cells)}`);
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify(record(emulated, seconds, rounds, stages, cells), undefined, 2)}\n`);
    return cells.every(cell => cell.failure === undefined);
  } finally {
    await stack.stop();
  }
}

async function measureAll(
  systems: VmSystems,
  cases: readonly Case[],
  seconds: number,
  rounds: number,
): Promise<VmCell[]> {
  const cells = cases.flatMap(what =>
    VM_SYSTEMS.map(system => ({ case: what, system, rounds: [] as VmMeasurement[], failure: '' })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const cell of cells) {
      if (cell.failure !== '') continue;
      try {
        const found = await systems.measure(cell.system, cell.case, seconds);
        cell.rounds.push(found);
        const said = cell.case.mode === 'sync' ? `${found.p50_us} us` : `${found.fps} /s`;
        console.log(`round ${round}  ${caseName(cell.case)}, ${cell.system}: ${said}`);
      } catch (error) {
        cell.failure = (error as Error).message;
        console.log(`round ${round}  ${caseName(cell.case)}, ${cell.system} failed: ${cell.failure}`);
      }
    }
  }
  await systems.stop();
  return cells.map(({ failure, ...cell }) => ({ ...cell, ...(failure !== '' && { failure }) }));
}

function record(
  emulated: boolean,
  seconds: number,
  rounds: number,
  stages: readonly Stage[],
  cells: readonly VmCell[],
): object {
  const machine = {
    processor: processorName(),
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    emulated,
  };
  return { machine, seconds, rounds, stages, cells };
}
