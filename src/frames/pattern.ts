/**
 * The pattern of numbered frames that the frame checker draws, and that it expects to find in a capture.
 *
 * A frame is a grid of blocks of 8×8 pixels. The colour of a block follows from the number of the frame in which it was
 * last redrawn and from its place, so a captured pixel says which frame and which place it belongs to, and no fault on
 * the way (a copy from the wrong offset, an old buffer, a swapped channel) can leave the picture as it should be. A
 * frame may redraw all blocks or only some; {@link Pattern} keeps, for this frame and the last 16, which frame each
 * block came from.
 *
 * Drawing only ever writes to the target: shared memory may be uncached for reading, and another process may have
 * written to it.
 */
import type { Rect } from '../wayland/rect.js';
import { blankPicture, type Picture } from './picture.js';

/** Side of a block in pixels. */
export const BLOCK_PIXELS = 8;
/** How many earlier frames a pattern remembers: old pictures up to this age are recognised as such. */
export const HISTORY_FRAMES = 16;
/** Smallest side of a pattern in pixels: three blocks, so that four inner corners remain to find it by. */
export const MIN_SIDE = 3 * BLOCK_PIXELS;
/** Largest side in pixels: what wl_shm compositors take as a texture. */
export const MAX_SIDE = 16384;

/**
 * The colour (0xRRGGBB) of the block in `column` and `row` that was drawn in frame `frame`.
 *
 * The upper five bits of green count frames, columns and rows modulo 32 with odd steps, so a block never has the colour
 * of its neighbours nor of its own in the 31 frames before and after. Red and blue lie at opposite ends of their range,
 * at least 129 apart. All other bits are a hash, which makes colours rare enough to find the window by.
 */
export function blockColour(frame: number, column: number, row: number): number {
  const hash = scatter(frame, column, row);
  const count = (frame + 3 * column + 5 * row) & 31;
  const green = (count << 3) | (hash & 7);
  const high = 0xc0 | ((hash >>> 3) & 63);
  const low = (hash >>> 9) & 63;
  return (hash >>> 15) & 1 ? (high << 16) | (green << 8) | low : (low << 16) | (green << 8) | high;
}

/**
 * The last frame up to `current` in which the block in `column` and `row` has this colour (0xRRGGBB), if it was drawn in
 * it at all; undefined of a colour that no frame ever gave it.
 */
export function frameOfColour(colour: number, column: number, row: number, current: number): number | undefined {
  // The upper bits of green name the frame modulo 32.
  const count = ((colour >>> 11) & 31) - 3 * column - 5 * row;
  for (let frame = current - ((((current - count) % 32) + 32) % 32); frame >= 1; frame -= 32) {
    if (blockColour(frame, column, row) === colour) return frame;
  }
  return undefined;
}

/** 32 bits in which each bit of the three numbers shows. */
function scatter(a: number, b: number, c: number): number {
  let hash = Math.imul(a, 0x2545f491) ^ Math.imul(b + 1, 0x6c8e9cf5) ^ Math.imul(c + 1, 0x1b873593);
  // The finaliser of MurmurHash3 (public domain).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The frames of one window. Pure computation: no memory but its own. */
export class Pattern {
  readonly width: number;
  readonly height: number;
  /** The grid's size in blocks; the last column and row may be cut off by the edge. */
  readonly columns: number;
  readonly rows: number;
  #frame = 0;
  /** For the frame f, at f modulo the ring's length: per block, the frame that drew it. */
  readonly #states: Uint32Array[];
  readonly #changes: (readonly Rect[])[];
  readonly #line: Uint32Array;

  /** Starts before the first frame: {@link advance} makes frame 1. */
  constructor(width: number, height: number) {
    for (const side of [width, height]) {
      if (!Number.isInteger(side) || side < MIN_SIDE || side > MAX_SIDE) {
        throw new RangeError(`a frame of ${width}x${height} pixels: each side must be from ${MIN_SIDE} to ${MAX_SIDE}`);
      }
    }
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / BLOCK_PIXELS);
    this.rows = Math.ceil(height / BLOCK_PIXELS);
    this.#states = Array.from({ length: HISTORY_FRAMES + 1 }, () => new Uint32Array(this.columns * this.rows));
    this.#changes = Array.from({ length: HISTORY_FRAMES + 1 }, () => []);
    this.#line = new Uint32Array(width);
  }

  /** Number of the current frame; 0 before the first. */
  get frame(): number {
    return this.#frame;
  }

  /** The whole picture as one rectangle. */
  get whole(): Rect {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  /**
   * Goes on to the next frame, which redraws the blocks touched by `changed` (pixels; rounded out to blocks), or all
   * blocks. The first frame always redraws all.
   *
   * @returns what changed, in whole blocks, clipped to the picture: the damage of this frame
   */
  advance(changed?: readonly Rect[]): readonly Rect[] {
    const before = this.#states[this.#frame % this.#states.length]!;
    this.#frame++;
    const state = this.#states[this.#frame % this.#states.length]!;
    let changes: Rect[];
    if (changed === undefined || this.#frame === 1) {
      state.fill(this.#frame);
      changes = [this.whole];
    } else {
      state.set(before);
      changes = [];
      for (const rect of changed) {
        const rounded = this.#roundOut(rect);
        if (rounded === undefined) continue;
        changes.push(rounded);
        const left = rounded.x / BLOCK_PIXELS;
        const right = Math.ceil((rounded.x + rounded.width) / BLOCK_PIXELS);
        for (let y = rounded.y; y < rounded.y + rounded.height; y += BLOCK_PIXELS) {
          const row = (y / BLOCK_PIXELS) * this.columns;
          state.fill(this.#frame, row + left, row + right);
        }
      }
    }
    this.#changes[this.#frame % this.#changes.length] = changes;
    return changes;
  }

  /**
   * Per block, row after row, the frame in which it was drawn, as of `behind` frames ago; undefined where there was no
   * such frame or it is forgotten. Valid until {@link advance}, not to be written to.
   */
  drawnIn(behind = 0): Uint32Array | undefined {
    if (behind < 0 || behind > HISTORY_FRAMES || behind >= this.#frame) return undefined;
    return this.#states[(this.#frame - behind) % this.#states.length]!;
  }

  /**
   * What a buffer lacks that showed the picture of `age` frames ago (1 is the frame before this one): every change
   * since. The whole picture when `age` is 0 (nothing was drawn in it yet) or longer ago than is remembered.
   */
  changesSince(age: number): readonly Rect[] {
    if (age < 1 || age > HISTORY_FRAMES || age >= this.#frame) return [this.whole];
    const rects: Rect[] = [];
    for (let i = 0; i < age; i++) rects.push(...this.#changes[(this.#frame - i) % this.#changes.length]!);
    const everything = rects.some(({ width, height }) => width === this.width && height === this.height);
    return everything ? [this.whole] : rects;
  }

  /**
   * Draws into XRGB8888 memory.
   *
   * @param target starts at the picture's first pixel
   * @param stride 32-bit words from one row to the next, at least the width
   * @param rects what to draw, rounded out to blocks; everything when omitted
   * @param behind draws the picture of that many frames ago instead
   * @returns bytes written
   * @throws RangeError when the picture does not fit the target, or is no longer known
   */
  draw(target: Uint32Array, stride: number, rects: readonly Rect[] = [this.whole], behind = 0): number {
    if (stride < this.width || target.length < stride * (this.height - 1) + this.width) {
      throw new RangeError(
        `${target.length * 4} bytes with a stride of ${stride * 4} have no room for ${this.width}x${this.height} pixels`,
      );
    }
    const state = this.drawnIn(behind);
    if (state === undefined) {
      throw new RangeError(
        `frame ${this.#frame - behind} cannot be drawn: the current one is ${this.#frame}, ` +
          `and the last ${HISTORY_FRAMES} are kept`,
      );
    }
    let written = 0;
    for (const rect of rects) {
      const area = this.#roundOut(rect);
      if (area === undefined) continue;
      const right = area.x + area.width;
      const bottom = area.y + area.height;
      const part = this.#line.subarray(area.x, right);
      for (let y = area.y; y < bottom; y += BLOCK_PIXELS) {
        this.#fillLine(state, y / BLOCK_PIXELS, area.x, right);
        const end = Math.min(y + BLOCK_PIXELS, bottom);
        for (let line = y; line < end; line++) target.set(part, line * stride + area.x);
      }
      written += area.width * area.height * 4;
    }
    return written;
  }

  /** The picture of `behind` frames ago, as it must appear. */
  picture(behind = 0): Picture {
    const picture = blankPicture(this.width, this.height);
    this.draw(picture.pixels, this.width, undefined, behind);
    return picture;
  }

  /** One line of pixels of a row of blocks, from x up to `right`, into #line. */
  #fillLine(state: Uint32Array, row: number, x: number, right: number): void {
    const line = this.#line;
    const blocks = row * this.columns;
    for (let column = x / BLOCK_PIXELS; x < right; column++) {
      // The unused upper byte is set, so that a compositor that takes it for alpha shows the same.
      const pixel = (blockColour(state[blocks + column]!, column, row) | 0xff000000) >>> 0;
      const end = Math.min(x + BLOCK_PIXELS, right);
      while (x < end) line[x++] = pixel;
    }
  }

  #roundOut(rect: Rect): Rect | undefined {
    const down = (n: number): number => Math.max(0, Math.floor(n / BLOCK_PIXELS) * BLOCK_PIXELS);
    const up = (n: number, most: number): number => Math.min(most, Math.ceil(n / BLOCK_PIXELS) * BLOCK_PIXELS);
    const x = down(rect.x);
    const y = down(rect.y);
    const width = up(rect.x + rect.width, this.width) - x;
    const height = up(rect.y + rect.height, this.height) - y;
    return width > 0 && height > 0 ? { x, y, width, height } : undefined;
  }
}

/**
 * Where frame `frame` changes in the mode that redraws only some blocks: `count` rectangles, two to nine blocks wide
 * and one to eight high where the picture has room, spread at random but the same in every run.
 */
export function someBlocks(pattern: Pattern, frame: number, count = 6): readonly Rect[] {
  const rects: Rect[] = [];
  for (let i = 0; i < count; i++) {
    const columns = Math.min(pattern.columns, 2 + (scatter(frame, i, 1) % 8));
    const rows = Math.min(pattern.rows, 1 + (scatter(frame, i, 2) % 8));
    rects.push({
      x: (scatter(frame, i, 3) % (pattern.columns - columns + 1)) * BLOCK_PIXELS,
      y: (scatter(frame, i, 4) % (pattern.rows - rows + 1)) * BLOCK_PIXELS,
      width: columns * BLOCK_PIXELS,
      height: rows * BLOCK_PIXELS,
    });
  }
  return rects;
}
