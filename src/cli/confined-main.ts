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

/** The subcommands that have a serving half. Each import names its file, so that the bundle takes it in. */
const SERVING: Readonly<Record<string, () => Promise<{ serve(options: never): Promise<void> }>>> = {
  host: () => import('./host.js'),
  broker: () => import('./broker.js'),
  allocator: () => import('./allocator.js'),
};

expectStatusQuestions();
try {
  if (!isConfined()) throw new Error('this is what "virtwl" runs confined, and nothing to start by hand');
  const { subcommand, log, options } = inheritedValue() as ConfinedValue;
  configureLog(log);
  const serving = SERVING[subcommand];
  if (serving === undefined) throw new Error(`no subcommand "${subcommand}" runs confined`);
  const { serve } = await serving();
  await serve(options as never);
} catch (error) {
  fail(error);
}
