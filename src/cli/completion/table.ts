/**
 * The commands and options as a shell has to know them. In: the command line as it is declared. Out: a row for each command,
 * those that have others below them included. What is declared once is so completed as it is read.
 */
import type { Argument, Command, Option } from 'commander';

/** What stands behind an option, or as an argument. `files`: paths; an empty list: words that only the user knows. */
export type Words = 'files' | readonly string[];

export interface CompletedOption {
  /** `-d` and `--directory`, as far as it has them. */
  readonly names: readonly string[];
  readonly help: string;
  /** Undefined where it takes none. */
  readonly words: Words | undefined;
}

export interface CompletedCommand {
  /** Its words behind `virtwl`: `['vm', 'boot']`; none for `virtwl` itself. */
  readonly path: readonly string[];
  readonly help: string;
  readonly options: readonly CompletedOption[];
  /** What may stand behind it: the commands below it, or its first argument. */
  readonly words: Words;
  /** Whether its argument is a command line of another program, behind `--`. */
  readonly runs: boolean;
}

/** Names of arguments that are paths. */
const PATHS = /<(?:path|dir|file|socket)>|\|name=path>/;

/** All rows, each command behind the one that it is below. */
export function commandTable(program: Command): readonly CompletedCommand[] {
  return rows(program, []);
}

function rows(command: Command, path: readonly string[]): CompletedCommand[] {
  const { commands: below, registeredArguments: args } = command;
  const row: CompletedCommand = {
    path,
    help: command.summary(),
    options: [...command.options.map(rowOf), { names: ['-h', '--help'], help: 'display help', words: undefined }],
    words: below.length > 0 ? below.map(each => each.name()) : (args[0]?.argChoices ?? []),
    runs: args.some(isCommandLine),
  };
  return [row, ...below.flatMap(each => rows(each, [...path, each.name()]))];
}

/** An argument that is repeated and has no choices is what is run. */
function isCommandLine({ variadic, argChoices }: Argument): boolean {
  return variadic && argChoices === undefined;
}

function rowOf({ short, long, description, flags, argChoices, required }: Option): CompletedOption {
  const taken = argChoices ?? (PATHS.test(flags) ? 'files' : []);
  return {
    names: [short, long].filter(name => name !== undefined),
    help: description,
    // One that may be left out cannot be told from the next argument.
    words: required ? taken : undefined,
  };
}
