/**
 * The log of this process: its standard error. What to print, and how, is said by the command line (`--log-level`,
 * `--log-format`) or the environment.
 */
import { fstatSync } from 'node:fs';
import { type LogFormat } from './log-format.js';
import { LogOutput } from './log.js';
import { type Level } from './level.js';

/** Names a level: what `--log-level` does. */
export const LEVEL_ENV = 'VIRTWL_LOG';
/** Names a format: what `--log-format` does. */
export const FORMAT_ENV = 'VIRTWL_LOG_FORMAT';
/** Set by systemd: device and inode of what the journal reads, as `DEVICE:INODE`. */
export const JOURNAL_ENV = 'JOURNAL_STREAM';

const STDERR = 2;

/** Whether the journal of systemd reads our standard error: it may have been redirected since. */
export function isJournal(stream = process.env[JOURNAL_ENV]): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(STDERR);
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // there is no standard error
  }
}

/** Where all logs of this process end. */
export const processLog = new LogOutput({
  write: line => void process.stderr.write(`${line}\n`),
  journal: isJournal(),
});

/** Says what is printed from now on. */
export function configureLog({ level, format }: { level?: Level | undefined; format?: LogFormat | undefined }): void {
  if (level !== undefined) processLog.level = level;
  if (format !== undefined) processLog.format = format;
}

// What was counted and not told yet: by any process but one that a signal ends at once.
process.once('exit', () => processLog.flush());
// A log that nobody reads any more is no reason to end.
process.stderr.on('error', () => {});
