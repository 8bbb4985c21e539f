/**
 * A surface whose pixels are drawn straight into memory that the compositor reads: no copy, and for a steady frame no
 * mapping, no descriptor and no allocation.
 *
 * A frame goes round like this: {@link SharedSurface.nextBuffer} gives a buffer that the compositor does not read; the
 * program draws into its `pixels`, all of them or, by its `age`, only what changed since; {@link SharedSurface.commit}
 * shows it; the compositor's release makes it free again. Buffers are parts of a slab that is mapped once.
 */
import type { Mapping } from '../system/native.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import type { DirectClient } from './direct.js';
import type { SlabPart } from '../slabs/link-memory.js';
import type { Rect } from '../wayland/rect.js';

/** Buffers of one surface at most, by default: one shown, one on its way, one to draw in. */
export const DEFAULT_BUFFERS = 3;
/** Longest side of a buffer in pixels: beyond it wlroots' renderers refuse textures. */
export const MAX_BUFFER_SIDE = 16384;
/** wl_shm.format.xrgb8888: every compositor has it. */
const XRGB8888 = 1;
const BYTES_PER_PIXEL = 4;

/** One buffer of a {@link SharedSurface}. Draw into it between `nextBuffer` and `commit`, and at no other time. */
export class SharedBuffer {
  /** Size in pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next; 32-bit words times four. */
  readonly stride: number;
  /**
   * The pixels, 0xXXRRGGBB, row after row of `stride / 4` words, in shared memory. Write only: in a VM the memory may
   * be uncached, and reading it is then slow. Detached (length 0) once the surface has let go of the buffer.
   */
  readonly pixels: Uint32Array;
  /** @internal */
  readonly wl: WaylandObject<'wl_buffer'>;
  /** @internal */
  readonly part: SlabPart<WaylandObject<'wl_shm_pool'>>;
  /** 'free' to be drawn in, 'drawing' in the program's hands, 'shown' with the compositor. @internal */
  state: 'free' | 'drawing' | 'shown' = 'free';
  /** The number of the last commit that showed it; 0 when its contents are nobody's picture. @internal */
  committed = 0;
  readonly #commits: () => number;

  /** @internal */
  constructor(
    wl: WaylandObject<'wl_buffer'>,
    part: SlabPart<WaylandObject<'wl_shm_pool'>>,
    width: number,
    height: number,
    commits: () => number,
  ) {
    this.wl = wl;
    this.part = part;
    this.width = width;
    this.height = height;
    this.stride = width * BYTES_PER_PIXEL;
    this.pixels = pixelsOf(part.mapping, part.offset, width * height);
    this.#commits = commits;
  }

  /**
   * How old the picture in it is: 1 is that of the last commit, 2 the one before. 0: it holds no picture of this
   * surface, draw all of it.
   */
  get age(): number {
    return this.committed === 0 ? 0 : this.#commits() - this.committed + 1;
  }
}

function pixelsOf(mapping: Mapping, offset: number, words: number): Uint32Array {
  return new Uint32Array(mapping.buffer, offset, words);
}

/** A wl_surface and the buffers that it is shown from. Made by {@link DirectClient.createSurface}. */
export class SharedSurface {
  /** The surface itself, for requests that this class does not know: regions, scale, a role. */
  readonly wl: WaylandObject<'wl_surface'>;
  readonly #client: DirectClient;
  readonly #maxBuffers: number;
  #width = 0;
  #height = 0;
  #buffers: SharedBuffer[] = [];
  /** Buffers of an earlier size that the compositor still reads. */
  readonly #retired = new Set<SharedBuffer>();
  #commits = 0;
  #destroyed = false;
  #waiting: (() => void)[] = [];

  /** @internal */
  constructor(client: DirectClient, width: number, height: number, maxBuffers: number) {
    checkSide(width, height);
    if (!Number.isInteger(maxBuffers) || maxBuffers < 1) {
      throw new RangeError(`${maxBuffers} buffers: a surface needs at least one`);
    }
    this.#client = client;
    this.#maxBuffers = maxBuffers;
    this.#width = width;
    this.#height = height;
    this.wl = client.compositor.create('create_surface');
  }

  /** Size of the next buffer in pixels. */
  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Commits so far. */
  get commits(): number {
    return this.#commits;
  }

  /** Buffers that exist at the moment, those of an earlier size included. */
  get bufferCount(): number {
    return this.#buffers.length + this.#retired.size;
  }

  /**
   * Buffers are of this size from the next one on. One in the program's hands keeps its own and may still be committed.
   * @throws RangeError for sides below 1 or above {@link MAX_BUFFER_SIDE}
   */
  resize(width: number, height: number): void {
    checkSide(width, height);
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    const old = this.#buffers;
    this.#buffers = [];
    for (const buffer of old) {
      if (buffer.state === 'free') this.#drop(buffer);
      else this.#retired.add(buffer);
    }
  }

  /**
   * A buffer to draw in, the one with the youngest picture of those that are free. Waits while the compositor reads all
   * of them, or more than as many of other sizes, or while memory is on its way.
   * @returns the buffer, the caller's until `commit` or `discard`
   * @throws Error when there is no memory to be had, when the surface is destroyed, and what broke the connection when
   * that ends while waiting
   */
  async nextBuffer(): Promise<SharedBuffer> {
    for (;;) {
      const buffer = this.freeBuffer();
      if (buffer !== undefined) return buffer;
      await this.#client.display.until<void>(resolve => this.#waiting.push(resolve));
    }
  }

  /** As {@link nextBuffer}, but undefined where that would wait. */
  freeBuffer(): SharedBuffer | undefined {
    if (this.#destroyed) throw new Error(`${String(this.wl)} is destroyed: it has no buffers any more`);
    if (this.#client.display.ended !== undefined) throw this.#client.display.ended;
    let best: SharedBuffer | undefined;
    for (const buffer of this.#buffers) {
      if (buffer.state === 'free' && (best === undefined || buffer.committed > best.committed)) best = buffer;
    }
    best ??= this.#carve();
    if (best !== undefined) best.state = 'drawing';
    return best;
  }

  /**
   * Shows a buffer. The program must not touch it afterwards.
   * @param damage what changed since the last commit, in the buffer's pixels; everything when left out
   * @throws Error for a buffer that is not in the program's hands, RangeError for damage that is no rectangle of integers
   */
  commit(buffer: SharedBuffer, damage?: readonly Rect[]): void {
    this.#checkHeld(buffer, 'commit');
    for (const { x, y, width, height } of damage ?? []) {
      if (![x, y, width, height].every(isInt) || width < 0 || height < 0) {
        throw new RangeError(
          `damage of ${width}x${height} at (${x}, ${y}): these must be 32-bit integers, the size not negative`,
        );
      }
    }
    this.wl.request('attach', buffer.wl, 0, 0);
    if (damage === undefined) {
      this.wl.request('damage_buffer', 0, 0, buffer.width, buffer.height);
    } else {
      for (const { x, y, width, height } of damage) this.wl.request('damage_buffer', x, y, width, height);
    }
    this.wl.request('commit');
    buffer.state = 'shown';
    buffer.committed = ++this.#commits;
  }

  /** Gives a buffer back without showing it. Its picture is void: its age becomes 0. */
  discard(buffer: SharedBuffer): void {
    this.#checkHeld(buffer, 'discard');
    buffer.committed = 0;
    this.#free(buffer);
  }

  /**
   * Asks for a frame callback that goes with the next commit. Resolves when the compositor says that it is a good time
   * for the next frame, to its own clock's milliseconds; rejects when the connection ends.
   */
  nextFrame(): Promise<number> {
    return this.#client.display.until(resolve => {
      this.wl.create('frame').on('done', resolve);
    });
  }

  /** Destroys surface and buffers. Whatever waits for a buffer rejects. Idempotent. The role's object goes first. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#client.forget(this);
    const buffers = [...this.#buffers, ...this.#retired];
    this.#buffers = [];
    this.#retired.clear();
    this.#wake();
    const { display } = this.#client;
    if (display.ended !== undefined) return;
    this.wl.request('destroy');
    for (const { wl } of buffers) wl.request('destroy');
    // Until the compositor has handled this, it may read them; what is drawn in these parts next must not be seen
    // here.
    display.sync(() => {
      for (const { part } of buffers) part.free();
    });
  }

  /** Memory has arrived, or will not: those that wait check again. @internal */
  wake(): void {
    this.#wake();
  }

  #carve(): SharedBuffer | undefined {
    if (this.#buffers.length >= this.#maxBuffers || this.#heldOfOtherSizes() > this.#maxBuffers) return undefined;
    const width = this.#width;
    const height = this.#height;
    const part = this.#client.memory.take(width * height * BYTES_PER_PIXEL);
    if (part === undefined) return undefined;
    const stride = width * BYTES_PER_PIXEL;
    const wl = part.pool.create('create_buffer', part.offset, width, height, stride, XRGB8888);
    const buffer = new SharedBuffer(wl, part, width, height, () => this.#commits);
    wl.on('release', () => {
      if (buffer.state === 'shown') this.#free(buffer);
    });
    this.#buffers.push(buffer);
    return buffer;
  }

  /**
   * Buffers of earlier sizes that the compositor reads. One may be what it shows until there is a frame of the new size; a
   * compositor that is stopped must not be given as many as there are sizes.
   */
  #heldOfOtherSizes(): number {
    let held = 0;
    for (const buffer of this.#retired) if (buffer.state === 'shown') held += 1;
    return held;
  }

  #free(buffer: SharedBuffer): void {
    buffer.state = 'free';
    if (this.#retired.delete(buffer)) this.#drop(buffer);
    this.#wake();
  }

  /** Lets go of a buffer that nobody reads or draws in. */
  #drop(buffer: SharedBuffer): void {
    buffer.wl.request('destroy');
    buffer.part.free();
  }

  #checkHeld(buffer: SharedBuffer, what: string): void {
    if (this.#destroyed) throw new Error(`${what} on ${String(this.wl)}, which is destroyed`);
    if (buffer.state !== 'drawing' || !(this.#buffers.includes(buffer) || this.#retired.has(buffer))) {
      throw new Error(
        `${what} of a buffer that nextBuffer() of ${String(this.wl)} did not give, or that was given back`,
      );
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function isInt(n: number): boolean {
  return Number.isInteger(n) && n >= -0x80000000 && n <= 0x7fffffff;
}

function checkSide(width: number, height: number): void {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1 || side > MAX_BUFFER_SIDE) {
      throw new RangeError(`a surface of ${width}x${height} pixels: each side must be from 1 to ${MAX_BUFFER_SIDE}`);
    }
  }
}
