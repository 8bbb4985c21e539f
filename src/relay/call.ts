/**
 * One message on its way through a relay, as a handler sees it. Handlers read arguments at fixed places of the body
 * (`uint(0)` is the first word), take or replace its fds, and say by their {@link Verdict} what becomes of it.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Interface, Message } from '../wayland/interface.js';
import type { RelayObject } from './object-map.js';
import type { Relay } from './relay.js';
import { HEADER_BYTES, readArgs, readInt, readUint, type WireValue } from '../wayland/wire.js';

/** What a handler wants done with the message. */
export const enum Verdict {
  /** Pass it on, ids translated and fds carried. */
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
  ) {
    super(message);
  }
}

/** wl_display.error of the core protocol. */
export const enum DisplayError {
  InvalidObject = 0,
  InvalidMethod = 1,
  NoMemory = 2,
  Implementation = 3,
}

/** The current message. One object serves all messages of a relay: keep nothing of it beyond the call. */
export class Call {
  constructor(readonly relay: Relay) {}

  object!: RelayObject;
  message!: Message;
  bytes!: Uint8Array;
  /** Where the message's header begins in `bytes`. */
  offset = 0;
  size = 0;
  /** The message's own fds; a handler takes one by {@link takeFd} or puts another in its place. */
  fds: (OwnedFd | null)[] = [];

  /** The unsigned word number `index` of the body; only for what comes before any string or array. */
  uint(index: number): number {
    return readUint(this.bytes, this.offset + HEADER_BYTES + 4 * index);
  }

  int(index: number): number {
    return readInt(this.bytes, this.offset + HEADER_BYTES + 4 * index);
  }

  /** A wl_fixed as a fraction. */
  fixed(index: number): number {
    return this.int(index) / 256;
  }

  /** All arguments decoded, fds left out of it (null stands in their place). */
  args(): WireValue[] {
    const placeholders = this.message.args.filter(arg => arg.kind === 'fd').map(() => null as never);
    return readArgs(this.message, this.bytes, this.offset, placeholders);
  }

  /** Takes the fd at `index` away from the message: it is the caller's now. */
  takeFd(index: number): OwnedFd {
    const fd = this.fds[index];
    if (!fd) throw new Error(`fd ${index} of '${this.message.name}' was taken already`);
    this.fds[index] = null;
    return fd;
  }

  /** The fd at `index`, lent for the time of the call. */
  peekFd(index: number): OwnedFd {
    const fd = this.fds[index];
    if (!fd) throw new Error(`fd ${index} of '${this.message.name}' was taken already`);
    return fd;
  }

  /** Sends `fd` instead of the one at `index`, which the caller has taken. */
  replaceFd(index: number, fd: OwnedFd): void {
    this.fds[index] = fd;
  }
}

/** Handles one request or event of an interface. */
export type Handler = (call: Call) => Verdict;

/** Handlers of an interface by message name, as they are written. */
export type Handlers = Readonly<Record<string, Handler>>;

/** The same by opcode, as they are looked up. Throws for a name that the interface does not have. */
export function handlerTable(
  iface: Interface,
  messages: readonly Message[],
  handlers: Handlers | undefined,
): (Handler | undefined)[] | null {
  if (handlers === undefined) return null;
  const table: (Handler | undefined)[] = messages.map(message => handlers[message.name]);
  for (const name of Object.keys(handlers)) {
    if (!messages.some(message => message.name === name)) throw new Error(`${iface.name} has no message '${name}'`);
  }
  return table;
}
