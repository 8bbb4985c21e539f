/**
 * The compositor's way through a relay: each event is checked against its interface, offered to the handlers, and goes on
 * with the client's ids. What is wrong with it is not the client's fault: the connection ends.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Arg, Message } from '../wayland/interface.js';
import type { InterfaceName } from '../wayland/message-types.js';
import type { Outbox } from '../wayland/outbox.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { checkMessage, findObjects, readString, readUint } from '../wayland/wire.js';
import { Call, ProtocolError, Verdict } from './call.js';
import type { RelayObject } from './object-map.js';
import type { Objects } from './objects.js';
import type { Pace, Relay, RelayRules } from './relay.js';
import type { Trace } from './trace.js';
import { Way } from './way.js';

/** `data` of a wl_callback by which the relay itself wants to know something. See {@link Relay.asks}. */
export class Question {
  constructor(readonly answered: () => void) {}
}

export class Events extends Way {
  readonly #relay: Relay;
  readonly #objects: Objects;
  readonly #trace: Trace | undefined;
  readonly #pace: Pace | undefined;
  readonly #out: Outbox;

  constructor(relay: Relay, rules: RelayRules, objects: Objects, out: Outbox) {
    super(new Call(relay, false), rules.toClient);
    this.#relay = relay;
    this.#trace = rules.trace;
    this.#pace = rules.pace;
    this.#objects = objects;
    this.#out = out;
  }

  /** Handles one whole message. False: not yet, keep it. */
  dispatch(bytes: Uint8Array, offset: number, size: number, queue: OwnedFd[]): boolean {
    const id = readUint(bytes, offset);
    const object = this.#objects.byServer.get(id);
    const opcode = readUint(bytes, offset + 4) & 0xffff;
    if (object === undefined) throw new Error(`the compositor sent event ${opcode} of unknown object ${id}`);
    const message = object.interface.events[opcode];
    if (message === undefined) {
      throw new Error(`the compositor sent unknown event ${opcode} of ${object.interface.name}#${id}`);
    }
    checkMessage(message, bytes, offset, size);
    if (this.#objects.isHeld(id)) return true;
    if (object === this.#objects.display) {
      if (message.name === 'delete_id' && this.#objects.isHeld(readUint(bytes, offset + 8))) {
        this.#displayEvent(message, bytes, offset);
        return true;
      }
      this.#trace?.passing('<-', object.interface.name, id, message, bytes, offset, []);
      this.#displayEvent(message, bytes, offset);
      return true;
    }
    const call = this.prepare(object, message, bytes, offset, size, queue);
    this.#objects.steady?.said(object, message);
    this.#trace?.passing('<-', object.interface.name, id, message, bytes, offset, call.fds);
    let verdict = Verdict.Forward;
    try {
      if (this.#objects.answered(object)) this.#pace?.answered?.(id);
      const handler = object.eventHandlers?.[opcode];
      // A client that asked for an older version has no place to take a newer event: its library would jump nowhere.
      if (message.since > object.version) verdict = Verdict.Drop;
      else if (object.data instanceof Question) object.data.answered();
      else if (handler !== undefined) verdict = handler(call as never);
      // An event of the relay's own object is never the client's, whichever handler has seen it.
      if (object.clientId === 0 && verdict === Verdict.Forward) verdict = Verdict.Drop;
      if (verdict === Verdict.Stall) {
        this.#trace?.stalled('<-');
        return false;
      }
      if (this.#relay.closed) return true;
      if (verdict === Verdict.Forward && !object.destroyed) this.#forward(call);
      else this.#forgetNewObjects(call);
    } finally {
      if (verdict !== Verdict.Stall) this.finish(message, queue);
    }
    return true;
  }

  #forward(call: Call): void {
    const { object, message, bytes, offset, size } = call;
    const { places, ids } = this;
    const count = message.objectArgs.length;
    if (count > 0) {
      findObjects(message, bytes, offset, places);
      for (let i = 0; i < count; i++) {
        const arg = message.objectArgs[i]!;
        if (arg.kind !== 'object' || this.#proveNamed(call, arg, readUint(bytes, places[i]!))) continue;
        this.#forgetNewObjects(call);
        return;
      }
      for (let i = 0; i < count; i++) {
        const arg = message.objectArgs[i]!;
        const serverId = readUint(bytes, places[i]!);
        ids[i] = arg.kind === 'new_id' ? this.#make(call, arg, serverId).clientId : this.#objects.clientIdOf(serverId);
      }
    }
    const at = this.#out.append(bytes, offset, size, this.carry());
    this.#out.put(at, object.clientId);
    for (let i = 0; i < count; i++) this.#out.put(at + places[i]! - offset, ids[i]!);
  }

  /** False: about an object that the client does not know, so nothing that it could be told. */
  #proveNamed({ object, message }: Call, arg: Arg, id: number): boolean {
    const named = this.#objects.byServer.get(id);
    if (named !== undefined && arg.interface !== undefined && named.interface.name !== arg.interface) {
      throw new Error(
        `the compositor named ${named.interface.name}#${id} as ${arg.name} of ${object.interface.name}.${message.name}, ` +
          `which is a ${arg.interface}`,
      );
    }
    return arg.nullable === true || this.#objects.clientIdOf(id) !== 0;
  }

  #make(call: Call, arg: Arg, serverId: number): RelayObject {
    return this.#objects.madeByServer(arg.interface as InterfaceName, call.object.version, serverId, call);
  }

  /** An event that is not delivered may have made objects: remember them, so that their events can be dropped too. */
  #forgetNewObjects(call: Call): void {
    const { message, bytes, offset } = call;
    for (const arg of message.objectArgs) {
      if (arg.kind !== 'new_id') continue;
      findObjects(message, bytes, offset, this.places);
      const object = this.#make(call, arg, readUint(bytes, this.places[message.objectArgs.indexOf(arg)]!));
      this.#objects.byClient.delete(object.clientId, false);
      object.destroyed = true;
    }
  }

  #displayEvent(message: Message, bytes: Uint8Array, offset: number): void {
    const id = readUint(bytes, offset + 8);
    if (message.name === 'delete_id') {
      this.#objects.confirmedByServer(id);
      return;
    }
    const object = this.#objects.byServer.get(id);
    const code = readUint(bytes, offset + 12);
    const text = readString(bytes, offset + 16);
    const clientId = this.#objects.clientIdOf(id);
    // An error about an object of ours is our fault, not the client's, and its code would mean nothing to it; about one that
    // the client has destroyed, its library would complain of the id instead.
    this.#relay.fail(
      clientId !== 0
        ? new ProtocolError(clientId, code, text, 'compositor')
        : new ProtocolError(
            1,
            WlDisplayError.implementation,
            `virtwl: ${object?.interface.name ?? id}: error ${code}: ${text}`,
            'compositor',
          ),
    );
  }
}
