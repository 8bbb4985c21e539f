/**
 * A Wayland client for our own programs: the frame checker (over a virtio_wl context), capture and the virtual keyboard
 * (over a Unix socket), and tests. It is generic: whatever is in the protocol tables can be spoken, by name.
 *
 * Requests are gathered and leave in one send at the end of the current microtasks. Events are told as they arrive, in
 * order. Ids belong to the display: it hands them out, keeps those of destroyed objects until the compositor has said
 * that it knows (wl_display.delete_id), and closes the fds that arrive for objects nobody listens to.
 *
 * A display ends once, for one reason: closed here, closed there, a protocol error, a broken channel, or an exception in
 * a listener. From then on every promise of it rejects with that reason, and every request throws it.
 */
import { join } from 'node:path';
import { EventEmitter } from 'eventemitter3';
import type { Channel } from '../system/channel.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import { UnixSocket } from '../system/unix-socket.js';
import { Flow } from '../wayland/flow.js';
import { GlobalTable, type Global } from '../wayland/global-table.js';
import type { Interface, Message } from '../wayland/interface.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { Outbox } from '../wayland/outbox.js';
import { interfaces } from '../wayland/protocols/index.js';
import { WaylandObject, type ObjectOwner } from './wayland-object.js';
import {
  checkMessage,
  DISPLAY_ID,
  MAX_CLIENT_ID,
  MIN_SERVER_ID,
  readArgs,
  readOpcode,
  readUint,
  WireError,
  type WireValue,
} from '../wayland/wire.js';

/** Most objects at a time, destroyed ones that are not confirmed included: a compositor cannot make us hold more. */
const MAX_OBJECTS = 100_000;

/** The compositor ended the connection with wl_display.error: this client's mistake, in the compositor's eyes. */
export class WaylandProtocolError extends Error {
  override readonly name = 'WaylandProtocolError';
  constructor(
    /** The interface of the object at fault, or 'unknown' for an id that this client does not have. */
    readonly interfaceName: string,
    readonly objectId: number,
    readonly code: number,
    readonly reason: string,
  ) {
    super(`the compositor reports a protocol error of ${interfaceName}#${objectId}, code ${code}: ${reason}`);
  }
}

/** The connection ended without a protocol error: closed by the compositor, or by this program. */
export class DisconnectedError extends Error {
  override readonly name = 'DisconnectedError';
}

export interface DisplayEvents {
  global: (global: Global) => void;
  globalRemove: (global: Global) => void;
  /** The display has ended, not by its own `close()`. Told once. */
  end: (reason: Error) => void;
}

/**
 * The path of the compositor's socket that the environment names: WAYLAND_DISPLAY (default `wayland-0`), in
 * XDG_RUNTIME_DIR unless it is absolute.
 * @throws Error when XDG_RUNTIME_DIR is needed and missing
 */
export function displayPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const name = env.WAYLAND_DISPLAY || 'wayland-0';
  if (name.startsWith('/')) return name;
  const directory = env.XDG_RUNTIME_DIR;
  if (!directory) {
    throw new Error(
      `XDG_RUNTIME_DIR is not set, so there is no directory to look for '${name}' in; set it, or give ` +
        'WAYLAND_DISPLAY as an absolute path',
    );
  }
  return join(directory, name);
}

/** Is told every message of a display: requests (`->`) as they are written, events (`<-`) as they came. The fds are lent. */
export interface MessageTrace {
  own(arrow: '->' | '<-', iface: string, id: number, message: Message, args: readonly WireValue[]): void;
}

/** A connection to a compositor. */
export class Display extends EventEmitter<DisplayEvents> {
  readonly #channel: Channel;
  readonly #out: Outbox;
  readonly #flow: Flow;
  /** Living objects, and destroyed ones whose ids are still taken. */
  readonly #objects = new Map<number, WaylandObject>();
  readonly #freeIds: number[] = [];
  #nextId = DISPLAY_ID + 1;
  readonly #globals = new GlobalTable();
  readonly #boundOnce = new Map<string, WaylandObject>();
  readonly #waiting = new Set<(reason: Error) => void>();
  #ended: Error | undefined;
  #flushPlanned = false;
  readonly #owner: ObjectOwner;
  readonly #displayObject: WaylandObject<'wl_display'>;
  readonly #registry: WaylandObject<'wl_registry'>;

  /**
   * Connects, and resolves when the compositor has announced its globals.
   * @param to a socket's path, or a channel, which becomes the display's and must not be started yet
   * @param trace is told every message, those of connecting too
   * @throws Error of the connect(2), or the reason for which the compositor closed the connection
   */
  static async connect(to: string | Channel, trace?: MessageTrace): Promise<Display> {
    const display = new Display(typeof to === 'string' ? UnixSocket.connect(to) : to, trace);
    try {
      await display.roundtrip();
    } catch (error) {
      display.close();
      throw error;
    }
    return display;
  }

  private constructor(
    channel: Channel,
    private readonly trace: MessageTrace | undefined,
  ) {
    super();
    this.#channel = channel;
    this.#out = new Outbox(channel);
    this.#owner = {
      create: (type, version) => this.#createObject(type, version),
      write: (object, message, values) => this.#write(object, message, values),
      forget: object => this.#release(object),
      retire: object => object.markDestroyed(),
    };
    this.#flow = new Flow(channel, this.#out, {
      dispatch: (bytes, offset, size, fds) => this.#dispatch(bytes, offset, size, fds),
      batchDone: () => undefined,
      end: () => this.#fail(new DisconnectedError('the compositor closed the connection')),
      error: error => this.#fail(error),
      broken: error => this.#fail(error),
    });
    this.#displayObject = this.#adopt(DISPLAY_ID, this.interfaceNamed('wl_display'), 1);
    this.#displayObject.on('error', (object: WaylandObject | undefined, code, reason) => {
      this.#fail(new WaylandProtocolError(object?.interface.name ?? 'unknown', object?.id ?? 0, code, reason));
    });
    this.#displayObject.on('delete_id', (id: number) => this.#deleteId(id));
    this.#registry = this.#displayObject.create('get_registry');
    this.#registry.on('global', (name: number, interfaceName: string, version: number) => {
      const global = { name, interface: interfaceName, version };
      this.#globals.add(global);
      this.emit('global', global);
    });
    this.#registry.on('global_remove', (name: number) => {
      const global = this.#globals.get(name);
      if (global === undefined) return;
      this.#globals.delete(name);
      this.emit('globalRemove', global);
    });
    this.#flow.start();
  }

  /** What the compositor offers now. */
  get globals(): readonly Global[] {
    return [...this.#globals];
  }

  /** Why the display has ended; undefined while it lives. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** How many ids are taken, those of destroyed objects that the compositor has not confirmed included. */
  get objectCount(): number {
    return this.#objects.size;
  }

  /** Whether the compositor reads more slowly than this program writes: produce nothing until a roundtrip. */
  get backedUp(): boolean {
    return this.#out.backedUp;
  }

  /** The global of this interface that was announced first. */
  find(interfaceName: string): Global | undefined {
    for (const global of this.#globals) if (global.interface === interfaceName) return global;
    return undefined;
  }

  /**
   * Binds a global, given itself or by its interface.
   * @param version at most this; the result has the least of it, the compositor's and the tables'
   * @throws Error when the compositor does not offer it
   */
  bind<N extends InterfaceName>(global: N, version?: number): WaylandObject<N>;
  bind(global: Global, version?: number): WaylandObject;
  bind(global: string | Global, version = Infinity): WaylandObject {
    const found = typeof global === 'string' ? this.find(global) : global;
    if (found === undefined)
      throw new Error(`the compositor does not offer ${typeof global === 'string' ? global : global.interface}`);
    const type = this.interfaceNamed(found.interface);
    return this.#registry.bind(found.name, type, Math.min(version, found.version, type.version));
  }

  /**
   * As {@link bind}, but only the first time: for globals that are factories and that one object serves all. Later
   * calls return the same object, whatever their version.
   */
  bindOnce<N extends InterfaceName>(interfaceName: N, version = Infinity): WaylandObject<N> {
    const bound = this.#boundOnce.get(interfaceName);
    if (bound !== undefined && !bound.destroyed) return bound;
    const object = this.bind(interfaceName, version);
    this.#boundOnce.set(interfaceName, object);
    return object;
  }

  /** The table of an interface. @internal */
  interfaceNamed<N extends string>(name: N | undefined): Interface & { name: N } {
    const found = name === undefined ? undefined : interfaces.get(name);
    if (found === undefined) throw new Error(`there is no protocol table for ${String(name)}`);
    return found as Interface & { name: N };
  }

  /** Sends what was gathered, now. */
  flush(): void {
    if (this.#ended === undefined) this.#out.flush();
  }

  /** Resolves when the compositor has handled everything sent so far, and its events have been told. */
  roundtrip(): Promise<void> {
    return this.until<void>(resolve => this.sync(resolve));
  }

  /** As {@link roundtrip}, with a function instead of a promise: it runs among the events, in their order. */
  sync(done: () => void): void {
    this.#displayObject.create('sync').on('done', done);
  }

  /**
   * A promise that also rejects, with the reason, when the display ends: for everything that waits for events.
   */
  until<T>(begin: (resolve: (value: T) => void, reject: (reason: Error) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      const fail = (reason: Error): void => {
        this.#waiting.delete(fail);
        reject(reason);
      };
      this.#waiting.add(fail);
      const succeed = (value: T): void => {
        this.#waiting.delete(fail);
        resolve(value);
      };
      try {
        begin(succeed, fail);
      } catch (error) {
        fail(error as Error);
      }
    });
  }

  /** Ends the display: what is gathered is sent, and what waits rejects. Idempotent. */
  close(): void {
    if (this.#ended !== undefined) return;
    this.#out.flush();
    this.removeAllListeners();
    this.#end(new DisconnectedError('the display was closed by this program'));
  }

  #fail(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#end(reason);
    this.emit('end', reason);
  }

  #end(reason: Error): void {
    this.#ended = reason;
    this.#flow.close();
    this.#out.discard();
    this.#channel.closeWhenDrained();
    for (const fail of [...this.#waiting]) fail(reason);
  }

  #write(object: WaylandObject, message: Message, values: readonly WireValue[]): void {
    if (this.#ended !== undefined) throw this.#ended;
    this.trace?.own('->', object.interface.name, object.id, message, values);
    this.#out.write(object.id, message, values);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    queueMicrotask(() => {
      this.#flushPlanned = false;
      this.flush();
    });
  }

  #createObject(type: Interface, version: number): WaylandObject {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#objects.size >= MAX_OBJECTS)
      throw new Error(`${MAX_OBJECTS} Wayland objects live at a time, no more may`);
    return this.#adopt(this.#freeIds.pop() ?? this.#nextId++, type, version);
  }

  #adopt<N extends string>(id: number, type: Interface & { name: N }, version: number): WaylandObject<N> {
    const object = new WaylandObject<N>(this, this.#owner, id, type, version);
    this.#objects.set(id, object);
    return object;
  }

  #deleteId(id: number): void {
    const object = this.#objects.get(id);
    if (object === undefined || id === DISPLAY_ID || id > MAX_CLIENT_ID) {
      throw new WireError('value', `the compositor deletes object id ${id}, which this client does not use`);
    }
    this.#release(object);
  }

  #release(object: WaylandObject): void {
    object.markDestroyed();
    this.#objects.delete(object.id);
    this.#freeIds.push(object.id);
  }

  #dispatch(bytes: Uint8Array, offset: number, size: number, fds: OwnedFd[]): boolean {
    const id = readUint(bytes, offset);
    const object = this.#objects.get(id);
    if (object === undefined)
      throw new WireError('value', `an event for object id ${id}, which this client does not use`);
    const event = object.interface.events[readOpcode(bytes, offset)];
    if (event === undefined) {
      throw new WireError(
        'value',
        `event number ${readOpcode(bytes, offset)} for ${String(object)}, which has none such`,
      );
    }
    checkMessage(event, bytes, offset, size);
    const values = readArgs(event, bytes, offset, fds);
    this.trace?.own('<-', object.interface.name, id, event, values);
    let told: unknown[] | undefined;
    try {
      told = this.#decode(object, event, values);
    } finally {
      if (told === undefined) closeAll(values.filter(isFd));
    }
    if (object.destroyed) {
      // Sent before the compositor knew. What it made in passing is as unwanted as the event.
      event.args.forEach((arg, i) => {
        if (arg.kind === 'new_id') (told[i] as WaylandObject).markDestroyed();
      });
      closeAll(values.filter(isFd));
      return true;
    }
    if (event.destructor) object.markDestroyed();
    if (!object.tell(event.name, told)) closeAll(values.filter(isFd));
    return true;
  }

  /** Ids become objects. */
  #decode(parent: WaylandObject, event: Message, values: readonly WireValue[]): unknown[] {
    return event.args.map((arg, i) => {
      const value = values[i];
      if (arg.kind === 'object') {
        const target = value === undefined ? undefined : this.#objects.get(value as number);
        // An error may name an object that is being destroyed; anything else about such a one is out of date.
        return target === undefined || (target.destroyed && parent !== this.#displayObject) ? undefined : target;
      }
      if (arg.kind !== 'new_id') return value;
      const id = value as number;
      const taken = this.#objects.get(id);
      if (id < MIN_SERVER_ID || (taken !== undefined && !taken.destroyed)) {
        throw new WireError('value', `${String(parent)} makes an object with id ${id}, which is not free for it`);
      }
      if (this.#objects.size >= MAX_OBJECTS)
        throw new WireError('value', `the compositor makes over ${MAX_OBJECTS} objects`);
      return this.#adopt(id, this.interfaceNamed(arg.interface), parent.version);
    });
  }
}

function isFd(value: WireValue): value is OwnedFd {
  return typeof value === 'object' && value !== null && 'release' in value;
}
