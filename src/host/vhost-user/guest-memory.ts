/**
 * The guest's memory: what the front-end shares of it, and the way from an address to bytes. There are two kinds of
 * addresses. Guest addresses are physical ones, and what descriptors of a ring hold; front-end addresses are where the
 * VMM has mapped the memory for itself, and are what it calls the rings by.
 *
 * No address is trusted. A range is found whole in the regions or refused; one that crosses from one region to the next
 * comes in pieces. Regions are mapped piece by piece when they are first touched, since many never are: with
 * CONFIGURE_MEM_SLOTS, QEMU also tells us of every piece that it has mapped into the shared memory region for us.
 */
import { OwnedFd } from '../../system/fd.js';
import { native, type Mapping } from '../../system/native.js';

/** A region as the front-end describes it. All in bytes. */
export interface RegionDescription {
  readonly guestAddress: number;
  readonly size: number;
  readonly frontEndAddress: number;
  /** Where it begins in its file. */
  readonly fileOffset: number;
}

/** Most regions at a time: what QEMU allows for vhost. */
export const MAX_REGIONS = 512;

/** How much of a region is mapped at a time: an ArrayBuffer has an upper bound, and a region may be larger. */
const WINDOW_BYTES = 2 ** 30;

/** A guest or front-end said something that cannot be; what it concerns is stopped. */
export class GuestFault extends Error {}

class Region {
  readonly #windows = new Map<number, Mapping>();

  /** Takes ownership of `fd`. */
  constructor(
    readonly description: RegionDescription,
    private readonly fd: OwnedFd,
  ) {}

  get guestEnd(): number {
    return this.description.guestAddress + this.description.size;
  }

  /** Bytes from `offset` on, up to `length` or the end of a window, at least one. */
  bytes(offset: number, length: number): Uint8Array {
    const index = Math.floor(offset / WINDOW_BYTES);
    const start = index * WINDOW_BYTES;
    let window = this.#windows.get(index);
    if (window === undefined) {
      const size = Math.min(WINDOW_BYTES, this.description.size - start);
      window = mapShared(this.fd, this.description.fileOffset + start, size);
      this.#windows.set(index, window);
    }
    return new Uint8Array(window.buffer, offset - start, Math.min(length, window.length - (offset - start)));
  }

  /** A mapping of its own of the pages that hold the range, and where it begins in them. The caller's. */
  map(offset: number, length: number): { mapping: Mapping; at: number } {
    const from = this.description.fileOffset + offset;
    const at = from % native.pageSize;
    return { mapping: mapShared(this.fd, from - at, at + length), at };
  }

  get faulted(): boolean {
    for (const window of this.#windows.values()) if (window.faulted) return true;
    return false;
  }

  close(): void {
    for (const window of this.#windows.values()) window.unmap();
    this.#windows.clear();
    this.fd.close();
  }
}

export class GuestMemory {
  /** Sorted by guest address, disjoint. */
  #regions: Region[] = [];
  #last: Region | undefined;

  get regions(): number {
    return this.#regions.length;
  }

  /** Whether the front-end took memory away that it had shared: what was read since is not the guest's. */
  get faulted(): boolean {
    return this.#regions.some(region => region.faulted);
  }

  /** Takes ownership of `fd`, also when it throws. */
  add(description: RegionDescription, fd: OwnedFd): void {
    try {
      checkDescription(description);
      if (this.#regions.length >= MAX_REGIONS) throw new GuestFault(`more than ${MAX_REGIONS} memory regions`);
      const info = fd.info();
      if (info.type !== 'regular') throw new GuestFault('a memory region of what is no shared memory');
      const { guestAddress, size } = description;
      if (description.fileOffset + size > Math.ceil(info.size / native.pageSize) * native.pageSize) {
        throw new GuestFault(
          `a memory region that ends at ${description.fileOffset + size} of a file of ${info.size} bytes`,
        );
      }
      const at = this.#regions.findIndex(region => region.description.guestAddress > guestAddress);
      const place = at < 0 ? this.#regions.length : at;
      const before = this.#regions[place - 1];
      const after = this.#regions[place];
      const overlaps =
        (before !== undefined && before.guestEnd > guestAddress) ||
        (after !== undefined && after.description.guestAddress < guestAddress + size);
      if (overlaps) throw new GuestFault(`a memory region at 0x${guestAddress.toString(16)} that overlaps another`);
      this.#regions.splice(place, 0, new Region(description, fd));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** Removes the region of this description; the file offset does not count. */
  remove(description: RegionDescription): void {
    const at = this.#regions.findIndex(
      ({ description: there }) =>
        there.guestAddress === description.guestAddress &&
        there.size === description.size &&
        there.frontEndAddress === description.frontEndAddress,
    );
    if (at < 0)
      throw new GuestFault(`no memory region at 0x${description.guestAddress.toString(16)} that could be removed`);
    this.#regions[at]!.close();
    this.#regions.splice(at, 1);
    this.#last = undefined;
  }

  /** Forgets all regions. */
  clear(): void {
    for (const region of this.#regions.splice(0)) region.close();
    this.#last = undefined;
  }

  /**
   * The bytes of a guest range, in order, in as many pieces as it takes; good until the next change of the regions.
   *
   * @throws GuestFault where any of it is not the guest's memory
   */
  *pieces(address: number, length: number): Generator<Uint8Array> {
    let at = address;
    let left = length;
    while (left > 0) {
      const region = this.#find(at);
      if (region === undefined) throw new GuestFault(`a buffer at 0x${at.toString(16)}, which is not guest memory`);
      const piece = region.bytes(at - region.description.guestAddress, left);
      yield piece;
      at += piece.length;
      left -= piece.length;
    }
  }

  /**
   * Maps a ring by its front-end address. The mapping is the caller's, and outlives changes of the regions. It must lie
   * in one region.
   */
  mapFrontEnd(address: number, length: number): { mapping: Mapping; at: number } {
    for (const region of this.#regions) {
      const offset = address - region.description.frontEndAddress;
      if (offset >= 0 && offset < region.description.size && length <= region.description.size - offset) {
        return region.map(offset, length);
      }
    }
    throw new GuestFault(`a ring at 0x${address.toString(16)}, which is not in shared memory`);
  }

  #find(address: number): Region | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.description.guestAddress && address < last.guestEnd) return last;
    let low = 0;
    let high = this.#regions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#regions[middle]!.guestEnd <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#regions[low];
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

function checkDescription({ guestAddress, size, frontEndAddress, fileOffset }: RegionDescription): void {
  const ends = [guestAddress + size, frontEndAddress + size, fileOffset + size];
  if (size <= 0 || ends.some(end => !Number.isSafeInteger(end)))
    throw new GuestFault(`a memory region of ${size} bytes`);
  if ([guestAddress, size, frontEndAddress, fileOffset].some(number => number % native.pageSize !== 0)) {
    throw new GuestFault('a memory region that does not begin and end with a page');
  }
}
