/**
 * The options of a subcommand from a file, for those that an operator keeps: `virtwl host --config /etc/virtwl/vms/work.conf`.
 * One option a line, by its name without dashes, and its value behind it; `#` begins a comment:
 *
 *     # The compositor's VM
 *     compositor
 *     broker     /run/virtwl/broker
 *     allocator  2G
 *     socket     /run/virtwl/desk.sock
 *
 * What is given on the command line holds in place of the line of that option. An option that can be given more than once has
 * lines of its own for each thing that it names: `socket PATH` and, for further servers, `socket NAME=PATH`. The command line
 * adds to them, and holds in place of the line for the same thing. A mistake is told with its line.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { InvalidArgumentError, type Command, type Option } from 'commander';
import { slotOf } from './option.js';

/** The option that names the file. */
export const CONFIG_OPTION = '--config';

/** A file is a page of lines; whatever is larger is another file. */
const MOST_BYTES = 64 * 1024;

/** One line that says something. */
interface Line {
  readonly place: string;
  readonly option: Option;
  readonly value: string | undefined;
  /** What it is a line for: of each there is one. */
  readonly key: string;
}

/**
 * The arguments of `command` with those of its file before them, where they name one.
 * @throws Error for a file that cannot be read, and for a line that is wrong: "FILE:LINE: what"
 */
export function withConfigFile(command: Command, argv: readonly string[]): string[] {
  const at = argv.findIndex(arg => arg === CONFIG_OPTION || arg.startsWith(`${CONFIG_OPTION}=`));
  if (at < 0 || argv.includes('--')) return [...argv];
  const inline = argv[at]!.startsWith(`${CONFIG_OPTION}=`);
  const path = inline ? argv[at]!.slice(CONFIG_OPTION.length + 1) : argv[at + 1];
  // Commander says what is wrong with that.
  if (path === undefined || path === '') return [...argv];
  const rest = [...argv.slice(0, at), ...argv.slice(at + (inline ? 1 : 2))];
  const given = new Set(rest.flatMap((arg, i) => keyOfArgument(arg, rest[i + 1], command) ?? []));
  const lines = read(path, command).filter(({ key }) => !given.has(key));
  const named = command.options.find(({ long }) => long === '--vm');
  const args = lines.map(({ option, value }) => (value === undefined ? option.long! : `${option.long!}=${value}`));
  // A file is called after its VM.
  if (named !== undefined && !given.has(keyOf(named, '')) && !lines.some(({ option }) => option === named)) {
    args.push(`--vm=${basename(path).replace(/\.conf$/, '')}`);
  }
  return [...args, ...rest];
}

/** The same for an option and its opposite (--no-...), and for the values of one option that hold beside each other not. */
function keyOf(option: Option, value: string): string {
  const slot = slotOf(option)?.(value);
  return slot === undefined ? option.attributeName() : `${option.attributeName()} ${slot}`;
}

/** The key of what `arg` says, where it names an option; `next` is the argument behind it. */
function keyOfArgument(arg: string, next: string | undefined, command: Command): string | undefined {
  const [, name, inline] = /^(--[a-z-]+)(?:=([^]*))?$/.exec(arg) ?? [];
  const option = command.options.find(({ long }) => long === name);
  return option && keyOf(option, inline ?? next ?? '');
}

function read(path: string, command: Command): Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw new Error(`${CONFIG_OPTION} ${path}: ${why}`, { cause: error });
  }
  if (text.length > MOST_BYTES)
    throw new Error(`${CONFIG_OPTION} ${path}: over ${MOST_BYTES} bytes, so it is no such file`);
  const lines = text.split('\n').flatMap((line, i) => lineOf(line, `${path}:${i + 1}`, command) ?? []);
  const said = new Map<string, Line>();
  for (const line of lines) {
    const before = said.get(line.key);
    if (before !== undefined) {
      const { place, option } = line;
      throw new Error(`${place}: ${option.long!.slice(2)} is said already: ${before.place}; one of the two has to go`);
    }
    said.set(line.key, line);
  }
  return lines;
}

function lineOf(line: string, place: string, command: Command): Line | undefined {
  const said = line.replace(/(^|\s)#.*/, '').trim();
  if (said === '') return undefined;
  const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(said)!;
  const option = command.options.find(({ long }) => long === `--${name}`);
  if (option === undefined || option.long === CONFIG_OPTION) {
    throw new Error(
      `${place}: "${name}" is no option of virtwl ${command.name()} (see virtwl ${command.name()} --help)`,
    );
  }
  const value = rest === '' ? undefined : rest;
  if (value === undefined && option.required) throw new Error(`${place}: ${option.flags} needs a value`);
  if (value !== undefined && option.isBoolean()) throw new Error(`${place}: ${name} takes no value, "${value}" is one`);
  if (value !== undefined) check(option, value, place);
  return { place, option, value, key: keyOf(option, value ?? '') };
}

/** As commander would, but with the line. */
function check(option: Option, value: string, place: string): void {
  try {
    option.parseArg?.(value, undefined as never);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new Error(`${place}: ${option.long!.slice(2)} "${value}": ${error.message}`, { cause: error });
  }
}
