/** How a command that cannot do what it was told says so: its last word, and its exit status. */
import { processLog } from '../observe/process-log.js';

/** When this is set, an error names the place in the code that it came from. */
const DEBUG_ENV = 'VIRTWL_DEBUG';

/** Tells the error, and makes it the exit status. */
export function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const stack = process.env[DEBUG_ENV] !== undefined && error instanceof Error ? error.stack : undefined;
  say('error', message, { stack });
  if (stack !== undefined && processLog.format === 'text') process.stderr.write(`${stack}\n`);
  process.exitCode = 1;
}

/** A word of the command to who started it, which is no event: without time and place. */
export function say(level: 'error' | 'info', message: string, more: Readonly<Record<string, unknown>> = {}): void {
  processLog.plain(level, 'virtwl', `virtwl: ${message}`, { message, ...more });
}
