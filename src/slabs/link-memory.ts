/**
 * The host memory of one relayed connection: slabs, and the parts of them that buffers live in. A slab costs a mapping
 * in three processes and, in a VM, one of few mapping slots, so slabs are few and large; a part costs an entry in a
 * book. Nothing is allocated or mapped for a frame once the buffers of a window exist.
 */
import { Ranges } from '../system/ranges.js';
import type { Mapping } from '../system/native.js';
import type { RelayObject } from '../relay/object-map.js';
import type { MemorySource } from './memory-source.js';

/** The smallest slab: enough for cursors and small windows of one application. */
export const MIN_SLAB_BYTES = 1 << 20;
/** Slabs are made for this many buffers of the size that did not fit: double buffering and one on its way. */
export const BUFFERS_PER_SLAB = 3;
/** Beyond this, a slab is made for one buffer only: three 8K buffers would already be 400 MB. */
export const MAX_ROOMY_SLAB_BYTES = 128 << 20;
/**
 * Slabs at a time. The glue gives a connection 32; one at the other end that gives without end, and never lets go of a
 * buffer, is not to fill our address space, nor the mapping slots that all applications of this VM share.
 */
export const MAX_SLABS = 64;
/**
 * How long a slab may be on its way, in milliseconds: the glue gives its allocator 30 seconds. The one that waits for
 * it is told then that there is no memory.
 */
export const SLAB_TIMEOUT_MS = 60_000;
/** Parts begin on a page, so that rows of one buffer never share a cache line with another's. */
const PART_ALIGNMENT = 4096;

interface Slab<Pool> {
  readonly mapping: Mapping;
  readonly pool: Pool;
  readonly ranges: Ranges;
  release(): void;
}

/** A part of a slab, for one buffer. */
export interface SlabPart<Pool = RelayObject<'wl_shm_pool'>> {
  readonly mapping: Mapping;
  /** The `wl_shm_pool` on the link. */
  readonly pool: Pool;
  /** Where it begins, in bytes from the start of mapping and pool. */
  readonly offset: number;
  free(): void;
}

export class LinkMemory<Pool = RelayObject<'wl_shm_pool'>> {
  readonly #source: MemorySource<Pool>;
  readonly #arrived: () => void;
  readonly #timeoutMs: number;
  readonly #slabs: Slab<Pool>[] = [];
  #growing = false;
  /** Runs while a slab is on its way. */
  #timer: NodeJS.Timeout | undefined;
  #failure: Error | undefined;
  #closed = false;

  /**
   * `arrived` is called when a part that could not be had may be had, or will never be, so that `take` says why: within
   * `timeoutMs` milliseconds in any case.
   */
  constructor(source: MemorySource<Pool>, arrived: () => void, timeoutMs = SLAB_TIMEOUT_MS) {
    this.#source = source;
    this.#arrived = arrived;
    this.#timeoutMs = timeoutMs;
  }

  /** Slabs at the moment. */
  get slabCount(): number {
    return this.#slabs.length;
  }

  /**
   * A part of `bytes` bytes, or undefined: not yet, a slab is on its way. Throws when no memory was to be had; a later
   * call tries again.
   */
  take(bytes: number): SlabPart<Pool> | undefined {
    for (const slab of this.#slabs) {
      const offset = slab.ranges.allocate(bytes, PART_ALIGNMENT);
      if (offset === undefined) continue;
      return { mapping: slab.mapping, pool: slab.pool, offset, free: () => this.#free(slab, offset) };
    }
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      throw failure;
    }
    if (!this.#growing) {
      // An empty slab that is too small for this would only take room from the one that is asked for.
      for (const slab of [...this.#slabs]) if (slab.ranges.count === 0) this.#drop(slab);
      if (this.#slabs.length >= MAX_SLABS) {
        throw new Error(`${MAX_SLABS} slabs are full of buffers that the compositor has not let go of`);
      }
      this.#grow(slabBytes(bytes), bytes);
    }
    return undefined;
  }

  /** Unmaps everything. The link's objects go with the link. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const slab of this.#slabs) slab.mapping.unmap();
    this.#slabs.length = 0;
  }

  #grow(size: number, least: number): void {
    this.#growing = true;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#fail(new Error(`no answer within ${this.#timeoutMs} ms to the request for ${size} bytes of memory`));
    }, this.#timeoutMs);
    this.#timer = timer;
    this.#source
      .allocate(size)
      .finally(() => clearTimeout(timer))
      .then(({ memory, pool, release }) => {
        if (late && !this.#closed) {
          memory.close();
          release();
          return;
        }
        try {
          if (this.#closed) return;
          const mapping = memory.map(size, true);
          this.#slabs.push({ mapping, pool, release, ranges: new Ranges(size) });
        } catch (error) {
          release();
          throw error;
        } finally {
          // The mapping keeps the memory; what was sent has its own descriptor.
          memory.close();
        }
        this.#growing = false;
        this.#arrived();
      })
      .catch((error: Error) => {
        if (this.#closed || late) return;
        // A roomy slab is a wish, one buffer is the need.
        const smaller = slabBytes(least, 1);
        if (size > smaller) {
          this.#grow(smaller, least);
          return;
        }
        this.#fail(error);
      });
  }

  /** The next to take a part is told, and may try again. */
  #fail(error: Error): void {
    this.#growing = false;
    this.#failure = error;
    this.#arrived();
  }

  #free(slab: Slab<Pool>, offset: number): void {
    if (this.#closed) return;
    slab.ranges.free(offset);
    // The last slab stays: a client that closes one window opens another.
    if (slab.ranges.count === 0 && this.#slabs.length > 1) this.#drop(slab);
  }

  #drop(slab: Slab<Pool>): void {
    this.#slabs.splice(this.#slabs.indexOf(slab), 1);
    slab.mapping.unmap();
    slab.release();
  }
}

/** The size of a slab for buffers of `bytes` bytes: whole MiB, so that sizes repeat. */
function slabBytes(bytes: number, buffers = BUFFERS_PER_SLAB): number {
  const pages = Math.ceil(bytes / PART_ALIGNMENT) * PART_ALIGNMENT;
  const wanted = pages * buffers;
  const size = wanted <= MAX_ROOMY_SLAB_BYTES ? wanted : pages;
  return Math.max(MIN_SLAB_BYTES, Math.ceil(size / MIN_SLAB_BYTES) * MIN_SLAB_BYTES);
}
