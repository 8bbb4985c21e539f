/** From measurements in real VMs to the tables that are shown. */
import Table from 'cli-table3';
import type { Stage } from './cold-start.js';
import { ROLES } from './cpu.js';
import type { Case } from './measure.js';
import { caseName, medianOf, type CellOf } from './results.js';
import { VM_SYSTEMS, type VmMeasurement, type VmSystemName } from './vm-systems.js';

export type VmCell = CellOf<VmSystemName, VmMeasurement>;

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

/** Rates and times, with those of the client VM as multiples of those inside the compositor VM. */
export function formatRates(cells: readonly VmCell[]): string {
  const table = new Table({
    head: ['', ...VM_SYSTEMS.map(system => HEADINGS[system]), 'copied/inside', 'drawn/inside'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: STYLE,
  });
  const row = (name: string, unit: string, what: Case, of: (m: VmMeasurement) => number): void => {
    const values = VM_SYSTEMS.map(system => medianOf(cells, what, system, of));
    const [inside] = values;
    table.push([
      name,
      ...values.map(value => (value === undefined ? '-' : `${number(value)} ${unit}`)),
      ...values
        .slice(1)
        .map(value => (value === undefined || inside === undefined ? '-' : `${(value / inside).toFixed(2)}x`)),
    ]);
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
    cell.failure === undefined ? [] : [`${HEADINGS[cell.system]}, ${caseName(cell.case)}: ${cell.failure}`],
  );
  return [table.toString(), ...failures].join('\n');
}

/** Processor time by frame, by process: that in the guests and its sum, then what it costs on the host. */
export function formatCpu(cells: readonly VmCell[]): string {
  const [guest, host] = [ROLES.slice(0, 3), ROLES.slice(3)];
  const table = new Table({
    head: ['CPU ms by frame', '', 'client', ...guest, 'in VMs', 'of inside', ...host],
    colAligns: ['left', 'left', ...Array<'right'>(4 + guest.length + host.length - 1).fill('right')],
    style: STYLE,
  });
  const own = (m: VmMeasurement): number => m.cpu_us / 1000 / m.frames;
  const inGuests = (m: VmMeasurement): number => guest.reduce((sum, role) => sum + m.cpu[role], own(m));
  for (const what of casesOf(cells)) {
    const inside = medianOf(cells, what, 'inside', inGuests);
    for (const system of VM_SYSTEMS) {
      const show = (of: (m: VmMeasurement) => number): string => {
        const value = medianOf(cells, what, system, of);
        return value === undefined ? '-' : number(value);
      };
      const sum = medianOf(cells, what, system, inGuests);
      table.push([
        ...[caseName(what), system, show(own), ...guest.map(role => show(m => m.cpu[role])), show(inGuests)],
        sum === undefined || inside === undefined ? '-' : `${(sum / inside).toFixed(2)}x`,
        ...host.map(role => show(m => m.cpu[role])),
      ]);
    }
  }
  return table.toString();
}

/** What takes how long until the first frame was verified. */
export function formatStages(stages: readonly Stage[]): string {
  const table = new Table({
    head: ['from cold', 'began, s', 'took, s'],
    colAligns: ['left', 'right', 'right'],
    style: STYLE,
  });
  for (const { what, from, to } of stages) table.push([what, from.toFixed(1), (to - from).toFixed(1)]);
  const end = Math.max(...stages.map(({ to }) => to));
  table.push(['the first verified frame', '', end.toFixed(1)]);
  return table.toString();
}
