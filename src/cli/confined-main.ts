/**
 * What runs confined: the serving half of a subcommand, with the options that the process outside has read from the
 * command line. It gets them as one value; there is no command line here.
 */
import type { LogFormat } from '../observe/log-format.js';
import type { Level } from '../observe/level.js';
import { configureLog } from '../observe/process-log.js';
import { expectStatusQuestions } from '../observe/status.js';
import { inheritedValue, isConfined } from '../sandbox/confinement.js';
import { fail } from './failure.js';

/** What the process outside hands over. */
export interface ConfinedValue {
  readonly subcommand: string;
  readonly log: { readonly level: Level; readonly format: LogFormat };
  readonly options: unknown;
}

expectStatusQuestions();
try {
  if (!isConfined()) throw new Error('this is what "virtwl" runs confined, and nothing to start by hand');
  const { subcommand, log, options } = inheritedValue() as ConfinedValue;
  configureLog(log);
  const file = new URL(`./${subcommand}.js`, import.meta.url);
  const { serve } = (await import(file.href)) as { serve(options: unknown): Promise<void> };
  await serve(options);
} catch (error) {
  fail(error);
}
