/**
 * Plays steps on a connection of its own, as a client that keeps nothing to itself: requests go out in the order of the
 * steps, ids that a compositor confirmed are used again, and what it says is remembered only as far as later steps name it
 * (serials, strings, objects that it made). A step whose object never came about is skipped.
 */
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import type { Interface } from '../../../src/wayland/interface.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import {
  checkMessage,
  DISPLAY_ID,
  MIN_SERVER_ID,
  readArgs,
  readOpcode,
  readSize,
  readUint,
  type WireValue,
} from '../../../src/wayland/wire.js';
import { DISPLAY_SLOT, interfaceNamed, messageNamed, type Argument, type Step } from './step.js';

/** Bytes or fds over which what was written is sent, though no roundtrip is due. */
const SEND_BYTES = 16 * 1024;
const SEND_FDS = 16;
/** How long a roundtrip may take before the client gives up, in milliseconds. */
const ROUNDTRIP_MS = 10_000;
/** Serials, and objects of the compositor's making, that are remembered. */
const REMEMBERED = 16;

/** The person at the seat. */
export interface User {
  move(x: number, y: number): void;
  button(pressed: boolean): void;
  key(): void;
  /** Resolves when the compositor has handled all of it. */
  done(): Promise<void>;
}

/** How a connection went. */
export interface Outcome {
  /** Requests that left, the roundtrips' own not counted. */
  readonly requests: number;
  /** The compositor's protocol error, if it sent one. */
  readonly error?: string;
  /** It was closed without one. */
  readonly closed: boolean;
  /** A roundtrip was not answered in time. */
  readonly silent: boolean;
  /**
   * The error is of an xdg_surface, and a popup was dismissed since the last roundtrip: what was said of it and the
   * dismissal were on their ways at the same time, which nobody can help.
   */
  readonly overtaken: boolean;
}

interface Held {
  readonly id: number;
  readonly type: Interface;
  readonly version: number;
}

export class Player {
  readonly #socket: UnixSocket;
  readonly #out = new MessageWriter();
  readonly #user: User | undefined;
  /** Objects by slot, and by id. */
  readonly #slots = new Map<number, Held>();
  readonly #ids = new Map<number, Held>();
  readonly #free: number[] = [];
  #nextId = DISPLAY_ID + 1;
  #input = Buffer.alloc(0);
  readonly #fds: OwnedFd[] = [];
  readonly #globals = new Map<string, { name: number; version: number }>();
  readonly #configures = new Map<number, number>();
  readonly #serials: number[] = [];
  readonly #said = new Map<string, string>();
  readonly #made: Held[] = [];
  #awaited: { readonly id: number; readonly done: (answered: boolean) => void } | undefined;
  #error: string | undefined;
  /** A popup was dismissed since the last roundtrip. */
  #dismissed = false;
  #overtaken = false;
  #closed = false;
  #requests = 0;

  private constructor(path: string, user: User | undefined) {
    this.#user = user;
    this.#hold(DISPLAY_SLOT, DISPLAY_ID, interfaceNamed('wl_display'), 1);
    this.#socket = UnixSocket.connect(path);
    this.#socket.on('data', (bytes, fds) => this.#receive(bytes, fds));
    this.#socket.on('end', () => this.#end());
    this.#socket.on('error', () => this.#end());
    this.#socket.start();
  }

  /** Plays all of it, or what comes before the connection ends; the connection is closed then. */
  static async play(path: string, steps: readonly Step[], user?: User): Promise<Outcome> {
    const player = new Player(path, user);
    try {
      return await player.#play(steps);
    } finally {
      player.#socket.close();
      for (const fd of player.#fds) fd.close();
    }
  }

  async #play(steps: readonly Step[]): Promise<Outcome> {
    const registry = this.#newId(interfaceNamed('wl_registry'), 1);
    this.#write(this.#slots.get(DISPLAY_SLOT)!, 'get_registry', [registry.id]);
    let answered = await this.#roundtrip();
    for (const step of steps) {
      if (this.#closed || !answered) break;
      switch (step.kind) {
        case 'roundtrip':
          answered = await this.#roundtrip();
          break;
        case 'user':
          await this.#use(step);
          break;
        case 'bind':
          this.#bind(registry, step.interface, step.version, step.makes);
          break;
        case 'take':
          this.#take(step.interface, step.makes);
          break;
        case 'request':
          this.#request(step);
      }
    }
    if (!this.#closed && answered) answered = await this.#roundtrip();
    return {
      requests: this.#requests,
      ...(this.#error !== undefined && { error: this.#error }),
      closed: this.#closed && this.#error === undefined,
      silent: !answered && !this.#closed,
      overtaken: this.#overtaken,
    };
  }

  async #use(step: Extract<Step, { kind: 'user' }>): Promise<void> {
    this.#flush();
    const user = this.#user;
    if (user === undefined) return;
    if (step.does === 'move') user.move(step.x, step.y);
    else if (step.does === 'key') user.key();
    else user.button(step.does === 'press');
    await user.done();
  }

  #bind(registry: Held, name: string, version: number, makes: number): void {
    const global = this.#globals.get(name);
    if (global === undefined) return;
    const type = interfaceNamed(name);
    const held = this.#newId(type, Math.min(version, global.version));
    this.#slots.set(makes, held);
    this.#write(registry, 'bind', [global.name, { interface: name, version: held.version, id: held.id }]);
    this.#requests += 1;
  }

  #take(name: string, makes: number): void {
    const at = this.#made.findLastIndex(held => held.type.name === name);
    if (at >= 0) this.#slots.set(makes, this.#made.splice(at, 1)[0]!);
  }

  #request(step: Extract<Step, { kind: 'request' }>): void {
    const target = this.#slots.get(step.target);
    if (target === undefined) return;
    const message = messageNamed(target.type, step.name);
    if (message.since > target.version) return;
    const rest = [...step.args];
    const values: WireValue[] = [];
    let made: Held | undefined;
    for (const arg of message.args) {
      if (arg.kind === 'new_id') {
        made = this.#newId(interfaceNamed(arg.interface!), target.version);
        values.push(made.id);
        continue;
      }
      const given = rest.shift();
      const value = given === undefined ? undefined : this.#value(given);
      const absent = given === undefined && arg.nullable !== true;
      if (absent || (given !== undefined && value === undefined)) {
        for (const other of values) if (other instanceof OwnedFd) other.close();
        if (made !== undefined) this.#forget(made);
        return;
      }
      values.push(value);
    }
    if (made !== undefined && step.makes !== undefined) this.#slots.set(step.makes, made);
    this.#write(target, step.name, values);
    this.#requests += 1;
  }

  /** undefined where what it names never came about. */
  #value(value: NonNullable<Argument>): WireValue | undefined {
    if (typeof value !== 'object' || value instanceof Uint8Array) return value;
    if ('slot' in value) return this.#slots.get(value.slot)?.id;
    if ('configureOf' in value) return this.#takeConfigure(this.#slots.get(value.configureOf)?.id ?? 0);
    if ('input' in value) return this.#serials.at(-1 - value.input) ?? 0;
    if ('memory' in value) return new OwnedFd(native.memfd('fuzz', value.memory, 0));
    if ('said' in value) return this.#said.get(value.said) ?? 'nothing was said';
    const [read, write] = native.pipe();
    native.close(read);
    return new OwnedFd(write);
  }

  /** A configure is acknowledged once, and not before there is one. */
  #takeConfigure(id: number): number | undefined {
    const serial = this.#configures.get(id);
    this.#configures.delete(id);
    return serial;
  }

  async #roundtrip(): Promise<boolean> {
    if (this.#closed) return false;
    const callback = this.#newId(interfaceNamed('wl_callback'), 1);
    this.#write(this.#slots.get(DISPLAY_SLOT)!, 'sync', [callback.id]);
    this.#flush();
    return new Promise(resolve => {
      const timer = setTimeout(() => finish(false), ROUNDTRIP_MS);
      const finish = (answered: boolean): void => {
        clearTimeout(timer);
        this.#awaited = undefined;
        resolve(answered);
      };
      this.#awaited = { id: callback.id, done: finish };
      if (this.#closed) finish(false);
    });
  }

  #newId(type: Interface, version: number): Held {
    const held = { id: this.#free.pop() ?? this.#nextId++, type, version };
    this.#ids.set(held.id, held);
    return held;
  }

  #hold(slot: number, id: number, type: Interface, version: number): void {
    const held = { id, type, version };
    this.#slots.set(slot, held);
    this.#ids.set(id, held);
  }

  /** An id that the compositor does not know. */
  #forget(held: Held): void {
    this.#ids.delete(held.id);
    if (held.id === this.#nextId - 1) this.#nextId -= 1;
    else this.#free.push(held.id);
  }

  #write(target: Held, name: string, values: readonly WireValue[]): void {
    this.#out.write(target.id, messageNamed(target.type, name), values);
    if (this.#out.length >= SEND_BYTES || this.#out.fds.length >= SEND_FDS) this.#flush();
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.send(this.#out.bytes, this.#out.fds);
    this.#out.reset();
  }

  #end(): void {
    this.#closed = true;
    this.#awaited?.done(false);
  }

  #receive(bytes: Uint8Array, fds: OwnedFd[]): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    this.#fds.push(...fds);
    let at = 0;
    while (this.#input.length - at >= 8) {
      const size = readSize(this.#input, at);
      if (size < 8 || this.#input.length - at < size) break;
      this.#event(this.#input, at, size);
      at += size;
    }
    this.#input = this.#input.subarray(at);
  }

  #event(bytes: Uint8Array, at: number, size: number): void {
    const held = this.#ids.get(readUint(bytes, at));
    const message = held?.type.events[readOpcode(bytes, at)];
    if (held === undefined || message === undefined) return;
    checkMessage(message, bytes, at, size);
    const values = readArgs(message, bytes, at, this.#fds);
    for (const [i, arg] of message.args.entries()) {
      const value = values[i]!;
      if (value instanceof OwnedFd) value.close();
      else if (arg.kind === 'new_id') this.#serverMade(value as number, arg.interface!, held.version);
      else if (arg.name === 'serial' && /^wl_(pointer|keyboard|touch)$/.test(held.type.name))
        this.#serial(value as number);
      else if (arg.kind === 'string' && typeof value === 'string') this.#said.set(message.name, value);
    }
    this.#understand(held, message.name, values);
  }

  #understand(held: Held, name: string, values: readonly WireValue[]): void {
    switch (`${held.type.name}.${name}`) {
      case 'wl_display.error':
        this.#overtaken = this.#dismissed && this.#ids.get(values[0] as number)?.type.name === 'xdg_surface';
        this.#error = `${this.#ids.get(values[0] as number)?.type.name ?? 'unknown'} ${String(values[1])}: ${String(values[2])}`;
        break;
      case 'wl_display.delete_id': {
        const id = values[0] as number;
        if (this.#ids.delete(id) && id < MIN_SERVER_ID) this.#free.push(id);
        break;
      }
      case 'wl_registry.global':
        if (!this.#globals.has(values[1] as string))
          this.#globals.set(values[1] as string, { name: values[0] as number, version: values[2] as number });
        break;
      case 'wl_callback.done':
        if (this.#awaited?.id !== held.id) break;
        this.#dismissed = false;
        this.#awaited.done(true);
        break;
      case 'xdg_popup.popup_done':
        this.#dismissed = true;
        break;
      case 'xdg_surface.configure':
        this.#configures.set(held.id, values[0] as number);
        break;
      case 'xdg_wm_base.ping':
        this.#write(held, 'pong', [values[0]!]);
    }
  }

  #serial(serial: number): void {
    this.#serials.push(serial);
    if (this.#serials.length > REMEMBERED) this.#serials.shift();
  }

  #serverMade(id: number, name: string, version: number): void {
    const held = { id, type: interfaceNamed(name), version };
    this.#ids.set(id, held);
    this.#made.push(held);
    if (this.#made.length > REMEMBERED) this.#made.shift();
  }
}
