/**
 * A client's side of one protocol object: requests go out through it, events come in as events of eventemitter3, named
 * as in the protocol. What an event brings is decoded already: objects as {@link WaylandObject}s, new objects too, fds
 * as OwnedFds that belong to the listener.
 */
import { EventEmitter } from 'eventemitter3';
import type { OwnedFd } from '../system/fd.js';
import { messageNamed, type Arg, type Interface, type Message } from '../wayland/interface.js';
import type {
  ArgType,
  EventArgs,
  EventName,
  InterfaceName,
  RequestArgs,
  RequestName,
} from '../wayland/message-types.js';
import type { Bind, WireValue } from '../wayland/wire.js';
import type { Display } from './display.js';

/** An argument of a request. fixed is a fraction; a null object or string is undefined; an fd is given away. */
export type RequestArg = number | string | undefined | Uint8Array | WaylandObject | OwnedFd;

/** One argument as a program gives or gets it. */
type Param<A extends ArgType> = A['kind'] extends 'object' | 'new_id'
  ? WaylandObject<A['of']> | (A['nullable'] extends true ? undefined : never)
  : A['kind'] extends 'string'
    ? string | (A['nullable'] extends true ? undefined : never)
    : A['kind'] extends 'array'
      ? Uint8Array
      : A['kind'] extends 'fd'
        ? OwnedFd
        : number;

/** Arguments of a request in order, the object that it makes left out. */
type RequestParams<Args> = Args extends readonly [infer First extends ArgType, ...infer Rest]
  ? First['kind'] extends 'new_id'
    ? RequestParams<Rest>
    : [Param<First>, ...RequestParams<Rest>]
  : [];
type EventParams<Args> = Args extends readonly [infer First extends ArgType, ...infer Rest]
  ? [Param<First>, ...EventParams<Rest>]
  : [];
/** The interface of the object that a request makes. */
type Made<Args extends readonly ArgType[]> = Extract<Args[number], { readonly kind: 'new_id' }>['of'];

/** What an object tells: a listener's parameters are those of the protocol's event. */
export type WaylandEvents<N extends string> = N extends InterfaceName
  ? { [M in EventName<N>]: (...args: EventParams<EventArgs<N, M>>) => void }
  : object;

/** What {@link WaylandObject} needs of its display, and nobody else may touch. */
export interface ObjectOwner {
  /** Takes a free id for a new object. */
  create(type: Interface, version: number): WaylandObject;
  write(object: WaylandObject, message: Message, values: readonly WireValue[]): void;
  /** Takes back an object that the compositor never heard of. */
  forget(object: WaylandObject): void;
  /** The object takes no more requests and tells no more events; its id is free when the compositor says so. */
  retire(object: WaylandObject): void;
}

/**
 * One protocol object, `N` its interface. Made by {@link Display} and by {@link create}, never directly.
 */
export class WaylandObject<N extends string = string> extends EventEmitter<WaylandEvents<N>> {
  readonly interface: Interface;
  readonly #owner: ObjectOwner;
  #destroyed = false;

  /** @internal */
  constructor(
    readonly display: Display,
    owner: ObjectOwner,
    readonly id: number,
    type: Interface,
    /** The version that the object was bound with, or its parent was. */
    readonly version: number,
  ) {
    super();
    this.interface = type;
    this.#owner = owner;
  }

  /** After a destructor, of either side: requests throw, and no event is told any more. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** For messages: `wl_surface#5`. */
  override toString(): string {
    return `${this.interface.name}#${this.id}`;
  }

  /**
   * Sends a request. It leaves at the end of the current microtasks, together with others, or with `display.flush()`.
   * Takes ownership of the fds among the arguments, also when it throws.
   * @throws Error when the object is destroyed, or its version has no such request, or the request makes an object
   * (that is {@link create}); WireError when the arguments do not fit; what broke the display when it is broken
   */
  request<M extends (N extends InterfaceName ? RequestName<N> : never)>(
    name: M,
    ...args: N extends InterfaceName ? RequestParams<RequestArgs<N, M>> : never
  ): void {
    this.#send(name, args, undefined);
  }

  /**
   * Sends a request that makes an object, and returns the object. Its new_id argument is left out of `args`.
   * @throws as {@link request}
   */
  create<M extends (N extends InterfaceName ? RequestName<N> : never)>(
    name: M,
    ...args: N extends InterfaceName ? RequestParams<RequestArgs<N, M>> : never
  ): WaylandObject<N extends InterfaceName ? Made<RequestArgs<N, M>> : never> {
    return this.#send(name, args, this.version)!;
  }

  /** wl_registry.bind: the one request whose new object has an interface and version of its own. @internal */
  bind(name: number, type: Interface, version: number): WaylandObject {
    const object = this.#owner.create(type, version);
    const bind: Bind = { interface: type.name, version, id: object.id };
    try {
      this.#owner.write(this, this.#find('bind'), [name, bind]);
    } catch (error) {
      this.#owner.forget(object);
      throw error;
    }
    return object;
  }

  /** Called by the display for an event; false where nobody listens. @internal */
  tell(name: string, args: readonly unknown[]): boolean {
    // What the table says of the event is what `args` holds; the compiler cannot know that here.
    return (this.emit as (name: string, ...args: readonly unknown[]) => boolean).call(this, name, ...args);
  }

  /** Called by the display when the compositor or a destructor ended the object. @internal */
  markDestroyed(): void {
    this.#destroyed = true;
  }

  #find(name: string): Message {
    const message = messageNamed(this.interface.requests, name);
    if (message === undefined) throw new Error(`${this.interface.name} has no request '${name}'`);
    if (message.since > this.version) {
      throw new Error(`${String(this)} has version ${this.version}; '${name}' came with ${message.since}`);
    }
    if (this.#destroyed) throw new Error(`${String(this)} is destroyed; '${name}' cannot be sent`);
    return message;
  }

  #send(name: string, args: readonly RequestArg[], childVersion: number | undefined): WaylandObject | undefined {
    let child: WaylandObject | undefined;
    try {
      const message = this.#find(name);
      const newId = message.args.find(arg => arg.kind === 'new_id');
      if ((newId === undefined) !== (childVersion === undefined) || message.args.some(arg => arg.kind === 'bind')) {
        throw new Error(`${this.interface.name}.${name} makes ${newId === undefined ? 'no' : 'an'} object`);
      }
      const rest = [...args];
      const values = message.args.map((arg): WireValue => {
        if (arg.kind === 'new_id') {
          child = this.#owner.create(this.display.interfaceNamed(arg.interface), childVersion!);
          return child.id;
        }
        if (rest.length === 0) throw new Error(`${this.interface.name}.${name}: argument '${arg.name}' is missing`);
        return this.#toWire(name, arg, rest.shift());
      });
      if (rest.length > 0) throw new Error(`${this.interface.name}.${name}: ${rest.length} arguments too many`);
      this.#owner.write(this, message, values);
      if (message.destructor) this.#owner.retire(this);
      return child;
    } catch (error) {
      if (child !== undefined) this.#owner.forget(child);
      for (const arg of args) if (isFd(arg)) arg.close();
      throw error;
    }
  }

  #toWire(name: string, arg: Arg, value: RequestArg): WireValue {
    if (!(value instanceof WaylandObject)) return value;
    const what = `${this.interface.name}.${name}: argument '${arg.name}'`;
    if (arg.kind !== 'object') throw new Error(`${what} is a ${arg.kind}, given ${String(value)}`);
    if (value.display !== this.display) throw new Error(`${what}: ${String(value)} is of another display`);
    if (value.destroyed) throw new Error(`${what}: ${String(value)} is destroyed`);
    if (arg.interface !== undefined && arg.interface !== value.interface.name) {
      throw new Error(`${what} is a ${arg.interface}, given ${String(value)}`);
    }
    return value.id;
  }
}

function isFd(value: RequestArg): value is OwnedFd {
  return typeof value === 'object' && value !== null && 'release' in value;
}
