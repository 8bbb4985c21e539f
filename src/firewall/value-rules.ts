/**
 * The language in which `values.ts` says what a number in a request may be. A rule gives for each number the one that goes
 * on: itself where it is right, the nearest one where it only computes badly (a place far outside of every screen), and
 * none where the protocol calls it a mistake, which is an error of the object, or where it is a hint that nobody knows,
 * which is left out. Numbers are replaced in the message itself, so that the other rooms see them as the compositor does.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import { messageNamed } from '../wayland/interface.js';
import type { RelayObject } from '../relay/object-map.js';
import type { ArgType, InterfaceName, RequestArgs, RequestName } from '../wayland/message-types.js';
import { interfaces } from '../wayland/protocols/index.js';
import { HEADER_BYTES, readInt, readUint } from '../wayland/wire.js';

/**
 * The farthest place and the largest side, in surface units: 64 times the largest arrangement of screens. A compositor
 * adds places up over a tree of subsurfaces and popups, 32 of each, and multiplies the sum by a scale of up to 16: that
 * is below 2^30, and fits into its ints.
 */
export const MAX_PLACE = 1 << 20;

/** What one number of a request may be. */
export interface Rule {
  /** The number that goes on for `value` in a request to an object of `version`; undefined: it is wrong. */
  readonly mend: (value: number, version: number) => number | undefined;
  /** The object's error for a wrong one. Without it the request is left out. */
  readonly error?: {
    readonly code: number;
    /** What it has to be, for the text. */
    readonly allowed: string;
  };
}

/** A place, which is moved to within {@link MAX_PLACE}. */
export const place: Rule = { mend: value => Math.min(Math.max(value, -MAX_PLACE), MAX_PLACE) };

/** A number of at least `least`, an error below, and at most {@link MAX_PLACE}, to which it is moved. */
export function atLeast(least: number, code: number): Rule {
  return {
    mend: value => (value < least ? undefined : Math.min(value, MAX_PLACE)),
    error: { code, allowed: `at least ${least}` },
  };
}

/** A number from `least` to `most`; others are moved there. */
export function within(least: number, most: number): Rule {
  return { mend: value => Math.min(Math.max(value, least), most) };
}

/** A number from `least` to `most`; others are an error. */
export function between(least: number, most: number, code: number): Rule {
  return {
    mend: value => (value >= least && value <= most ? value : undefined),
    error: { code, allowed: `from ${least} to ${most}` },
  };
}

/** The values of an enum. */
export type Enum = Readonly<Record<string, number>>;

/** A value of an enum; others are an error, or leave the request out where the protocol has none for them. */
export function oneOf(values: Enum, code?: number): Rule {
  const known = new Set(Object.values(values));
  const mend: Rule['mend'] = value => (known.has(value) ? value : undefined);
  return code === undefined ? { mend } : { mend, error: { code, allowed: `one of ${[...known].join(', ')}` } };
}

/** A value of an enum; others are taken for `instead`. */
export function oneOfOr(values: Enum, instead: number): Rule {
  const known = new Set(Object.values(values));
  return { mend: value => (known.has(value) ? value : instead) };
}

/** A set of bits; those that the protocol does not have are an error. */
export function bitsOf(values: Enum, code: number): Rule {
  const all = allOf(values);
  return {
    mend: value => ((value & ~all) === 0 ? value : undefined),
    error: { code, allowed: `some of the bits ${all}` },
  };
}

/** A set of bits; those that are not in `all` are taken away. */
export function bitsWithin(all: number): Rule {
  return { mend: value => value & all };
}

/** All bits of an enum. */
export function allOf(values: Enum): number {
  return Object.values(values).reduce<number>((bits, bit) => bits | bit, 0);
}

type NumberNames<Args extends readonly ArgType[]> = Extract<Args[number], { kind: 'int' | 'uint' }>['name'];

/** The rules for one request, by argument. */
export type RulesOf<N extends InterfaceName, M extends RequestName<N>> = Readonly<
  Partial<Record<NumberNames<RequestArgs<N, M>>, Rule>>
>;

/** Rules by interface, request and argument. */
export type ValueRules = {
  readonly [N in InterfaceName]?: { readonly [M in RequestName<N>]?: RulesOf<N, M> };
};

/** A request as far as rules look at it. */
export type Numbers = Pick<Call, 'object' | 'bytes' | 'offset' | 'replaceWord'>;

interface Checked {
  readonly name: string;
  /** Behind the header. */
  readonly word: number;
  readonly read: (bytes: Uint8Array, at: number) => number;
  readonly rule: Rule;
}

/** The handler that keeps a request to its rules. */
export function keeping<N extends InterfaceName, M extends RequestName<N>>(
  interfaceName: N,
  request: M,
  rules: RulesOf<N, M>,
): (call: Numbers) => Verdict {
  const message = messageNamed(interfaces.get(interfaceName)!.requests, request)!;
  const words = message.args.filter(({ kind }) => kind !== 'fd');
  const checked = Object.entries<Rule | undefined>(rules).map(([name, rule]): Checked => {
    const word = words.findIndex(arg => arg.name === name);
    const misplaced = words.slice(0, word).some(({ kind }) => kind === 'string' || kind === 'array');
    if (word < 0 || misplaced) throw new Error(`no rule can be kept for ${name} of ${interfaceName}.${request}`);
    return { name, word, read: words[word]!.kind === 'int' ? readInt : readUint, rule: rule! };
  });
  return call => {
    for (const { name, word, read, rule } of checked) {
      const value = read(call.bytes, call.offset + HEADER_BYTES + 4 * word);
      const mended = rule.mend(value, call.object.version);
      if (mended === value) continue;
      if (mended !== undefined) call.replaceWord(word, mended);
      else if (rule.error === undefined) return Verdict.Drop;
      else
        throw wrong(call.object, rule.error.code, request, `${name} is ${value}: it has to be ${rule.error.allowed}`);
    }
    return Verdict.Forward;
  };
}

/** The handlers that keep requests to their rules. */
export function keepingAll(rules: ValueRules): RequestHandlers {
  const handlers = Object.entries(rules).map(([name, requests]) => [
    name,
    Object.fromEntries(
      Object.entries(requests as Readonly<Record<string, Readonly<Record<string, Rule>>>>).map(([request, of]) => [
        request,
        keeping(name as InterfaceName, request as never, of as never),
      ]),
    ),
  ]);
  return Object.fromEntries(handlers) as RequestHandlers;
}

/** The error for what a request says; `text` tells what is wrong. */
export function wrong(object: RelayObject, code: number, request: string, text: string): ProtocolError {
  return new ProtocolError(object.clientId, code, `${String(object)}.${request}: ${text}`);
}

/**
 * Cuts a rectangle, whose four numbers are all that the request says, to the plane of places. One that is empty says
 * nothing, and is left out.
 */
export function cut(call: Pick<Numbers, 'bytes' | 'offset' | 'replaceWord'>): Verdict {
  const at = call.offset + HEADER_BYTES;
  for (let axis = 0; axis < 2; axis++) {
    const from = readInt(call.bytes, at + 4 * axis);
    const size = readInt(call.bytes, at + 8 + 4 * axis);
    const begin = Math.max(from, -MAX_PLACE);
    const end = Math.min(from + size, MAX_PLACE);
    if (end <= begin) return Verdict.Drop;
    if (begin !== from) call.replaceWord(axis, begin);
    if (end - begin !== size) call.replaceWord(2 + axis, end - begin);
  }
  return Verdict.Forward;
}
