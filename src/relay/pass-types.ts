/**
 * What passes natively (`pass.ts`): for each interface in a version the signatures of its messages, and which of them are
 * nobody's, by the chain of a connection. Connections whose concerns have a name in common (`RelayRules.set`) share it, so
 * that it is told once and not with each client.
 */
import { native } from '../system/native.js';
import type { Arg, Interface, Message } from '../wayland/interface.js';
import type { Chains, InterfaceChain } from './chain.js';

/** What a pace gives to have requests admitted natively. */
export interface Ledger {
  /** Of all connections of the VM, by `Entry` of `pass-words.ts`. */
  readonly vm: Float64Array;
  /** Of this connection, by `OwnEntry` there. */
  readonly connection: Float64Array;
  costOf(interfaceName: string, message: Message): { readonly cost: number; readonly own: number };
}

/** What is counted of frames that are copied, here and natively. */
export interface FrameCounts {
  /** Frames, bytes copied, bytes not copied. */
  readonly numbers: Float64Array;
  /** How often any link buffer of the process was used: which of them was used last is told by that. */
  readonly uses: Float64Array;
}

/** What a relay's rules allow the pass. */
export interface PassRules {
  readonly ledger: Ledger | undefined;
  /** Whether callbacks of `wl_display.sync` are nothing to any concern. */
  readonly syncs: boolean;
  /** Rectangles of damage that a steady frame may have; 0: there are no such frames. See `steady.ts`. */
  readonly frameDamage: number;
  /** Those frames are of surfaces that were lent: see `RelayRules.copies`. */
  readonly copies: FrameCounts | undefined;
}

/** Kinds of messages and of arguments in what the pass is told of a type. */
const enum Kind {
  None,
  Plain,
  Sync,
  DeleteId,
  Attach,
  Damage,
  BufferDamage,
  Frame,
  Commit,
}
/** Requests of a surface that are a frame. */
const FRAME: Readonly<Record<string, Kind>> = {
  attach: Kind.Attach,
  damage: Kind.Damage,
  damage_buffer: Kind.BufferDamage,
  frame: Kind.Frame,
  commit: Kind.Commit,
};
const enum Argument {
  Word,
  Object,
  NewId,
  String,
  Array,
}
const NULLABLE = 8;
const INTERFACE_SHIFT = 4;

const interfaceNumbers = new Map<string, number>();

function numberOf(interfaceName: string): number {
  const known = interfaceNumbers.get(interfaceName);
  if (known !== undefined) return known;
  const number = interfaceNumbers.size + 1;
  interfaceNumbers.set(interfaceName, number);
  return number;
}

/** Those of connections that share them. */
const shared = new Map<string, PassTypes>();

export class PassTypes {
  readonly id = native.openPassTypes();
  readonly #numbers = new Map<Interface, number[]>();
  readonly #rules: PassRules;

  private constructor(
    rules: PassRules,
    private readonly lasts: boolean,
  ) {
    this.#rules = rules;
  }

  /** For connections with these chains and rules. */
  static of(chains: Chains, rules: PassRules): PassTypes {
    const { set } = chains;
    if (set === undefined) return new PassTypes(rules, false);
    const key = [set, rules.syncs, rules.frameDamage > 0, rules.ledger !== undefined].join();
    let types = shared.get(key);
    if (types === undefined) shared.set(key, (types = new PassTypes(rules, true)));
    return types;
  }

  /** The number of an interface in a version; `chain` is told of it the first time. */
  number(iface: Interface, version: number, chain: InterfaceChain): number {
    let numbers = this.#numbers.get(iface);
    if (numbers === undefined) this.#numbers.set(iface, (numbers = []));
    return (numbers[version] ??= native.passType(this.id, this.#describe(iface, version, chain)));
  }

  /** The connection is over. */
  close(): void {
    if (!this.lasts) native.closePassTypes(this.id);
  }

  #describe(iface: Interface, version: number, chain: InterfaceChain): Int32Array {
    const words = [numberOf(iface.name), version, iface.requests.length, iface.events.length];
    const say = (message: Message, kind: Kind, cost = 0, own = 0): void => {
      const args = message.args.filter(arg => arg.kind !== 'fd');
      const size = message.fixedSize < 0 ? 0 : 8 + message.fixedSize;
      words.push(kind, size, cost, own, args.length, ...args.map(argumentOf));
    };
    for (const message of iface.requests) {
      const handled = chain.requests?.[message.opcode] !== undefined;
      const plain = isPlain(message, version) && !message.destructor;
      const isSync = iface.name === 'wl_display' && message.name === 'sync' && this.#rules.syncs;
      const { cost, own } = this.#rules.ledger?.costOf(iface.name, message) ?? { cost: 0, own: 0 };
      const ofFrame = iface.name === 'wl_surface' && this.#rules.frameDamage > 0 ? FRAME[message.name] : undefined;
      if (!Number.isInteger(cost) || !Number.isInteger(own)) say(message, Kind.None);
      else if (ofFrame !== undefined) say(message, message.since <= version ? ofFrame : Kind.None, cost, own);
      else if (handled) say(message, Kind.None);
      else say(message, isSync ? Kind.Sync : plain ? Kind.Plain : Kind.None, cost, own);
    }
    for (const message of iface.events) {
      if (iface.name === 'wl_display') say(message, message.name === 'delete_id' ? Kind.DeleteId : Kind.None);
      else {
        const handled = chain.events?.[message.opcode] !== undefined;
        say(message, isPlain(message, version) && !handled ? Kind.Plain : Kind.None);
      }
    }
    return Int32Array.from(words);
  }
}

function isPlain(message: Message, version: number): boolean {
  const makes = message.args.some(({ kind }) => kind === 'new_id' || kind === 'bind');
  return message.since <= version && message.fds === 0 && !makes;
}

function argumentOf({ kind, interface: iface, nullable }: Arg): number {
  const mayBeNull = nullable === true ? NULLABLE : 0;
  switch (kind) {
    case 'object':
      return Argument.Object | mayBeNull | ((iface === undefined ? 0 : numberOf(iface)) << INTERFACE_SHIFT);
    case 'new_id':
      return Argument.NewId;
    case 'string':
      return Argument.String | mayBeNull;
    case 'array':
      return Argument.Array;
    default:
      return Argument.Word;
  }
}
