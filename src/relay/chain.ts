/**
 * The chain of handlers: what a relay does beside passing messages on is said by several {@link Concern}s (labels, the
 * clipboard's policy, memory, the firewall), each in a file of its own. Here they are put together, once for each
 * connection: for each message an ordered list of those that handle it. A message goes from one to the next until one of
 * them has done with it.
 *
 * Two concerns that handle the same message without having said so are a mistake that is found at start: which of them
 * comes first decides what the client may do.
 */
import type { Interface, Message } from '../wayland/interface.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { interfaces } from '../wayland/protocols/index.js';
import { Verdict, type Call, type EventHandlers, type Handler, type RequestHandlers } from './call.js';
import { Note } from './note.js';
import type { HandlerTable, RelayObject } from './object-map.js';
import type { Relay } from './relay.js';

/** What one part of the code does with messages. */
export interface Concern {
  /** For errors, and for the `after` of others. */
  readonly name: string;
  /** The concerns that may handle a message before this one does, where both handle it. */
  readonly after?: readonly string[];
  /** Its `made` and `gone` of `wl_callback` want nothing of those that `wl_display.sync` makes and the pace admits. */
  readonly ignoresSyncs?: boolean;
  /** It knows what it knows by the object or the relay (`note.ts`), and the same concern serves many connections. */
  readonly shared?: boolean;
  readonly requests?: RequestHandlers;
  readonly events?: EventHandlers;
  /** Called when the client's current request (or the compositor's event) has made an object of that interface. */
  readonly made?: { readonly [N in InterfaceName]?: (object: RelayObject<N>, call: Call<string, never>) => void };
  /** Called when the client's destructor has gone through, or the compositor has ended what has none. */
  readonly gone?: { readonly [N in InterfaceName]?: (object: RelayObject<N>, relay: Relay) => void };
}

type Made = (object: RelayObject, call: Call) => void;
type Gone = (object: RelayObject, relay: Relay) => void;

/** What concerns do with one interface. */
export interface InterfaceChain {
  readonly requests: HandlerTable;
  readonly events: HandlerTable;
  readonly made: readonly Made[];
  readonly gone: readonly Gone[];
}

type Way = 'requests' | 'events';
type Named = Readonly<Record<string, Handler | undefined>>;

/** Sets of concerns that were found to go together. */
const checked = new Set<string>();

/** The chains of one connection, by interface. */
export class Chains {
  readonly #concerns: readonly Concern[];
  readonly #built = new Map<Interface, InterfaceChain>();

  /**
   * @param concerns in the order in which they handle a message
   * @param set what connections call the same concerns by, which are looked at once then: that takes a good part of a
   * millisecond
   * @throws Error for two that handle one message where the later one has not declared the earlier, for a name that two
   * of them have, and for an interface or message that no table knows
   */
  constructor(
    concerns: readonly Concern[],
    readonly set?: string,
  ) {
    this.#concerns = concerns;
    const names = new Set(concerns.map(({ name }) => name));
    if (names.size !== concerns.length) throw new Error('two concerns of a relay have the same name');
    if (set !== undefined && checked.has(set)) return;
    for (const way of ['requests', 'events'] as const) checkOverlaps(concerns, way);
    if (set !== undefined) checked.add(set);
  }

  /** Whether the callbacks of `wl_display.sync` are nothing to any concern. */
  get ignoreSyncs(): boolean {
    return this.#concerns.every(
      ({ made, gone, ignoresSyncs }) =>
        ignoresSyncs === true || (made?.wl_callback === undefined && gone?.wl_callback === undefined),
    );
  }

  of(iface: Interface): InterfaceChain {
    let chain = this.#built.get(iface);
    if (chain === undefined) {
      const concerns = this.#concerns.filter(concern => WAYS.some(way => named(concern, way, iface) !== undefined));
      chain = sharedChain(iface, concerns) ?? chainOf(iface, concerns);
      this.#built.set(iface, chain);
    }
    return chain;
  }
}

const WAYS = ['requests', 'events', 'made', 'gone'] as const;

function named(concern: Concern, way: (typeof WAYS)[number], { name }: Interface): unknown {
  return concern[way]?.[name as InterfaceName];
}

/** For most interfaces there is nothing. */
const NONE: readonly never[] = [];
const NOTHING: InterfaceChain = { requests: undefined, events: undefined, made: NONE, gone: NONE };

/** Chains of shared concerns alone, by the first of them. */
const known = new WeakMap<Concern, Map<Interface, Known>>();

interface Known {
  readonly concerns: readonly Concern[];
  readonly chain: InterfaceChain;
}

/** The one that all connections with these concerns have; undefined: each has its own. A desktop's client has some thirty. */
function sharedChain(iface: Interface, concerns: readonly Concern[]): InterfaceChain | undefined {
  const [first] = concerns;
  if (first === undefined) return NOTHING;
  if (concerns.some(({ shared }) => shared !== true)) return undefined;
  let ofFirst = known.get(first);
  if (ofFirst === undefined) known.set(first, (ofFirst = new Map<Interface, Known>()));
  const there = ofFirst.get(iface);
  if (there?.concerns.length === concerns.length && there.concerns.every((concern, i) => concern === concerns[i])) {
    return there.chain;
  }
  const chain = chainOf(iface, concerns);
  ofFirst.set(iface, { concerns, chain });
  return chain;
}

function chainOf(iface: Interface, concerns: readonly Concern[]): InterfaceChain {
  return {
    requests: tableOf(
      iface.requests,
      listed(concerns.map(concern => named(concern, 'requests', iface) as Named | undefined)),
    ),
    events: tableOf(
      iface.events,
      listed(concerns.map(concern => named(concern, 'events', iface) as Named | undefined)),
    ),
    made: listed(concerns.map(concern => named(concern, 'made', iface) as Made | undefined)),
    gone: listed(concerns.map(concern => named(concern, 'gone', iface) as Gone | undefined)),
  };
}

/** Those that are there; a copy, since what `filter` returns has room for sixteen more, and there are many of these. */
function listed<T>(items: readonly (T | undefined)[]): readonly T[] {
  const there = items.filter(item => item !== undefined);
  return there.length === 0 ? NONE : there.slice();
}

function tableOf(messages: readonly Message[], handled: readonly Named[]): HandlerTable {
  if (handled.length === 0) return undefined;
  return messages.map(({ name }) => inOrder(listed(handled.map(handlers => handlers[name]))));
}

/** Of objects with a message that stalls: by the handlers that are asked about it, which of them has said so. */
const stalls = new Note<Map<readonly Handler[], number>>();

/**
 * One handler that asks each in turn. One that stalls is asked again itself, not those before it, unless the message does
 * not come back: its object may have become inert meanwhile.
 */
function inOrder(handlers: readonly Handler[]): Handler | undefined {
  if (handlers.length <= 1) return handlers[0];
  return call => {
    const { object } = call;
    const stalled = stalls.get(object);
    const first = stalled?.get(handlers) ?? 0;
    if (first > 0) stalled!.delete(handlers);
    for (let i = first; i < handlers.length; i++) {
      const verdict = handlers[i]!(call);
      if (verdict === Verdict.Forward) continue;
      if (verdict === Verdict.Stall && i > 0) {
        if (stalled === undefined) stalls.set(object, new Map([[handlers, i]]));
        else stalled.set(handlers, i);
      }
      return verdict;
    }
    return Verdict.Forward;
  };
}

function checkOverlaps(concerns: readonly Concern[], way: Way): void {
  const before = new Map<string, Concern[]>();
  for (const concern of concerns) {
    for (const [name, handlers] of Object.entries(concern[way] ?? {})) {
      const table = interfaces.get(name);
      if (table === undefined) throw new Error(`${concern.name}: no table for the interface ${name}`);
      for (const message of Object.keys(handlers)) {
        if (!table[way].some(known => known.name === message)) {
          throw new Error(`${concern.name}: ${name} has no message '${message}'`);
        }
        const key = `${name}.${message}`;
        const earlier = before.get(key) ?? [];
        for (const other of earlier) {
          if (concern.after?.includes(other.name) === true) continue;
          throw new Error(
            `both "${other.name}" and "${concern.name}" handle ${key}: "${concern.name}" has to say that it comes after`,
          );
        }
        before.set(key, [...earlier, concern]);
      }
    }
  }
}
