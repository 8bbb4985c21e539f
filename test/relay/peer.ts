/**
 * One end of a Wayland connection that does only what a test tells it, right or wrong: it encodes what it is told by the
 * tables, sends any bytes and descriptors besides, and notes what it receives. It can be the client or the compositor.
 */
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import type { Interface, Message } from '../../src/wayland/interface.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../src/wayland/message-writer.js';
import {
  checkMessage,
  HEADER_BYTES,
  readArgs,
  readOpcode,
  readSize,
  readUint,
  type Bind,
  type WireValue,
} from '../../src/wayland/wire.js';
import { eventually } from '../eventually.js';
import { testNative } from '../test-native.js';

/** Where the ids begin that a compositor makes. */
const SERVER_IDS = 0xff000000;

/** One message as it arrived. Its fds are the peer's, until a test takes them by {@link Peer.takeFd}. */
export interface Received {
  readonly id: number;
  /** As in `wl_surface.commit`. */
  readonly name: string;
  readonly args: readonly WireValue[];
}

export class Peer {
  readonly socket: UnixSocket;
  /** Everything that arrived, oldest first. */
  readonly received: Received[] = [];
  /** Interfaces of the objects, as both sides have made them. */
  readonly types = new Map<number, string>([[1, 'wl_display']]);
  /** Runs for each message; what it says leaves at once. */
  answer: (received: Received) => void = () => undefined;
  /** The versions of the objects. */
  readonly versions = new Map<number, number>([[1, 1]]);
  /** Objects that the client has destroyed, and whose ids are not free yet. */
  readonly destroyed = new Set<number>();
  /**
   * What arrived and is wrong: an unknown object, a message that breaks its signature, and for a compositor, which has
   * reason to be strict: a destroyed object, one of a wrong interface or version, an id that is in use or out of line.
   */
  readonly faults: string[] = [];
  ended = false;
  /** Bytes that arrived, whole messages or not. */
  bytes = 0;
  readonly #fd: OwnedFd | null;
  #rest = new Uint8Array(0);
  #fds: OwnedFd[] = [];
  readonly #kept = new Set<OwnedFd>();
  readonly #byName = new Map<string, Received[]>();
  #nextId = 2;
  /** The highest id of a client's so far. */
  #highest = 1;
  #serial = 0;

  /** Takes ownership of the socket and starts it, unless it is not to read at all. */
  constructor(
    readonly role: 'client' | 'compositor',
    end: OwnedFd | UnixSocket,
    reading = true,
  ) {
    this.#fd = end instanceof OwnedFd ? end : null;
    this.socket =
      end instanceof OwnedFd ? new UnixSocket(end, { maxQueuedBytes: 256 << 20, maxQueuedFds: 10_000 }) : end;
    this.socket.on('data', (bytes, fds) => this.#receive(bytes, fds));
    this.socket.on('end', () => (this.ended = true));
    this.socket.on('error', () => (this.ended = true));
    if (reading) this.socket.start();
  }

  /** Two ends: what a relay is given, and the peer behind it. */
  static pair(role: 'client' | 'compositor', reading = true): { channel: UnixSocket; peer: Peer } {
    const [ours, theirs] = native.socketpair();
    return { channel: new UnixSocket(new OwnedFd(ours)), peer: new Peer(role, new OwnedFd(theirs), reading) };
  }

  /** An id that this client has not used yet. */
  newId(): number {
    return this.#nextId++;
  }

  /** Encodes a message. The bytes are the caller's. */
  encode(id: number, name: string, args: readonly WireValue[] = []): { bytes: Uint8Array; fds: readonly OwnedFd[] } {
    const type = this.#typeOf(id);
    const messages = this.role === 'client' ? type.requests : type.events;
    const message = messages.find(item => item.name === name);
    if (message === undefined) throw new Error(`${type.name} has no '${name}'`);
    const writer = new MessageWriter();
    writer.write(id, message, args);
    this.#noteTypes(message, args, id);
    if (message.name === 'delete_id' && id === 1) this.#free(args[0] as number);
    return { bytes: writer.bytes.slice(), fds: writer.fds };
  }

  /** Says one message at once. New ids among the arguments become known. */
  say(id: number, name: string, args: readonly WireValue[] = []): void {
    const { bytes, fds } = this.encode(id, name, args);
    this.socket.send(bytes, fds);
  }

  /** Says a request that makes an object and returns its id, which stands in `args` as `'new'`. */
  make(id: number, name: string, args: readonly WireValue[] = ['new']): number {
    const made = this.newId();
    this.say(
      id,
      name,
      args.map(arg => (arg === 'new' ? made : arg)),
    );
    return made;
  }

  /** Binds a global. */
  bind(registry: number, name: number, iface: string, version: number): number {
    const id = this.newId();
    this.say(registry, 'bind', [name, { interface: iface, version, id }]);
    return id;
  }

  /** Says bytes as they are. */
  raw(bytes: Uint8Array | readonly number[], fds: readonly OwnedFd[] = []): void {
    this.socket.send(bytes instanceof Uint8Array ? bytes : new Uint8Array(Uint32Array.from(bytes).buffer), fds);
  }

  /** A message from its words: object, opcode, body. */
  words(id: number, opcode: number, ...body: number[]): void {
    this.raw([id, ((HEADER_BYTES + 4 * body.length) << 16) | opcode, ...body]);
  }

  /** What arrived under this name. */
  all(name: string): readonly Received[] {
    return this.#byName.get(name) ?? [];
  }

  /** The last that arrived under this name. */
  last(name: string): Received {
    const found = this.all(name).at(-1);
    if (found === undefined) throw new Error(`no ${name} among ${this.received.map(item => item.name).join(', ')}`);
    return found;
  }

  async receives(name: string, times = 1): Promise<Received> {
    await eventually(`${this.role} receives ${name}`, () => this.all(name).length >= times);
    return this.last(name);
  }

  async isEnded(): Promise<void> {
    await eventually(`the connection of the ${this.role} ends`, () => this.ended);
  }

  /** A client's round trip: everything said so far is answered. */
  async roundtrip(): Promise<void> {
    const callback = this.make(1, 'sync');
    await eventually(
      'a round trip',
      () => this.ended || this.received.some(item => item.id === callback && item.name === 'wl_callback.done'),
    );
  }

  /** Answers `sync`, as a compositor does, and confirms what is destroyed. */
  answerBasics(received: Received): void {
    if (received.name === 'wl_display.sync') {
      this.say(received.args[0] as number, 'done', [this.#serial++]);
      this.say(1, 'delete_id', [received.args[0]]);
    } else if (/\.(destroy|release)$/.test(received.name) && received.id < 0xff000000) {
      this.say(1, 'delete_id', [received.id]);
    }
  }

  /** Takes an fd that arrived away from the peer. */
  takeFd(fd: WireValue | undefined): OwnedFd {
    if (!this.#kept.delete(fd as OwnedFd)) throw new Error('not an fd of this peer');
    return fd as OwnedFd;
  }

  /** Descriptors that arrived and were not taken. */
  get fdCount(): number {
    return this.#kept.size + this.#fds.length;
  }

  /** Hangs up for its own part, and goes on to read. */
  halfClose(): void {
    if (this.#fd === null) throw new Error('made of a socket that another object owns');
    testNative.shutdownWrite(this.#fd.fd);
  }

  /** Hangs up. */
  close(): void {
    this.socket.close();
    closeAll([...this.#kept, ...this.#fds]);
    this.#kept.clear();
    this.#fds.length = 0;
  }

  #typeOf(id: number): Interface {
    const name = this.types.get(id);
    const type = name === undefined ? undefined : interfaces.get(name);
    if (type === undefined) throw new Error(`no object ${id} is known`);
    return type;
  }

  #noteTypes(message: Message, args: readonly WireValue[], parent: number): void {
    message.args.forEach((arg, i) => {
      if (arg.kind === 'new_id') this.#note(args[i] as number, arg.interface!, this.versions.get(parent) ?? 1);
      if (arg.kind === 'bind') {
        const bind = args[i] as Bind;
        this.#note(bind.id, bind.interface, bind.version);
      }
    });
    if (message.destructor && this.types.has(parent)) this.destroyed.add(parent);
  }

  #note(id: number, iface: string, version: number): void {
    this.types.set(id, iface);
    this.versions.set(id, version);
    this.destroyed.delete(id);
    if (id < SERVER_IDS) this.#highest = Math.max(this.#highest, id);
  }

  #free(id: number): void {
    if (id === 1) return; // wl_display stays, whatever the peer says
    this.types.delete(id);
    this.versions.delete(id);
    this.destroyed.delete(id);
  }

  /** What a compositor would not accept about a request whose signature is right. */
  #judge(type: Interface, message: Message, id: number, args: readonly WireValue[]): void {
    const fault = (text: string): void => void this.faults.push(`${type.name}#${id}.${message.name}: ${text}`);
    if (this.destroyed.has(id)) fault('the object is destroyed');
    if (message.since > (this.versions.get(id) ?? 1)) fault(`newer than version ${this.versions.get(id)}`);
    message.args.forEach((arg, i) => {
      if (arg.kind === 'object' && args[i] !== undefined) {
        const given = this.types.get(args[i] as number);
        if (given === undefined || this.destroyed.has(args[i] as number)) fault(`${arg.name} is no object`);
        else if (arg.interface !== undefined && given !== arg.interface) fault(`${arg.name} is a ${given}`);
      }
      const made = arg.kind === 'new_id' ? (args[i] as number) : arg.kind === 'bind' ? (args[i] as Bind).id : undefined;
      if (made === undefined) return;
      if (made >= SERVER_IDS || this.types.has(made)) fault(`the new id ${made} is in use`);
      else if (made > this.#highest + 1) fault(`the new id ${made} is out of line: ${this.#highest} was the last`);
    });
  }

  #receive(bytes: Uint8Array, fds: OwnedFd[]): void {
    this.bytes += bytes.length;
    this.#fds.push(...fds);
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const size = readSize(all, at);
      if (all.length - at < size || size < HEADER_BYTES) break;
      this.#readMessage(all, at, size);
      at += size;
    }
    this.#rest = all.slice(at);
  }

  #readMessage(bytes: Uint8Array, at: number, size: number): void {
    const id = readUint(bytes, at);
    const type = interfaces.get(this.types.get(id) ?? '');
    const message = (this.role === 'client' ? type?.events : type?.requests)?.[readOpcode(bytes, at)];
    if (message === undefined) {
      this.faults.push(`opcode ${readOpcode(bytes, at)} of object ${id} (${type?.name ?? 'unknown'})`);
      return;
    }
    let args: WireValue[];
    try {
      checkMessage(message, bytes, at, size);
      args = readArgs(message, bytes, at, this.#fds);
    } catch (error) {
      this.faults.push(`${type!.name}.${message.name}: ${(error as Error).message}`);
      return;
    }
    for (const arg of args) if (arg instanceof OwnedFd) this.#kept.add(arg);
    if (this.role === 'compositor') this.#judge(type!, message, id, args);
    this.#noteTypes(message, args, id);
    if (this.role === 'client' && message.name === 'delete_id' && id === 1) this.#free(args[0] as number);
    const received = { id, name: `${type!.name}.${message.name}`, args };
    this.received.push(received);
    const alike = this.#byName.get(received.name);
    if (alike === undefined) this.#byName.set(received.name, [received]);
    else alike.push(received);
    this.answer(received);
  }
}

/** Lets everything that is under way between sockets of this process arrive: each hop takes a turn of the loop. */
export async function settle(turns = 12): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise(resolve => setImmediate(resolve));
}
