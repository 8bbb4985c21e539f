/**
 * What a running process of ours holds and has done, asked for by SIGUSR2: one line of JSON behind the words
 * "virtwl status" on standard error, or an object of the log where that is JSON. (SIGUSR1 belongs to Node's debugger.)
 */
import type { Counters } from './counters.js';
import { processLog } from './process-log.js';

/** Words before the JSON. */
export const STATUS_PREFIX = 'virtwl status ';

let describe: (() => Record<string, unknown>) | undefined;
let asked = false;
let listening = false;

/**
 * From here on SIGUSR2, which would end a process that has said nothing of it, is a question. It is kept until
 * {@link answerStatus} says what to answer. To be called first of all. Idempotent.
 */
export function expectStatusQuestions(): void {
  if (listening) return;
  listening = true;
  process.on('SIGUSR2', () => {
    asked = true;
    answer();
  });
}

/** Answers SIGUSR2 with what the process is, and its counters. Returns what it answers. */
export function answerStatus(
  counters: Counters,
  identity: () => Readonly<Record<string, unknown>> = () => ({}),
): () => Record<string, unknown> {
  const told = (): Record<string, unknown> => ({ ...identity(), ...counters.tree() });
  describe = told;
  expectStatusQuestions();
  answer();
  return told;
}

/** The status that a line of a process's standard error tells, if it does. */
export function statusIn(line: string): Record<string, unknown> | undefined {
  if (line.startsWith(STATUS_PREFIX)) return JSON.parse(line.slice(STATUS_PREFIX.length)) as Record<string, unknown>;
  if (!line.startsWith('{')) return undefined;
  try {
    return (JSON.parse(line) as { status?: Record<string, unknown> }).status;
  } catch {
    return undefined;
  }
}

function answer(): void {
  if (!asked || describe === undefined) return;
  asked = false;
  const status = describe();
  processLog.plain('info', 'status', `${STATUS_PREFIX}${JSON.stringify(status)}`, { status });
}
