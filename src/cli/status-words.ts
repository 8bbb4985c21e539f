/**
 * The reports of `virtwl status` for people. What another VM's client has said of itself stands in quotes behind "says", and
 * nothing of it can look like a line of ours.
 */
import { printable } from '../observe/printable.js';
import { waitedForWords } from '../observe/waited-for-words.js';
import type {
  ClientReport,
  DenialReport,
  LatencyReport,
  ProcessReport,
  ProgramReport,
  StateReport,
  VmReport,
} from '../observe/status-report.js';
import { formatBytes } from './bytes.js';

/** Lines of one process, the first of which names it. */
export function wordsOf(report: ProcessReport): string[] {
  const { role, pid, vm, since, silent, state, lastError, framesPerSecond, latency, programs, clientVms } = report;
  const name = `virtwl ${role}${vm === undefined ? '' : ` of VM "${printable(vm)}"`}, process ${pid}`;
  if (silent !== undefined) return [`${name}: ${state.is}: ${silent}`];
  const up = since === undefined ? '' : `, up for ${age(since)}`;
  const lines = [`${name}: ${stateWords(state)}${up}`];
  const rate = [...rateWords({ framesPerSecond }), ...latencyWords(latency)];
  if (rate.length > 0) lines.push(rate.join(', '));
  for (const program of programs ?? []) lines.push(programWords(program));
  for (const each of clientVms ?? []) lines.push(...vmLines(each));
  if (lastError !== undefined) {
    const { level, time, text, vm: about } = lastError;
    const whose = about === undefined ? '' : `, about VM "${printable(about)}"`;
    lines.push(`last ${level}${whose}, ${age(time)} ago: ${printable(text)}`);
  }
  return [...lines, ...counterLines(report as unknown as Readonly<Record<string, unknown>>)];
}

function stateWords({ is, for: wanted, since, text }: StateReport): string {
  if (is !== 'waiting') return is;
  const what = wanted === undefined ? '' : ` for ${waitedForWords(wanted)}`;
  const long = since === undefined ? '' : `, ${age(since)} so far`;
  return `waiting${what}${long}${text === undefined ? '' : `: ${printable(text)}`}`;
}

function programWords(report: ProgramReport): string {
  const { client, pid, program, state, windows, latency, bytesCopied, bytesNotCopied } = report;
  const who = program === undefined ? '' : ` "${printable(program)}"`;
  const facts = [
    stateWords(state),
    countOf(windows, 'window'),
    ...rateWords(report),
    ...latencyWords(latency),
    `${formatBytes(bytesCopied)} copied, ${formatBytes(bytesNotCopied)} not`,
  ];
  return `client ${client}${who}${pid === undefined ? '' : `, process ${pid}`}: ${facts.join(', ')}`;
}

function vmLines(report: VmReport): string[] {
  const { vm, state, clientCount, clients, memory, latency, denials } = report;
  const facts = [
    stateWords(state),
    countOf(clientCount, 'client'),
    ...(memory.share > 0
      ? [`${formatBytes(memory.bytes)} of ${formatBytes(memory.share)} in ${countOf(memory.slabs, 'slab')}`]
      : []),
    ...rateWords(report),
    ...latencyWords(latency),
  ];
  const left = clientCount - clients.length;
  return [
    `VM "${printable(vm)}": ${facts.join(', ')}`,
    ...clients.map(each => `    ${clientWords(each)}`),
    ...(left > 0 ? [`    and ${countOf(left, 'client')} more`] : []),
    ...denials.map(each => `    ${denialWords(each)}`),
  ];
}

function clientWords(report: ClientReport): string {
  const { client, windows, says } = report;
  const names = [
    ...(says.appId === undefined ? [] : [`app id ${quoted(says.appId)}`]),
    ...(says.title === undefined ? [] : [`title ${quoted(says.title)}`]),
  ];
  const facts = [
    countOf(windows, 'window'),
    ...rateWords(report),
    ...(names.length > 0 ? [`says ${names.join(', ')}`] : []),
  ];
  return `client ${client}: ${facts.join(', ')}`;
}

function denialWords({ setting, policy, count, last, text }: DenialReport): string {
  const where = policy === undefined ? '' : ` (${printable(policy)})`;
  return `denied by "${printable(setting)}"${where}, ${countOf(count, 'time')}, the last ${age(last)} ago: ${printable(text)}`;
}

function rateWords({ framesPerSecond }: { readonly framesPerSecond?: number | undefined }): string[] {
  return framesPerSecond === undefined ? [] : [`${framesPerSecond} frames/s`];
}

function latencyWords(latency: LatencyReport | undefined): string[] {
  return latency === undefined ? [] : [`commit to release ${latency.p50} ms, of 99 in 100 up to ${latency.p99} ms`];
}

/** As JSON has it: a quote in it does not end it. */
function quoted(text: string): string {
  return JSON.stringify(printable(text));
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** What is told above, or of interest to no person; the rest are counters. */
const HIDDEN = new Set([
  ...['role', 'pid', 'vm', 'since', 'at', 'native', 'state', 'silent', 'lastError', 'framesPerSecond', 'latency'],
  ...['programs', 'clientVms', 'log', 'thumbnails'],
]);

function counterLines(tree: Readonly<Record<string, unknown>>, before = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (before === '' && HIDDEN.has(name)) return [];
    if (typeof value !== 'object' || value === null) return [`${before}${name} ${shown(name, value)}`];
    if (Array.isArray(value)) {
      const items = value.map(each => (typeof each === 'string' ? each : JSON.stringify(each)));
      return [printable(`${before}${name} ${items.join(', ')}`)];
    }
    return counterLines(value as Record<string, unknown>, `${before}${name}.`);
  });
}

/** Names of numbers that are bytes. */
const BYTES = /bytes$|^bytes|^(?:budget|used|granted bytes)$/i;

function shown(name: string, value: unknown): string {
  return typeof value === 'number' && BYTES.test(name) ? formatBytes(value) : printable(String(value));
}

function age(time: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
