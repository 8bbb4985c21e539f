/** `virtwl status`: how the processes of this user are. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { askAll } from '../observe/ask-status.js';
import { openMetrics } from '../observe/openmetrics.js';
import { readReports } from '../observe/process-report.js';
import type { ProcessReport } from '../observe/status-report.js';
import { STATUS_DIRECTORY_ENV, statusDirectory } from '../observe/status-socket.js';
import { addOptions, COUNT, flag, optional, type Values } from './option.js';
import { wordsOf } from './status-words.js';

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
        'the proxies of applications in a VM. They are asked twice, a second apart, for frames a second. One that does not ' +
        'answer within a second is told as such. Status 1 when one has not answered, or there is none.',
    )
    .action(async ({ json, openmetrics, watch }: Values<typeof OPTIONS>) => {
      const directory = statusDirectory();
      if (directory === undefined) {
        throw new Error(
          `there is no XDG_RUNTIME_DIR where processes could be asked; set it, or ${STATUS_DIRECTORY_ENV}`,
        );
      }
      let before: readonly ProcessReport[] | undefined;
      do {
        let answered: boolean[];
        if (openmetrics === true) {
          const answers = await askAll(directory);
          process.stdout.write(openMetrics(answers));
          answered = answers.map(answer => answer.status !== undefined);
        } else {
          const reports = await readReports(directory, before);
          before = reports;
          process.stdout.write(json === true ? inJson(reports) : inWords(reports, directory));
          answered = reports.map(({ silent }) => silent === undefined);
        }
        process.exitCode = answered.length > 0 && !answered.includes(false) ? 0 : 1;
        if (watch !== undefined) {
          await pause(watch * 1000);
          process.stdout.write('\n');
        }
      } while (watch !== undefined);
    });
  addOptions(status, OPTIONS);
}

function inJson(reports: readonly ProcessReport[]): string {
  return `${JSON.stringify(reports)}\n`;
}

function inWords(reports: readonly ProcessReport[], directory: string): string {
  if (reports.length === 0) return `no process of virtwl runs here as this user (asked in ${directory})\n`;
  return reports.map(report => `${wordsOf(report).join('\n    ')}\n`).join('');
}
