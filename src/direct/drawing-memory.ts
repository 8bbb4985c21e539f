/**
 * Where the memory of a program that draws for itself comes from. Three ways, the first that is there is taken:
 * the glue at the other end of a virtio_wl context allocates ({@link GlueSlabs}); without it, this VM brings host memory
 * of its own; and on a plain Unix socket, where any compositor may listen, it is a memfd (both {@link OwnSlabs}).
 */
import { native, SEAL_GROW, SEAL_SEAL, SEAL_SHRINK } from '../system/native.js';
import { Memory } from '../virtwl/vfd.js';
import type { OwnedFd } from '../system/fd.js';
import type { Display } from '../wayland-client/display.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import type { MemorySource, SlabGrant } from '../slabs/memory-source.js';

/**
 * The largest slab in bytes: the size of a wl_shm_pool is an int on the wire, and a slab is whole pages.
 */
export const MAX_SLAB_BYTES = 0x7ffff000;

/** A source of slabs whose pools are a display's own objects. `name` is for people: reports and errors. */
export interface DrawingMemory extends MemorySource<WaylandObject<'wl_shm_pool'>> {
  readonly name: string;
}

/** Slabs that the glue allocates: it gives the compositor the same memory that it gives us. */
export class GlueSlabs implements DrawingMemory {
  readonly name = 'glue';
  readonly #display: Display;
  readonly #extension: WaylandObject<'virtwl_memory_v1'>;

  /** @throws Error when the other end does not offer `virtwl_memory_v1` */
  constructor(display: Display) {
    this.#display = display;
    this.#extension = display.bind('virtwl_memory_v1', 1);
  }

  allocate(size: number): Promise<SlabGrant<WaylandObject<'wl_shm_pool'>>> {
    return this.#display.until((resolve, reject) => {
      checkSlabSize(size);
      const slab = this.#extension.create('allocate', size);
      slab.on('memory', (fd: OwnedFd, bytes: number) => {
        if (bytes < size) {
          fd.close();
          slab.request('destroy');
          reject(new Error(`a slab of ${size} bytes was asked for, and the glue gave one of ${bytes}`));
          return;
        }
        const pool = slab.create('create_pool');
        resolve({
          memory: new Memory(fd.release(), size),
          pool,
          release: () => {
            if (this.#display.ended !== undefined) return;
            pool.request('destroy');
            slab.request('destroy');
          },
        });
      });
      slab.on('refused', (reason: number, message: string) => {
        slab.request('destroy');
        reject(new Error(`the glue refused a slab of ${size} bytes (reason ${reason}): ${message}`));
      });
    });
  }
}

/** Slabs that this program makes and hands to the compositor as ordinary wl_shm pools. */
export class OwnSlabs implements DrawingMemory {
  readonly #display: Display;
  readonly #shm: WaylandObject<'wl_shm'>;
  readonly #make: (size: number) => Memory;

  /**
   * `make` gives new memory of so many bytes, of a kind that the display's channel can carry.
   * @throws Error when the compositor does not offer `wl_shm`
   */
  constructor(
    display: Display,
    readonly name: string,
    make: (size: number) => Memory,
  ) {
    this.#display = display;
    this.#shm = display.bind('wl_shm', 1);
    this.#make = make;
  }

  async allocate(size: number): Promise<SlabGrant<WaylandObject<'wl_shm_pool'>>> {
    checkSlabSize(size);
    const memory = this.#make(size);
    try {
      const pool = this.#shm.create('create_pool', memory.share(), memory.poolBytes(size));
      return {
        memory,
        pool,
        release: () => {
          if (this.#display.ended === undefined) pool.request('destroy');
        },
      };
    } catch (error) {
      memory.close();
      throw error;
    }
  }
}

/** A memfd of `size` bytes that nobody can shrink: what a plain Unix socket carries. The caller's to close. */
export function memfdMemory(size: number): Memory {
  const memory = new Memory(native.memfd('virtwl', 0, 0), size);
  try {
    // Reserved rather than truncated: memory that is promised and not there would fault while it is drawn to.
    native.reserve(memory.fd, size);
    native.addSeals(memory.fd, SEAL_SHRINK | SEAL_GROW | SEAL_SEAL);
    return memory;
  } catch (error) {
    memory.close();
    throw error;
  }
}

function checkSlabSize(size: number): void {
  if (!Number.isInteger(size) || size <= 0 || size > MAX_SLAB_BYTES) {
    throw new RangeError(`a slab of ${size} bytes: the size must be from 1 to ${MAX_SLAB_BYTES}`);
  }
}
