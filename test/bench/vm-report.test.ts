/** The tables of the benchmark in real VMs, from numbers that were made up. */
import t from 'tap';
import { perFrame, ROLES, type CpuTimes } from '../../src/bench/cpu.js';
import type { Mode } from '../../src/bench/measure.js';
import { formatCpu, formatRates, formatStages, formatWakeups, type VmCell } from '../../src/bench/vm-report.js';
import type { VmMeasurement, VmSystemName } from '../../src/bench/vm-systems.js';
import { WAKEUPS, wakeupsPerFrame, type Wakeups } from '../../src/bench/wakeups.js';
import type { DeviceKind } from '../../src/host/guest/vmm-arguments.js';

const times = (of: readonly number[]): CpuTimes =>
  Object.fromEntries(ROLES.map((role, i) => [role, of[i] ?? 0])) as CpuTimes;
const woken = (of: readonly number[]): Wakeups =>
  Object.fromEntries(WAKEUPS.map((what, i) => [what, of[i] ?? 0])) as Wakeups;

function measured(
  mode: Mode,
  fps: number,
  milliseconds: number,
  own: number,
  cpu: readonly number[],
  wakeups: readonly number[] = [],
): VmMeasurement {
  const us = milliseconds * 1000;
  return {
    ...{
      mode,
      width: 640,
      height: 480,
      frames: 10,
      seconds: 1,
      fps,
      p50_us: us,
      p90_us: us,
      p99_us: 2 * us,
      max_us: 2 * us,
    },
    ...{ buffers: 2, before: 1, cpu_us: own * 10 * 1000, cpu: times(cpu), wakeups: woken(wakeups) },
  };
}

const sync = { mode: 'sync', size: '640x480' } as const;
const full = { mode: 'full', size: '640x480' } as const;
const cell = (
  of: typeof sync | typeof full,
  system: VmSystemName,
  rounds: readonly VmMeasurement[],
  transport: DeviceKind = 'wl',
): VmCell => ({ case: of, system, rounds, transport });
const cells: readonly VmCell[] = [
  cell(sync, 'inside', [measured('sync', 1, 4, 1, [])]),
  cell(sync, 'copied', [measured('sync', 1, 8, 1, [])]),
  cell(sync, 'drawn', [measured('sync', 1, 6, 1, [])]),
  cell(full, 'inside', [measured('full', 200, 5, 2, [0, 0, 3, 9, 0])]),
  cell(
    full,
    'copied',
    [50, 100, 70].map(fps => measured('full', fps, 10, 2, [6, 4, 3, 30, 2])),
  ),
  { ...cell(full, 'drawn', []), failure: 'there is no such window' },
];
/** The same with a second pair of VMs. */
const both: readonly VmCell[] = [
  ...cells,
  cell(sync, 'inside', [measured('sync', 1, 5, 1, [])], 'gpu'),
  cell(sync, 'copied', [measured('sync', 1, 20, 1, [4], [3, 2, 1.5, 4, 5, 1, NaN, 6])], 'gpu'),
];
/** The cells of a row, by what it begins with. */
const row = (table: string, ...begins: readonly string[]): string[] =>
  table
    .split('\n')
    .map(line =>
      line
        .split('│')
        .slice(1, -1)
        .map(text => text.trim()),
    )
    .find(texts => begins.every((begin, i) => texts[i]?.startsWith(begin)))!;

t.test('rates and times, and those of the client VM as multiples of those beside the compositor', async t => {
  const table = formatRates(cells);
  t.same(row(table, 'round trip, p50'), ['round trip, p50', 'wl', '4 ms', '8 ms', '6 ms', '2.00x', '1.50x']);
  t.same(row(table, 'round trip, p99'), ['round trip, p99', 'wl', '8 ms', '16 ms', '12 ms', '2.00x', '1.50x']);
  t.same(
    row(table, 'full damage'),
    ['full damage, 640x480', 'wl', '200 /s', '70 /s', '-', '0.35x', '-'],
    'medians over the rounds',
  );
  t.match(table, /wl, client VM, drawn, full damage, 640x480: there is no such window/, 'what failed, and why');
});

t.test('each transport has a line, and its multiples are of its own pair of VMs', async t => {
  const table = formatRates(both);
  t.same(row(table, 'round trip, p50', 'wl').slice(2), ['4 ms', '8 ms', '6 ms', '2.00x', '1.50x']);
  t.same(row(table, 'round trip, p50', 'gpu').slice(2), ['5 ms', '20 ms', '-', '4.00x', '-']);
  const cpu = formatCpu(both);
  t.equal(row(cpu, 'round trip', 'wl', 'copied').at(7), '1');
  t.equal(row(cpu, 'round trip', 'gpu', 'copied').at(7), '5', 'what the guests took');
});

t.test('kicks, interrupts and turns of event loops by frame', async t => {
  const table = formatWakeups(both);
  t.same(row(table, 'woken by frame').slice(3), [...WAKEUPS]);
  t.same(
    row(table, 'round trip', 'gpu', 'copied').slice(3),
    ['3', '2', '1.5', '4', '5', '1', '-', '6'],
    'and nothing where a Node.js does not tell',
  );
  t.same(row(table, 'round trip', 'wl', 'copied').slice(3), Array(WAKEUPS.length).fill('0'));
  t.same(row(table, 'full damage', 'gpu', 'copied').slice(3), Array(WAKEUPS.length).fill('-'), 'not measured');
  const before = woken([1, 2, 3, 4, 5, 6, 7, 8]);
  t.same(wakeupsPerFrame(before, woken([11, 22, 3, 4, 5, 6, 7, 108]), 10), woken([1, 2, 0, 0, 0, 0, 0, 10]));
});

t.test('processor time by frame, of each process and in sum', async t => {
  const table = formatCpu(cells);
  t.same(row(table, 'full damage', 'wl', 'inside').slice(3), ['2', '0', '0', '3', '5', '1.00x', '9', '0']);
  t.same(row(table, 'full damage', 'wl', 'copied').slice(3), ['2', '6', '4', '3', '15', '3.00x', '30', '2']);
  t.same(row(table, 'full damage', 'wl', 'drawn').slice(3), ['-', '-', '-', '-', '-', '-', '-', '-']);
});

t.test('what was taken in between is divided by the frames', async t => {
  t.same(perFrame(times([10, 20, 30, 40, 50]), times([20, 20, 60, 140, 50]), 10), times([1, 0, 3, 10, 0]));
});

t.test('stages, with when they began and how long they took', async t => {
  const stages = [
    { what: 'one', from: 0, to: 2 },
    { what: 'beside it', from: 0.5, to: 1 },
    { what: 'last', from: 2, to: 4.25 },
  ];
  const table = formatStages(stages, 'gpu');
  t.same(row(table, 'from cold'), ['from cold, gpu', 'began, s', 'took, s'], 'and by what');
  t.same(row(table, 'beside it'), ['beside it', '0.5', '0.5']);
  t.same(row(table, 'last'), ['last', '2.0', '2.3']);
  t.same(row(table, 'the first verified frame'), ['the first verified frame', '', '4.3'], 'at the end of all');
});
