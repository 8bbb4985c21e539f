/**
 * The guest's memory: what the front-end shares of it, and the way from an address to bytes. There are two kinds of
 * addresses. Guest addresses are physical ones, and what descriptors of a ring hold; front-end addresses are where the
 * VMM has mapped the memory for itself, and are what it calls the rings by.
 *
 * No address is trusted. A range is found whole in the slots or refused; one that crosses from one slot to the next
 * comes in segments. Slots are mapped one by one when they are first touched, since many never are: with
 * CONFIGURE_MEM_SLOTS, QEMU also tells us of all memory that it has mapped into the device's shared memory for us.
 */
import { OwnedFd } from '../../system/fd.js';
import { native, type Mapping } from '../../system/native.js';

/** A memory slot (vhost-user: memory region) as the front-end describes it. All in bytes. */
export interface SlotDescription {
  readonly guestAddress: number;
  readonly size: number;
  readonly frontEndAddress: number;
  /** Where it begins in its file. */
  readonly fileOffset: number;
}

/** Most slots at a time: what QEMU allows for vhost. */
export const MAX_MEMORY_SLOTS = 512;

/** How much of a slot is mapped at a time: an ArrayBuffer has an upper bound, and a slot may be larger. */
const MAPPING_BYTES = 2 ** 30;

/** A guest or front-end said something that cannot be; what it concerns is stopped. */
export class GuestFault extends Error {}

class MemorySlot {
  readonly #mappings = new Map<number, Mapping>();

  /** Takes ownership of `fd`. */
  constructor(
    readonly description: SlotDescription,
    private readonly fd: OwnedFd,
  ) {}

  get guestEnd(): number {
    return this.description.guestAddress + this.description.size;
  }

  /** Bytes from `offset` on, up to `length` or the end of a mapping, at least one. */
  bytes(offset: number, length: number): Uint8Array {
    const index = Math.floor(offset / MAPPING_BYTES);
    const start = index * MAPPING_BYTES;
    let mapping = this.#mappings.get(index);
    if (mapping === undefined) {
      const size = Math.min(MAPPING_BYTES, this.description.size - start);
      mapping = mapShared(this.fd, this.description.fileOffset + start, size);
      this.#mappings.set(index, mapping);
    }
    return new Uint8Array(mapping.buffer, offset - start, Math.min(length, mapping.length - (offset - start)));
  }

  /** A mapping of its own of the pages that hold the range, and where it begins in them. The caller's. */
  map(offset: number, length: number): { mapping: Mapping; at: number } {
    const from = this.description.fileOffset + offset;
    const at = from % native.pageSize;
    return { mapping: mapShared(this.fd, from - at, at + length), at };
  }

  get faulted(): boolean {
    for (const mapping of this.#mappings.values()) if (mapping.faulted) return true;
    return false;
  }

  close(): void {
    for (const mapping of this.#mappings.values()) mapping.unmap();
    this.#mappings.clear();
    this.fd.close();
  }
}

export class GuestMemory {
  /** Sorted by guest address, disjoint. */
  #slots: MemorySlot[] = [];
  #last: MemorySlot | undefined;

  get slots(): number {
    return this.#slots.length;
  }

  /** Whether the front-end took memory away that it had shared: what was read since is not the guest's. */
  get faulted(): boolean {
    return this.#slots.some(slot => slot.faulted);
  }

  /** Takes ownership of `fd`, also when it throws. */
  add(description: SlotDescription, fd: OwnedFd): void {
    try {
      checkDescription(description);
      if (this.#slots.length >= MAX_MEMORY_SLOTS) throw new GuestFault(`more than ${MAX_MEMORY_SLOTS} memory slots`);
      const info = fd.info();
      if (info.type !== 'regular') throw new GuestFault('a memory slot of what is no shared memory');
      const { guestAddress, size } = description;
      if (description.fileOffset + size > Math.ceil(info.size / native.pageSize) * native.pageSize) {
        throw new GuestFault(
          `a memory slot that ends at ${description.fileOffset + size} of a file of ${info.size} bytes`,
        );
      }
      const at = this.#slots.findIndex(slot => slot.description.guestAddress > guestAddress);
      const place = at < 0 ? this.#slots.length : at;
      const before = this.#slots[place - 1];
      const after = this.#slots[place];
      const overlaps =
        (before !== undefined && before.guestEnd > guestAddress) ||
        (after !== undefined && after.description.guestAddress < guestAddress + size);
      if (overlaps) throw new GuestFault(`a memory slot at 0x${guestAddress.toString(16)} that overlaps another`);
      this.#slots.splice(place, 0, new MemorySlot(description, fd));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** Removes the slot of this description; the file offset does not count. */
  remove(description: SlotDescription): void {
    const at = this.#slots.findIndex(
      ({ description: there }) =>
        there.guestAddress === description.guestAddress &&
        there.size === description.size &&
        there.frontEndAddress === description.frontEndAddress,
    );
    if (at < 0)
      throw new GuestFault(`no memory slot at 0x${description.guestAddress.toString(16)} that could be removed`);
    this.#slots[at]!.close();
    this.#slots.splice(at, 1);
    this.#last = undefined;
  }

  /** Forgets all slots. */
  clear(): void {
    for (const slot of this.#slots.splice(0)) slot.close();
    this.#last = undefined;
  }

  /**
   * The bytes of a guest range, in order, in as many segments as it takes; good until the next change of the slots.
   *
   * @throws GuestFault where any of it is not the guest's memory
   */
  *segments(address: number, length: number): Generator<Uint8Array> {
    let at = address;
    let left = length;
    while (left > 0) {
      const slot = this.#find(at);
      if (slot === undefined) throw new GuestFault(`a buffer at 0x${at.toString(16)}, which is not guest memory`);
      const segment = slot.bytes(at - slot.description.guestAddress, left);
      yield segment;
      at += segment.length;
      left -= segment.length;
    }
  }

  /**
   * Maps a ring by its front-end address. The mapping is the caller's, and outlives changes of the slots. It must lie
   * in one slot.
   */
  mapFrontEnd(address: number, length: number): { mapping: Mapping; at: number } {
    for (const slot of this.#slots) {
      const offset = address - slot.description.frontEndAddress;
      if (offset >= 0 && offset < slot.description.size && length <= slot.description.size - offset) {
        return slot.map(offset, length);
      }
    }
    throw new GuestFault(`a ring at 0x${address.toString(16)}, which is not in shared memory`);
  }

  #find(address: number): MemorySlot | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.description.guestAddress && address < last.guestEnd) return last;
    let low = 0;
    let high = this.#slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#slots[middle]!.guestEnd <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#slots[low];
    if (found === undefined || address < found.description.guestAddress) return undefined;
    this.#last = found;
    return found;
  }
}

/** Read-only memory, which the front-end may share too, is nothing that a ring or buffer can lie in. */
function mapShared(fd: OwnedFd, offset: number, length: number): Mapping {
  try {
    return native.map(fd.fd, offset, length, true);
  } catch (cause) {
    throw new GuestFault(`guest memory that cannot be mapped: ${(cause as Error).message}`, { cause });
  }
}

function checkDescription({ guestAddress, size, frontEndAddress, fileOffset }: SlotDescription): void {
  const ends = [guestAddress + size, frontEndAddress + size, fileOffset + size];
  if (size <= 0 || ends.some(end => !Number.isSafeInteger(end))) throw new GuestFault(`a memory slot of ${size} bytes`);
  if ([guestAddress, size, frontEndAddress, fileOffset].some(number => number % native.pageSize !== 0)) {
    throw new GuestFault('a memory slot that does not begin and end with a page');
  }
}
