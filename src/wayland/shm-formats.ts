/**
 * Pixel formats of wl_shm that the relay carries: those with one plane and whole bytes per pixel, so that a rectangle of
 * pixels is a rectangle of bytes. Codes are those of `enum wl_shm.format` (the first two) and of drm_fourcc.h.
 */

function fourcc(code: string): number {
  return (
    (code.charCodeAt(0) | (code.charCodeAt(1) << 8) | (code.charCodeAt(2) << 16) | (code.charCodeAt(3) << 24)) >>> 0
  );
}

/** wl_shm.format.argb8888 */
export const ARGB8888 = 0;
/** wl_shm.format.xrgb8888 */
export const XRGB8888 = 1;

/** Bytes of one pixel of every format that is carried, by its code. */
export const BYTES_PER_PIXEL: ReadonlyMap<number, number> = new Map([
  [ARGB8888, 4],
  [XRGB8888, 4],
  ...[
    'AB24',
    'XB24',
    'RA24',
    'RX24',
    'BA24',
    'BX24', // 8 bits per channel
    'AR30',
    'XR30',
    'AB30',
    'XB30',
    'RA30',
    'RX30',
    'BA30',
    'BX30', // 10 bits per channel
    'GR32',
    'RG32', // two channels of 16 bits
  ].map(code => [fourcc(code), 4] as const),
  ...['RG24', 'BG24'].map(code => [fourcc(code), 3] as const),
  ...[
    'RG16',
    'BG16',
    'AR15',
    'XR15',
    'AB15',
    'XB15',
    'RA15',
    'RX15',
    'BA15',
    'BX15',
    'AR12',
    'XR12',
    'AB12',
    'XB12',
    'RA12',
    'RX12',
    'BA12',
    'BX12',
    'GR88',
    'RG88',
    'R16 ',
  ].map(code => [fourcc(code), 2] as const),
  ...['R8  ', 'RGB8', 'BGR8'].map(code => [fourcc(code), 1] as const),
  ...['AR48', 'XR48', 'AB48', 'XB48', 'AR4H', 'XR4H', 'AB4H', 'XB4H'].map(code => [fourcc(code), 8] as const),
]);

/** Bytes of one pixel, or undefined for a format that is not carried. */
export function bytesPerPixel(format: number): number | undefined {
  return BYTES_PER_PIXEL.get(format);
}

/** Rows of a buffer that pixman draws from begin at multiples of this, in bytes. */
export const PIXMAN_ALIGNMENT = 4;

/**
 * Bytes from one row of a link buffer to the next, the least that every compositor takes: wlroots from 0.17 on refuses
 * rows that are not whole pixels, and pixman such as are not whole words. So 24-bit rows are multiples of 12 bytes.
 */
export function linkStride(width: number, bytes: number): number {
  let step = bytes;
  while (step % PIXMAN_ALIGNMENT !== 0) step += bytes;
  return Math.ceil((width * bytes) / step) * step; // not with bit operators: it may not fit an int
}
