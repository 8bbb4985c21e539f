/**
 * The page of `virtwl status --web`: asks again and again while somebody looks at it, and shows what it is told. In:
 * `status.json` beside it. A page in the background asks nothing.
 */
import { EVERY_MS } from '../pace.js';
import { byId, setAttribute, setText } from './dom.js';
import { Outputs } from './outputs.js';
import { Plot, type Value } from './plots.js';
import { processName, sections, vmsOf, type Reading } from './sections.js';
import { clock, milliseconds, waitWords } from './words.js';

/** How long an answer may take: a process that is frozen costs a second. */
const ANSWER_MS = 10_000;

const frames = new Plot({ id: 'frames', words: value => `${value.toFixed(1)} frames/s`, least: 10 });
const latency = new Plot({ id: 'latency', words: value => `${milliseconds(value)} ms`, least: 100, logarithmic: true });
const showSections = sections();
const outputs = new Outputs();
/** Readings shown so far. A test counts them. */
let refreshes = 0;

function show(reading: Reading): void {
  const now = Date.parse(reading.read);
  showSections(reading, now);
  frames.add(now / 1000, frameValues(reading));
  latency.add(now / 1000, latencyValues(reading));
  const { level, text } = summary(reading);
  setAttribute(byId('summary'), 'data-level', level);
  setText(byId('summary'), text);
  setText(byId('read'), `read at ${clock(reading.read)}`);
  refreshes += 1;
  document.documentElement.dataset.refreshes = `${refreshes}`;
}

/** By client VM, where a compositor's glue tells; else by process. */
function frameValues({ reports }: Reading): Value[] {
  const vms = vmsOf(reports);
  if (vms.length > 0) return vms.map(({ vm }) => ({ name: `VM ${vm.vm}`, value: vm.framesPerSecond }));
  return reports
    .filter(({ programs }) => programs !== undefined)
    .map(report => ({ name: processName(report), value: report.framesPerSecond }));
}

/** By process, with the names of its programs. */
function latencyValues({ reports }: Reading): Value[] {
  return reports.flatMap(({ pid, latency, programs = [] }) => {
    const names = [...new Set(programs.map(({ program }) => program).filter(name => name !== undefined))];
    const name = `${names.length === 0 ? 'run' : names.join(', ')} (${pid})`;
    return latency === undefined ? [] : [{ name, value: latency.p50, upper: latency.p99 }];
  });
}

/** The worst that is so, in one sentence. */
function summary({ reports }: Reading): { readonly level: string; readonly text: string } {
  if (reports.length === 0) return { level: 'waiting', text: 'no process of virtwl runs here as this user' };
  const frozen = reports.filter(({ state }) => state.is === 'frozen');
  if (frozen.length > 0) {
    return { level: 'frozen', text: `${frozen.map(processName).join(', ')}: frozen, ${frozen[0]!.silent ?? ''}` };
  }
  const waiting = [
    ...reports.map(report => ({ name: processName(report), state: report.state })),
    ...reports.flatMap(({ clientVms = [] }) => clientVms.map(({ vm, state }) => ({ name: `VM ${vm}`, state }))),
  ].filter(({ state }) => state.is === 'waiting');
  const [first, ...others] = waiting;
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    return { level: 'waiting', text: `${first.name} ${waitWords(first.state)}${more}` };
  }
  const count = reports.length === 1 ? '1 process answers' : `all ${reports.length} processes answer`;
  return { level: 'served', text: `${count}, and nothing is waited for` };
}

async function ask(): Promise<void> {
  try {
    const answer = await fetch('status.json', { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) throw new Error(await answer.text());
    const reading = (await answer.json()) as Reading;
    show(reading);
    outputs.look(reading);
    document.body.classList.remove('lost');
  } catch (error) {
    document.body.classList.add('lost');
    setAttribute(byId('summary'), 'data-level', 'frozen');
    setText(
      byId('summary'),
      `"virtwl status --web" does not answer; below is what it said last (${(error as Error).message})`,
    );
  }
}

let due: number | undefined;

async function askAgainAndAgain(): Promise<void> {
  clearTimeout(due);
  if (document.hidden) return;
  const began = performance.now();
  await ask();
  clearTimeout(due);
  due = setTimeout(() => void askAgainAndAgain(), Math.max(0, EVERY_MS - (performance.now() - began)));
}

document.addEventListener('visibilitychange', () => void askAgainAndAgain());
void askAgainAndAgain();
