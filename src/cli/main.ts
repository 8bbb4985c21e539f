#!/usr/bin/env -S node --heap-growing-percent=30 --min-semi-space-size=4 --max-semi-space-size=4
/**
 * The command `virtwl`. Each subcommand is a file of its own beside this one, loaded only when it is needed.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { expectStatusQuestions } from '../observe/status.js';
import { fail } from './failure.js';
import { addLogOptions } from './log-options.js';

/** Every subcommand, in the order of the help: a file `NAME.js` that exports `register(program)`. */
const SUBCOMMANDS = [
  'probe',
  'host',
  'broker',
  'allocator',
  'run',
  'compositor',
  'frames',
  'doctor',
  'demo',
  'vm',
] as const;

interface Subcommand {
  register(program: Command): void;
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('virtwl')
    .description('Runs the Wayland compositor in a virtual machine of its own, apart from the applications.')
    .version(packageVersion())
    .showHelpAfterError('(add --help for what can be given)')
    .exitOverride()
    .enablePositionalOptions();
  const asked = SUBCOMMANDS.filter(name => name === argv[0]);
  for (const name of asked.length > 0 ? asked : SUBCOMMANDS) {
    const file = new URL(`./${name}.js`, import.meta.url);
    ((await import(file.href)) as Subcommand).register(program);
  }
  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError('(add --help for what can be given)');
    addLogOptions(command);
  }
  await program.parseAsync(argv, { from: 'user' });
}

function packageVersion(): string {
  const description = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(description) as { version: string }).version;
}

expectStatusQuestions();
try {
  await main(process.argv.slice(2));
} catch (error) {
  // Commander has printed its own. Asking for help or the version is no mistake; everything else is one of usage.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else fail(error);
}
