/**
 * What client and compositor say to a relay: a stream of messages that are mostly right, about objects that mostly exist,
 * most of them round trips, and now and then something broken. It follows what the relay passes on, so that it knows
 * which objects there are on either side.
 */
import { interfaces } from '../../../src/wayland/protocols/index.js';
import type { Arg, Interface, Message } from '../../../src/wayland/interface.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import {
  HEADER_BYTES,
  MIN_SERVER_ID,
  readArgs,
  readOpcode,
  readSize,
  readUint,
  type Bind,
  type WireValue,
} from '../../../src/wayland/wire.js';
import { fdKind } from '../../../src/relay/carriers.js';
import { OwnedFd } from '../../../src/system/fd.js';
import type { Random } from '../../wayland/random.js';

const ALL = [...interfaces.values()];
const AWKWARD = [0, 1, 2, 3, 7, 8, 0xffff, 0x7fffffff, 0x80000000, 0xfeffffff, 0xff000000, 0xffffffff];
/** The most objects of one side, beside those of round trips: bound is more often than destroyed. */
const MANY = 200;

/** What one side says at once. */
const MOST_BYTES = 32 * 1024;

interface Known {
  readonly iface: Interface;
  readonly version: number;
  dead: boolean;
}

/** One side of the connection: what it knows, and what it says. */
export class Talker {
  readonly objects = new Map<number, Known>([[1, { iface: interfaces.get('wl_display')!, version: 1, dead: false }]]);
  /** A compositor that does not confirm everything. */
  protected forgetful = true;
  readonly #free: number[] = [];
  #next: number;
  /** Bytes of a message that has not arrived whole. */
  #rest = new Uint8Array(0);
  /** A compositor's answers that are still to be given. */
  readonly #owed: { readonly id: number; readonly done: boolean }[] = [];
  #serial = 0;
  /** Objects that the message at hand makes. */
  #made: number[] = [];

  constructor(
    readonly role: 'client' | 'compositor',
    protected readonly random: Random,
    /** One message in so many is broken; 0: none. */
    private readonly breaking: number,
  ) {
    this.#next = role === 'client' ? 2 : MIN_SERVER_ID;
  }

  /** Notes what it is told. */
  hear(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let at = 0;
    while (all.length - at >= HEADER_BYTES && readSize(all, at) >= HEADER_BYTES) {
      const size = readSize(all, at);
      if (all.length - at < size) break;
      this.#note(all, at);
      at += size;
    }
    this.#rest = all.slice(at);
  }

  /** Says one message. `quiet`: of round trips, or one that makes nothing and has no fd. The fds are the caller's. */
  say(writer: MessageWriter, quiet: boolean, fd: () => OwnedFd): void {
    const { random } = this;
    const before = writer.length;
    this.#made = [];
    try {
      if (this.role === 'compositor' && this.#owed.length > 0 && random.below(4) > 0) this.#answer(writer);
      else if (this.role === 'client' && random.below(quiet ? 8 : 2) !== 1)
        writer.write(1, SYNC, [this.newId(CALLBACK, 1)]);
      else this.#any(writer, quiet, fd);
    } catch {
      // An argument that the wire cannot carry: it is not said.
    }
    if (writer.length === before) this.#takeBack();
    if (this.breaking > 0 && writer.length > before && random.below(this.breaking) === 0) {
      this.#break(writer, before);
    }
  }

  /** Gives answers until only so many are owed. */
  protected answerUntil(writer: MessageWriter, owed: number): void {
    while (this.#owed.length > owed && writer.length < MOST_BYTES) this.#answer(writer);
  }

  #answer(writer: MessageWriter): void {
    const { random } = this;
    const i = random.below(8) > 0 ? 0 : random.below(this.#owed.length);
    const [{ id, done }] = this.#owed.splice(i, 1) as [{ id: number; done: boolean }];
    if (done && random.below(32) > 0) writer.write(id, DONE, [this.#serial++]);
    if (this.forgetful && random.below(64) === 0) return;
    writer.write(1, DELETE_ID, [id]);
    this.objects.delete(id);
  }

  /** Objects that were to be made by what is not said. */
  #takeBack(): void {
    for (const id of this.#made.reverse()) {
      this.objects.delete(id);
      if (id === this.#next - 1) this.#next -= 1;
      else if (this.role === 'client') this.#free.push(id);
    }
  }

  #any(writer: MessageWriter, quiet: boolean, fd: () => OwnedFd): void {
    const { random } = this;
    const ids = [...this.objects.keys()];
    const id = random.pick(ids);
    const { iface, version, dead } = this.objects.get(id)!;
    const wild = this.breaking > 0 && random.below(this.breaking) === 0;
    if (dead && this.role === 'client' && !wild) return;
    const messages = this.role === 'client' ? iface.requests : iface.events;
    if (messages.length === 0) return;
    const message = random.pick(messages);
    // A compositor may say what is newer than the client has asked for, and it goes no further.
    if (message.since > version && this.role === 'client' && !wild) return;
    if (id === 1 && this.role === 'compositor' && !wild) return;
    const destroys = message.destructor && this.role === 'client';
    if (destroys && random.below(3) > 0) return;
    const makes = message.args.some(({ kind }) => kind === 'new_id' || kind === 'bind');
    if (makes && (quiet || ids.length > MANY) && !wild) return;
    if (message.fds > 0 && (quiet || fdKind(iface.name, message.name) === undefined) && !wild) return;
    const args: WireValue[] = [];
    for (const arg of message.args) {
      const value = this.#value(arg, version, fd);
      if (value === NONE) {
        for (const made of args) if (made instanceof OwnedFd) made.close();
        return;
      }
      args.push(value);
    }
    writer.write(id, message, args);
    if (destroys) this.objects.get(id)!.dead = true;
  }

  #value(arg: Arg, version: number, fd: () => OwnedFd): WireValue | typeof NONE {
    const { random } = this;
    switch (arg.kind) {
      case 'int':
      case 'fixed':
        return random.below(3000) - 1000;
      case 'uint':
        return random.below(8) === 0 ? random.pick(AWKWARD) : random.below(300);
      case 'string':
        if (arg.nullable === true && random.below(3) === 0) return undefined;
        return 'x'.repeat(random.below(30));
      case 'array':
        return new Uint8Array(random.below(30)).map(() => random.below(256));
      case 'fd':
        return fd();
      case 'object': {
        if (arg.nullable === true && random.below(3) === 0) return undefined;
        const fitting = [...this.objects].filter(
          ([, { iface, dead }]) =>
            (!dead || (this.role === 'compositor' && random.below(16) === 0)) &&
            (arg.interface ?? iface.name) === iface.name,
        );
        return fitting.length === 0 ? NONE : random.pick(fitting)[0];
      }
      case 'new_id':
        return this.newId(interfaces.get(arg.interface!)!, version);
      case 'bind': {
        const iface = random.pick(ALL);
        const bound = 1 + random.below(iface.version);
        return { interface: iface.name, version: bound, id: this.newId(iface, bound) };
      }
    }
  }

  protected newId(iface: Interface, version: number): number {
    const { random } = this;
    let id = this.#free.length > 0 && random.below(64) > 0 ? this.#free.pop()! : this.#next++;
    if (this.breaking > 0 && random.below(this.breaking * 2) === 0) id = random.pick([...this.objects.keys(), id + 1]);
    else this.#made.push(id);
    this.objects.set(id, { iface, version, dead: false });
    return id;
  }

  #break(writer: MessageWriter, from: number): void {
    const { random } = this;
    const words = (writer.length - from) >> 2;
    switch (random.below(4)) {
      case 0: // the size, or the opcode
        writer.put(from + 4, ((random.below(12) * 4 + random.below(2)) << 16) | random.below(12));
        break;
      case 1: // the object
        writer.put(from, random.below(2) === 0 ? random.pick(AWKWARD) : random.below(60));
        break;
      case 2: // one of the arguments
        writer.put(from + 4 * random.below(words), random.below(2) === 0 ? random.pick(AWKWARD) : random.below(60));
        break;
      default: // something behind it
        writer.append(new Uint8Array(4), 0, 4);
    }
  }

  #note(bytes: Uint8Array, at: number): void {
    const known = this.objects.get(readUint(bytes, at));
    const message = (this.role === 'client' ? known?.iface.events : known?.iface.requests)?.[readOpcode(bytes, at)];
    if (known === undefined || message === undefined) return;
    const fds = Array.from({ length: message.fds }, () => NO_FD);
    const args = readArgs(message, bytes, at, fds);
    this.told(readUint(bytes, at), known.iface, message, args);
    message.args.forEach((arg, i) => {
      if (arg.kind === 'new_id') this.#learn(args[i] as number, interfaces.get(arg.interface!)!, known.version);
      if (arg.kind !== 'bind') return;
      const { interface: name, version, id } = args[i] as Bind;
      this.#learn(id, interfaces.get(name)!, version);
    });
    if (this.role === 'client') {
      if (message !== DELETE_ID) return;
      this.objects.delete(args[0] as number);
      this.#free.push(args[0] as number);
    } else if (message === SYNC || message === FRAME) this.#owed.push({ id: args[0] as number, done: true });
    else if (message.destructor) {
      const id = readUint(bytes, at);
      known.dead = true;
      if (id < MIN_SERVER_ID) this.#owed.push({ id, done: false });
    }
  }

  /** A message that it hears. */
  protected told(_id: number, _iface: Interface, _message: Message, _args: readonly WireValue[]): void {}

  #learn(id: number, iface: Interface, version: number): void {
    this.objects.set(id, { iface, version, dead: false });
  }
}

const NONE = Symbol('nothing fits');
const NO_FD = { release: () => 0, close: () => undefined } as unknown as OwnedFd;
const display = interfaces.get('wl_display')!;
const CALLBACK = interfaces.get('wl_callback')!;
const DONE = CALLBACK.events[0]!;
const named = (messages: readonly Message[], name: string): Message => messages.find(each => each.name === name)!;
const SYNC = named(display.requests, 'sync');
const FRAME = named(interfaces.get('wl_surface')!.requests, 'frame');
const DELETE_ID = named(display.events, 'delete_id');
