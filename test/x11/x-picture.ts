/** What X programs have drawn, as the X server has it: to be compared with what the compositor shows. */
import { COLOUR_MASK, type Picture } from '../../src/frames/picture.js';
import type { XConnection } from '../../src/x11/connection.js';
import type { Geometry } from '../../src/x11/events.js';
import { geometry } from '../../src/x11/replies.js';
import { getGeometry } from '../../src/x11/requests.js';
import { request, u16, u32, XReader } from '../../src/x11/wire.js';
import type { Rect } from './desk.js';

/** Bytes of an answer that our connection takes. */
const MAX_BYTES = 1_000_000;
/** GetImage: rows of whole pixels, of all planes. */
const [Z_PIXMAP, ALL_PLANES] = [2, 0xffffffff];

export interface XWindowSeen extends Geometry {
  readonly id: number;
  /** On all sides; counted in. */
  readonly border: number;
  /** A menu, or the like. */
  readonly unmanaged: boolean;
}

/** Windows on the X screen that are shown, the lowest first, in X pixels; those of a few pixels are toolkits' own. */
export async function shownWindows(x: XConnection, root: number): Promise<XWindowSeen[]> {
  const tree = new XReader((await asked(x, request(15, 0, u32(root))))!);
  const windows: XWindowSeen[] = [];
  for (let i = 0; i < tree.u16(16); i++) {
    const id = tree.u32(32 + 4 * i);
    const [attributes, place] = [await asked(x, request(3, 0, u32(id))), await asked(x, getGeometry(id))];
    if (attributes === undefined || place === undefined) continue;
    const at = new XReader(attributes);
    const [viewable, drawn] = [at.u8(26) === 2, at.u16(12) === 1];
    const { width, height, ...corner } = geometry(place);
    const border = new XReader(place).u16(20);
    const size = { width: width + 2 * border, height: height + 2 * border };
    if (viewable && drawn && width > 8) windows.push({ id, border, unmanaged: at.u8(27) === 1, ...corner, ...size });
  }
  return windows;
}

/** A window's pixels; undefined: it has gone. */
export async function pictureOfWindow(
  x: XConnection,
  { id, border, width, height }: XWindowSeen,
): Promise<Picture | undefined> {
  const pixels = new Uint32Array(width * height);
  const rows = Math.floor(MAX_BYTES / (4 * width));
  for (let y = 0; y < height; y += rows) {
    const count = Math.min(rows, height - y);
    const area = [-border, y - border, width, count].map(u16);
    const part = await asked(x, request(73, Z_PIXMAP, u32(id), ...area, u32(ALL_PLANES)));
    if (part === undefined) return undefined;
    pixels.set(new Uint32Array(new Uint8Array(part.subarray(32, 32 + 4 * width * count)).buffer), y * width);
  }
  return { width, height, pixels };
}

/** How many pixels of two pictures of one size differ; `but`: where they may. */
export function difference(one: Picture, other: Picture, but?: Rect): number {
  let count = 0;
  for (let y = 0, at = 0; y < one.height; y++) {
    for (let x = 0; x < one.width; x++, at++) {
      const leftOut = but && x >= but.x && x < but.x + but.width && y >= but.y && y < but.y + but.height;
      if (leftOut !== true && ((one.pixels[at]! ^ other.pixels[at]!) & COLOUR_MASK) !== 0) count++;
    }
  }
  return count;
}

function asked(x: XConnection, question: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise(answered => x.ask(question, answered, () => answered(undefined)));
}
