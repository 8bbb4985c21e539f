/**
 * Options of a subcommand, each declared once: its flags, what its help says, how it is read, and what holds without it.
 * The type of what a subcommand gets comes from the declarations, and so does the help.
 *
 *     const OPTIONS = {
 *       vm: required('--vm <name>', 'name of the VM', NAME),
 *       rate: withDefault('--rate <n>', 'requests a second', COUNT, 100),
 *     };
 *     type Options = Values<typeof OPTIONS>; // { vm: string; rate: number }
 */
import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { checkVmName } from '../broker/protocol.js';
import { formatBytes, parseBytes } from './bytes.js';

/** How the words of an option become a value, and a value becomes words in the help. */
export interface Kind<T> {
  /** @throws InvalidArgumentError, with what to give instead */
  parse(text: string, before: T | undefined): T;
  show?(value: T): string;
  /**
   * Of an option that can be given more than once: what a value is a value of. Of the same, one holds: the socket of one
   * server, say. Without this the option holds one value.
   */
  slot?(text: string): string;
  /** All values, where they are few. */
  readonly choices?: readonly T[];
}

/** A size: `512M`. In bytes. */
export const BYTES: Kind<number> = { parse: parseBytes, show: formatBytes };

/** A whole number of at least 1. */
export const COUNT: Kind<number> = { parse: parseCount };

/** Words that are taken as they are. */
export const TEXT: Kind<string> = { parse: text => text, show: text => text };

/** A path, which becomes absolute: a confined process has no working directory of ours. */
export const PATH: Kind<string> = {
  parse: text => {
    if (text === '') throw new InvalidArgumentError('give a path.');
    return resolve(text);
  },
};

/** The name of a VM. */
export const VM_NAME: Kind<string> = {
  parse: text => {
    try {
      checkVmName(text);
      return text;
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  },
};

/** One of a few words. */
export function oneOf<const T extends string>(choices: readonly T[]): Kind<T> {
  return { choices, parse: text => text as T, show: choice => choice };
}

/** A declaration; `T` is what the subcommand gets. */
export interface Declared<T> {
  readonly flags: string;
  readonly help: string;
  readonly kind?: Kind<NonNullable<T>> | undefined;
  readonly required?: boolean;
  readonly value?: T;
  /** What an option without its argument means, in the words of one. */
  readonly preset?: string;
  /** The environment variable that says the same. */
  readonly env?: string;
}

/** An option that need not be given. */
export function optional<T>(flags: string, help: string, kind: Kind<T>): Declared<T | undefined> {
  return { flags, help, kind: kind as Kind<NonNullable<T>> };
}

/** An option that has to be given. */
export function required<T>(flags: string, help: string, kind: Kind<T>): Declared<T> {
  return { flags, help, kind: kind as Kind<NonNullable<T>>, required: true };
}

/** An option with a default value. */
export function withDefault<T>(flags: string, help: string, kind: Kind<T>, value: T): Declared<T> {
  return { flags, help, kind: kind as Kind<NonNullable<T>>, value };
}

/** An option without an argument. */
export function flag(flags: string, help: string): Declared<true | undefined> {
  return { flags, help };
}

export type Declarations = Readonly<Record<string, Declared<unknown>>>;
/** What a subcommand with these options gets. */
export type Values<D> = {
  [Name in keyof D as undefined extends ValueOf<D[Name]> ? never : Name]: ValueOf<D[Name]>;
} & {
  [Name in keyof D as undefined extends ValueOf<D[Name]> ? Name : never]?: ValueOf<D[Name]>;
};
type ValueOf<D> = D extends Declared<infer T> ? T : never;

const SLOTS = new WeakMap<Option, (text: string) => string>();

/** {@link Kind.slot} of a command's option, where it has that. */
export function slotOf(option: Option): ((text: string) => string) | undefined {
  return SLOTS.get(option);
}

/** Adds options to a command. Throws where a declaration's name is not that of its flags. */
export function addOptions(command: Command, declarations: Declarations): Command {
  for (const [name, declared] of Object.entries(declarations)) {
    const { flags, help, kind, value, preset, env } = declared as Declared<string>;
    const option = new Option(flags, help).makeOptionMandatory(declared.required === true);
    if (kind?.choices !== undefined) option.choices(kind.choices);
    else if (kind !== undefined)
      option.argParser((text: string, before: string | undefined) => kind.parse(text, before));
    if (kind?.slot !== undefined) SLOTS.set(option, text => kind.slot!(text));
    if (value !== undefined) option.default(value, kind?.show?.(value));
    if (preset !== undefined) option.preset(preset);
    if (env !== undefined) option.env(env);
    if (option.attributeName() !== name) throw new Error(`${flags} is declared as ${name}`);
    command.addOption(option);
  }
  return command;
}

function parseCount(text: string): number {
  const count = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('give a whole number of at least 1.');
}
