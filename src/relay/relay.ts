/**
 * The relay: a Wayland connection's way through one of our processes. On one side stands a client (an application, or
 * the client proxy of another VM), on the other a compositor (or the glue on the way to it). Every message is checked
 * against its interface, its ids are translated, its fds are carried, and it goes on; what the owner of the relay wants
 * to see or to answer itself goes through {@link Handlers}.
 *
 * One `data` event of a channel is one batch: all its messages are parsed straight from the receive buffer and leave in
 * one send. Only a message that is cut off at the end of a batch, or held back by a handler (stall), is copied.
 *
 * A client's mistake is answered by `wl_display.error` and costs that client its connection, nobody else anything. When
 * either side goes, what was said is delivered to the other and then it is closed too.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel } from '../system/channel.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import { Call, DisplayError, handlerTable, ProtocolError, Verdict, type Handler, type Handlers } from './call.js';
import { Flow, type FlowSink } from '../wayland/flow.js';
import type { Interface, Message } from '../wayland/interface.js';
import { ObjectMap, RelayObject, SERVER_ID_START, type ObjectAccount } from './object-map.js';
import type { Trace } from './trace.js';
import { Outbox } from '../wayland/outbox.js';
import { interfaces } from '../wayland/protocols/index.js';
import {
  checkMessage,
  findObjects,
  MAX_OBJECT_ARGS,
  readString,
  readUint,
  WireError,
  writeUint,
  type WireValue,
} from '../wayland/wire.js';

/** What makes one relay differ from another. */
export interface RelayRules {
  /** Handlers of the client's requests, by interface. */
  readonly requests: Readonly<Record<string, Handlers>>;
  /** Handlers of the compositor's events, by interface. */
  readonly events: Readonly<Record<string, Handlers>>;
  /** Brings an fd of a request to the compositor's side: the result is sent, the argument is the function's. */
  carryToServer(call: Call, fd: OwnedFd): OwnedFd;
  /** The same for an fd of an event, to the client's side. */
  carryToClient(call: Call, fd: OwnedFd): OwnedFd;
  /** Where objects are counted that client and compositor make. Default: each connection has its own bound alone. */
  readonly objects?: ObjectAccount;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
}

export interface RelayEvents {
  /** Both sides are closed. `reason` is undefined when the client left in an orderly way. */
  close: (reason: Error | undefined) => void;
}

interface Tables {
  readonly requests: (Handler | undefined)[] | null;
  readonly events: (Handler | undefined)[] | null;
}

/** Relays one client. Owns both channels. */
export class Relay extends EventEmitter<RelayEvents> {
  /** wl_display: id 1 on both sides. */
  readonly display: RelayObject;
  readonly toClient: Outbox;
  readonly toServer: Outbox;
  readonly #byClient = new ObjectMap();
  readonly #byServer = new ObjectMap();
  readonly #rules: RelayRules;
  readonly #trace: Trace | undefined;
  readonly #tables = new Map<Interface, Tables>();
  // One for each way: a handler of an event may set off the requests that were waiting for it.
  readonly #requestCall = new Call(this);
  readonly #eventCall = new Call(this);
  readonly #places = new Int32Array(MAX_OBJECT_ARGS);
  /** The ids of the message that is being forwarded, as the other side calls them. */
  readonly #ids = new Uint32Array(MAX_OBJECT_ARGS);
  readonly #requests: Flow;
  readonly #events: Flow;
  /** Places taken from the account. */
  #taken = 0;
  #closed = false;

  constructor(client: Channel, server: Channel, rules: RelayRules) {
    super();
    this.#rules = rules;
    this.#trace = rules.trace;
    this.toClient = new Outbox(client);
    this.toServer = new Outbox(server);
    const display = interfaceNamed('wl_display');
    // The id after wl_display's is the first that may be given out, on either side.
    this.display = this.#newObject(display, 1, this.#byClient.allocate(), this.#byServer.allocate());
    const requests: FlowSink = {
      dispatch: (bytes, offset, size, fds) => this.#request(bytes, offset, size, fds),
      batchDone: () => this.flush(),
      end: () => this.close(undefined),
      error: error => this.close(error),
      broken: error => this.#blame(error),
    };
    this.#requests = new Flow(client, this.toServer, requests, this.toClient);
    this.#events = new Flow(server, this.toClient, {
      dispatch: (bytes, offset, size, fds) => this.#event(bytes, offset, size, fds),
      batchDone: () => this.flush(),
      end: () => this.close(new Error('the compositor closed the connection')),
      error: error => this.close(error),
      broken: error => (error instanceof ProtocolError ? this.fail(error) : this.close(error)),
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Begins to relay both ways. */
  start(): void {
    this.#events.start();
    this.#requests.start();
  }

  /** Lets a flow go on that a handler had stalled. Harmless when none was. */
  resume(flow: 'requests' | 'events'): void {
    if (this.#closed) return;
    (flow === 'requests' ? this.#requests : this.#events).resume();
  }

  /** Sends what handlers wrote outside of a batch. */
  flush(): void {
    if (this.#closed) return;
    this.toServer.flush();
    this.toClient.flush();
  }

  /** The object that the client calls `id`. */
  clientObject(id: number): RelayObject | undefined {
    return this.#byClient.get(id);
  }

  /** An object of the relay's own on the compositor's side. The caller sends the request that makes it. */
  inject(name: string, version: number, data?: unknown): RelayObject {
    const id = this.#byServer.allocate();
    if (id === 0) throw new ProtocolError(1, DisplayError.NoMemory, 'too many objects');
    const object = this.#newObject(interfaceNamed(name), version, 0, id);
    object.data = data;
    return object;
  }

  /**
   * Makes the object that the client's current request calls `clientId`. A local one is answered for by handlers alone;
   * otherwise the caller sends the request that makes it on the compositor's side.
   */
  adopt(name: string, version: number, clientId: number, local: boolean, data?: unknown): RelayObject {
    if (clientId >= SERVER_ID_START || !this.#byClient.accepts(clientId)) throw invalidNewId(clientId);
    this.#takePlace(this.#byClient, clientId);
    const serverId = local ? 0 : this.#byServer.allocate();
    if (!local && serverId === 0) throw new ProtocolError(1, DisplayError.NoMemory, 'too many objects');
    const object = this.#newObject(interfaceNamed(name), version, clientId, serverId);
    object.data = data;
    return object;
  }

  /**
   * Sends a request of the relay's own. Objects among the arguments are given by their `serverId`. Takes ownership of
   * the fds among them. Once the relay is closed, nothing is sent.
   */
  request(object: RelayObject, name: string, args: readonly WireValue[]): void {
    const message = messageNamed(object.interface.requests, object.interface, name);
    this.#trace?.own('=>', object.interface.name, object.serverId, message, args);
    this.toServer.write(object.serverId, message, args);
    if (message.destructor) {
      object.destroyed = true;
      if (object.clientId === 0 && object.serverId >= SERVER_ID_START) this.#byServer.delete(object.serverId, false);
    }
  }

  /** The same for an event of the relay's own to the client. Objects among the arguments are given by their `clientId`. */
  emitEvent(object: RelayObject, name: string, args: readonly WireValue[]): void {
    const message = messageNamed(object.interface.events, object.interface, name);
    this.#trace?.own('<=', object.interface.name, object.clientId, message, args);
    this.toClient.write(object.clientId, message, args);
  }

  /** Tells the client what it did wrong and disconnects it. */
  fail(error: ProtocolError): void {
    if (this.#closed) return;
    try {
      this.emitEvent(this.display, 'error', [error.objectId, error.code, error.message]);
    } catch {
      this.emitEvent(this.display, 'error', [1, error.code, 'error too long to be told']);
    }
    this.close(error);
  }

  /** Closes both sides, delivering what was written. Idempotent. */
  close(reason: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const out of [this.toServer, this.toClient]) {
      try {
        out.flush();
      } catch {
        // What cannot be sent at the end is lost; the reason for the end is known already.
      }
      out.close();
    }
    this.#requests.close();
    this.#events.close();
    this.#rules.objects?.givePlaces(this.#taken);
    this.#taken = 0;
    this.toClient.channel.closeWhenDrained();
    this.toServer.channel.closeWhenDrained();
    this.emit('close', reason);
  }

  /** All objects of the client's side: for owners that release what their handlers hold. */
  objects(): IterableIterator<RelayObject> {
    return this.#byClient.objects();
  }

  // ---- requests ------------------------------------------------------------------------------------------------

  #request(bytes: Uint8Array, offset: number, size: number, queue: OwnedFd[]): boolean {
    const id = readUint(bytes, offset);
    const object = this.#byClient.get(id);
    if (object === undefined || object.destroyed) {
      throw new ProtocolError(1, DisplayError.InvalidObject, `invalid object ${id}`);
    }
    const opcode = readUint(bytes, offset + 4) & 0xffff;
    const message = object.interface.requests[opcode];
    if (message === undefined || message.since > object.version) {
      throw new ProtocolError(
        1,
        DisplayError.InvalidMethod,
        `invalid method ${opcode}, object ${object.interface.name}#${id}`,
      );
    }
    checkMessage(message, bytes, offset, size);
    const call = this.#prepare(this.#requestCall, object, message, bytes, offset, size, queue);
    this.#trace?.passing('->', object.interface.name, id, message, bytes, offset, call.fds);
    let verdict = Verdict.Forward;
    try {
      const handler = object.requestHandlers?.[opcode] as Handler | undefined;
      if (handler !== undefined) verdict = handler(call);
      if (verdict === Verdict.Stall) return this.#stalled('->');
      if (verdict === Verdict.Forward && !this.#closed) this.#forwardRequest(call, id);
    } finally {
      if (verdict !== Verdict.Stall) this.#finish(call, queue);
    }
    if (message.destructor) this.#destroyedByClient(object);
    return true;
  }

  #forwardRequest(call: Call, id: number): void {
    const { object, message, bytes, offset, size } = call;
    if (object.serverId === 0) throw new Error(`${object.interface.name}#${id}.${message.name} has nowhere to go`);
    const count = message.objectArgs.length;
    const places = this.#places;
    const ids = this.#ids;
    // Nothing is written, and no fd carried, before everything about the message is known to be right.
    if (count > 0) {
      findObjects(message, bytes, offset, places);
      for (let i = 0; i < count; i++) this.#checkRequestId(call, i, readUint(bytes, places[i]!));
      for (let i = 0; i < count; i++) {
        const clientId = readUint(bytes, places[i]!);
        const arg = message.objectArgs[i]!;
        if (arg.kind !== 'object') ids[i] = this.#newFromRequest(call, arg, places[i]!, clientId).serverId;
        else ids[i] = clientId === 0 ? 0 : this.#byClient.get(clientId)!.serverId;
      }
    }
    const fds = message.fds > 0 ? this.#carry(call, this.#rules.carryToServer) : null;
    const at = this.toServer.append(bytes, offset, size, fds);
    const out = this.toServer.bytes;
    writeUint(out, at, object.serverId);
    for (let i = 0; i < count; i++) writeUint(out, at + places[i]! - offset, ids[i]!);
  }

  /** Proves an id of a request before anything is written. */
  #checkRequestId(call: Call, index: number, id: number): void {
    const arg = call.message.objectArgs[index]!;
    if (arg.kind !== 'object') {
      if (id >= SERVER_ID_START || !this.#byClient.accepts(id)) throw invalidNewId(id);
      return;
    }
    if (id === 0) return; // checkMessage has seen whether it may be null
    const object = this.#byClient.get(id);
    if (
      object === undefined ||
      object.destroyed ||
      (arg.interface !== undefined && object.interface.name !== arg.interface)
    ) {
      throw new ProtocolError(
        1,
        DisplayError.InvalidObject,
        `invalid object ${id} for ${arg.name} of ${call.object.interface.name}#${call.object.clientId}.${call.message.name}`,
      );
    }
    if (object.serverId === 0) throw new Error(`${object.interface.name}#${id} is local and was to be forwarded`);
  }

  #newFromRequest(call: Call, arg: Message['args'][number], place: number, clientId: number): RelayObject {
    if (arg.kind === 'new_id') return this.adopt(arg.interface!, call.object.version, clientId, false);
    // wl_registry.bind: its handler has checked that the interface is known.
    const version = readUint(call.bytes, place - 4);
    const name = readString(call.bytes, call.offset + 12);
    return this.adopt(name, version, clientId, false);
  }

  #destroyedByClient(object: RelayObject): void {
    object.destroyed = true;
    if (object.serverId >= SERVER_ID_START) {
      // The compositor confirms nothing for its own ids, it just uses them again. The entry on its side stays, for
      // events that are on their way, until then.
      this.#byClient.delete(object.clientId, false);
    } else if (object.serverId === 0) {
      this.#byClient.delete(object.clientId, false);
      this.#confirmDestroyed(object.clientId);
    }
  }

  #confirmDestroyed(clientId: number): void {
    this.emitEvent(this.display, 'delete_id', [clientId]);
  }

  #blame(error: Error): void {
    if (error instanceof ProtocolError) this.fail(error);
    else if (error instanceof WireError) this.fail(new ProtocolError(1, DisplayError.InvalidMethod, error.message));
    else this.fail(new ProtocolError(1, DisplayError.Implementation, `virtwl: ${error.message}`));
  }

  // ---- events --------------------------------------------------------------------------------------------------

  #event(bytes: Uint8Array, offset: number, size: number, queue: OwnedFd[]): boolean {
    const id = readUint(bytes, offset);
    const object = this.#byServer.get(id);
    const opcode = readUint(bytes, offset + 4) & 0xffff;
    if (object === undefined) throw new Error(`the compositor sent event ${opcode} of unknown object ${id}`);
    const message = object.interface.events[opcode];
    if (message === undefined)
      throw new Error(`the compositor sent unknown event ${opcode} of ${object.interface.name}#${id}`);
    checkMessage(message, bytes, offset, size);
    if (object === this.display) {
      this.#trace?.passing('<-', object.interface.name, id, message, bytes, offset, []);
      this.#displayEvent(message, bytes, offset);
      return true;
    }
    const call = this.#prepare(this.#eventCall, object, message, bytes, offset, size, queue);
    this.#trace?.passing('<-', object.interface.name, id, message, bytes, offset, call.fds);
    let verdict = Verdict.Forward;
    try {
      const handler = object.eventHandlers?.[opcode] as Handler | undefined;
      // A client that asked for an older version has no place to take a newer event: its library would jump nowhere.
      if (message.since > object.version) verdict = Verdict.Drop;
      else if (handler !== undefined) verdict = handler(call);
      else if (object.clientId === 0) verdict = Verdict.Drop;
      if (verdict === Verdict.Stall) return this.#stalled('<-');
      if (this.#closed) return true;
      if (verdict === Verdict.Forward && !object.destroyed) this.#forwardEvent(call);
      else this.#forgetNewObjects(call);
    } finally {
      if (verdict !== Verdict.Stall) this.#finish(call, queue);
    }
    return true;
  }

  #forwardEvent(call: Call): void {
    const { object, message, bytes, offset, size } = call;
    const count = message.objectArgs.length;
    const places = this.#places;
    const ids = this.#ids;
    if (count > 0) {
      findObjects(message, bytes, offset, places);
      for (let i = 0; i < count; i++) {
        const arg = message.objectArgs[i]!;
        if (arg.kind !== 'object') continue;
        const id = readUint(bytes, places[i]!);
        const named = this.#byServer.get(id);
        if (named !== undefined && arg.interface !== undefined && named.interface.name !== arg.interface) {
          throw new Error(
            `the compositor named ${named.interface.name}#${id} as ${arg.name} of ${object.interface.name}.${message.name}, ` +
              `which is a ${arg.interface}`,
          );
        }
        // About an object that the client does not know: nothing that it could be told.
        if (arg.nullable !== true && this.#clientIdOf(id) === 0) {
          this.#forgetNewObjects(call);
          return;
        }
      }
      for (let i = 0; i < count; i++) {
        const arg = message.objectArgs[i]!;
        const serverId = readUint(bytes, places[i]!);
        if (arg.kind === 'new_id') ids[i] = this.#newFromEvent(call, arg, serverId).clientId;
        else ids[i] = this.#clientIdOf(serverId);
      }
    }
    const fds = message.fds > 0 ? this.#carry(call, this.#rules.carryToClient) : null;
    const at = this.toClient.append(bytes, offset, size, fds);
    const out = this.toClient.bytes;
    writeUint(out, at, object.clientId);
    for (let i = 0; i < count; i++) writeUint(out, at + places[i]! - offset, ids[i]!);
  }

  /**
   * 0 for null, for objects of the relay's own, and for those that are gone. The client's libraries know a destroyed
   * object by its id until that is confirmed, but only where they chose the id themselves.
   */
  #clientIdOf(serverId: number): number {
    const object = this.#byServer.get(serverId);
    if (object === undefined || (object.destroyed && serverId >= SERVER_ID_START)) return 0;
    return object.clientId;
  }

  #newFromEvent(call: Call, arg: Message['args'][number], serverId: number): RelayObject {
    if (serverId < SERVER_ID_START || !this.#byServer.accepts(serverId)) {
      throw new Error(`the compositor made an object with the id ${serverId}`);
    }
    this.#takePlace(this.#byServer, serverId);
    // The id may be in use again: the old entry waited only for late events.
    return this.#newObject(interfaceNamed(arg.interface!), call.object.version, serverId, serverId);
  }

  /** An event that is not delivered may have made objects: remember them, so that their events can be dropped too. */
  #forgetNewObjects(call: Call): void {
    const { message, bytes, offset } = call;
    for (const arg of message.objectArgs) {
      if (arg.kind !== 'new_id') continue;
      findObjects(message, bytes, offset, this.#places);
      const object = this.#newFromEvent(call, arg, readUint(bytes, this.#places[message.objectArgs.indexOf(arg)]!));
      this.#byClient.delete(object.clientId, false);
      object.destroyed = true;
    }
  }

  #displayEvent(message: Message, bytes: Uint8Array, offset: number): void {
    const id = readUint(bytes, offset + 8);
    const object = this.#byServer.get(id);
    if (message.name === 'delete_id') {
      if (object === undefined || object === this.display || id >= SERVER_ID_START) return;
      this.#byServer.delete(id, true);
      if (object.clientId !== 0) {
        this.#byClient.delete(object.clientId, false);
        this.#confirmDestroyed(object.clientId);
      }
      return;
    }
    const code = readUint(bytes, offset + 12);
    const text = readString(bytes, offset + 16);
    const clientId = this.#clientIdOf(id);
    // An error about an object of ours is our fault, not the client's, and its code would mean nothing to it; about one that
    // the client has destroyed, its library would complain of the id instead.
    this.fail(
      clientId !== 0
        ? new ProtocolError(clientId, code, text)
        : new ProtocolError(
            1,
            DisplayError.Implementation,
            `virtwl: ${object?.interface.name ?? id}: error ${code}: ${text}`,
          ),
    );
  }

  // ---- both ----------------------------------------------------------------------------------------------------

  /** Counts the place of a peer's new object, `id` in its own numbers. Places of the relay's own objects are few. */
  #takePlace(table: ObjectMap, id: number): void {
    const { objects } = this.#rules;
    if (objects === undefined || this.#closed || !table.grows(id)) return;
    if (!objects.takePlace())
      throw new ProtocolError(1, DisplayError.NoMemory, 'too many objects of all clients together');
    this.#taken += 1;
  }

  #newObject(iface: Interface, version: number, clientId: number, serverId: number): RelayObject {
    let tables = this.#tables.get(iface);
    if (tables === undefined) {
      tables = {
        requests: handlerTable(iface, iface.requests, this.#rules.requests[iface.name]),
        events: handlerTable(iface, iface.events, this.#rules.events[iface.name]),
      };
      this.#tables.set(iface, tables);
    }
    const object = new RelayObject(iface, version, clientId, serverId, tables.requests, tables.events);
    if (clientId !== 0) this.#byClient.set(clientId, object);
    if (serverId !== 0) this.#byServer.set(serverId, object);
    return object;
  }

  #prepare(
    call: Call,
    object: RelayObject,
    message: Message,
    bytes: Uint8Array,
    offset: number,
    size: number,
    queue: OwnedFd[],
  ): Call {
    call.object = object;
    call.message = message;
    call.bytes = bytes;
    call.offset = offset;
    call.size = size;
    if (message.fds > 0) {
      if (queue.length < message.fds) {
        throw new WireError('fd', `${object.interface.name}.${message.name} came without its file descriptor`);
      }
      call.fds = queue.slice(0, message.fds);
    }
    return call;
  }

  /** The message will come once more, and is traced already. */
  #stalled(arrow: '->' | '<-'): false {
    this.#trace?.stalled(arrow);
    return false;
  }

  /** The message is done with: its fds leave the queue, and those that nobody took are closed. */
  #finish(call: Call, queue: OwnedFd[]): void {
    if (call.message.fds === 0) return;
    queue.splice(0, call.message.fds);
    for (const fd of call.fds) fd?.close();
    call.fds = [];
  }

  #carry(call: Call, carry: (call: Call, fd: OwnedFd) => OwnedFd): OwnedFd[] {
    const carried: OwnedFd[] = [];
    try {
      for (let i = 0; i < call.fds.length; i++) carried.push(carry(call, call.takeFd(i)));
    } catch (error) {
      closeAll(carried);
      throw error;
    }
    return carried;
  }
}

function interfaceNamed(name: string): Interface {
  const iface = interfaces.get(name);
  if (iface === undefined) throw new Error(`no table for the interface ${name}`);
  return iface;
}

function messageNamed(messages: readonly Message[], iface: Interface, name: string): Message {
  const message = messages.find(candidate => candidate.name === name);
  if (message === undefined) throw new Error(`${iface.name} has no message '${name}'`);
  return message;
}

function invalidNewId(id: number): ProtocolError {
  return new ProtocolError(1, DisplayError.InvalidObject, `invalid id ${id} for a new object`);
}
