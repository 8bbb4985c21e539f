/**
 * The client's way through a relay: each request is checked against its interface, offered to the handlers, and goes on
 * with the compositor's ids. What is wrong with it is the client's fault, and becomes a `ProtocolError`.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Arg } from '../wayland/interface.js';
import type { InterfaceName } from '../wayland/message-types.js';
import type { Outbox } from '../wayland/outbox.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { checkMessage, findObjects, HEADER_BYTES, readString, readUint } from '../wayland/wire.js';
import { Call, invalidObject, ProtocolError, Verdict } from './call.js';
import type { RelayObject } from './object-map.js';
import type { Objects } from './objects.js';
import type { Relay, RelayRules } from './relay.js';
import { Way } from './way.js';

/** Where the interface is in wl_registry.bind: behind the header and the name. */
const BIND_INTERFACE = HEADER_BYTES + 4;

export class Requests extends Way {
  readonly #relay: Relay;
  readonly #rules: RelayRules;
  readonly #objects: Objects;
  readonly #out: Outbox;

  constructor(relay: Relay, rules: RelayRules, objects: Objects, out: Outbox) {
    super(new Call(relay, true), rules.toServer);
    this.#relay = relay;
    this.#rules = rules;
    this.#objects = objects;
    this.#out = out;
  }

  /** The current request. */
  get current(): Call {
    return this.call;
  }

  /** Handles one whole message. False: not yet, keep it. */
  dispatch(bytes: Uint8Array, offset: number, size: number, queue: OwnedFd[]): boolean {
    const id = readUint(bytes, offset);
    const object = this.#objects.byClient.get(id);
    if (object === undefined || object.destroyed) throw invalidObject(`invalid object ${id}`);
    const opcode = readUint(bytes, offset + 4) & 0xffff;
    const message = object.interface.requests[opcode];
    if (message === undefined || message.since > object.version) {
      throw new ProtocolError(1, WlDisplayError.invalid_method, `invalid method ${opcode}, object ${String(object)}`);
    }
    checkMessage(message, bytes, offset, size);
    if (this.#rules.pace?.admit() === false) return false;
    const call = this.prepare(object, message, bytes, offset, size, queue);
    this.#objects.steady?.said(object, message);
    if (!this.#objects.settled && !this.#objects.admits(interfacesMade(call))) return false;
    const kept = this.#rules.hold?.keep(call) ?? Verdict.Forward;
    if (kept === Verdict.Stall) return false;
    if (kept === Verdict.Drop) {
      this.finish(message, queue);
      return true;
    }
    const { trace } = this.#rules;
    if (trace !== undefined) trace.passing('->', object.interface.name, id, message, bytes, offset, call.fds);
    let verdict = Verdict.Forward;
    try {
      if (object.inert !== undefined) {
        this.#answerInert(call);
        verdict = Verdict.Drop;
      } else {
        const handler = object.requestHandlers?.[opcode];
        if (handler !== undefined) verdict = handler(call as never);
      }
      if (verdict === Verdict.Stall) {
        trace?.stalled('->');
        return false;
      }
      if (verdict === Verdict.Forward && !this.#relay.closed) this.#forward(call);
    } finally {
      if (verdict !== Verdict.Stall) this.finish(message, queue);
    }
    if (message.destructor) this.#objects.destroyedByClient(object);
    this.#rules.pace?.passed(object, message);
    return true;
  }

  #forward(call: Call): void {
    const { object, message, bytes, offset, size } = call;
    if (object.serverId === 0) throw new Error(`${String(object)}.${message.name} has nowhere to go`);
    const { places, ids } = this;
    const count = message.objectArgs.length;
    // Nothing is written, and no fd carried, before everything about the message is known to be right.
    if (count > 0) {
      findObjects(message, bytes, offset, places);
      for (let i = 0; i < count; i++) {
        if (this.#proveId(call, message.objectArgs[i]!, readUint(bytes, places[i]!))) continue;
        this.#answerInert(call);
        return;
      }
      for (let i = 0; i < count; i++) {
        const arg = message.objectArgs[i]!;
        const id = readUint(bytes, places[i]!);
        if (arg.kind !== 'object') ids[i] = this.#make(call, arg, places[i]!, id).serverId;
        else ids[i] = id === 0 ? 0 : this.#objects.byClient.get(id)!.serverId;
      }
    }
    const at = this.#out.append(bytes, offset, size, this.carry());
    this.#out.put(at, object.serverId);
    for (let i = 0; i < count; i++) this.#out.put(at + places[i]! - offset, ids[i]!);
  }

  /** Proves an id of a request before anything is written. False: it is of something inert that must be there. */
  #proveId(call: Call, arg: Arg, id: number): boolean {
    if (arg.kind !== 'object') {
      this.#objects.checkNewId(id);
      return true;
    }
    if (id === 0) return true; // checkMessage has seen whether it may be null
    const object = this.#relay.argument(call, arg, id);
    if (object.serverId !== 0) return true;
    if (object.inert === undefined) throw new Error(`${String(object)} is local and was to be forwarded`);
    // Its id on the other side is 0, which is null there.
    return arg.nullable === true;
  }

  #make(call: Call, arg: Arg, place: number, clientId: number): RelayObject {
    if (arg.kind === 'new_id') {
      return this.#relay.adopt(arg.interface as InterfaceName, call.object.version, clientId, false);
    }
    // wl_registry.bind: its handler has checked that the interface is known.
    const version = readUint(call.bytes, place - 4);
    return this.#relay.adopt(
      readString(call.bytes, call.offset + BIND_INTERFACE) as InterfaceName,
      version,
      clientId,
      false,
    );
  }

  /** A request to, or about, what is inert: an error where the protocol has one, else nothing; what it makes is inert too. */
  #answerInert(call: Call): void {
    const { object, message, bytes, offset } = call;
    const inert = object.inert ?? { text: 'made of an object that is inert' };
    if (inert.code !== undefined && !message.destructor) {
      throw new ProtocolError(object.clientId, inert.code, `${String(object)}.${message.name}: ${inert.text}`);
    }
    const count = findObjects(message, bytes, offset, this.places);
    for (let i = 0; i < count; i++) {
      const arg = message.objectArgs[i]!;
      if (arg.kind !== 'new_id') continue;
      const id = readUint(bytes, this.places[i]!);
      this.#relay.adopt(arg.interface as InterfaceName, object.version, id, true).inert = { text: inert.text };
    }
  }
}

/** The interfaces of the objects that a request makes. */
function interfacesMade({ message, bytes, offset }: Call): string[] {
  return message.objectArgs.flatMap(({ kind, interface: name }) => {
    if (kind === 'bind') return [readString(bytes, offset + BIND_INTERFACE)];
    return kind === 'new_id' ? [name!] : [];
  });
}
