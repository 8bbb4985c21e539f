/**
 * One message on its way through a relay, as a handler sees it. Handlers read arguments by name (`call.args.width`), take
 * or replace its fds, and say by their {@link Verdict} what becomes of it. What may be read is known to the compiler from
 * the protocol's table.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Message } from '../wayland/interface.js';
import type {
  ArgType,
  EventArgs,
  EventName,
  InterfaceName,
  RequestArgs,
  RequestName,
} from '../wayland/message-types.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import {
  HEADER_BYTES,
  padded,
  readBytes,
  readInt,
  readString,
  readUint,
  writeUint,
  type Bind,
} from '../wayland/wire.js';
import type { RelayObject } from './object-map.js';
import type { Relay } from './relay.js';

/** What a handler wants done with the message. */
export const enum Verdict {
  /** Let it go on: to the next handler of its chain, and after the last one to the other side, ids translated and fds carried. */
  Forward,
  /** The handler has done what was to be done; fds that it did not take are closed. */
  Drop,
  /** Not yet: keep it and everything behind it, until {@link Relay.resume}. The handler is asked again then. */
  Stall,
}

/** A message that breaks the protocol: the client gets `wl_display.error` and is disconnected. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  constructor(
    /** The object that the error is about, by its id on the client's side. */
    readonly objectId: number,
    /** An error code of that object's interface, or of wl_display when `objectId` is 1. */
    readonly code: number,
    message: string,
    /** Who found it: the firewall should have, before the compositor had to. */
    readonly foundBy: 'relay' | 'compositor' = 'relay',
  ) {
    super(message);
  }
}

/** An argument as a handler reads it; fds are not among them, see {@link Call.takeFd}. */
type RequestValue<A extends ArgType> = A['kind'] extends 'object'
  ? RelayObject<A['of']> | (A['nullable'] extends true ? undefined : never)
  : Plain<A>;
/** In an event an object may be one that the client does not know (any more), or an injected one. */
type EventValue<A extends ArgType> = A['kind'] extends 'object' ? RelayObject<A['of']> | undefined : Plain<A>;
type Plain<A extends ArgType> = A['kind'] extends 'string'
  ? string | (A['nullable'] extends true ? undefined : never)
  : A['kind'] extends 'array'
    ? Uint8Array
    : A['kind'] extends 'bind'
      ? Bind
      : number;

/** Arguments of a request by name: a new_id is the id that the client chose, a fixed a fraction. */
export type RequestValues<N extends InterfaceName, M extends string> = {
  readonly [A in RequestArgs<N, M>[number] as A['kind'] extends 'fd' ? never : A['name']]: RequestValue<A>;
};
/** Arguments of an event by name: a new_id is the id that the compositor chose. */
export type EventValues<N extends InterfaceName, M extends string> = {
  readonly [A in EventArgs<N, M>[number] as A['kind'] extends 'fd' ? never : A['name']]: EventValue<A>;
};

/** The current message. One object serves all messages of one way: keep nothing of it beyond the call. */
export class Call<N extends string = string, Args = unknown> {
  object!: RelayObject<N>;
  message!: Message;
  bytes!: Uint8Array;
  /** Where the message's header begins in `bytes`. */
  offset = 0;
  size = 0;
  /** The message's own fds; a handler takes one by {@link takeFd} or puts another in its place. */
  fds: (OwnedFd | undefined)[] = [];
  #args: Args | undefined;

  constructor(
    readonly relay: Relay,
    /** Whether it is the client's: the objects that it names are looked up on that side. */
    readonly isRequest: boolean,
  ) {}

  /** Points at another message. */
  set(object: RelayObject<N>, message: Message, bytes: Uint8Array, offset: number, size: number): void {
    this.object = object;
    this.message = message;
    this.bytes = bytes;
    this.offset = offset;
    this.size = size;
    this.#args = undefined;
  }

  /**
   * The arguments by name, decoded when they are first asked for.
   * @throws ProtocolError in a request that names an object which is not there, is destroyed, or is of another interface
   */
  get args(): Args {
    return (this.#args ??= decode(this) as Args);
  }

  /**
   * Puts another number in the place of an argument, in the message itself: who handles it next sees that, and so does the
   * other side. `word` counts the words behind the header, so nothing of variable length may come before it.
   */
  replaceWord(word: number, value: number): void {
    writeUint(this.bytes, this.offset + HEADER_BYTES + 4 * word, value);
    this.#args = undefined;
  }

  /** Takes the fd at `index` away from the message: it is the caller's now. */
  takeFd(index = 0): OwnedFd {
    const fd = this.peekFd(index);
    this.fds[index] = undefined;
    return fd;
  }

  /** The fd at `index`, lent for the time of the call. */
  peekFd(index = 0): OwnedFd {
    const fd = this.fds[index];
    if (fd === undefined) throw new Error(`fd ${index} of '${this.message.name}' was taken already`);
    return fd;
  }

  /** Sends `fd` instead of the one at `index`, which the caller has taken. */
  replaceFd(index: number, fd: OwnedFd): void {
    this.fds[index] = fd;
  }
}

function decode(call: Call): Record<string, unknown> {
  const { message, bytes, relay, isRequest } = call;
  const values: Record<string, unknown> = {};
  let at = call.offset + HEADER_BYTES;
  for (const arg of message.args) {
    switch (arg.kind) {
      case 'fd':
        continue;
      case 'int':
        values[arg.name] = readInt(bytes, at);
        break;
      case 'fixed':
        values[arg.name] = readInt(bytes, at) / 256;
        break;
      case 'object': {
        const id = readUint(bytes, at);
        if (id === 0) values[arg.name] = undefined;
        else values[arg.name] = isRequest ? relay.argument(call, arg, id) : relay.serverObject(id);
        break;
      }
      case 'string': {
        const length = readUint(bytes, at);
        values[arg.name] = length === 0 ? undefined : readString(bytes, at);
        at += padded(length);
        break;
      }
      case 'array':
        values[arg.name] = readBytes(bytes, at);
        at += padded(readUint(bytes, at));
        break;
      case 'bind': {
        const name = readString(bytes, at);
        at += 4 + padded(readUint(bytes, at));
        values[arg.name] = { interface: name, version: readUint(bytes, at), id: readUint(bytes, at + 4) };
        at += 4;
        break;
      }
      default:
        values[arg.name] = readUint(bytes, at);
    }
    at += 4;
  }
  return values;
}

/** Handles one message of an interface, whatever it is: as a relay sees it. */
export type Handler = (call: Call<never, never>) => Verdict;

/** Handlers of requests: by interface, then by message. */
export type RequestHandlers = {
  readonly [N in InterfaceName]?: {
    readonly [M in RequestName<N>]?: (call: Call<N, RequestValues<N, M>>) => Verdict;
  };
};

/** Handlers of events: by interface, then by message. */
export type EventHandlers = {
  readonly [N in InterfaceName]?: { readonly [M in EventName<N>]?: (call: Call<N, EventValues<N, M>>) => Verdict };
};

/** The error that a client gets which names what is not there. */
export function invalidObject(message: string): ProtocolError {
  return new ProtocolError(1, WlDisplayError.invalid_object, message);
}
