/**
 * What a compositor's output looks like in memory, made plain: whatever format, row order and stride a capture came in,
 * it leaves here as 32-bit XRGB words from the top row down, without padding between rows.
 */
import { bytesPerPixel, XRGB8888 } from '../wayland/shm-formats.js';

/** Pixels that nobody else holds: a copy. */
export interface Image {
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next: 4 × width. */
  readonly stride: number;
  /** wl_shm.format.xrgb8888: each pixel is the bytes blue, green, red, and one that means nothing (here always 255). */
  readonly format: typeof XRGB8888;
  readonly data: Uint8Array;
}

/** Pixels as a compositor laid them out. */
export interface ImageLayout {
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
  /** A code of `enum wl_shm.format`. */
  readonly format: number;
  /** Whether the first row in memory is the bottom one. */
  readonly flipped?: boolean;
}

/** Where the bytes of red, green and blue are within a pixel, by format. */
const CHANNELS: ReadonlyMap<number, readonly [red: number, green: number, blue: number]> = new Map([
  [0, [2, 1, 0]], // ARGB8888
  [1, [2, 1, 0]], // XRGB8888
  [0x34324241, [0, 1, 2]], // ABGR8888, 'AB24'
  [0x34324258, [0, 1, 2]], // XBGR8888, 'XB24'
  [0x34324152, [3, 2, 1]], // RGBA8888, 'RA24'
  [0x34325852, [3, 2, 1]], // RGBX8888, 'RX24'
  [0x34324142, [1, 2, 3]], // BGRA8888, 'BA24'
  [0x34325842, [1, 2, 3]], // BGRX8888, 'BX24'
  [0x34324752, [2, 1, 0]], // RGB888, 'RG24'
  [0x34324742, [0, 1, 2]], // BGR888, 'BG24'
]);

/** Whether {@link toImage} knows a format: those with 8 bits for each colour. */
export function isImageFormat(format: number): boolean {
  return CHANNELS.has(format);
}

/**
 * Copies pixels into an image. `source` is only read during the call.
 * @throws RangeError for a format that is not known, or when the layout does not fit into `source`
 */
export function toImage(source: Uint8Array, layout: ImageLayout): Image {
  const { width, height, stride, format, flipped = false } = layout;
  const channels = CHANNELS.get(format);
  const pixelBytes = bytesPerPixel(format);
  if (channels === undefined || pixelBytes === undefined) {
    throw new RangeError(`pixel format 0x${format.toString(16)} is none with 8 bits for each of red, green and blue`);
  }
  const rowBytes = width * pixelBytes;
  if (width < 1 || height < 1 || stride < rowBytes || (height - 1) * stride + rowBytes > source.length) {
    throw new RangeError(`${width}x${height} pixels with a stride of ${stride} do not fit into ${source.length} bytes`);
  }
  const data = new Uint8Array(width * height * 4);
  const [red, green, blue] = channels;
  // Nearly every capture is of words in our own order already, and aligned; they go word by word.
  const asWords = pixelBytes === 4 && red === 2 && source.byteOffset % 4 === 0 && stride % 4 === 0;
  if (asWords) {
    const from = new Uint32Array(source.buffer, source.byteOffset, source.length >> 2);
    const to = new Uint32Array(data.buffer);
    for (let y = 0, at = 0; y < height; y++) {
      const row = ((flipped ? height - 1 - y : y) * stride) >> 2;
      for (let x = 0; x < width; x++, at++) to[at] = from[row + x]! | 0xff000000;
    }
    return { width, height, stride: 4 * width, format: XRGB8888, data };
  }
  for (let y = 0; y < height; y++) {
    let from = (flipped ? height - 1 - y : y) * stride;
    let to = y * width * 4;
    for (let x = 0; x < width; x++, from += pixelBytes, to += 4) {
      data[to] = source[from + blue]!;
      data[to + 1] = source[from + green]!;
      data[to + 2] = source[from + red]!;
      data[to + 3] = 255;
    }
  }
  return { width, height, stride: 4 * width, format: XRGB8888, data };
}
