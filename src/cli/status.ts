/** `virtwl status`: how the processes of this user are. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { askAll, type Answer } from '../observe/ask-status.js';
import { openMetrics } from '../observe/openmetrics.js';
import { STATUS_DIRECTORY_ENV, statusDirectory } from '../observe/status-socket.js';
import { formatBytes } from './bytes.js';
import { addOptions, COUNT, flag, optional, type Values } from './option.js';

const OPTIONS = {
  json: flag('--json', 'one JSON array, of an object for each process'),
  openmetrics: flag('--openmetrics', 'as OpenMetrics has it, for Prometheus and the like'),
  watch: { ...optional('--watch [seconds]', 'again and again, until a signal comes', COUNT), preset: '2' },
} as const;

export function register(program: Command): void {
  const status = program
    .command('status')
    .summary('how the processes of virtwl are that this user runs here')
    .description(
      'Asks every "virtwl" process of this user on this machine: host processes and the broker on a host, the compositor and ' +
        'the proxies of applications in a VM. One that does not answer within a second is told as such. Status 1 when one ' +
        'has not answered, or there is none.',
    )
    .action(async ({ json, openmetrics, watch }: Values<typeof OPTIONS>) => {
      const directory = statusDirectory();
      if (directory === undefined) {
        throw new Error(
          `there is no XDG_RUNTIME_DIR where processes could be asked; set it, or ${STATUS_DIRECTORY_ENV}`,
        );
      }
      do {
        const answers = await askAll(directory);
        const told =
          openmetrics === true ? openMetrics(answers) : json === true ? inJson(answers) : inWords(answers, directory);
        process.stdout.write(told);
        process.exitCode = answers.length > 0 && answers.every(answer => answer.status !== undefined) ? 0 : 1;
        if (watch !== undefined) {
          await pause(watch * 1000);
          process.stdout.write('\n');
        }
      } while (watch !== undefined);
    });
  addOptions(status, OPTIONS);
}

function inJson(answers: readonly Answer[]): string {
  return `${JSON.stringify(answers.map(({ role, pid, status, silent }) => ({ ...status, role, pid, ...(silent !== undefined && { silent }) })))}\n`;
}

function inWords(answers: readonly Answer[], directory: string): string {
  if (answers.length === 0) return `no process of virtwl runs here as this user (asked in ${directory})\n`;
  return answers.map(answer => `${wordsOf(answer).join('\n    ')}\n`).join('');
}

/** What is of interest to a person; the rest is in the JSON. */
const HIDDEN = new Set(['role', 'vm', 'since', 'native']);

function wordsOf({ role, pid, status, silent }: Answer): string[] {
  const { vm, since } = status ?? {};
  const name = `virtwl ${role}${typeof vm === 'string' ? ` of VM "${vm}"` : ''}, process ${pid}`;
  if (status === undefined) return [`${name}: ${silent}`];
  const age = typeof since === 'string' ? `, for ${duration(Date.now() - Date.parse(since))}` : '';
  return [`${name}: answers${age}`, ...linesOf(status)];
}

function linesOf(tree: Readonly<Record<string, unknown>>, before = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (before === '' && HIDDEN.has(name)) return [];
    if (typeof value !== 'object' || value === null) return [`${before}${name} ${shown(name, value)}`];
    if (Array.isArray(value))
      return [
        `${before}${name} ${value.map(each => (typeof each === 'string' ? each : JSON.stringify(each))).join(', ')}`,
      ];
    return linesOf(value as Record<string, unknown>, `${before}${name}.`);
  });
}

/** Names of numbers that are bytes. */
const BYTES = /bytes$|^(?:budget|used|granted bytes)$/i;

function shown(name: string, value: unknown): string {
  return typeof value === 'number' && BYTES.test(name) ? formatBytes(value) : String(value);
}

function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
