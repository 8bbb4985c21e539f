/**
 * What a running process of ours holds and has done, asked for by SIGUSR2: one line of JSON behind the words
 * "virtwl status" on standard error. (SIGUSR1 belongs to Node's debugger.)
 */
import { native } from '../system/native.js';

/** Words before the JSON. */
export const STATUS_PREFIX = 'virtwl status ';

/** Answers SIGUSR2 with what `describe` returns, and the counters of the native layer. */
export function answerStatus(describe: () => Record<string, unknown>): void {
  process.on('SIGUSR2', () => {
    process.stderr.write(`${STATUS_PREFIX}${JSON.stringify({ ...describe(), native: native.counters() })}\n`);
  });
}
