#!/usr/bin/env -S node --heap-growing-percent=30 --min-semi-space-size=4 --max-semi-space-size=4
/**
 * The command `virtwl`. Each subcommand is a file of its own beside this one, loaded only when it is needed.
 */
import { Command, CommanderError } from 'commander';
import { expectStatusQuestions } from '../observe/status.js';
import { CONFIG_OPTION, withConfigFile } from './config-file.js';
import { fail } from './failure.js';
import { addLogOptions } from './log-options.js';
import { packageVersion } from './package-version.js';

interface Subcommand {
  register(program: Command): void;
}

/** Every subcommand, in the order of the help. Each import names its file, so that the bundle takes it in. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  probe: () => import('./probe.js'),
  host: () => import('./host.js'),
  broker: () => import('./broker.js'),
  allocator: () => import('./allocator.js'),
  run: () => import('./run.js'),
  x11: () => import('./x11.js'),
  compositor: () => import('./compositor.js'),
  status: () => import('./status.js'),
  frames: () => import('./frames.js'),
  doctor: () => import('./doctor.js'),
  demo: () => import('./demo.js'),
  vm: () => import('./vm.js'),
  units: () => import('./units.js'),
  completion: () => import('./completion.js'),
};

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('virtwl')
    .description('Runs the Wayland compositor in a virtual machine of its own, apart from the applications.')
    .version(packageVersion())
    .showHelpAfterError('(add --help for what can be given)')
    .exitOverride()
    .enablePositionalOptions();
  for (const name of asked(argv[0])) (await SUBCOMMANDS[name]!()).register(program);
  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError('(add --help for what can be given)');
    addLogOptions(command);
  }
  const [name = '', ...rest] = argv;
  const command = program.commands.find(each => each.name() === name);
  const configured = command?.options.some(({ long }) => long === CONFIG_OPTION) === true;
  const args = configured ? [name, ...withConfigFile(command, rest)] : argv;
  await program.parseAsync(args, { from: 'user' });
}

/** The one that speaks of all the others. */
const COMPLETION = 'completion';

/** The subcommands that are to be loaded for this first word: one, none, or for the help, mistakes and completions all. */
function asked(word: string | undefined): readonly string[] {
  const names = Object.keys(SUBCOMMANDS);
  if (word === '--version' || word === '-V') return [];
  return word !== undefined && word !== COMPLETION && names.includes(word) ? [word] : names;
}

expectStatusQuestions();
try {
  await main(process.argv.slice(2));
} catch (error) {
  // Commander has printed its own. Asking for help or the version is no mistake; everything else is one of usage.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else fail(error);
}
