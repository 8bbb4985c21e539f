/** From measurements in real VMs to the tables that are shown. */
import Table from 'cli-table3';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import type { Stage } from './cold-start.js';
import { ROLES } from './cpu.js';
import type { Case } from './measure.js';
import { caseName, medianOf, type CellOf } from './results.js';
import { VM_SYSTEMS, type VmMeasurement, type VmSystemName } from './vm-systems.js';
import { WAKEUPS } from './wakeups.js';

export type VmCell = CellOf<VmSystemName, VmMeasurement> & { readonly transport: DeviceKind };

const HEADINGS: Record<VmSystemName, string> = {
  inside: 'compositor VM',
  copied: 'client VM, copied',
  drawn: 'client VM, drawn',
};
const STYLE = { head: [], border: [] };

const number = (n: number): string =>
  n.toLocaleString('en-US', { maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 });

function casesOf(cells: readonly VmCell[]): Case[] {
  return [...new Set(cells.map(cell => cell.case))];
}

/** The cells of each transport that there is. */
function byTransport(cells: readonly VmCell[]): [DeviceKind, readonly VmCell[]][] {
  return [...new Set(cells.map(cell => cell.transport))].map(transport => [
    transport,
    cells.filter(cell => cell.transport === transport),
  ]);
}

/**
 * Rates and times, a line for each transport, with those of the client VM as multiples of those inside the compositor VM.
 */
export function formatRates(cells: readonly VmCell[]): string {
  const table = new Table({
    head: ['', 'by', ...VM_SYSTEMS.map(system => HEADINGS[system]), 'copied/inside', 'drawn/inside'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
    style: STYLE,
  });
  const row = (name: string, unit: string, what: Case, of: (m: VmMeasurement) => number): void => {
    for (const [transport, its] of byTransport(cells)) {
      const values = VM_SYSTEMS.map(system => medianOf(its, what, system, of));
      const [inside] = values;
      table.push([
        name,
        transport,
        ...values.map(value => (value === undefined ? '-' : `${number(value)} ${unit}`)),
        ...values
          .slice(1)
          .map(value => (value === undefined || inside === undefined ? '-' : `${(value / inside).toFixed(2)}x`)),
      ]);
    }
  };
  for (const what of casesOf(cells)) {
    if (what.mode === 'sync') {
      row('round trip, p50', 'ms', what, ({ p50_us }) => p50_us / 1000);
      row('round trip, p99', 'ms', what, ({ p99_us }) => p99_us / 1000);
    } else {
      row(caseName(what), '/s', what, ({ fps }) => fps);
      row('  frame and round trip, p50', 'ms', what, ({ p50_us }) => p50_us / 1000);
      row('  frame and round trip, p99', 'ms', what, ({ p99_us }) => p99_us / 1000);
    }
  }
  const failures = cells.flatMap(cell =>
    cell.failure === undefined
      ? []
      : [`${cell.transport}, ${HEADINGS[cell.system]}, ${caseName(cell.case)}: ${cell.failure}`],
  );
  return [table.toString(), ...failures].join('\n');
}

/**
 * How often what is on a frame's way was woken for it, in the order of that way. Beside the compositor nothing of it is.
 */
export function formatWakeups(cells: readonly VmCell[]): string {
  const table = new Table({
    head: ['woken by frame', 'by', '', ...WAKEUPS],
    colAligns: ['left', 'left', 'left', ...WAKEUPS.map(() => 'right' as const)],
    style: STYLE,
  });
  for (const what of casesOf(cells)) {
    for (const system of VM_SYSTEMS) {
      for (const [transport, its] of byTransport(cells)) {
        const values = WAKEUPS.map(wakeup => medianOf(its, what, system, m => m.wakeups[wakeup]));
        const told = values.map(value => (value === undefined || Number.isNaN(value) ? '-' : number(value)));
        table.push([caseName(what), transport, system, ...told]);
      }
    }
  }
  return table.toString();
}

/** Processor time by frame, by process: that in the guests and its sum, then what it costs on the host. */
export function formatCpu(cells: readonly VmCell[]): string {
  const [guest, host] = [ROLES.slice(0, 3), ROLES.slice(3)];
  const table = new Table({
    head: ['CPU ms by frame', 'by', '', 'client', ...guest, 'in VMs', 'of inside', ...host],
    colAligns: ['left', 'left', 'left', ...Array<'right'>(4 + guest.length + host.length - 1).fill('right')],
    style: STYLE,
  });
  const own = (m: VmMeasurement): number => m.cpu_us / 1000 / m.frames;
  const inGuests = (m: VmMeasurement): number => guest.reduce((sum, role) => sum + m.cpu[role], own(m));
  for (const what of casesOf(cells)) {
    for (const system of VM_SYSTEMS) {
      for (const [transport, its] of byTransport(cells)) {
        const show = (of: (m: VmMeasurement) => number): string => {
          const value = medianOf(its, what, system, of);
          return value === undefined ? '-' : number(value);
        };
        const [inside, sum] = [medianOf(its, what, 'inside', inGuests), medianOf(its, what, system, inGuests)];
        table.push([
          ...[caseName(what), transport, system, show(own)],
          ...[...guest.map(role => show(m => m.cpu[role])), show(inGuests)],
          sum === undefined || inside === undefined ? '-' : `${(sum / inside).toFixed(2)}x`,
          ...host.map(role => show(m => m.cpu[role])),
        ]);
      }
    }
  }
  return table.toString();
}

/** What takes how long until the first frame was verified, by a transport. */
export function formatStages(stages: readonly Stage[], transport: DeviceKind): string {
  const table = new Table({
    head: [`from cold, ${transport}`, 'began, s', 'took, s'],
    colAligns: ['left', 'right', 'right'],
    style: STYLE,
  });
  for (const { what, from, to } of stages) table.push([what, from.toFixed(1), (to - from).toFixed(1)]);
  const end = Math.max(...stages.map(({ to }) => to));
  table.push(['the first verified frame', '', end.toFixed(1)]);
  return table.toString();
}
