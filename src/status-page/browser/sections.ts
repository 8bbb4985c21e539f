/**
 * The sections with tables. In: a reading. Out: what it says, row by row. What a VM has said of itself stands in quotes, and is
 * marked as its word.
 */
import type { ClientReport, ProcessReport, ProgramReport, StateReport, VmReport } from '../../observe/status-report.js';
import { byId, element, part, setAttribute, setText, Table, type Cell, type Row } from './dom.js';
import { age, bytes, clock, latencyWords, rateWords, waitWords } from './words.js';

/** What the server tells: `readings.ts` has the same. */
export interface Reading {
  readonly read: string;
  readonly reports: readonly ProcessReport[];
}

type Show = (reading: Reading, now: number) => void;

/** The name of a process, for people. */
export function processName({ role, vm, pid }: ProcessReport): string {
  return `${role}${vm === undefined ? '' : ` of VM ${vm}`}, process ${pid}`;
}

/** A word with a dot in the colour of the state, since when it is so, and what is waited for. */
function stateCell(state: StateReport, now: number, silent?: string): Cell {
  return cell => {
    const pill = part(cell, 'span', 'state');
    setAttribute(pill, 'data-state', state.is);
    setText(pill, state.is);
    setText(part(cell, 'span', 'since'), state.since === undefined ? '' : ` for ${age(state.since, now)}`);
    setText(part(cell, 'div', 'wait'), silent ?? waitWords(state));
  };
}

/** How much of a share is used, as a bar and in words. */
function shareCell({ bytes: used, share, slabs }: VmReport['memory']): Cell {
  return cell => {
    const bar = part(cell, 'div', 'bar');
    const portion = share > 0 ? Math.min(1, used / share) : 0;
    part(bar, 'div', 'fill').style.width = `${(portion * 100).toFixed(1)}%`;
    bar.classList.toggle('full', portion > 0.9);
    const of = share > 0 ? ` of ${bytes(share)}` : '';
    setText(part(cell, 'span', 'words'), `${bytes(used)}${of}, ${slabs} ${slabs === 1 ? 'slab' : 'slabs'}`);
  };
}

/** What a client calls itself. */
function saysCell({ appId, title }: ClientReport['says']): Cell {
  return cell => {
    setText(part(cell, 'small', 'app-id-word'), appId === undefined ? '' : 'app id ');
    setText(part(cell, 'span', 'app-id'), appId === undefined ? '' : `“${appId}” `);
    setText(part(cell, 'small', 'title-word'), title === undefined ? '' : 'title ');
    setText(part(cell, 'span', 'title'), title === undefined ? '' : `“${title}”`);
  };
}

function errorCell({ lastError }: ProcessReport, now: number): Cell {
  return cell => {
    const about = lastError?.vm === undefined ? '' : `, about ${lastError.vm}`;
    const when = lastError === undefined ? '' : `${lastError.level}${about}, ${age(lastError.time, now)} ago`;
    setText(part(cell, 'div', 'error'), lastError?.text ?? '–');
    // The log below has all of it, as long as it is one of the last lines.
    setAttribute(cell, 'title', lastError?.text ?? '');
    setText(part(cell, 'small', 'when'), when);
  };
}

function processes(): Show {
  const columns = [
    { title: 'Process', width: 29 },
    { title: 'Up for', width: 9, numeric: true },
    { title: 'State', width: 30 },
    { title: 'Last error or warning', width: 32 },
  ];
  const table = new Table(byId('processes'), columns, 'no process of virtwl runs here as this user');
  return ({ reports }, now) =>
    table.update(
      reports.map(report => ({
        key: `${report.role} ${report.pid}`,
        cells: [
          cell => {
            setText(part(cell, 'strong', 'name'), report.role);
            setText(part(cell, 'span', 'of'), report.vm === undefined ? ' ' : ` of VM ${report.vm} `);
            setText(part(cell, 'small', 'pid'), `process ${report.pid}`);
          },
          report.since === undefined ? '–' : age(report.since, now),
          stateCell(report.state, now, report.silent),
          errorCell(report, now),
        ],
      })),
    );
}

/** All that is told of client VMs, by their names, with the process that tells. */
export function vmsOf(reports: readonly ProcessReport[]): { readonly by: number; readonly vm: VmReport }[] {
  return reports
    .flatMap(({ pid, clientVms = [] }) => clientVms.map(vm => ({ by: pid, vm })))
    .sort((a, b) => a.vm.vm.localeCompare(b.vm.vm));
}

function vms(): Show {
  const columns = [
    { title: 'VM', width: 13 },
    { title: 'State', width: 30 },
    { title: 'Memory of its share', width: 25 },
    { title: 'Clients', width: 8, numeric: true },
    { title: 'Frames/s', width: 10, numeric: true },
    { title: 'p50 / p99, ms', width: 14, numeric: true },
  ];
  const table = new Table(byId('vms'), columns, 'no VM has a client on a compositor here');
  return ({ reports }, now) =>
    table.update(
      vmsOf(reports).map(({ by, vm }) => ({
        key: `${by} ${vm.vm}`,
        cells: [
          vm.vm,
          stateCell(vm.state, now),
          shareCell(vm.memory),
          `${vm.clientCount}`,
          rateWords(vm.framesPerSecond),
          latencyWords(vm.latency),
        ],
      })),
    );
}

function clients(): Show {
  const columns = [
    { title: 'VM', width: 14 },
    { title: 'Client', width: 8 },
    { title: "By the VM's own word", width: 42 },
    { title: 'Windows', width: 11, numeric: true },
    { title: 'Frames/s', width: 11, numeric: true },
    { title: 'Since', width: 14, numeric: true },
  ];
  const table = new Table(byId('clients'), columns, 'none');
  return ({ reports }, now) =>
    table.update(
      vmsOf(reports).flatMap(({ by, vm }) => {
        const rows = vm.clients.map((client): Row => ({
          key: `${by} ${vm.vm} ${client.client}`,
          cells: [
            vm.vm,
            `${client.client}`,
            saysCell(client.says),
            `${client.windows}`,
            rateWords(client.framesPerSecond),
            `${age(client.since, now)} ago`,
          ],
        }));
        const more = vm.clientCount - vm.clients.length;
        const rest = { key: `${by} ${vm.vm} more`, cells: [vm.vm, '', `and ${more} more`, '', '', ''] };
        return more > 0 ? [...rows, rest] : rows;
      }),
    );
}

function programCells(program: ProgramReport, now: number): readonly Cell[] {
  const { state, windows, framesPerSecond, latency, bytesCopied, bytesNotCopied } = program;
  return [
    cell => {
      setText(part(cell, 'strong', 'name'), program.program ?? `client ${program.client}`);
      setText(part(cell, 'span', 'of'), ' ');
      setText(part(cell, 'small', 'pid'), program.pid === undefined ? '' : `process ${program.pid}`);
    },
    stateCell(state, now),
    `${windows}`,
    rateWords(framesPerSecond),
    latencyWords(latency),
    `${bytes(bytesCopied)} / ${bytes(bytesNotCopied)}`,
  ];
}

function programs(): Show {
  const columns = [
    { title: 'Program', width: 24 },
    { title: 'State', width: 23 },
    { title: 'Windows', width: 9, numeric: true },
    { title: 'Frames/s', width: 10, numeric: true },
    { title: 'p50 / p99, ms', width: 14, numeric: true },
    { title: 'Copied / unchanged', width: 20, numeric: true },
  ];
  const table = new Table(byId('programs'), columns, 'none');
  return ({ reports }, now) =>
    table.update(
      reports.flatMap(({ pid, programs = [] }) =>
        programs.map(program => ({ key: `${pid} ${program.client}`, cells: programCells(program, now) })),
      ),
    );
}

function denials(): Show {
  const columns = [
    { title: 'VM', width: 12 },
    { title: 'Setting', width: 20 },
    { title: 'Policy line', width: 26 },
    { title: 'Times', width: 8, numeric: true },
    { title: 'Last', width: 9, numeric: true },
    { title: 'What was denied then', width: 25 },
  ];
  const table = new Table(byId('denials'), columns, 'nothing');
  return ({ reports }, now) =>
    table.update(
      vmsOf(reports).flatMap(({ by, vm }) =>
        vm.denials.map(denial => ({
          key: `${by} ${vm.vm} ${denial.setting}`,
          cells: [
            vm.vm,
            denial.setting,
            denial.policy ?? 'the default',
            `${denial.count}`,
            `${age(denial.last, now)} ago`,
            denial.text,
          ],
        })),
      ),
    );
}

function log(): Show {
  const section = byId('log');
  const label = section.appendChild(element('label', 'filter', 'of '));
  const select = label.appendChild(element('select'));
  const every = select.appendChild(element('option', '', 'every process'));
  every.value = '';
  const scroller = section.appendChild(element('div', 'scroller'));
  // Keys scroll it.
  scroller.tabIndex = 0;
  scroller.setAttribute('role', 'region');
  scroller.setAttribute('aria-label', 'log lines');
  const columns = [
    { title: 'Time', width: 8 },
    { title: 'Process', width: 15 },
    { title: 'Level', width: 7 },
    { title: 'About', width: 11 },
    { title: 'What it says', width: 59 },
  ];
  const table = new Table(scroller, columns, 'no lines yet');
  let known = '';
  let last: Reading | undefined;
  const show = (reading: Reading): void => {
    last = reading;
    const names = reading.reports.map(processName);
    if (names.join('\n') !== known) {
      known = names.join('\n');
      const chosen = select.value;
      select.replaceChildren(every, ...names.map(name => element('option', '', name)));
      select.value = names.includes(chosen) ? chosen : '';
    }
    const lines = reading.reports
      .filter(report => select.value === '' || processName(report) === select.value)
      .flatMap(report => (report.log ?? []).map((line, i) => ({ report, line, i })))
      .sort((a, b) => a.line.time.localeCompare(b.line.time));
    const atEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 4;
    const seen = new Map<string, number>();
    table.update(
      lines.map(({ report, line }) => {
        const { time, level, component, vm, client, text, repeated } = line;
        const same = `${report.role} ${report.pid} ${time} ${component} ${text} ${repeated ?? 0}`;
        const count = (seen.get(same) ?? 0) + 1;
        seen.set(same, count);
        const about = [...(vm === undefined ? [] : [vm]), ...(client === undefined ? [] : [`client ${client}`])];
        return {
          key: `${same} ${count}`,
          cells: [
            clock(time),
            report.vm === undefined ? `${report.role} ${report.pid}` : `${report.role} of VM ${report.vm}`,
            (cell: HTMLTableCellElement) => {
              const word = part(cell, 'span', 'level');
              setAttribute(word, 'data-level', level);
              setText(word, level);
            },
            about.join(', '),
            repeated === undefined ? text : `${text} (${repeated} more ${repeated === 1 ? 'time' : 'times'})`,
          ],
        };
      }),
    );
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  };
  select.addEventListener('change', () => last !== undefined && show(last));
  return show;
}

/** Makes all of them; what is returned shows a reading. */
export function sections(): Show {
  const all = [processes(), vms(), clients(), programs(), denials(), log()];
  return (reading, now) => {
    for (const show of all) show(reading, now);
  };
}
