/**
 * The host memory of one relayed connection: slabs, and the parts of them that buffers live in. A slab costs a mapping
 * in three processes and, in a VM, one of few mapping slots, so slabs are few; a part costs an entry in a book. Nothing
 * is allocated or mapped for a frame once the buffers of a window exist. Which slabs there are, and what is in them, is the
 * arena's, which connections of one process share.
 */
import type { Mapping } from '../system/native.js';
import type { RelayObject } from '../relay/object-map.js';
import { NoMemory, type MemorySource } from './memory-source.js';
import {
  LARGE_BYTES,
  MappedSlab,
  MAX_SLABS,
  PAGE_BYTES,
  SlabArena,
  wholePages,
  type ArenaMember,
} from './slab-arena.js';

/**
 * How long a slab may be on its way, in milliseconds: the glue gives its allocator 30 seconds. The one that waits for
 * it is told then that there is no memory.
 */
export const SLAB_TIMEOUT_MS = 60_000;
/** How long what was given up on another connection may be on its way to the glue, in milliseconds. */
const RELIEF_MS = 20;

/** A slab as this connection has it. */
interface Held<Pool> {
  readonly slab: MappedSlab;
  readonly pool: Pool;
  /** Where this connection's parts begin. */
  readonly offsets: Set<number>;
  /** Takes the pool from the link. */
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

/** What a connection's memory needs beside its source. */
export interface LinkMemoryOptions {
  /** How long memory may be on its way, in milliseconds. Default: {@link SLAB_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
  /** What other connections of the process have. Default: an arena of its own. */
  readonly arena?: SlabArena | undefined;
  /**
   * Memory was refused: gives up what is not needed at the moment, and returns whether anything was given up. Default:
   * nothing is.
   */
  readonly relieve?: ((bytes: number) => boolean) | undefined;
  /** Whether memory is not to be asked for at the moment, since it was refused before. Default: it always may be. */
  readonly pausing?: (() => boolean) | undefined;
}

export class LinkMemory<Pool = RelayObject<'wl_shm_pool'>> implements ArenaMember {
  readonly #source: MemorySource<Pool>;
  readonly #arrived: () => void;
  readonly #timeoutMs: number;
  readonly #arena: SlabArena;
  readonly #relieve: (bytes: number) => boolean;
  readonly #pausing: () => boolean;
  /** Why memory was refused last. */
  #lastRefusal = '';
  readonly #held: Held<Pool>[] = [];
  /** Slabs that the other end did not let this connection join. */
  readonly #foreign = new WeakSet<MappedSlab>();
  /** What a window will begin with, once there is as much again. */
  #kept: { readonly part: SlabPart<Pool>; readonly bytes: number } | undefined;
  /** A part of a slab that was joined for it, and `bytes` that it was for. */
  #reserve: { readonly part: SlabPart<Pool>; readonly bytes: number } | undefined;
  #growing = false;
  /** Runs while a slab is on its way. */
  #timer: NodeJS.Timeout | undefined;
  /** Undoes what was done for the answer that is on its way. */
  #giveUpWaiting: (() => void) | undefined;
  #failure: Error | undefined;
  #closed = false;

  /**
   * `arrived` is called when a part that could not be had may be had, or will never be, so that `take` says why: within
   * the time that memory may be on its way in any case.
   */
  constructor(source: MemorySource<Pool>, arrived: () => void, options: LinkMemoryOptions = {}) {
    this.#source = source;
    this.#arrived = arrived;
    this.#timeoutMs = options.timeoutMs ?? SLAB_TIMEOUT_MS;
    this.#arena = options.arena ?? new SlabArena();
    this.#relieve = options.relieve ?? (() => false);
    this.#pausing = options.pausing ?? (() => false);
    this.#arena.members.add(this);
  }

  /** Slabs at the moment. */
  get slabCount(): number {
    return this.#held.length;
  }

  /** Bytes of the slabs that it has a part in. */
  get slabBytes(): number {
    return this.#held.reduce((sum, { slab }) => sum + slab.size, 0);
  }

  /**
   * A part of `bytes` bytes, or undefined: not yet, a slab is on its way. Throws {@link NoMemory} when none was to be
   * had now, and another Error when there will be none; a later call tries again.
   */
  take(bytes: number): SlabPart<Pool> | undefined {
    const part = this.#fromReserve(bytes) ?? this.#fromHeld(bytes);
    if (part !== undefined) return part;
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      throw failure;
    }
    if (this.#growing) return undefined;
    const joinable = bytes < LARGE_BYTES ? this.#joinable(bytes) : undefined;
    const place = joinable?.ranges.allocate(bytes, PAGE_BYTES);
    if (joinable !== undefined && place !== undefined) {
      this.#join(joinable, place, bytes);
      return undefined;
    }
    if (this.#pausing()) throw new NoMemory(this.#lastRefusal);
    // An empty slab that is too small for this would only take room from the one that is asked for.
    this.dropEmpty();
    if (this.#arena.slabCount >= MAX_SLABS) {
      this.#lastRefusal = `${MAX_SLABS} slabs are full of buffers that the compositor has not let go of`;
      throw new NoMemory(this.#lastRefusal);
    }
    this.#grow(this.#arena.wish(bytes), bytes);
    return undefined;
  }

  /**
   * As {@link take}, for the first large buffer of a window: only where there is as much once more, or `spare` has it. A
   * window cannot draw while the compositor reads its only buffer, and one that took the last memory that others draw with
   * in turn would stop them all.
   */
  takeWithSpare(bytes: number, spare: (bytes: number) => boolean): SlabPart<Pool> | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined && kept.bytes !== bytes) kept.part.free();
    const first = kept?.bytes === bytes ? kept.part : this.take(bytes);
    if (first === undefined || this.hasRoomFor(bytes) || spare(bytes)) return first;
    let second: SlabPart<Pool> | undefined;
    try {
      second = this.take(bytes);
    } catch (error) {
      first.free();
      throw error;
    }
    if (second === undefined) {
      this.#kept = { part: first, bytes };
      return undefined;
    }
    second.free();
    return first;
  }

  /** Whether a part of `bytes` bytes is there. */
  hasRoomFor(bytes: number): boolean {
    return this.#held.some(held => isFor(held, bytes) && held.slab.ranges.largest >= bytes);
  }

  dropEmpty(): number {
    if (!this.#growing) {
      // The window may be gone that waited for it.
      for (const waiting of [this.#kept, this.#reserve]) waiting?.part.free();
      this.#kept = this.#reserve = undefined;
    }
    let unmapped = 0;
    for (const held of [...this.#held]) if (held.offsets.size === 0) unmapped += this.#drop(held);
    return unmapped;
  }

  /** Unmaps what nobody else uses. The link's objects go with the link. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#arena.members.delete(this);
    clearTimeout(this.#timer);
    this.#giveUpWaiting?.();
    for (const { slab, offsets } of this.#held) this.#arena.leaveWith(slab, [...offsets]);
    this.#held.length = 0;
  }

  #fromHeld(bytes: number): SlabPart<Pool> | undefined {
    for (const held of this.#held) {
      const { slab, offsets } = held;
      if (!isFor(held, bytes)) continue;
      const offset = slab.ranges.allocate(bytes, PAGE_BYTES);
      if (offset === undefined) continue;
      offsets.add(offset);
      return this.#partOf(held, offset);
    }
    return undefined;
  }

  #fromReserve(bytes: number): SlabPart<Pool> | undefined {
    const reserve = this.#reserve;
    this.#reserve = undefined;
    if (reserve?.bytes === bytes) return reserve.part;
    reserve?.part.free();
    return undefined;
  }

  #partOf(held: Held<Pool>, offset: number): SlabPart<Pool> {
    return { mapping: held.slab.mapping, pool: held.pool, offset, free: () => this.#free(held, offset) };
  }

  #joinable(bytes: number): MappedSlab | undefined {
    if (this.#source.join === undefined) return undefined;
    return this.#arena.joinable(
      bytes,
      slab => !this.#foreign.has(slab) && !this.#held.some(held => held.slab === slab),
    );
  }

  /**
   * The part at `offset` is taken already: of many that join at the same time each finds room, and none has a slab for
   * nothing.
   */
  #join(slab: MappedSlab, offset: number, bytes: number): void {
    // It stays mapped while the answer is on its way.
    slab.users += 1;
    const leave = (): void => {
      slab.ranges.free(offset);
      this.#arena.leave(slab);
    };
    const left = this.#wait(`join a slab of ${slab.size} bytes`, leave);
    this.#source.join!(slab.key!).then(
      ({ pool, release }) => {
        if (left()) {
          if (!this.#closed) release();
          return;
        }
        const held = { slab, pool, release, offsets: new Set([offset]) };
        this.#held.push(held);
        this.#reserve = { part: this.#partOf(held, offset), bytes };
        this.#done();
      },
      () => {
        if (left()) return;
        this.#foreign.add(slab);
        leave();
        this.#done();
      },
    );
  }

  #grow(size: number, least: number): void {
    const late = this.#wait(`${size} bytes of memory`, () => undefined);
    this.#source
      .allocate(size)
      .then(({ memory, pool, release, key }) => {
        if (late()) {
          memory.close();
          if (!this.#closed) release();
          return;
        }
        try {
          const mapping = memory.map(size, true);
          const slab = new MappedSlab(mapping, size, key, least >= LARGE_BYTES);
          this.#arena.add(slab);
          this.#held.push({ slab, pool, release, offsets: new Set() });
        } catch (error) {
          release();
          throw error;
        } finally {
          // The mapping keeps the memory; what was sent has its own descriptor.
          memory.close();
        }
        this.#done();
      })
      .catch((error: Error) => {
        if (late()) return;
        // A roomy slab is a wish, one buffer is the need.
        const smaller = wholePages(least);
        if (size > smaller) this.#grow(smaller, least);
        else this.#refused(error, least);
      });
  }

  /** Not even the least was to be had. */
  #refused(error: Error, bytes: number): void {
    const relieved = error instanceof NoMemory && this.#relieve(bytes);
    if (!relieved) this.#done(error);
    else if (this.hasRoomFor(bytes)) this.#done();
    else this.#timer = setTimeout(() => this.#done(), RELIEF_MS);
  }

  /**
   * Something was asked for. Returns whether it is too late for the answer: the connection has ended, or the time is over.
   * `ended` is called then.
   */
  #wait(what: string, ended: () => void): () => boolean {
    this.#growing = true;
    clearTimeout(this.#timer);
    let over = false;
    const end = (): void => {
      this.#giveUpWaiting = undefined;
      over = true;
      ended();
    };
    this.#giveUpWaiting = end;
    const timer = setTimeout(() => {
      end();
      this.#done(new NoMemory(`no answer within ${this.#timeoutMs} ms to the request for ${what}`));
    }, this.#timeoutMs);
    this.#timer = timer;
    return () => {
      clearTimeout(timer);
      if (!over) this.#giveUpWaiting = undefined;
      return over;
    };
  }

  /** Nothing is on its way any more. The next to take a part is told of a failure, and may try again. */
  #done(failure?: Error): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#growing = false;
    this.#failure = failure;
    if (failure !== undefined) this.#lastRefusal = failure.message;
    this.#arrived();
  }

  #free(held: Held<Pool>, offset: number): void {
    if (this.#closed) return;
    const { slab, offsets } = held;
    slab.ranges.free(offset);
    offsets.delete(offset);
    if (offsets.size > 0) return;
    // One of a kind stays: a client that closes one window opens another, one that is resized needs the next size.
    const stays = slab.exclusive
      ? this.#held.some(other => other !== held && other.slab.exclusive && other.offsets.size > 0)
      : !this.#held.some(other => other !== held && !other.slab.exclusive);
    for (const other of [...this.#held]) {
      const replaced = other !== held && slab.exclusive && other.slab.exclusive && other.offsets.size === 0;
      if (replaced) this.#drop(other);
    }
    if (!stays) this.#drop(held);
  }

  #drop(held: Held<Pool>): number {
    this.#held.splice(this.#held.indexOf(held), 1);
    held.release();
    return this.#arena.leave(held.slab);
  }
}

/** Whether a slab is of the kind that a buffer of so many bytes lies in. */
function isFor<Pool>({ slab: { exclusive, ranges, size } }: Held<Pool>, bytes: number): boolean {
  if (bytes < LARGE_BYTES) return !exclusive;
  // A slab of a much larger window is not to be kept by a smaller one.
  return exclusive && ranges.count === 0 && size >= bytes && size - bytes <= size / 4;
}
