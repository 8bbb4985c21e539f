/**
 * Link buffers that nobody needs at the moment, of all applications of the proxy: what is given up first when memory is
 * short. Each is a copy of pixels that the application has as well, so giving it up costs one copy when its window draws
 * again. What the compositor reads stays, and with it every window that is there.
 */
import type { LinkMemory } from '../slabs/link-memory.js';
import { LARGE_BYTES, type SlabArena } from '../slabs/slab-arena.js';
import type { AppSurface } from './app-surface.js';
import type { LinkBuffer } from './link-buffer.js';

/**
 * How often other programs' wish for memory is heard, in milliseconds: the glue tells it on every connection of the proxy.
 */
export const WISH_INTERVAL_MS = 50;

/** What one application has. */
export interface IdleOwner {
  readonly memory: LinkMemory;
  readonly surfaces: Iterable<AppSurface>;
  /** Sends what was said. */
  flush(): void;
}

interface Candidate {
  readonly owner: IdleOwner;
  readonly surface: AppSurface;
  readonly buffer: LinkBuffer;
  /** It has what the window shows, as far as the application knows. */
  readonly shown: boolean;
}

/** The idle link buffers of a proxy. */
export class IdleBuffers {
  readonly owners = new Set<IdleOwner>();
  readonly #arena: SlabArena;
  #lastWish = -Infinity;
  /** Bytes of link buffers that were given up so far. */
  bytesGivenUp = 0;

  constructor(
    arena: SlabArena,
    /** In milliseconds, of any beginning. */
    private readonly now = () => performance.now(),
  ) {
    this.#arena = arena;
  }

  /**
   * Gives up, those first that were not used for longest, until `bytes` bytes of memory were unmapped, or `memory` has
   * room for a buffer of so many. Returns whether anything was given up.
   */
  giveUp(bytes: number, memory?: LinkMemory): boolean {
    const before = this.#arena.bytes;
    const isEnough = (): boolean =>
      before - this.#arena.bytes >= bytes ||
      memory?.hasRoomFor(bytes) === true ||
      (bytes < LARGE_BYTES && this.#arena.joinable(bytes, () => true) !== undefined);
    const touched = new Set<IdleOwner>();
    for (const owner of this.owners) if (owner.memory.dropEmpty() > 0) touched.add(owner);
    for (const { owner, surface, buffer } of isEnough() ? [] : this.#candidates()) {
      this.bytesGivenUp += buffer.stride * buffer.height;
      surface.giveUp(buffer);
      touched.add(owner);
      if (isEnough()) break;
      owner.memory.dropEmpty();
      if (isEnough()) break;
    }
    for (const owner of touched) owner.flush();
    return touched.size > 0;
  }

  /** Whether so many bytes could be given up. */
  has(bytes: number): boolean {
    let sum = 0;
    for (const { surfaces } of this.owners) {
      for (const surface of surfaces) for (const { stride, height } of surface.idleBuffers()) sum += stride * height;
    }
    return sum >= bytes;
  }

  /** Another program of this VM was refused so many bytes. */
  wished(bytes: number): void {
    const now = this.now();
    if (now - this.#lastWish < WISH_INTERVAL_MS) return;
    this.#lastWish = now;
    this.giveUp(bytes);
  }

  #candidates(): Candidate[] {
    const found: Candidate[] = [];
    for (const owner of this.owners) {
      for (const surface of owner.surfaces) {
        for (const buffer of surface.idleBuffers()) {
          found.push({ owner, surface, buffer, shown: surface.isShown(buffer) });
        }
      }
    }
    return found.sort((a, b) => Number(a.shown) - Number(b.shown) || a.buffer.used - b.buffer.used);
  }
}
