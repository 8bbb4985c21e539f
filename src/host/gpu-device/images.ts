/**
 * Images that a guest asks for before it makes memory for them. A client asks once and makes many blobs by the id that it
 * was told, for as long as it lives; so the id says all that there is to know, and nothing has to be remembered.
 */
import { native } from '../../system/native.js';
import { HOST_VISIBLE_BYTES } from './wire.js';

/** Set in ids of images; ids that the device gives to what it received are below. */
const IMAGE_ID = 0x4000_0000;

/** Bytes of a pixel, by the four characters of a format. Formats of several planes are not made here. */
const PIXEL_BYTES: ReadonlyMap<string, number> = new Map([
  ['R8  ', 1],
  ['GR88', 2],
  ['RG16', 2],
  ['XR24', 4],
  ['AR24', 4],
  ['XB24', 4],
  ['AB24', 4],
]);

export interface Image {
  /** Bytes from one line to the next. */
  readonly stride: number;
  /** Whole pages. */
  readonly bytes: number;
  /** By which blobs for it are made. */
  readonly id: number;
}

/** What an image takes; undefined for one that is not made here: of an unknown format, empty, or too large. */
export function imageOf(width: number, height: number, format: number): Image | undefined {
  const characters = String.fromCharCode(...[0, 8, 16, 24].map(shift => (format >>> shift) & 0xff));
  const stride = width * (PIXEL_BYTES.get(characters) ?? 0);
  const pages = Math.ceil((stride * height) / native.pageSize);
  if (pages === 0 || pages > HOST_VISIBLE_BYTES / native.pageSize) return undefined;
  return { stride, bytes: pages * native.pageSize, id: IMAGE_ID + pages };
}

/** The bytes of the image with this id; undefined where it is the id of something else. */
export function imageBytes(id: number): number | undefined {
  const pages = id - IMAGE_ID;
  return pages > 0 && pages <= HOST_VISIBLE_BYTES / native.pageSize ? pages * native.pageSize : undefined;
}
