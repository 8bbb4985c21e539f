/**
 * Makes a peer say anything: messages that are mostly right, about objects that mostly exist, with arguments of every
 * kind, and now and then something broken on purpose. The same seed says the same, as long as the answers are the same.
 */
import { OwnedFd } from '../../src/system/fd.js';
import type { Arg, Interface, Message } from '../../src/wayland/interface.js';
import { native } from '../../src/system/native.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../src/wayland/message-writer.js';
import { HEADER_BYTES, MAX_MESSAGE_BYTES, writeUint, type WireValue } from '../../src/wayland/wire.js';
import type { Peer } from './peer.js';
import type { Random } from '../wayland/random.js';

const INTS = [0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 256, 4095, 4096, 0x7fffffff, -0x80000000, 0x40000000, 65536];
const UINTS = [0, 1, 2, 3, 4, 16, 255, 4096, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const SERVER_IDS = 0xff000000;
/** There is nothing that an argument could be. */
const NONE_FITS = Symbol('none fits');

export interface WildOptions {
  /** One in so many messages is broken; Infinity: none. */
  readonly breaking: number;
  /** Arguments that make more sense than any: by message, as in `wl_shm.create_pool`. Undefined: as for any other. */
  readonly sensible?: Readonly<Record<string, (random: Random, target: number) => readonly (WireValue | undefined)[]>>;
  /** Messages that are not said unless broken: they would end the connection too soon. */
  readonly never?: ReadonlySet<string>;
  /** Interfaces whose objects are talked to more often. */
  readonly favourites?: ReadonlySet<string>;
  /** Messages that are said more often, by name as above. */
  readonly likely?: ReadonlySet<string>;
}

export class WildPeer {
  /** Messages said, broken ones included. */
  said = 0;
  readonly #options: WildOptions;
  readonly #free: number[] = [];
  #nextClientId = 2;
  #nextServerId = SERVER_IDS;
  #received = 0;
  /** Globals as the registry told them. */
  readonly #globals: [number, string, number][] = [];

  constructor(
    readonly peer: Peer,
    readonly random: Random,
    options: WildOptions,
  ) {
    this.#options = options;
  }

  /** Says one message, or something like one. */
  step(): void {
    this.#listen();
    this.said += 1;
    const { random, peer } = this;
    const breaking = random.below(1_000_000) < 1_000_000 / this.#options.breaking;
    if (breaking && random.below(6) === 0) {
      this.#garbage();
      return;
    }
    const ids = [...peer.types.keys()];
    let id = random.pick(ids);
    const { favourites } = this.#options;
    if (favourites !== undefined && random.below(3) > 0) {
      const liked = ids.filter(one => favourites.has(peer.types.get(one)!));
      if (liked.length > 0) id = random.pick(liked);
    }
    // A compositor may name objects whose end it has not received yet.
    if (peer.role === 'client' && peer.destroyed.has(id) && !breaking) return;
    const type = interfaces.get(peer.types.get(id)!)!;
    const messages = peer.role === 'client' ? type.requests : type.events;
    const likely =
      random.below(2) === 0 ? messages.filter(({ name }) => this.#options.likely?.has(`${type.name}.${name}`)) : [];
    const message = messages.length === 0 ? undefined : random.pick(likely.length > 0 ? likely : messages);
    if (message === undefined) return;
    if (
      !breaking &&
      (message.since > (peer.versions.get(id) ?? 1) || this.#options.never?.has(`${type.name}.${message.name}`))
    )
      return;
    // A peer that destroys as often as it makes gets nowhere.
    if (message.destructor && random.below(8) > 0) return;
    this.#say(id, type, message, breaking);
  }

  #listen(): void {
    const { received } = this.peer;
    for (; this.#received < received.length; this.#received++) {
      const { name, args } = received[this.#received]!;
      if (name === 'wl_display.delete_id') this.#free.push(args[0] as number);
      if (name === 'wl_registry.global') this.#globals.push(args as [number, string, number]);
    }
  }

  #say(id: number, type: Interface, message: Message, breaking: boolean): void {
    const { random, peer } = this;
    const name = `${type.name}.${message.name}`;
    const sensible = random.below(200) > 0 ? this.#options.sensible?.[name]?.(random, id) : undefined;
    const args: WireValue[] = [];
    for (const [i, arg] of message.args.entries()) {
      const value = sensible?.[i] ?? this.#value(arg, breaking);
      if (value === NONE_FITS) {
        // Not now.
        this.#takeBack(message, args);
        return;
      }
      args.push(value);
    }
    let said: { bytes: Uint8Array; fds: readonly OwnedFd[] };
    const writer = new MessageWriter();
    try {
      if (breaking) {
        writer.write(id, message, args);
        said = { bytes: writer.bytes.slice(), fds: writer.fds };
      } else {
        said = peer.encode(id, message.name, args);
      }
    } catch {
      this.#takeBack(message, args);
      return;
    }
    if (breaking) said = this.#broken(said);
    this.#send(said);
  }

  /** Arguments of a message that is not said after all. */
  #takeBack(message: Message, args: readonly WireValue[]): void {
    args.forEach((arg, i) => {
      if (arg instanceof OwnedFd) arg.close();
      const made = message.args[i]!.kind === 'new_id' ? (arg as number) : (arg as { id?: number } | undefined)?.id;
      if (this.peer.role === 'client' && made !== undefined && made < this.#nextClientId && made > 1)
        this.#free.push(made);
      if (this.peer.role === 'compositor' && made === this.#nextServerId - 1) this.#nextServerId -= 1;
    });
  }

  #send({ bytes, fds }: { bytes: Uint8Array; fds: readonly OwnedFd[] }): void {
    const { random, peer } = this;
    if (random.below(8) > 0 || bytes.length < 2) {
      peer.raw(bytes, fds);
      return;
    }
    const cut = 1 + random.below(bytes.length - 1);
    peer.raw(bytes.subarray(0, cut), fds);
    peer.raw(bytes.subarray(cut));
  }

  #value(arg: Arg, breaking: boolean): WireValue | typeof NONE_FITS {
    const { random } = this;
    switch (arg.kind) {
      case 'int':
        return random.below(2) === 0 ? random.pick(INTS) : random.below(100) - 10;
      case 'uint':
        return random.below(2) === 0 ? random.pick(UINTS) : random.below(100);
      case 'fixed':
        return (random.below(0x20000) - 0x1000) / 256;
      case 'string':
        return arg.nullable === true && random.below(4) === 0 ? undefined : this.#string();
      case 'array':
        return Uint8Array.from({ length: random.below(60) }, () => random.below(256));
      case 'object':
        return this.#object(arg, breaking);
      case 'new_id':
        return this.#newId(breaking);
      case 'bind': {
        if (this.#globals.length === 0) return NONE_FITS;
        const [, iface, version] = random.pick(this.#globals);
        return { interface: iface, version: 1 + random.below(version), id: this.#newId(breaking) };
      }
      case 'fd':
        return this.#fd();
    }
  }

  /** The arguments of a bind that is right. */
  bindArgs(): readonly WireValue[] | undefined {
    this.#listen();
    if (this.#globals.length === 0) return undefined;
    const [name, iface, version] = this.random.pick(this.#globals);
    if (!interfaces.has(iface)) return undefined;
    return [name, { interface: iface, version: 1 + this.random.below(version), id: this.#newId(false) }];
  }

  #string(): string {
    const { random } = this;
    const length = random.below(50) === 0 ? random.below(4060) : random.below(30);
    return Array.from({ length }, () =>
      String.fromCharCode(random.below(20) === 0 ? 0x80 + random.below(0x2000) : 32 + random.below(95)),
    ).join('');
  }

  #object(arg: Arg, breaking: boolean): WireValue | typeof NONE_FITS {
    const { random, peer } = this;
    if (arg.nullable === true && random.below(5) === 0) return undefined;
    if (breaking && random.below(2) === 0) return random.pick([1, 2, 3, 999, SERVER_IDS, 0xffffffff]);
    const fitting = [...peer.types].filter(
      ([id, type]) => !peer.destroyed.has(id) && (arg.interface === undefined || type === arg.interface),
    );
    if (fitting.length === 0) return arg.nullable === true ? undefined : NONE_FITS;
    return random.pick(fitting)[0];
  }

  #newId(breaking: boolean): number {
    const { random, peer } = this;
    if (breaking && random.below(2) === 0) return random.pick([1, 2, 3, 1_000_000, SERVER_IDS, 0xffffffff]);
    if (peer.role === 'compositor') {
      // Now and then one that is in use: the compositor says which of its own are free.
      if (this.#nextServerId > SERVER_IDS && random.below(4) === 0)
        return SERVER_IDS + random.below(this.#nextServerId - SERVER_IDS);
      return this.#nextServerId++;
    }
    return this.#free.pop() ?? this.#nextClientId++;
  }

  /** So many ids are taken already. */
  reserve(next: number): void {
    this.#nextClientId = Math.max(this.#nextClientId, next);
  }

  #fd(): OwnedFd {
    const { random } = this;
    const kind = random.below(12);
    if (kind < 2) {
      const [read, write] = native.pipe();
      native.close(kind === 0 ? read : write);
      return new OwnedFd(kind === 0 ? write : read);
    }
    if (kind === 2) {
      const [one, other] = native.socketpair();
      native.close(other);
      return new OwnedFd(one);
    }
    return new OwnedFd(native.memfd('virtwl-wild', random.pick([0, 1, 4096, 65536]), 0));
  }

  /** Breaks a message that was right. */
  #broken({ bytes, fds }: { bytes: Uint8Array; fds: readonly OwnedFd[] }): {
    bytes: Uint8Array;
    fds: readonly OwnedFd[];
  } {
    const { random } = this;
    let out = bytes;
    switch (random.below(10)) {
      case 0:
        writeUint(out, 0, random.pick([0, 1, 2, 5, 999_999, SERVER_IDS, 0xffffffff]));
        break;
      case 1:
        out[4] = random.below(256);
        break;
      case 2: {
        const size = random.pick([0, 4, 7, 9, 12, 4092, 4096, 4100, 65535, out.length + 4, out.length - 4]);
        out[6] = size;
        out[7] = size >>> 8;
        break;
      }
      case 3:
        if (out.length > HEADER_BYTES)
          writeUint(out, HEADER_BYTES + 4 * random.below((out.length - HEADER_BYTES) / 4), random.pick(UINTS));
        break;
      case 4:
        for (let i = 0; i < 3; i++) out[random.below(out.length)] = random.below(256);
        break;
      case 5: {
        const longer = new Uint8Array(out.length + 4 * (1 + random.below(8)));
        longer.set(out);
        longer[6] = longer.length;
        longer[7] = longer.length >>> 8;
        out = longer;
        break;
      }
      case 6: {
        const shorter = out.slice(0, Math.max(HEADER_BYTES, out.length - 4 * (1 + random.below(3))));
        shorter[6] = shorter.length;
        shorter[7] = shorter.length >>> 8;
        out = shorter;
        break;
      }
      case 7:
        for (const fd of fds) fd.close();
        return { bytes: out, fds: [] };
      case 8:
        return { bytes: out, fds: [...fds, ...Array.from({ length: 1 + random.below(20) }, () => this.#fd())] };
      default:
        break; // as it is: an odd object or id is in it already
    }
    return { bytes: out, fds };
  }

  #garbage(): void {
    const { random, peer } = this;
    const bytes = Uint8Array.from({ length: 1 + random.below(random.pick([8, 64, MAX_MESSAGE_BYTES])) }, () =>
      random.below(256),
    );
    peer.raw(
      bytes,
      Array.from({ length: random.below(3) }, () => this.#fd()),
    );
  }
}
