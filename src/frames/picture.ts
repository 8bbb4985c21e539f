/**
 * A picture in memory: what the frame checker draws, what it captured, and what it writes as PNG. One 32-bit number a
 * pixel, 0xXXRRGGBB, rows without padding; the upper byte means nothing and is ignored by everything here.
 *
 * A capture becomes a picture in {@link pictureOf}.
 */
import { PNG } from 'pngjs';
import type { Image } from '../wayland-client/image.js';

/** Pixels of one image. Owns its pixels. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** width × height pixels, row after row, 0xXXRRGGBB. */
  readonly pixels: Uint32Array;
}

/** The colour bits of a pixel. */
export const COLOUR_MASK = 0xffffff;

/** A black picture. */
export function blankPicture(width: number, height: number): Picture {
  return { width, height, pixels: new Uint32Array(width * height) };
}

/** The same pixels as 32-bit numbers. The memory is shared where its alignment allows, else copied. */
export function pictureOf(image: Image): Picture {
  const { width, height } = image;
  const data = image.data.byteOffset % 4 === 0 ? image.data : image.data.slice();
  return { width, height, pixels: new Uint32Array(data.buffer, data.byteOffset, width * height) };
}

/**
 * Copies `width` × `height` pixels at (x, y) of `from` to (toX, toY) of `to`. What lies outside of `from` is left as it is
 * in `to`; the target must lie inside of `to`.
 */
export function copyPart(
  from: Picture,
  x: number,
  y: number,
  to: Picture,
  toX = 0,
  toY = 0,
  width = to.width,
  height = to.height,
): void {
  const left = Math.max(0, -x);
  const right = Math.min(width, from.width - x);
  if (right <= left) return;
  for (let row = Math.max(0, -y); row < Math.min(height, from.height - y); row++) {
    const start = (y + row) * from.width + x;
    to.pixels.set(from.pixels.subarray(start + left, start + right), (toY + row) * to.width + toX + left);
  }
}

/** The picture as a PNG file. */
export function encodePng(picture: Picture): Buffer {
  const { width, height, pixels } = picture;
  const png = new PNG({ width, height, colorType: 2, inputHasAlpha: true });
  for (let i = 0, at = 0; i < pixels.length; i++, at += 4) {
    const p = pixels[i]!;
    png.data[at] = (p >>> 16) & 0xff;
    png.data[at + 1] = (p >>> 8) & 0xff;
    png.data[at + 2] = p & 0xff;
    png.data[at + 3] = 0xff;
  }
  return PNG.sync.write(png, { colorType: 2, inputHasAlpha: true, deflateLevel: 6 });
}

/** Reads a PNG file back. */
export function decodePng(file: Buffer): Picture {
  const png = PNG.sync.read(file);
  const picture = blankPicture(png.width, png.height);
  for (let i = 0, at = 0; i < picture.pixels.length; i++, at += 4) {
    picture.pixels[i] = (png.data[at]! << 16) | (png.data[at + 1]! << 8) | png.data[at + 2]!;
  }
  return picture;
}
