/**
 * The slabs that a process has mapped, for all its connections. Buffers of less than {@link LARGE_BYTES} of every
 * connection lie together in few slabs: in a VM each slab takes one of few mapping slots, and hundreds of programs have
 * a small window each. A larger buffer has a slab for itself, which has its size and goes when it goes.
 *
 * Who draws here is one process, the client proxy, which also says where the compositor finds each buffer. No application
 * sees any of it.
 */
import type { Mapping } from '../system/native.js';
import { Ranges } from '../system/ranges.js';

/** The smallest slab: enough for cursors and small windows of some applications. */
export const MIN_SLAB_BYTES = 1 << 20;
/** The largest slab of small buffers, unless the buffer itself is larger: what is left of it may be of use to nobody. */
export const MAX_SHARED_SLAB_BYTES = 16 << 20;
/** From this size on, a buffer has a slab for itself: a window of 1,024 x 1,024 pixels. */
export const LARGE_BYTES = 4 << 20;
/**
 * Slabs at a time. The glue gives a VM 352; one at the other end that gives without end, and never lets go of a buffer, is
 * not to fill our address space, nor the mapping slots that all programs of this VM share.
 */
export const MAX_SLABS = 512;
/** Buffers begin on a page, so that rows of one never share a cache line with another's. */
export const PAGE_BYTES = 4096;
/**
 * How long the buffers of a connection that has ended are not used for others, in milliseconds: the compositor learns of
 * the end a little later, and shows them until then.
 */
export const FAREWELL_MS = 1000;

/** One slab, mapped once. */
export class MappedSlab {
  readonly ranges: Ranges;
  /** Connections that have a pool over it, or ask for one. */
  users = 1;

  constructor(
    readonly mapping: Mapping,
    readonly size: number,
    /** By which other connections join it; undefined: this one's alone. */
    readonly key: string | undefined,
    /** Has one large buffer, or none. */
    readonly exclusive: boolean,
  ) {
    this.ranges = new Ranges(size);
  }
}

/** A connection's part of an arena, as others see it. */
export interface ArenaMember {
  /** Gives up slabs that have no buffer of this connection, and returns how many bytes were unmapped. */
  dropEmpty(): number;
}

export class SlabArena {
  readonly #slabs = new Set<MappedSlab>();
  readonly members = new Set<ArenaMember>();

  /** Slabs mapped at the moment. */
  get slabCount(): number {
    return this.#slabs.size;
  }

  /** Bytes mapped at the moment. */
  get bytes(): number {
    let sum = 0;
    for (const { size } of this.#slabs) sum += size;
    return sum;
  }

  /** A slab that others may join, and that has room for a small buffer. */
  joinable(bytes: number, rules: (slab: MappedSlab) => boolean): MappedSlab | undefined {
    for (const slab of this.#slabs) {
      if (slab.key !== undefined && !slab.exclusive && slab.ranges.largest >= wholePages(bytes) && rules(slab)) {
        return slab;
      }
    }
    return undefined;
  }

  /**
   * How large a slab should be for a buffer of `bytes` bytes: a large one has its own, small ones make room for another
   * two, and for as much as is used already, so that many buffers make few slabs.
   */
  wish(bytes: number): number {
    if (bytes >= LARGE_BYTES) return roundedUp(bytes);
    let used = 0;
    for (const { exclusive, ranges } of this.#slabs) if (!exclusive) used += ranges.used;
    const roomy = Math.max(MIN_SLAB_BYTES, 2 * wholePages(bytes), Math.min(used, MAX_SHARED_SLAB_BYTES));
    return Math.ceil(roomy / MIN_SLAB_BYTES) * MIN_SLAB_BYTES;
  }

  add(slab: MappedSlab): void {
    this.#slabs.add(slab);
  }

  /** A connection has left a slab. Returns how many bytes were unmapped. */
  leave(slab: MappedSlab): number {
    slab.users -= 1;
    if (slab.users > 0) return 0;
    this.#slabs.delete(slab);
    slab.mapping.unmap();
    return slab.size;
  }

  /** The same, and its buffers are free after a while: the connection has ended. */
  leaveWith(slab: MappedSlab, offsets: readonly number[]): void {
    if (this.leave(slab) > 0 || offsets.length === 0) return;
    setTimeout(() => {
      for (const offset of offsets) slab.ranges.free(offset);
    }, FAREWELL_MS).unref();
  }
}

/** The least that a slab for one buffer must have. */
export function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

/** One of eight sizes for each power of two, so that a window that is resized uses its slabs again. */
function roundedUp(bytes: number): number {
  const step = 2 ** Math.floor(Math.log2(bytes)) / 8;
  return wholePages(Math.ceil(bytes / step) * step);
}
