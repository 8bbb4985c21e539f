/**
 * Icons as X programs have them, as pictures: pixels of `_NET_WM_ICON`, or the pixmap of `WM_HINTS` with its mask. What
 * clients say of sizes is any number; the compositor gets squares.
 */
import type { OwnPicture } from './shm-picture.js';
import { wordsOf } from './wire.js';

/** The largest side that is shown, in pixels: bars and lists have 64, switchers 128, at two pixels to a point. */
export const MAX_ICON_SIDE = 256;

/** A picture of `_NET_WM_ICON`, by its first two words. */
export interface IconHead {
  readonly width: number;
  readonly height: number;
  /** Of its pixels. */
  readonly bytes: number;
}

/** Undefined: it is none. `left`: bytes of the property behind the head. */
export function iconHead(words: readonly number[], left: number): IconHead | undefined {
  const [width = 0, height = 0] = words;
  // Two words of 32 bits: their product is exact enough to be compared with what there is.
  const bytes = width * height * 4;
  return width > 0 && height > 0 && bytes <= left ? { width, height, bytes } : undefined;
}

/** `pixels`: words of alpha, red, green and blue, not multiplied; as many as there have to be. */
export function iconPicture({ width, height }: Omit<IconHead, 'bytes'>, pixels: Uint8Array): OwnPicture {
  const words = wordsOf(pixels);
  return square(width, height, place => words[place]!);
}

/** A picture of the X server's, as GetImage sends it: its rows from byte 32 on. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly bytes: Uint8Array;
}

/** Undefined: of such a depth, or so short, it is none that we know. */
function pixelOf({ width, height, depth, bytes }: Image): ((x: number, y: number) => number) | undefined {
  // Rows are of whole words, bits from the lowest on: the server is of this machine.
  const row = depth === 1 ? Math.ceil(width / 32) * 4 : width * 4;
  if (![1, 24, 32].includes(depth) || bytes.length < 32 + row * height) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + 32, row * height);
  if (depth === 1) return (x, y) => (view.getUint8(y * row + (x >> 3)) >> (x & 7)) & 1;
  return (x, y) => view.getUint32(y * row + x * 4, true) & 0xffffff;
}

/** `mask`: where there is something, of the same size or larger; undefined: everywhere. */
export function pixmapPicture(image: Image, mask: Image | undefined): OwnPicture | undefined {
  const { width, height, depth } = image;
  const colour = pixelOf(image);
  if (colour === undefined) return undefined;
  const fits = mask?.depth === 1 && mask.width >= width && mask.height >= height;
  const there = fits ? pixelOf(mask) : undefined;
  return square(width, height, place => {
    const [x, y] = [place % width, Math.floor(place / width)];
    if (there?.(x, y) === 0) return 0;
    // Bitmaps are black on white.
    const rgb = depth > 1 ? colour(x, y) : colour(x, y) === 1 ? 0 : 0xffffff;
    return (0xff000000 | rgb) >>> 0;
  });
}

/** `argb`: by the place in rows of `width`; not multiplied. */
function square(width: number, height: number, argb: (place: number) => number): OwnPicture {
  const side = Math.max(width, height);
  const pixels = new Uint8Array(side * side * 4);
  const view = new DataView(pixels.buffer);
  const [left, top] = [Math.floor((side - width) / 2), Math.floor((side - height) / 2)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const word = argb(y * width + x);
      const alpha = word >>> 24;
      const part = (shift: number): number => Math.round((((word >>> shift) & 0xff) * alpha) / 255);
      const multiplied = ((alpha << 24) | (part(16) << 16) | (part(8) << 8) | part(0)) >>> 0;
      view.setUint32(((top + y) * side + left + x) * 4, multiplied, true);
    }
  }
  return { width: side, height: side, pixels };
}
