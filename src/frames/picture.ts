/**
 * A picture in memory: what the frame checker draws, what it captured, and what it writes as PNG. One 32-bit number a
 * pixel, 0xXXRRGGBB, rows without padding; the upper byte means nothing and is ignored by everything here.
 *
 * Captured memory becomes a picture once, in {@link pictureFrom}; from then on nobody thinks of formats and strides.
 */
import { PNG } from 'pngjs';

/** Pixels of one image. Owns its pixels. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** width × height pixels, row after row, 0xXXRRGGBB. */
  readonly pixels: Uint32Array;
}

/** The colour bits of a pixel. */
export const COLOUR_MASK = 0xffffff;

/** wl_shm format numbers (wayland.xml, enum wl_shm.format) that a picture can be made from. */
export const ARGB8888 = 0;
export const XRGB8888 = 1;
export const ABGR8888 = 0x34324241;
export const XBGR8888 = 0x34324258;

/** A black picture. */
export function blankPicture(width: number, height: number): Picture {
  return { width, height, pixels: new Uint32Array(width * height) };
}

/** Whether {@link pictureFrom} knows the wl_shm format. */
export function isPictureFormat(format: number): boolean {
  return format === ARGB8888 || format === XRGB8888 || format === ABGR8888 || format === XBGR8888;
}

/**
 * Copies image memory into a picture. `bytes` is only read during the call.
 *
 * @param stride bytes from one row to the next; at least 4 × width and a multiple of 4
 * @param format a wl_shm format; alpha is dropped
 * @param flipped the rows come from the bottom up (wlr-screencopy's y_invert)
 * @throws RangeError when the numbers do not fit `bytes`, or for a format that is not one of the 32-bit ones above
 */
export function pictureFrom(
  bytes: Uint8Array,
  width: number,
  height: number,
  stride: number,
  format: number,
  flipped = false,
): Picture {
  if (!isPictureFormat(format)) {
    throw new RangeError(`image format 0x${format.toString(16)} is not XRGB8888, ARGB8888, XBGR8888 or ABGR8888`);
  }
  if (width < 1 || height < 1 || stride < width * 4 || stride % 4 !== 0 || bytes.length < stride * (height - 1) + width * 4) {
    throw new RangeError(`an image of ${width}x${height} with a stride of ${stride} does not fit ${bytes.length} bytes`);
  }
  // A view of 32-bit words needs an aligned start; captures nearly always have one.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
  const picture = blankPicture(width, height);
  const { pixels } = picture;
  for (let y = 0; y < height; y++) {
    const from = ((flipped ? height - 1 - y : y) * stride) >> 2;
    pixels.set(words.subarray(from, from + width), y * width);
  }
  if (format === ABGR8888 || format === XBGR8888) {
    for (let i = 0; i < pixels.length; i++) {
      const p = pixels[i]!;
      pixels[i] = (p & 0xff00ff00) | ((p & 0xff) << 16) | ((p >>> 16) & 0xff);
    }
  }
  return picture;
}

/** Copies the part of `from` at (x, y) of the size of `to`; what lies outside of `from` is left as it is in `to`. */
export function copyPart(from: Picture, x: number, y: number, to: Picture, toX = 0, toY = 0, width = to.width, height = to.height): void {
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
