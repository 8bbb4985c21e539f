/**
 * `npm run bench -- --vm`: the same client beside the compositor in its VM and in a client VM, in one run, in turns; and
 * how long it takes from nothing that runs to the first frame of which every pixel was compared. Each transport has a pair
 * of VMs of its own. The pairs are started one after the other, then all are up and take turns; one that is not measured
 * stands idle. Where guests are emulated in software, times are those of the emulation: ratios within the run say more,
 * and it is said.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { VmStack } from '../demo/vm-stack.js';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import { guestFiles } from '../vm/initramfs.js';
import { ColdStart, type Stage } from './cold-start.js';
import { caseName } from './results.js';
import type { Case, Mode } from './measure.js';
import { processorName } from './systems.js';
import { formatCpu, formatRates, formatStages, formatWakeups, type VmCell } from './vm-report.js';
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
  readonly transports: readonly DeviceKind[];
  /** Where every measurement is written to. */
  readonly json: string | undefined;
}

/** The VMs of one transport. */
interface Pair {
  readonly transport: DeviceKind;
  readonly stack: VmStack;
  readonly systems: VmSystems;
  /** How it came up. */
  readonly stages: readonly Stage[];
}

/** Runs it all and prints the tables. True when everything was measured. */
export async function benchInVms(options: VmBenchOptions): Promise<boolean> {
  const { seconds, rounds, modes, sizes, transports, json } = options;
  const pairs: Pair[] = [];
  try {
    for (const transport of transports) pairs.push(await startPair(transport));
    const emulated = pairs.some(({ stack }) => stack.machine(CLIENT).options.accelerator === 'tcg');
    const how = emulated ? 'software emulation (TCG): compare within a line, not with other machines' : 'KVM';
    console.log(`${processorName()}, ${cpus().length} cores, Linux ${release()}; ${how}`);
    console.log(`load while they started: ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')}`);
    for (const { transport, stages } of pairs) console.log(formatStages(stages, transport));

    const cases: Case[] = VM_MODES.filter(mode => modes.includes(mode)).flatMap(mode =>
      (mode === 'sync' ? sizes.slice(0, 1) : sizes).map(size => ({ mode, size })),
    );
    const cells = await measureAll(pairs, cases, seconds, rounds);
    console.log(`${rounds} rounds of ${seconds} s; ${how}`);
    console.log(`${formatRates(cells)}\n${formatWakeups(cells)}\n${formatCpu(cells)}`);
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify(record(emulated, seconds, rounds, pairs, cells), undefined, 2)}\n`);
    return cells.every(cell => cell.failure === undefined);
  } finally {
    await Promise.all(pairs.map(({ stack }) => stack.stop()));
  }
}

async function startPair(transport: DeviceKind): Promise<Pair> {
  const cold = new ColdStart();
  const stack = await VmStack.start({
    clients: [CLIENT],
    transport,
    policies: { [CLIENT]: 'capture yes\n' },
    swayConfig: SWAY_CONFIG,
    files: Object.fromEntries([CLIENT, 'compositor'].map(vm => [vm, guestFiles({ 'bench-client': PLAIN_CLIENT })])),
    log: cold.log,
    say: line => console.log(line),
  });
  try {
    const stages = await cold.stages(stack, CLIENT);
    stages.push(...(await cold.firstFrame(stack, CLIENT)));
    return { transport, stack, stages, systems: await VmSystems.start(stack, transport) };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function measureAll(
  pairs: readonly Pair[],
  cases: readonly Case[],
  seconds: number,
  rounds: number,
): Promise<VmCell[]> {
  // One system by all transports in turn: what else the machine does meanwhile meets them alike.
  const cells = cases.flatMap(what =>
    VM_SYSTEMS.flatMap(system =>
      pairs.map(({ transport, systems }) => {
        const measured: VmMeasurement[] = [];
        return { case: what, system, transport, systems, rounds: measured, failure: '' };
      }),
    ),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const cell of cells) {
      if (cell.failure !== '') continue;
      const name = `${caseName(cell.case)}, ${cell.transport}, ${cell.system}`;
      try {
        const found = await cell.systems.measure(cell.system, cell.case, seconds);
        cell.rounds.push(found);
        const said = cell.case.mode === 'sync' ? `${found.p50_us} us` : `${found.fps} /s`;
        console.log(`round ${round}  ${name}: ${said}`);
      } catch (error) {
        cell.failure = (error as Error).message;
        console.log(`round ${round}  ${name} failed: ${cell.failure}`);
      }
    }
  }
  await Promise.all(pairs.map(({ systems }) => systems.stop()));
  return cells.map(({ failure, case: what, system, transport, rounds: measured }) => ({
    ...{ case: what, system, transport, rounds: measured },
    ...(failure !== '' && { failure }),
  }));
}

function record(
  emulated: boolean,
  seconds: number,
  rounds: number,
  pairs: readonly Pair[],
  cells: readonly VmCell[],
): object {
  const machine = {
    processor: processorName(),
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    emulated,
  };
  const stages = Object.fromEntries(pairs.map(pair => [pair.transport, pair.stages]));
  return { machine, seconds, rounds, stages, cells };
}
