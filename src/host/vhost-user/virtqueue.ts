/**
 * A split virtqueue, the device's side: the driver's requests out of it, the device's answers into it. Three rings lie in
 * guest memory: the descriptor table, the available ring (driver's) and the used ring (ours).
 *
 * The driver may write any of it at any time. So each number is read once and then checked; a chain is followed through
 * at most as many descriptors as the queue has; a number of new chains larger than the queue ends it. What the driver
 * did wrong is a {@link GuestFault}, after which the queue must not be used any more.
 *
 * Order, as the virtio specification has it (2.7, split virtqueues): the available index is loaded before the entries
 * that it promises (acquire), the used index stored after the entries that it promises (release), and between telling
 * the driver what we wait for and looking again there is a full barrier, as between adding and asking whether the driver
 * wants to be told.
 */
import { native, type Mapping } from '../../system/native.js';
import { GuestFault, type GuestMemory } from './guest-memory.js';

/** Flags of a descriptor. */
const DESC_NEXT = 1;
const DESC_WRITE = 2;
const DESC_INDIRECT = 4;
const DESC_BYTES = 16;
/** Flags of the available and the used ring, without event index. */
const AVAIL_NO_INTERRUPT = 1;
const USED_NO_NOTIFY = 1;

/** The largest queue of the specification. */
export const MAX_QUEUE_SIZE = 32768;

/** Where a queue lies, by front-end addresses, and how large it is. */
export interface VirtqueueLayout {
  /** Descriptors, a power of two. */
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
}

export interface VirtqueueFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

/** A range of guest memory. */
interface Range {
  readonly address: number;
  readonly length: number;
}

/** One request of the driver: what it gives to read, and where it wants the answer. */
export interface Chain {
  /** Names it in the used ring. */
  readonly head: number;
  readonly readable: readonly Range[];
  readonly readableBytes: number;
  readonly writable: readonly Range[];
  readonly writableBytes: number;
}

/** One of the rings in a mapping of its own. */
interface Ring {
  readonly mapping: Mapping;
  readonly at: number;
  readonly view: DataView;
}

export class Virtqueue {
  readonly size: number;
  readonly #descriptors: Ring;
  readonly #available: Ring;
  readonly #used: Ring;
  #nextAvailable: number;
  #nextUsed: number;
  /** The used index when the driver was last considered for an interrupt. */
  #signalled: number;
  #closed = false;

  /**
   * Maps the rings; they are unmapped by `close()`. `base` is where to go on in the available ring.
   *
   * @throws GuestFault where they do not lie in shared memory
   */
  constructor(
    private readonly memory: GuestMemory,
    layout: VirtqueueLayout,
    private readonly features: VirtqueueFeatures,
    base: number,
  ) {
    const { size } = layout;
    if (size < 1 || size > MAX_QUEUE_SIZE || (size & (size - 1)) !== 0) throw new GuestFault(`a queue of size ${size}`);
    const rings: Ring[] = [];
    const map = (address: number, length: number, align: number): Ring => {
      if (address % align !== 0)
        throw new GuestFault(`a ring at 0x${address.toString(16)}, which is not aligned to ${align}`);
      const { mapping, at } = memory.mapFrontEnd(address, length);
      const ring = { mapping, at, view: new DataView(mapping.buffer, at, length) };
      rings.push(ring);
      return ring;
    };
    try {
      this.size = size;
      this.#descriptors = map(layout.descriptors, DESC_BYTES * size, 16);
      this.#available = map(layout.available, 6 + 2 * size, 2);
      this.#used = map(layout.used, 6 + 8 * size, 4);
    } catch (error) {
      for (const { mapping } of rings) mapping.unmap();
      throw error;
    }
    this.#nextAvailable = base & 0xffff;
    this.#nextUsed = this.#used.view.getUint16(2, true);
    this.#signalled = this.#nextUsed;
  }

  /** Where to go on in the available ring: the base of a queue that is stopped. */
  get nextAvailable(): number {
    return this.#nextAvailable;
  }

  /** Whether the front-end took the rings' memory away. */
  get faulted(): boolean {
    return [this.#descriptors, this.#available, this.#used].some(({ mapping }) => mapping.faulted);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { mapping } of [this.#descriptors, this.#available, this.#used]) mapping.unmap();
  }

  /** The next request, or undefined when there is none. */
  pop(): Chain | undefined {
    const offered = (this.#availableIndex() - this.#nextAvailable) & 0xffff;
    if (offered === 0) return undefined;
    if (offered > this.size) throw new GuestFault(`${offered} requests in a queue of ${this.size}`);
    const head = this.#available.view.getUint16(4 + 2 * (this.#nextAvailable % this.size), true);
    const chain = this.#follow(head);
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    return chain;
  }

  /** Gives back the last `count` requests that were popped, unanswered: they are there to be popped again. */
  unpop(count: number): void {
    this.#nextAvailable = (this.#nextAvailable - count) & 0xffff;
  }

  /** Copies what a request gives to read, at most as much as `target` holds. Returns how much. */
  read(chain: Chain, target: Uint8Array): number {
    let at = 0;
    for (const { address, length } of chain.readable) {
      for (const segment of this.memory.segments(address, Math.min(length, target.length - at))) {
        target.set(segment, at);
        at += segment.length;
      }
      if (at === target.length) break;
    }
    return at;
  }

  /** Answers a request with as much of `answer` as it has room for; the driver is told after {@link signal}. */
  complete(chain: Chain, answer: Uint8Array): void {
    let at = 0;
    for (const { address, length } of chain.writable) {
      if (at === answer.length) break;
      for (const segment of this.memory.segments(address, Math.min(length, answer.length - at))) {
        segment.set(answer.subarray(at, at + segment.length));
        at += segment.length;
      }
    }
    const element = 4 + 8 * (this.#nextUsed % this.size);
    this.#used.view.setUint32(element, chain.head, true);
    this.#used.view.setUint32(element + 4, at, true);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    native.storeRelease16(this.#used.mapping, this.#used.at + 2, this.#nextUsed);
  }

  /** Whether the driver wants an interrupt for what was completed since this was asked last. */
  signal(): boolean {
    const before = this.#signalled;
    if (before === this.#nextUsed) return false;
    this.#signalled = this.#nextUsed;
    native.fence();
    if (!this.features.eventIndex) {
      return (this.#available.view.getUint16(0, true) & AVAIL_NO_INTERRUPT) === 0;
    }
    const event = this.#available.view.getUint16(4 + 2 * this.size, true);
    // Whether the driver's mark lies among what was added, counted in the circle of 16-bit numbers.
    return ((this.#nextUsed - event - 1) & 0xffff) < ((this.#nextUsed - before) & 0xffff);
  }

  /** Asks the driver to tell when it adds a request. Returns whether one is there already. */
  enableNotifications(): boolean {
    if (this.features.eventIndex) this.#used.view.setUint16(4 + 8 * this.size, this.#nextAvailable, true);
    else this.#used.view.setUint16(0, 0, true);
    native.fence();
    return this.#availableIndex() !== this.#nextAvailable;
  }

  /** Lets the driver know that it need not tell. With event index it tells at most once until it is asked again. */
  disableNotifications(): void {
    if (!this.features.eventIndex) this.#used.view.setUint16(0, USED_NO_NOTIFY, true);
  }

  #availableIndex(): number {
    return native.loadAcquire16(this.#available.mapping, this.#available.at + 2);
  }

  #follow(head: number): Chain {
    const readable: Range[] = [];
    const writable: Range[] = [];
    let readableBytes = 0;
    let writableBytes = 0;
    let table = this.#descriptors.view;
    let entries = this.size;
    let index = head;
    let indirect = false;
    for (let count = 0; ; count++) {
      if (index >= entries) throw new GuestFault(`descriptor ${index} of ${entries}`);
      if (count >= entries || count >= this.size)
        throw new GuestFault('a chain of descriptors that is a loop, or longer than the queue');
      const at = DESC_BYTES * index;
      const low = table.getUint32(at, true);
      const high = table.getUint32(at + 4, true);
      const length = table.getUint32(at + 8, true);
      const flags = table.getUint16(at + 12, true);
      const next = table.getUint16(at + 14, true);
      const address = high * 2 ** 32 + low;
      if (!Number.isSafeInteger(address + length))
        throw new GuestFault('a descriptor with an address that no memory has');
      if ((flags & DESC_INDIRECT) !== 0) {
        if (!this.features.indirect || indirect || (flags & DESC_NEXT) !== 0)
          throw new GuestFault('an indirect descriptor where none may be');
        if (length === 0 || length % DESC_BYTES !== 0 || length / DESC_BYTES > this.size) {
          throw new GuestFault(`an indirect table of ${length} bytes`);
        }
        table = this.#copy(address, length);
        entries = length / DESC_BYTES;
        index = 0;
        indirect = true;
        count = -1;
        continue;
      }
      if ((flags & DESC_WRITE) !== 0) {
        writable.push({ address, length });
        writableBytes += length;
      } else {
        if (writable.length > 0) throw new GuestFault('a descriptor to read after one to write');
        readable.push({ address, length });
        readableBytes += length;
      }
      if ((flags & DESC_NEXT) === 0) break;
      index = next;
    }
    return { head, readable, readableBytes, writable, writableBytes };
  }

  /** A table in guest memory as it is now: the driver shall not change it while it is read. */
  #copy(address: number, length: number): DataView {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const segment of this.memory.segments(address, length)) {
      bytes.set(segment, at);
      at += segment.length;
    }
    return new DataView(bytes.buffer);
  }
}
