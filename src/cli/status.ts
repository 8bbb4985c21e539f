/** `virtwl status`: how the processes of this user are. */
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { askAll } from '../observe/ask-status.js';
import { openMetrics } from '../observe/openmetrics.js';
import { readReports } from '../observe/process-report.js';
import type { ProcessReport } from '../observe/status-report.js';
import { STATUS_DIRECTORY_ENV, statusDirectory } from '../observe/status-socket.js';
import { BUNDLE } from '../sandbox/runtime-files.js';
import { hostAndPort, isLoopback, parseWebAddress, type WebAddress } from '../status-page/address.js';
import { StatusPage } from '../status-page/server.js';
import { codeOf } from '../system/errno.js';
import { say } from './failure.js';
import { addOptions, COUNT, flag, optional, type Kind, type Values } from './option.js';
import { wordsOf } from './status-words.js';
import { untilSignal } from './until-signal.js';

const WEB: Kind<WebAddress> = {
  parse: text => {
    try {
      return parseWebAddress(text);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  },
};

const OPTIONS = {
  json: flag('--json', 'one JSON array, of an object for each process'),
  openmetrics: flag('--openmetrics', 'as OpenMetrics has it, for Prometheus and the like'),
  watch: { ...optional('--watch [seconds]', 'again and again, until a signal comes', COUNT), preset: '2' },
  web: optional(
    '--web <address:port>',
    'serve a page with all of it, and print its address, which has a token in it: 127.0.0.1:0 for any port that is free',
    WEB,
  ),
  webForOthers: flag('--web-for-others', 'let --web listen at an address that other machines reach, unencrypted'),
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
    .action(async ({ json, openmetrics, watch, web, webForOthers }: Values<typeof OPTIONS>) => {
      const directory = statusDirectory();
      if (directory === undefined) {
        throw new Error(
          `there is no XDG_RUNTIME_DIR where processes could be asked; set it, or ${STATUS_DIRECTORY_ENV}`,
        );
      }
      if (web !== undefined) {
        if (json === true || openmetrics === true || watch !== undefined) {
          throw new Error(
            '--web serves a page until a signal comes; give it without --json, --openmetrics and --watch',
          );
        }
        await serve(web, webForOthers === true, directory);
        return;
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

/** Serves the page until a signal comes. */
async function serve(address: WebAddress, forOthers: boolean, processes: string): Promise<void> {
  const where = hostAndPort(address);
  if (!isLoopback(address.host) && !forOthers) {
    throw new Error(
      `--web ${where}: other machines reach that address, and what they read is not encrypted; give 127.0.0.1:${address.port} ` +
        'and go there by "ssh -L", or add --web-for-others',
    );
  }
  const page = await StatusPage.serve({ processes, files: join(BUNDLE, 'page'), address }).catch((error: unknown) => {
    const code = codeOf(error);
    if (code === 'EADDRINUSE')
      throw new Error(`--web ${where}: the port is in use (${code}); port 0 is any that is free`);
    if (code === 'EADDRNOTAVAIL') throw new Error(`--web ${where}: this machine has no such address (${code})`);
    throw error;
  });
  process.stdout.write(`${page.url}\n`);
  say(
    'info',
    'the page is at that address; who has the whole of it, with its token, can look. A signal (Ctrl-C) ends it',
  );
  await untilSignal();
  page.close();
}

function inJson(reports: readonly ProcessReport[]): string {
  return `${JSON.stringify(reports)}\n`;
}

function inWords(reports: readonly ProcessReport[], directory: string): string {
  if (reports.length === 0) return `no process of virtwl runs here as this user (asked in ${directory})\n`;
  return reports.map(report => `${wordsOf(report).join('\n    ')}\n`).join('');
}
