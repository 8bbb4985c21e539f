/**
 * A guest's memory with its driver's two rings in it, for targets that fuzz what a wl device reads there. The driver is
 * honest: it lays out commands in as many segments as the input says, and checks what the device gives back.
 * `spoil` writes over the rings what no driver does.
 *
 * The memory is in the middle of its file: what the device wrote before or behind it shows at the end.
 */
import { OwnedFd } from '../../src/system/fd.js';
import { native, type Mapping } from '../../src/system/native.js';
import { Command, Response } from '../../src/host/wl-device/wire.js';
import { GUEST_ADDRESS, type TestFrontEnd } from '../host/wl-device/front-end.js';
import { DriverRing } from '../host/wl-device/guest-driver.js';
import type { Draw } from './draw.js';

const PAGE = 4096;
/** Descriptors of a ring. */
export const RING_SIZE = 16;
/** Descriptors that belong to a command, of which it takes one where it has a table of its own. */
const SEGMENTS = 4;
const SLOTS = RING_SIZE / SEGMENTS;
const RINGS = 2 * DriverRing.bytes(RING_SIZE);
const IN_BUFFERS = RINGS;
const OUT_SLOTS = IN_BUFFERS + PAGE * RING_SIZE;
/** A slot: a page for the command, one for the table (in its first half) and the answer. */
const SLOT_BYTES = 2 * PAGE;
const ANSWER = PAGE + PAGE / 2;
const ANSWER_BYTES = 64;

/** All of the guest's memory, a page-aligned number of bytes. */
export const MEMORY_BYTES = OUT_SLOTS + SLOT_BYTES * SLOTS;
/** Where it begins in its file, and how much of the file is behind it. */
export const MEMORY_OFFSET = PAGE;

const LENGTHS = [0, 1, 4, 8, 16, 32, 60, 64, 4096, 65536, 0x7fffffff, 0xffffffff];
const FLAGS = [0, 1, 2, 3, 4, 5, 6, 7, 0xffff];

export interface GuestFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

export class FuzzGuest {
  readonly fd: OwnedFd;
  readonly memory: Mapping;
  readonly in: DriverRing;
  readonly out: DriverRing;
  /** What was given back, in words. */
  readonly words = new Set<string>();
  /** Something was written over: what comes back is not checked any more. */
  spoiled = false;
  /** Commands without an answer, by the head of their chain; true for one whose answer may take as long as it likes. */
  readonly waiting = new Map<number, boolean>();
  /** The last answer that was a new vfd, or its refusal. */
  lastAnswer = 0;
  readonly #guards: Mapping;
  readonly #held: number[] = [];

  constructor(private readonly features: GuestFeatures) {
    this.fd = new OwnedFd(native.memfd('fuzz-guest', MEMORY_OFFSET + MEMORY_BYTES + PAGE, 0));
    this.memory = native.map(this.fd.fd, MEMORY_OFFSET, MEMORY_BYTES, true);
    this.#guards = native.map(this.fd.fd, 0, MEMORY_OFFSET + MEMORY_BYTES + PAGE, false);
    // A ring needs nothing of a front-end but its memory.
    const place = this as unknown as TestFrontEnd;
    this.in = new DriverRing(place, 0, RING_SIZE, features.eventIndex);
    this.out = new DriverRing(place, RINGS / 2, RING_SIZE, features.eventIndex);
  }

  /** Begins anew: empty rings, every buffer of `in` offered, nothing waits. */
  start(): void {
    new Uint8Array(this.memory.buffer).fill(0, 0, RINGS);
    this.in.availableIndex = this.in.usedIndex = this.out.availableIndex = this.out.usedIndex = 0;
    this.waiting.clear();
    this.#held.length = 0;
    this.spoiled = false;
    for (let i = 0; i < RING_SIZE; i++) {
      this.in.describe(i, IN_BUFFERS + PAGE * i, PAGE, 2);
      this.in.offer(i);
    }
  }

  /** Puts a command on `out`, in segments as the input says; false where there is no room. */
  submit(draw: Draw, command: Uint8Array, mayWait: boolean): boolean {
    const { out } = this;
    const slot = Array.from({ length: SLOTS }, (_, i) => i).find(free => !this.waiting.has(SEGMENTS * free));
    if (slot === undefined) return false;
    const head = SEGMENTS * slot;
    const bytes = command.subarray(0, PAGE);
    const place = OUT_SLOTS + SLOT_BYTES * slot;
    new Uint8Array(this.memory.buffer, place, bytes.length).set(bytes);
    const cut = draw.oneIn(3) && bytes.length > 1 ? 1 + draw.below(bytes.length - 1) : bytes.length;
    const ranges = [
      { at: place, length: cut, flags: 0 },
      ...(cut < bytes.length ? [{ at: place + cut, length: bytes.length - cut, flags: 0 }] : []),
      { at: place + ANSWER, length: draw.oneIn(8) ? draw.below(ANSWER_BYTES) : ANSWER_BYTES, flags: 2 },
    ];
    const table = this.features.indirect && !draw.oneIn(4) ? place + PAGE : undefined;
    ranges.forEach(({ at, length, flags }, i) => {
      const last = i === ranges.length - 1;
      const first = table === undefined ? head : 0;
      out.describeAt(
        (table ?? out.descriptors) + 16 * (first + i),
        at,
        length,
        flags | (last ? 0 : 1),
        last ? 0 : first + i + 1,
      );
    });
    if (table !== undefined) out.describe(head, table, 16 * ranges.length, 4);
    this.waiting.set(head, mayWait);
    out.offer(head);
    return true;
  }

  /** Commands that an answer is due to. */
  get due(): number {
    let count = 0;
    for (const mayWait of this.waiting.values()) if (!mayWait) count += 1;
    return count;
  }

  /** Takes what the device has given back. `keep`: buffers of `in` are not offered again yet. */
  collect(keep: boolean): void {
    for (let count = 0; count <= RING_SIZE; count++) {
      const used = this.out.take();
      if (used === undefined) break;
      this.#answer(used.head, used.written);
    }
    for (let count = 0; count <= RING_SIZE; count++) {
      const used = this.in.take();
      if (used === undefined) break;
      this.#message(used.head, used.written);
      if (used.head < RING_SIZE) this.#held.push(used.head);
    }
    if (!keep) for (const head of this.#held.splice(0)) this.in.offer(head);
  }

  #answer(head: number, written: number): void {
    if (this.spoiled) {
      this.waiting.delete(head);
      return;
    }
    if (!this.waiting.delete(head)) throw new Error(`the device gave back chain ${head}, which it was not given`);
    const view = new DataView(this.memory.buffer, OUT_SLOTS + SLOT_BYTES * (head / SEGMENTS) + ANSWER, ANSWER_BYTES);
    if (written > ANSWER_BYTES) throw new Error(`an answer of ${written} bytes`);
    if (written < 8) return;
    const type = view.getUint32(0, true);
    if (!Object.values(Response).includes(type as Response)) throw new Error(`an answer of type ${type}`);
    this.lastAnswer = type;
    this.words.add(`answer ${type}`);
  }

  #message(head: number, written: number): void {
    if (this.spoiled) return;
    if (head >= RING_SIZE || this.#held.includes(head))
      throw new Error(`the device gave back buffer ${head}, which it was not given`);
    if (written > PAGE || written < 12) throw new Error(`a message of ${written} bytes`);
    const type = new DataView(this.memory.buffer).getUint32(IN_BUFFERS + PAGE * head, true);
    const known = [Command.New, Command.Recv, Command.Hup].includes(type as typeof Command.New);
    if (!known) throw new Error(`a message of type ${type}`);
    this.words.add(`message ${type}`);
  }

  /** Writes what no driver writes, somewhere where it matters. */
  spoil(draw: Draw): void {
    this.spoiled = true;
    const ring = draw.oneIn(2) ? this.in : this.out;
    const view = new DataView(this.memory.buffer);
    switch (draw.below(7)) {
      case 0: {
        const address = draw.oneIn(6) ? draw.word() : draw.below(RING_SIZE) * PAGE + draw.below(64);
        ring.describe(draw.below(RING_SIZE), address, draw.pick(LENGTHS), draw.pick(FLAGS), draw.below(RING_SIZE + 1));
        break;
      }
      case 1:
        // A table somewhere in a slot, of entries that may be anything.
        ring.describe(draw.below(RING_SIZE), OUT_SLOTS + SLOT_BYTES * draw.below(SLOTS) + PAGE, 16 * draw.below(20), 4);
        break;
      case 2:
        this.out.describeAt(
          OUT_SLOTS + SLOT_BYTES * draw.below(SLOTS) + PAGE + 16 * draw.below(4),
          draw.oneIn(3) ? MEMORY_BYTES - draw.below(70) : OUT_SLOTS + SLOT_BYTES * draw.below(SLOTS),
          draw.pick(LENGTHS),
          draw.pick(FLAGS),
          draw.below(20),
        );
        break;
      case 3:
        // The available ring's flags, index, entries or event.
        view.setUint16(
          ring.available + 2 * draw.below(3 + RING_SIZE),
          draw.oneIn(2) ? draw.below(65536) : draw.below(20),
          true,
        );
        break;
      case 4:
        view.setUint16(ring.used + 2 * draw.below(3 + 4 * RING_SIZE), draw.below(65536), true);
        break;
      case 5:
        for (const byte of draw.take(1 + draw.below(16)))
          view.setUint8(ring.descriptors + draw.below(16 * RING_SIZE), byte);
        break;
      default:
        ring.offer(draw.below(RING_SIZE + 1));
    }
  }

  /** Throws where the file was written to outside of the guest's memory. */
  checkGuards(): void {
    const bytes = new Uint8Array(this.#guards.buffer);
    const touched = (from: number, to: number): boolean => Buffer.compare(bytes.subarray(from, to), ZEROS) !== 0;
    if (touched(0, MEMORY_OFFSET) || touched(MEMORY_OFFSET + MEMORY_BYTES, MEMORY_OFFSET + MEMORY_BYTES + PAGE)) {
      throw new Error('written to outside of the guest’s memory');
    }
  }

  close(): void {
    this.memory.unmap();
    this.#guards.unmap();
    this.fd.close();
  }
}

const ZEROS = new Uint8Array(PAGE);

/** Addresses of the rings, as the guest has them. */
export function ringsOf(ring: DriverRing): { descriptors: number; available: number; used: number } {
  return {
    descriptors: GUEST_ADDRESS + ring.descriptors,
    available: GUEST_ADDRESS + ring.available,
    used: GUEST_ADDRESS + ring.used,
  };
}
