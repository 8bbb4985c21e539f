/**
 * What the compiler knows of the protocols: the lines of the tables (`interface.ts`) read as types, by the same grammar
 * as {@link defineInterface} reads them at load. A message that is misspelt, an argument of the wrong kind, an object of
 * the wrong interface does not compile. Nothing of this exists at run time.
 *
 * A line becomes a tuple of {@link ArgType}s; each side that handles messages (a relay's handlers, a client of our own)
 * makes of an argument what it shows to its callers.
 */
import type { Tables } from './protocols/index.js';

/** One argument, as a type. */
export interface ArgType {
  readonly name: string;
  readonly kind: string;
  /** The interface of an object or new_id; `string` where the protocol leaves it open. */
  readonly of: string;
  readonly nullable: boolean;
}

/** An interface that there is a table for. */
export type InterfaceName = keyof Tables;
/** The lines of an interface's requests, as a union. */
export type RequestLines<N extends InterfaceName> = Tables[N]['lines']['requests'];
/** The lines of an interface's events, as a union. */
export type EventLines<N extends InterfaceName> = Tables[N]['lines']['events'];

type Bare<Head extends string> = Head extends `${infer Name}!${string}`
  ? Name
  : Head extends `${infer Name}@${string}`
    ? Name
    : Head;

/** The name of the message that a line describes. */
export type NameOf<Line extends string> = Line extends `${infer Head} ${string}` ? Bare<Head> : Bare<Line>;

/** The line of a message, out of the lines of its interface. */
export type LineOf<Lines extends string, Name extends string> = Extract<
  Lines,
  Name | `${Name} ${string}` | `${Name}!${string}` | `${Name}@${string}`
>;

type Words<Text extends string> = Text extends `${infer Word} ${infer Rest}` ? [Word, ...Words<Rest>] : [Text];

type ParseArg<Text> = Text extends `${infer Name}:${infer Kind}(${infer Of})${infer Mark}`
  ? { readonly name: Name; readonly kind: Kind; readonly of: Of; readonly nullable: Mark extends '?' ? true : false }
  : Text extends `${infer Name}:${infer Kind}?`
    ? { readonly name: Name; readonly kind: Kind; readonly of: string; readonly nullable: true }
    : Text extends `${infer Name}:${infer Kind}`
      ? { readonly name: Name; readonly kind: Kind; readonly of: string; readonly nullable: false }
      : never;

type ParseArgs<Texts> = Texts extends readonly [infer First, ...infer Rest]
  ? [ParseArg<First>, ...ParseArgs<Rest>]
  : [];

/** The arguments of the message that a line describes, in order. */
export type ArgsOf<Line extends string> = Line extends `${string} ${infer Rest}` ? ParseArgs<Words<Rest>> : [];

/** The names of an interface's requests. */
export type RequestName<N extends InterfaceName> = NameOf<RequestLines<N>>;
/** The names of an interface's events. */
export type EventName<N extends InterfaceName> = NameOf<EventLines<N>>;
/** The arguments of one request. */
export type RequestArgs<N extends InterfaceName, M extends string> = ArgsOf<LineOf<RequestLines<N>, M>>;
/** The arguments of one event. */
export type EventArgs<N extends InterfaceName, M extends string> = ArgsOf<LineOf<EventLines<N>, M>>;
