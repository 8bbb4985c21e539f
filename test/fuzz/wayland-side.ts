/**
 * One end of a Wayland connection, client or compositor, that says what an input decides. It knows its objects as a real
 * one does. An honest side says only what the protocol allows, and throws when it receives what it must never receive:
 * whatever a hostile side says, nothing wrong may come out at the other end of what is tested. A hostile side says the
 * same, and now and then something wrong in it.
 */
import { closeAll, type OwnedFd } from '../../src/system/fd.js';
import type { Arg, Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../src/wayland/message-writer.js';
import {
  checkMessage,
  checkSize,
  HEADER_BYTES,
  readArgs,
  readOpcode,
  readSize,
  readUint,
  WireError,
  writeUint,
  type Bind,
  type WireValue,
} from '../../src/wayland/wire.js';
import type { Draw } from './draw.js';
import { drawFd } from './draw-fd.js';
import type { TestChannel } from './test-channel.js';

/** First id that the compositor makes. */
const SERVER_IDS = 0xff000000;
/** There is nothing that an argument could be. */
const NONE_FITS = Symbol('none fits');

const NUMBERS = [0, 1, 2, 3, 4, 16, 64, 256, 4096, 16384, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x34325258];
const STRINGS = ['', 'text/plain', 'a', 'xkb', 'x'.repeat(200), 'ä\u{1f600}', '%n%s', '../..', 'x'.repeat(3000)];
/** Used again for every message: making one costs more than writing into it. */
const writer = new MessageWriter();
/** Parts of one in so many of a hostile side's messages are wrong. */
const WRONG_EVERY = 6;

export interface Received {
  readonly name: string;
  readonly id: number;
  readonly args: readonly WireValue[];
}

interface Thing {
  readonly type: string;
  readonly version: number;
  /** An object that the client has destroyed, while events for it may be on their way. */
  gone: boolean;
}

export class WaylandSide {
  readonly objects = new Map<number, Thing>([[1, { type: 'wl_display', version: 1, gone: false }]]);
  /** Globals that a client has been told of, or that a compositor has announced. */
  readonly globals = new Map<number, { type: string; version: number }>();
  /** What was received, by name. */
  readonly words = new Set<string>();
  /** Keys of slabs that it was told. */
  readonly #keys: string[] = ['none'];
  /** Runs for what was received. */
  answer: (received: Received) => void = () => undefined;
  /** The connection has failed for this side: it received an error, or the end. */
  failed = false;
  #out: { bytes: Uint8Array; fds: OwnedFd[] }[] = [];
  #in: Uint8Array = new Uint8Array(0);
  #fds: OwnedFd[] = [];
  #free: number[] = [];
  #next: number;

  constructor(
    readonly role: 'client' | 'compositor',
    /** The channel that what is tested holds. */
    readonly channel: TestChannel,
    readonly hostile: boolean,
  ) {
    this.#next = role === 'client' ? 2 : SERVER_IDS;
  }

  /** Says a message about one of its objects, as the input decides. */
  speak(draw: Draw): void {
    const wrong = this.hostile && draw.oneIn(WRONG_EVERY);
    const ids = [...this.objects.keys()];
    // The newest are the most interesting.
    const id = draw.oneIn(2)
      ? ids[draw.below(ids.length)]!
      : ids[ids.length - 1 - draw.below(Math.min(6, ids.length))]!;
    const thing = this.objects.get(id)!;
    if (thing.gone && !wrong) return;
    const messages = this.#says(thing.type).filter(message => wrong || message.since <= thing.version);
    if (messages.length === 0) return;
    const message = draw.pick(messages);
    if (!wrong && this.role === 'compositor' && (id === 1 || message.name === 'global_remove')) return;
    const args = this.#args(draw, message, thing, wrong);
    if (args !== undefined) this.say(id, message, args, wrong ? draw : undefined);
  }

  /** Says a message. `spoil`: with something wrong in its bytes, as this decides. */
  say(id: number, message: Message | string, args: readonly WireValue[], spoil?: Draw): void {
    const thing = this.objects.get(id);
    const known =
      typeof message === 'string' ? this.#says(thing?.type ?? '').find(({ name }) => name === message) : message;
    if (known === undefined) throw new Error(`${thing?.type} says no ${String(message)}`);
    writer.reset();
    try {
      writer.write(id, known, args);
    } catch (error) {
      this.#takeBack(known, args);
      // Two long strings can be more than a message holds: then nobody says it.
      if (this.hostile || (error instanceof WireError && error.kind === 'size')) return;
      throw error;
    }
    const bytes = writer.bytes.slice();
    const fds = [...writer.fds];
    this.#learn(known, args, thing?.version ?? 1);
    if (spoil !== undefined) {
      for (let count = spoil.below(3); count > 0; count--) {
        const words = bytes.length / 4;
        writeUint(bytes, 4 * spoil.below(words), spoil.oneIn(2) ? spoil.pick(NUMBERS) : spoil.word());
      }
      if (spoil.oneIn(4)) closeAll(fds.splice(0));
      if (spoil.oneIn(8)) fds.push(drawFd(spoil));
    }
    this.#out.push({ bytes, fds });
    if (known.destructor) this.#destroyed(id);
  }

  /** Says bytes as they are. */
  raw(bytes: Uint8Array, fds: OwnedFd[] = []): void {
    if (bytes.length > 0) this.#out.push({ bytes, fds });
    else closeAll(fds);
  }

  /** Hands over what was said, as far as `most` bytes. Nothing, where the other side does not read. */
  push(most = Infinity): void {
    if (this.#out.length === 0 || !this.channel.reads) return;
    const segments: Uint8Array[] = [];
    const fds: OwnedFd[] = [];
    let room = most;
    while (room > 0 && this.#out.length > 0 && fds.length <= 20) {
      const first = this.#out[0]!;
      fds.push(...first.fds.splice(0));
      const segment = first.bytes.subarray(0, room);
      segments.push(segment);
      room -= segment.length;
      if (segment.length === first.bytes.length) this.#out.shift();
      else this.#out[0] = { bytes: first.bytes.subarray(segment.length), fds: [] };
    }
    this.channel.deliver(Buffer.concat(segments), fds);
  }

  /** Whether something waits to be handed over. */
  get waiting(): boolean {
    return this.#out.length > 0;
  }

  /** Takes what was sent to this side. */
  listen(): void {
    try {
      this.#listen();
    } catch (error) {
      // A hostile side has itself to blame for what it does not understand, and cannot go on behind it.
      if (!this.hostile) throw error;
      this.failed = true;
    }
  }

  #listen(): void {
    const segment = this.channel.takeSent();
    if (segment === undefined) return;
    this.#fds.push(...segment.fds);
    const all = Buffer.concat([this.#in, segment.bytes]);
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const size = readSize(all, at);
      checkSize(size);
      if (all.length - at < size) break;
      this.#receive(all, at, size);
      at += size;
    }
    this.#in = Uint8Array.from(all.subarray(at));
  }

  /** Ends this side and lets go of everything. */
  close(): void {
    for (const { fds } of this.#out.splice(0)) closeAll(fds);
    closeAll(this.#fds.splice(0));
    this.channel.discard();
  }

  /** What is wrong at the end: only whole messages were sent, with no descriptor too many. */
  checkEnd(): void {
    if (this.#in.length > 0) throw new Error(`${this.role}: ${this.#in.length} bytes of a message, and not the rest`);
    if (this.#fds.length > 0)
      throw new Error(`${this.role}: ${this.#fds.length} descriptors that belong to no message`);
  }

  #receive(bytes: Uint8Array, at: number, size: number): void {
    const id = readUint(bytes, at);
    const thing = this.objects.get(id);
    const opcode = readOpcode(bytes, at);
    const message = (
      this.role === 'client' ? interfaces.get(thing?.type ?? '')?.events : interfaces.get(thing?.type ?? '')?.requests
    )?.[opcode];
    const what = `${this.role}: opcode ${opcode} of ${thing?.type ?? 'unknown'}#${id}`;
    if (thing === undefined || message === undefined) {
      throw new Error(`${what}, which is not there`);
    }
    if (!this.hostile && message.since > thing.version)
      throw new Error(`${what}: ${message.name} is newer than version ${thing.version}`);
    if (thing.gone && this.role === 'compositor') throw new Error(`${what}, which was destroyed`);
    checkMessage(message, bytes, at, size);
    if (this.#fds.length < message.fds) throw new Error(`${what}: ${message.name} came without its descriptor`);
    const args = readArgs(message, bytes, at, this.#fds);
    if (!this.hostile) this.#checkObjects(`${what} (${message.name})`, message, args);
    const name = `${thing.type}.${message.name}`;
    this.words.add(`${this.role} receives ${name}`);
    this.#learn(message, args, thing.version);
    if (message.destructor) this.#destroyed(id);
    if (name === 'wl_display.delete_id') this.#deleted(args[0] as number);
    if (name === 'wl_display.error') this.failed = true;
    if (name === 'wl_registry.global')
      this.globals.set(args[0] as number, { type: args[1] as string, version: args[2] as number });
    if (name === 'virtwl_slab_v1.key') this.#keys.push(args[0] as string);
    this.answer({ name, id, args });
    for (const arg of args) if (isFd(arg)) arg.close();
  }

  #checkObjects(what: string, message: Message, args: readonly WireValue[]): void {
    message.args.forEach((arg, i) => {
      const value = args[i];
      if (arg.kind === 'new_id' || arg.kind === 'bind') {
        const id = arg.kind === 'bind' ? (value as Bind).id : (value as number);
        if (id >= SERVER_IDS !== (this.role === 'client'))
          throw new Error(`${what}: the other side's id ${id} for a new object`);
        if (this.role === 'compositor' && this.objects.has(id)) throw new Error(`${what}: the id ${id} is taken`);
      } else if (arg.kind === 'object' && value !== undefined) {
        const object = this.objects.get(value as number);
        const wrongType = arg.interface !== undefined && object?.type !== arg.interface;
        if (object === undefined || wrongType || (object.gone && this.role === 'compositor')) {
          throw new Error(`${what}: ${arg.name} is ${String(value)} (${object?.type ?? 'unknown'})`);
        }
      }
    });
  }

  /** Objects that a message makes. */
  #learn(message: Message, args: readonly WireValue[], version: number): void {
    message.args.forEach((arg, i) => {
      if (arg.kind === 'new_id') this.objects.set(args[i] as number, { type: arg.interface!, version, gone: false });
      if (arg.kind !== 'bind') return;
      const { id, interface: type, version: bound } = args[i] as Bind;
      this.objects.set(id, { type, version: bound, gone: false });
    });
  }

  #destroyed(id: number): void {
    const thing = this.objects.get(id);
    if (thing === undefined || id === 1) return;
    if (this.role === 'client') {
      // Events may be on their way; a compositor uses an id of its own again as it likes.
      thing.gone = true;
      return;
    }
    this.objects.delete(id);
    if (id < SERVER_IDS) this.say(1, 'delete_id', [id]);
    else this.#free.push(id);
  }

  #deleted(id: number): void {
    if (id === 1) return;
    this.objects.delete(id);
    this.#free.push(id);
  }

  /** An id for an object that this side makes. */
  newId(): number {
    return this.#free.pop() ?? this.#next++;
  }

  /** Arguments of a message that is not said after all, or the first of them. Ids are given out without gaps. */
  #takeBack(message: Message, args: readonly WireValue[]): void {
    for (const arg of args) if (isFd(arg)) arg.close();
    message.args.forEach(({ kind }, i) => {
      const id = kind === 'bind' ? (args[i] as Bind | undefined)?.id : args[i];
      if ((kind === 'new_id' || kind === 'bind') && typeof id === 'number' && !this.objects.has(id))
        this.#free.push(id);
    });
  }

  #says(type: string): readonly Message[] {
    const known = interfaces.get(type);
    return (this.role === 'client' ? known?.requests : known?.events) ?? [];
  }

  /** Arguments that fit; undefined where there is no object to name. */
  #args(draw: Draw, message: Message, of: Thing, wrong: boolean): WireValue[] | undefined {
    const values: WireValue[] = [];
    for (const arg of message.args) {
      const value = this.#arg(draw, arg, of, wrong);
      if (value === NONE_FITS) {
        this.#takeBack(message, values);
        return undefined;
      }
      values.push(value);
    }
    return values;
  }

  #arg(draw: Draw, arg: Arg, of: Thing, wrong: boolean): WireValue | typeof NONE_FITS {
    switch (arg.kind) {
      case 'int': {
        const number = draw.oneIn(4) ? draw.pick(NUMBERS) : draw.below(200);
        return number | 0;
      }
      case 'uint':
        // A pool's formats, sizes of memory: small numbers get further.
        return draw.oneIn(4) ? draw.pick(NUMBERS) : draw.below(8);
      case 'fixed':
        return (draw.below(65536) - 32768) / 256;
      case 'string':
        if (arg.nullable === true && draw.oneIn(4)) return undefined;
        if (of.type === 'wl_registry') return draw.pick([...interfaces.keys()]);
        if (of.type === 'virtwl_memory_v1') return draw.pick(this.#keys);
        return draw.oneIn(6)
          ? Buffer.from(draw.take(draw.below(20)))
              .toString('latin1')
              .replaceAll('\0', ' ')
          : draw.pick(STRINGS);
      case 'array':
        return draw.take(4 * draw.below(5));
      case 'new_id':
        return wrong && draw.oneIn(4) ? draw.pick([...this.objects.keys(), ...NUMBERS]) || 1 : this.newId();
      case 'object': {
        const fitting = [...this.objects].filter(
          ([, { type, gone }]) => wrong || (!gone && (arg.interface === undefined || type === arg.interface)),
        );
        if (arg.nullable === true && (fitting.length === 0 || draw.oneIn(4))) return undefined;
        return fitting.length === 0 ? NONE_FITS : draw.pick(fitting)[0];
      }
      case 'bind': {
        const known = [...this.globals];
        if (known.length === 0) return NONE_FITS;
        const [, { type, version }] = draw.pick(known);
        return { interface: type, version: wrong ? draw.byte() : 1 + draw.below(version), id: this.newId() };
      }
      case 'fd':
        return drawFd(draw);
    }
  }
}

function isFd(value: WireValue | undefined): value is OwnedFd {
  return typeof value === 'object' && 'release' in value;
}
