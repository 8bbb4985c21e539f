/**
 * A guest's virtio_wl driver for tests: fills the queue `in`, puts commands on `out`, and keeps what comes. It lays its
 * rings and buffers out in the guest memory of a {@link TestFrontEnd}. Every command has two descriptors, or an indirect
 * table of two.
 */
import { native } from '../../../src/system/native.js';
import { Command, Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { GUEST_ADDRESS, type TestFrontEnd } from './front-end.js';

const PAGE = 4096;
const IN = 0;
const OUT = 1;

export interface DriverOptions {
  readonly indirect?: boolean;
  readonly eventIndex?: boolean;
  /** Feature bits beside those: default TRANS_FLAGS and USE_SHMEM. */
  readonly features?: bigint;
  readonly size?: number;
  /** A message's buffer goes back only when the test says so. */
  readonly keepBuffers?: boolean;
}

/** One ring in guest memory, the driver's side. All offsets are in guest memory. */
export class DriverRing {
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  availableIndex = 0;
  usedIndex = 0;

  constructor(
    private readonly frontEnd: TestFrontEnd,
    place: number,
    readonly size: number,
    private readonly eventIndex: boolean,
  ) {
    this.descriptors = place;
    this.available = place + 16 * size;
    this.used = place + PAGE * Math.ceil((16 * size + 6 + 2 * size) / PAGE);
  }

  /** The bytes of all three together. */
  static bytes(size: number): number {
    return PAGE * (Math.ceil((16 * size + 6 + 2 * size) / PAGE) + Math.ceil((6 + 8 * size) / PAGE));
  }

  get view(): DataView {
    return new DataView(this.frontEnd.memory.buffer);
  }

  describe(index: number, offset: number, length: number, flags: number, next = 0): void {
    this.describeAt(this.descriptors + 16 * index, offset, length, flags, next);
  }

  describeAt(place: number, offset: number, length: number, flags: number, next = 0): void {
    const { view } = this;
    view.setBigUint64(place, BigInt(GUEST_ADDRESS + offset), true);
    view.setUint32(place + 8, length, true);
    view.setUint16(place + 12, flags, true);
    view.setUint16(place + 14, next, true);
  }

  /** Offers a chain. Returns whether the device wants to be notified. */
  offer(head: number): boolean {
    const { view } = this;
    view.setUint16(this.available + 4 + 2 * (this.availableIndex % this.size), head, true);
    const before = this.availableIndex;
    this.availableIndex = (before + 1) & 0xffff;
    native.storeRelease16(this.frontEnd.memory, this.available + 2, this.availableIndex);
    native.fence();
    if (!this.eventIndex) return (view.getUint16(this.used, true) & 1) === 0;
    return view.getUint16(this.used + 4 + 8 * this.size, true) === before;
  }

  /** The next used chain: its head and the bytes written. */
  take(): { head: number; written: number } | undefined {
    if (native.loadAcquire16(this.frontEnd.memory, this.used + 2) === this.usedIndex) return undefined;
    const element = this.used + 4 + 8 * (this.usedIndex % this.size);
    this.usedIndex = (this.usedIndex + 1) & 0xffff;
    // With event index: tell me about the next one.
    if (this.eventIndex) this.view.setUint16(this.available + 4 + 2 * this.size, this.usedIndex, true);
    return { head: this.view.getUint32(element, true), written: this.view.getUint32(element + 4, true) };
  }

  get rings(): { descriptors: number; available: number; used: number } {
    const to = (offset: number): number => GUEST_ADDRESS + offset;
    return { descriptors: to(this.descriptors), available: to(this.available), used: to(this.used) };
  }
}

/** A message of the device. */
export interface Message {
  readonly type: number;
  readonly id: number;
  readonly bytes: Buffer;
}

/** A vfd as the guest was told of it. */
export interface Announced {
  readonly id: number;
  readonly flags: number;
  readonly pfn: number;
  readonly size: number;
}

export class GuestDriver {
  readonly size: number;
  readonly in: DriverRing;
  readonly out: DriverRing;
  readonly messages: Message[] = [];
  readonly announced = new Map<number, Announced>();
  /** Heads of buffers whose message was not read, where they are kept. */
  readonly kept: number[] = [];
  readonly #inBuffers: number;
  readonly #outBuffers: number;
  readonly #answers = new Map<number, Buffer>();
  #freeSlots: number[] = [];
  readonly features: bigint;

  constructor(
    readonly frontEnd: TestFrontEnd,
    readonly options: DriverOptions = {},
  ) {
    const { indirect = true, eventIndex = true } = options;
    this.size = options.size ?? 64;
    const ring = DriverRing.bytes(this.size);
    this.in = new DriverRing(frontEnd, 0, this.size, eventIndex);
    this.out = new DriverRing(frontEnd, ring, this.size, eventIndex);
    this.#inBuffers = 2 * ring;
    this.#outBuffers = this.#inBuffers + PAGE * this.size;
    this.features =
      (options.features ?? 0b1010n) |
      (1n << 30n) |
      (1n << 32n) |
      (indirect ? 1n << 28n : 0n) |
      (eventIndex ? 1n << 29n : 0n);
  }

  /** Begins anew, as after a reset of the device. */
  start(): void {
    const bytes = new Uint8Array(this.frontEnd.memory.buffer);
    bytes.fill(0, 0, this.#inBuffers);
    this.in.availableIndex = this.in.usedIndex = this.out.availableIndex = this.out.usedIndex = 0;
    this.messages.length = 0;
    this.announced.clear();
    this.kept.length = 0;
    // Without indirect tables a command takes two descriptors.
    const slots = (this.options.indirect ?? true) ? this.size : this.size / 2;
    this.#freeSlots = Array.from({ length: slots }, (_, i) => i);
    for (let i = 0; i < this.size; i++) {
      this.in.describe(i, this.#inBuffers + PAGE * i, PAGE, 2);
      this.in.offer(i);
    }
    this.resume(0, 0);
  }

  resume(inBase: number, outBase: number): void {
    this.frontEnd.startQueue(IN, this.size, this.in.rings, inBase);
    this.frontEnd.startQueue(OUT, this.size, this.out.rings, outBase);
  }

  /** Puts a command on the queue; its slot. Each has two pages: what is read, and where the answer goes. */
  submit(command: Uint8Array): number {
    const slot = this.#freeSlots.shift();
    if (slot === undefined) throw new Error('the queue is full');
    const place = this.#outBuffers + 2 * PAGE * slot;
    new Uint8Array(this.frontEnd.memory.buffer, place, command.length).set(command);
    const answer = place + PAGE + 1024;
    let head: number;
    if (this.options.indirect ?? true) {
      this.out.describeAt(place + PAGE, place, command.length, 1, 1);
      this.out.describeAt(place + PAGE + 16, answer, 64, 2);
      this.out.describe(slot, place + PAGE, 32, 4);
      head = slot;
    } else {
      head = 2 * slot;
      this.out.describe(head, place, command.length, 1, head + 1);
      this.out.describe(head + 1, answer, 64, 2);
    }
    if (this.out.offer(head)) this.frontEnd.kick(OUT);
    return slot;
  }

  /** Whether this slot's command was answered. */
  answered(slot: number): boolean {
    this.collect();
    return this.#answers.has(slot);
  }

  /** A command and its answer. */
  async command(command: Uint8Array): Promise<Buffer> {
    const slot = this.submit(command);
    await eventually(
      `the answer to command 0x${(command[0]! | (command[1]! << 8)).toString(16)}`,
      () => this.answered(slot),
      10_000,
    );
    return this.takeAnswer(slot);
  }

  takeAnswer(slot: number): Buffer {
    const answer = this.#answers.get(slot)!;
    this.#answers.delete(slot);
    this.#freeSlots.push(slot);
    return answer;
  }

  /** Takes what the device has given back. */
  collect(): void {
    for (let used = this.out.take(); used !== undefined; used = this.out.take()) {
      const slot = (this.options.indirect ?? true) ? used.head : used.head / 2;
      const place = this.#outBuffers + 2 * PAGE * slot + PAGE + 1024;
      this.#answers.set(slot, Buffer.from(this.frontEnd.memory.buffer.slice(place, place + used.written)));
    }
    let kick = false;
    for (let used = this.in.take(); used !== undefined; used = this.in.take()) {
      const place = this.#inBuffers + PAGE * used.head;
      const bytes = Buffer.from(this.frontEnd.memory.buffer.slice(place, place + used.written));
      const type = bytes.readUInt32LE(0);
      const id = bytes.readUInt32LE(8);
      this.messages.push({ type, id, bytes });
      if (type === Command.New) this.announced.set(id, readNew(bytes));
      if (this.options.keepBuffers && type === Command.Recv) this.kept.push(used.head);
      else if (this.in.offer(used.head)) kick = true;
    }
    if (kick) this.frontEnd.kick(IN);
  }

  /** Gives kept buffers back. */
  release(count = this.kept.length): void {
    let kick = false;
    for (const head of this.kept.splice(0, count)) if (this.in.offer(head)) kick = true;
    if (kick) this.frontEnd.kick(IN);
  }

  // ---- commands --------------------------------------------------------------------------------------------------

  async type(command: Uint8Array): Promise<number> {
    return (await this.command(command)).readUInt32LE(0);
  }

  /** A vfd of the guest's making, or the response that says why not. */
  async make(command: Uint8Array): Promise<Announced | number> {
    const answer = await this.command(command);
    return answer.readUInt32LE(0) === Response.VfdNew ? readNew(answer) : answer.readUInt32LE(0);
  }

  close(id: number): Promise<number> {
    return this.type(numbers(Command.Close, 0, id));
  }

  send(id: number, data: Uint8Array | string, vfds: readonly number[] = []): Promise<number> {
    return this.type(sendCommand(id, data, vfds));
  }

  /** The data that came for a vfd so far, in order. */
  received(id: number): Buffer {
    this.collect();
    return Buffer.concat(
      this.messages.filter(each => each.type === Command.Recv && each.id === id).map(each => dataOf(each)),
    );
  }

  /** The vfds that came for a vfd so far. */
  receivedVfds(id: number): Announced[] {
    this.collect();
    return this.messages
      .filter(each => each.type === Command.Recv && each.id === id)
      .flatMap(each => vfdsOf(each).map(vfd => this.announced.get(vfd)!));
  }

  hungUp(id: number): boolean {
    this.collect();
    return this.messages.some(each => each.type === Command.Hup && each.id === id);
  }

  async has(id: number, bytes: number, vfds = 0): Promise<void> {
    await eventually(
      `${bytes} bytes and ${vfds} vfds for ${id}; there are ${this.received(id).length} and ${this.receivedVfds(id).length}`,
      () => this.received(id).length >= bytes && this.receivedVfds(id).length >= vfds,
      10_000,
    );
  }

  async hangUp(id: number): Promise<void> {
    await eventually(`the hang-up of ${id}`, () => this.hungUp(id), 10_000);
  }
}

function readNew(bytes: Buffer): Announced {
  return {
    id: bytes.readUInt32LE(8),
    flags: bytes.readUInt32LE(12),
    pfn: Number(bytes.readBigUInt64LE(16)),
    size: bytes.readUInt32LE(24),
  };
}

export function vfdsOf({ bytes }: Message): number[] {
  return Array.from({ length: bytes.readUInt32LE(12) }, (_, i) => bytes.readUInt32LE(16 + 4 * i));
}

export function dataOf({ bytes }: Message): Buffer {
  return bytes.subarray(16 + 4 * bytes.readUInt32LE(12));
}

export function numbers(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, i) => new DataView(bytes.buffer).setUint32(4 * i, value, true));
  return bytes;
}

export function sendCommand(id: number, data: Uint8Array | string, vfds: readonly number[] = []): Uint8Array {
  return Buffer.concat([numbers(Command.Send, 0, id, vfds.length, ...vfds), Buffer.from(data as string)]);
}

export const allocCommand = (id: number, size: number, flags = 0): Uint8Array =>
  numbers(Command.New, 0, id, flags, 0, 0, size, 0);
export const pipeCommand = (id: number, flags: number): Uint8Array =>
  numbers(Command.NewPipe, 0, id, flags, 0, 0, 0, 0);

export function contextCommand(id: number, name: string | Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(numbers(Command.NewCtxNamed, 0, id, 0, 0, 0, 0));
  bytes.set(Buffer.from(name as string).subarray(0, 32), 28);
  return bytes;
}
