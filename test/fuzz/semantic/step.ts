/**
 * One step of a hostile client, in words that hold on any connection: objects by the place where the client made them,
 * serials and strings by what the compositor said last. A list of steps can be played again, and shortened by leaving
 * some out; what a step then misses makes it be skipped.
 */
import type { Interface, Message } from '../../../src/wayland/interface.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';

/** An object, by its slot: every object that a list of steps makes has a slot of its own, never used again. */
export interface SlotArgument {
  readonly slot: number;
}

/** The serial of the last configure of an xdg_surface, or the newest but `back` of the serials that input brought. */
export type SerialArgument = { readonly configureOf: number } | { readonly input: number };

/** What is to be made when the step is played: memory of so many bytes, or the writing end of a pipe. */
export type FdArgument = { readonly memory: number } | { readonly pipe: true };

/** The newest string that an event of this name brought: the handle of an exported window, say. */
export interface SaidArgument {
  readonly said: string;
}

/** undefined is null on the wire. */
export type Argument =
  number | string | undefined | Uint8Array | SlotArgument | SerialArgument | FdArgument | SaidArgument;

export type Step =
  | {
      readonly kind: 'request';
      readonly target: number;
      readonly name: string;
      /** All arguments but the new id. */
      readonly args: readonly Argument[];
      /** The slot of the object that it makes. */
      readonly makes?: number;
    }
  | { readonly kind: 'bind'; readonly interface: string; readonly version: number; readonly makes: number }
  /** Takes the newest object of an interface that the compositor made, a data offer say, and that nobody took. */
  | { readonly kind: 'take'; readonly interface: string; readonly makes: number }
  | { readonly kind: 'roundtrip' }
  /** What the person at the seat does meanwhile. x and y in 1/1000 of the output. */
  | { readonly kind: 'user'; readonly does: 'move'; readonly x: number; readonly y: number }
  | { readonly kind: 'user'; readonly does: 'press' | 'release' | 'key' };

/** The slot of wl_display, which nobody makes. */
export const DISPLAY_SLOT = 0;

export function interfaceNamed(name: string): Interface {
  const found = interfaces.get(name);
  if (found === undefined) throw new Error(`there is no protocol table for ${name}`);
  return found;
}

export function messageNamed(type: Interface, name: string): Message {
  const found = type.requests.find(message => message.name === name);
  if (found === undefined) throw new Error(`${type.name} has no request '${name}'`);
  return found;
}

/** The steps as a person reads them, one a line: `wl_surface#7.attach(wl_buffer#9, 0, 0)`. */
export function describe(steps: readonly Step[]): string[] {
  const types = new Map<number, Interface>([[DISPLAY_SLOT, interfaceNamed('wl_display')]]);
  const named = (slot: number): string => `${types.get(slot)?.name ?? 'nothing'}#${slot}`;
  const argument = (value: Argument): string => {
    if (value === undefined) return 'null';
    if (typeof value === 'number') return String(value);
    if (typeof value === 'string')
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}… (${value.length})` : JSON.stringify(value);
    if (value instanceof Uint8Array) return `[${value.length} bytes]`;
    if ('slot' in value) return named(value.slot);
    if ('configureOf' in value) return `the configure of ${named(value.configureOf)}`;
    if ('input' in value) return value.input === 0 ? 'the last input' : `the last input but ${value.input}`;
    if ('memory' in value) return `memory of ${value.memory} bytes`;
    if ('pipe' in value) return 'a pipe';
    return `the ${value.said} that was told`;
  };
  return steps.map(step => {
    switch (step.kind) {
      case 'roundtrip':
        return 'roundtrip';
      case 'user':
        return step.does === 'move' ? `the user moves to ${step.x}, ${step.y}` : `the user: ${step.does}`;
      case 'bind':
      case 'take':
        types.set(step.makes, interfaceNamed(step.interface));
        return `${named(step.makes)} = ${step.kind} ${step.kind === 'bind' ? `version ${step.version}` : 'the newest'}`;
      case 'request': {
        const type = types.get(step.target);
        const made = type === undefined ? undefined : messageNamed(type, step.name).args.find(a => a.kind === 'new_id');
        if (step.makes !== undefined && made?.interface !== undefined)
          types.set(step.makes, interfaceNamed(made.interface));
        const call = `${named(step.target)}.${step.name}(${step.args.map(argument).join(', ')})`;
        return step.makes === undefined ? call : `${named(step.makes)} = ${call}`;
      }
    }
  });
}
