/**
 * A guest's virtio-gpu driver for tests, on the guest memory of a {@link TestFrontEnd}, and a program of that guest: a
 * context with its rings, which sends, polls and reads as clients of cross-domain do.
 */
import { ChannelType, IdType, MAX_IDS, RING_BYTES } from '../../../src/host/gpu-device/cross-domain.js';
import { Control, numbers, Response } from '../../../src/host/gpu-device/wire.js';
import { eventually } from '../../eventually.js';
import { GUEST_ADDRESS, type TestFrontEnd } from '../wl-device/front-end.js';
import { DriverRing } from '../wl-device/guest-driver.js';

export const CONTROL = 0;
export const CURSOR = 1;
const PAGE = 4096;
/** A slot: two pages for the command, a page for its table and its answer. */
const SLOT_BYTES = 3 * PAGE;
const ANSWER_BYTES = 1024;
const ANSWER = SLOT_BYTES - ANSWER_BYTES;

export const FENCE = 1;
const FLAG_RING = 2;

export interface GpuDriverOptions {
  readonly size?: number;
  readonly indirect?: boolean;
}

export class GpuDriver {
  readonly size: number;
  readonly control: DriverRing;
  readonly cursor: DriverRing;
  readonly features: bigint;
  readonly #slots: number;
  readonly #answers = new Map<number, Buffer>();
  #free: number[] = [];
  #fence = 0n;
  #nextId = 1;
  #nextPage = 0;

  constructor(
    readonly frontEnd: TestFrontEnd,
    private readonly options: GpuDriverOptions = {},
  ) {
    this.size = options.size ?? 64;
    const ring = DriverRing.bytes(this.size);
    this.control = new DriverRing(frontEnd, 0, this.size, true);
    this.cursor = new DriverRing(frontEnd, ring, this.size, true);
    this.#slots = 2 * ring;
    const indirect = (options.indirect ?? true) ? 1n << 28n : 0n;
    this.features = 0b11001n | indirect | (1n << 29n) | (1n << 30n) | (1n << 32n);
  }

  /** Begins anew, as after a reset of the device. */
  start(): void {
    new Uint8Array(this.frontEnd.memory.buffer).fill(0, 0, this.#slots);
    for (const ring of [this.control, this.cursor]) ring.availableIndex = ring.usedIndex = 0;
    this.#answers.clear();
    this.#free = Array.from({ length: (this.options.indirect ?? true) ? this.size : this.size / 2 }, (_, i) => i);
    this.#nextPage = this.#slots + SLOT_BYTES * this.size;
    this.resume(0, 0);
  }

  resume(control: number, cursor: number): void {
    this.frontEnd.startQueue(CONTROL, this.size, this.control.rings, control);
    this.frontEnd.startQueue(CURSOR, this.size, this.cursor.rings, cursor);
  }

  /** A page of guest memory that nothing else uses: its offset in the guest's memory. */
  page(): number {
    const page = this.#nextPage;
    this.#nextPage += PAGE;
    return page;
  }

  /** A number that no resource or context has had. */
  id(): number {
    return this.#nextId++;
  }

  /** Puts a command on the queue; its slot. */
  submit(command: Uint8Array): number {
    const slot = this.#free.shift();
    if (slot === undefined) throw new Error('the queue is full');
    const place = this.#slots + SLOT_BYTES * slot;
    new Uint8Array(this.frontEnd.memory.buffer, place, command.length).set(command);
    const answer = place + ANSWER;
    const { control } = this;
    if (this.options.indirect ?? true) {
      control.describeAt(place + 2 * PAGE, place, command.length, 1, 1);
      control.describeAt(place + 2 * PAGE + 16, answer, ANSWER_BYTES, 2);
      control.describe(slot, place + 2 * PAGE, 32, 4);
      if (control.offer(slot)) this.frontEnd.kick(CONTROL);
    } else {
      control.describe(2 * slot, place, command.length, 1, 2 * slot + 1);
      control.describe(2 * slot + 1, answer, ANSWER_BYTES, 2);
      if (control.offer(2 * slot)) this.frontEnd.kick(CONTROL);
    }
    return slot;
  }

  answered(slot: number): boolean {
    for (let used = this.control.take(); used !== undefined; used = this.control.take()) {
      const done = (this.options.indirect ?? true) ? used.head : used.head / 2;
      const place = this.#slots + SLOT_BYTES * done + ANSWER;
      this.#answers.set(done, Buffer.from(this.frontEnd.memory.buffer.slice(place, place + used.written)));
    }
    return this.#answers.has(slot);
  }

  takeAnswer(slot: number): Buffer {
    const answer = this.#answers.get(slot)!;
    this.#answers.delete(slot);
    this.#free.push(slot);
    return answer;
  }

  async finished(slot: number): Promise<Buffer> {
    await eventually('the answer to a command', () => this.answered(slot), 10_000);
    return this.takeAnswer(slot);
  }

  /** A command's whole answer. */
  async command(type: number, context: number, ...body: readonly (number | Uint8Array)[]): Promise<Buffer> {
    return this.finished(this.submit(this.encode(type, context, 0, ...body)));
  }

  /** The type of a command's answer. */
  async type(type: number, context: number, ...body: readonly (number | Uint8Array)[]): Promise<number> {
    return (await this.command(type, context, ...body)).readUInt32LE(0);
  }

  /** A command; `flags` as the header has them, with a fence of its own where they say so. */
  encode(type: number, context: number, flags: number, ...body: readonly (number | Uint8Array)[]): Uint8Array {
    const head = new Uint8Array(24);
    const view = new DataView(head.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, flags, true);
    view.setBigUint64(8, (flags & FENCE) !== 0 ? ++this.#fence : 0n, true);
    view.setUint32(16, context, true);
    view.setUint8(20, (flags & FLAG_RING) !== 0 ? 1 : 0);
    return Buffer.concat([head, ...body.map(part => (typeof part === 'number' ? numbers(part) : part))]);
  }

  /** A blob of the guest's own memory, one page: its id and where it lies. */
  async guestPage(): Promise<{ resource: number; page: number }> {
    const page = this.page();
    const resource = this.id();
    await this.type(Control.ResourceCreateBlob, 0, guestBlob(resource, [[GUEST_ADDRESS + page, PAGE]]));
    return { resource, page };
  }

  /** A blob of the host's memory. */
  hostBlob(context: number, resource: number, blob: number, bytes: number): Promise<number> {
    return this.type(Control.ResourceCreateBlob, context, numbers(resource, 2, 3, 0, blob, 0, bytes, 0));
  }

  map(resource: number, offset: number): Promise<number> {
    const high = Math.floor(offset / 2 ** 32);
    return this.type(Control.ResourceMapBlob, 0, numbers(resource, 0, offset - high * 2 ** 32, high));
  }

  unmap(resource: number): Promise<number> {
    return this.type(Control.ResourceUnmapBlob, 0, numbers(resource, 0));
  }

  unref(resource: number): Promise<number> {
    return this.type(Control.ResourceUnref, 0, numbers(resource, 0));
  }

  attach(context: number, resource: number): Promise<number> {
    return this.type(Control.CtxAttachResource, context, numbers(resource, 0));
  }

  createContext(id: number): Promise<number> {
    return this.type(Control.CtxCreate, id, numbers(4, 5), new Uint8Array(64));
  }

  /** A program of the guest: a context with its rings. */
  async program(): Promise<GpuProgram> {
    const id = this.id();
    await this.createContext(id);
    const query = await this.guestPage();
    const channel = await this.guestPage();
    for (const { resource } of [query, channel]) await this.attach(id, resource);
    return new GpuProgram(this, id, query, channel);
  }
}

/** Fields of CREATE_BLOB for the guest's own memory. */
export function guestBlob(resource: number, entries: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = entries.reduce((sum, [, length]) => sum + length, 0);
  return numbers(
    ...[resource, 1, 1, entries.length, 0, 0, bytes, 0],
    ...entries.flatMap(([address, length]) => [address, 0, length, 0]),
  );
}

/** A message as a program reads it in its ring. */
export interface GpuMessage {
  readonly command: number;
  readonly ids: readonly { readonly id: number; readonly type: number; readonly size: number }[];
  readonly data: Buffer;
  /** Of READ. */
  readonly id: number;
  readonly hangUp: boolean;
  /** Of CONNECTED. */
  readonly errno: number;
}

export class GpuProgram {
  /** Identifiers that its messages have room for. */
  room = MAX_IDS;
  #poll: number | undefined;

  constructor(
    readonly driver: GpuDriver,
    readonly id: number,
    readonly query: { resource: number; page: number },
    readonly channel: { resource: number; page: number },
  ) {}

  /** Submits cross-domain commands; the type of the answer. */
  async submit(commands: Uint8Array, flags = 0): Promise<number> {
    return (await this.driver.finished(this.begin(commands, flags))).readUInt32LE(0);
  }

  /** The same; the slot in which it is answered. */
  begin(commands: Uint8Array, flags = 0): number {
    const body = [numbers(commands.length, 0), commands];
    return this.driver.submit(this.driver.encode(Control.Submit3d, this.id, flags, ...body));
  }

  init(type: number, more: Uint8Array = new Uint8Array(0)): Promise<number> {
    return this.submit(command(1, numbers(this.query.resource, this.channel.resource, type), more));
  }

  /** Connects to a named server; the errno that the device tells. */
  async connect(name: string): Promise<number> {
    const field = new Uint8Array(32);
    field.set(Buffer.from(name));
    await this.init(ChannelType.Named, field);
    return (await this.next()).errno;
  }

  /** Takes a connection that was announced; the errno that the device tells. */
  async take(id: number): Promise<number> {
    const field = new Uint8Array(32);
    field.set(numbers(id), 4);
    await this.init(ChannelType.Named, field);
    return (await this.next()).errno;
  }

  /** A POLL, if none waits. */
  poll(): void {
    this.#poll ??= this.begin(POLL, FENCE | FLAG_RING);
  }

  /** Whether a message is there. */
  get ready(): boolean {
    this.poll();
    return this.driver.answered(this.#poll!);
  }

  /** The next message. */
  async next(): Promise<GpuMessage> {
    await eventually('a message in the ring', () => this.ready, 10_000);
    const answer = this.driver.takeAnswer(this.#poll!);
    this.#poll = undefined;
    if (answer.readUInt32LE(0) !== Response.Ok) throw new Error(`POLL gives 0x${answer.readUInt32LE(0).toString(16)}`);
    return this.read();
  }

  /** What is in the channel's ring. */
  read(): GpuMessage {
    const ring = Buffer.from(
      this.driver.frontEnd.memory.buffer.slice(this.channel.page, this.channel.page + RING_BYTES),
    );
    const word = (at: number): number => ring.readUInt32LE(at);
    const command = word(0);
    if (command > 0xff) throw new Error(`a message that begins with 0x${command.toString(16)}`);
    const none = { command, ids: [], data: Buffer.alloc(0), id: 0, hangUp: false, errno: 0 };
    if (command === 5) {
      const { room } = this;
      const ids = Array.from({ length: word(8) }, (_, i) => ({
        id: word(16 + 4 * i),
        type: word(16 + 4 * (room + i)),
        size: word(16 + 4 * (2 * room + i)),
      }));
      const from = 16 + 12 * room;
      return { ...none, ids, data: ring.subarray(from, from + word(12)) };
    }
    if (command === 6) return { ...none, id: word(8), hangUp: word(12) !== 0, data: ring.subarray(24, 24 + word(16)) };
    if (command === 0x40) return { ...none, errno: word(8) };
    return none;
  }

  /** Data of RECEIVEs until there are so many bytes. */
  async receive(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let had = 0; had < bytes;) {
      const { command, data } = await this.next();
      if (command !== 5) throw new Error(`a message ${command}`);
      parts.push(data);
      had += data.length;
    }
    return Buffer.concat(parts);
  }

  send(data: string | Uint8Array, ids: readonly { id: number; type: number }[] = []): Promise<number> {
    return this.submit(sendCommand(data, ids, this.room));
  }

  write(id: number, data: string | Uint8Array, hangUp = false): Promise<number> {
    return this.submit(writeCommand(id, data, hangUp));
  }

  /** What the device says of an image: strides, size and blob id. */
  async image(width: number, height: number, format: string): Promise<{ stride: number; bytes: number; blob: number }> {
    const fourcc = Buffer.from(format).readUInt32LE(0);
    await this.submit(command(2, numbers(width, height, fourcc, 0)), FENCE | FLAG_RING);
    const ring = new DataView(this.driver.frontEnd.memory.buffer, this.query.page, 64);
    return {
      stride: ring.getUint32(0, true),
      bytes: Number(ring.getBigUint64(40, true)),
      blob: ring.getUint32(48, true),
    };
  }

  /** Memory of the host's, as sommelier makes it: resource and bytes. */
  async memory(bytes: number): Promise<{ resource: number; bytes: number; answer: number }> {
    const image = await this.image(bytes, 1, 'R8  ');
    const resource = this.driver.id();
    const answer = await this.driver.hostBlob(this.id, resource, image.blob, image.bytes);
    if (answer === Response.Ok) await this.driver.attach(this.id, resource);
    return { resource, bytes: image.bytes, answer };
  }

  destroy(): Promise<number> {
    return this.driver.type(Control.CtxDestroy, this.id);
  }
}

/** One cross-domain command. */
export function command(type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat([new Uint8Array(8), ...body]);
  bytes[0] = type;
  bytes.writeUInt16LE(bytes.length, 2);
  return bytes;
}

export const POLL = command(3, new Uint8Array(8));

export function sendCommand(
  data: string | Uint8Array,
  ids: readonly { id: number; type: number }[] = [],
  room = MAX_IDS,
): Uint8Array {
  const bytes = Buffer.from(data as string);
  const list = new Uint32Array(3 * room);
  ids.forEach(({ id, type }, i) => {
    list[i] = id;
    list[room + i] = type;
  });
  return command(4, numbers(ids.length, bytes.length), new Uint8Array(list.buffer), bytes);
}

export function writeCommand(id: number, data: string | Uint8Array, hangUp: boolean): Uint8Array {
  const bytes = Buffer.from(data as string);
  return command(7, numbers(id, hangUp ? 1 : 0, bytes.length, 0), bytes);
}

export { IdType };
