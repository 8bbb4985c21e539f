/** X11 replies: what the server answers to the requests of `requests.ts` that say so. All throw XWireError when cut short. */
import type { Geometry } from './events.js';
import { XReader, XWireError } from './wire.js';

/** A property, or the part of one that was asked for. */
export interface Property {
  /** An atom; 0: there is no such property. */
  readonly type: number;
  /** Bits of a unit. */
  readonly format: number;
  /** Bytes that were not sent. */
  readonly left: number;
  /** A copy. */
  readonly value: Uint8Array;
}

export function property(bytes: Uint8Array): Property {
  const at = new XReader(bytes);
  const format = at.u8(1);
  if (![0, 8, 16, 32].includes(format)) throw new XWireError(`a property of format ${format}`);
  const length = (at.u32(16) * format) / 8;
  return { type: at.u32(8), format, left: at.u32(12), value: at.slice(32, length) };
}

export function geometry(bytes: Uint8Array): Geometry {
  const at = new XReader(bytes);
  return { x: at.i16(12), y: at.i16(14), width: at.u16(16), height: at.u16(18) };
}

/** Of SHAPE: places relative to the window. */
export function rectangles(bytes: Uint8Array): Geometry[] {
  const at = new XReader(bytes);
  const [first, each] = [32, 8];
  // A length that is not true fails at the first that is not there.
  return Array.from({ length: Math.min(at.u32(8), Math.ceil(at.length / each)) }, (_, i) => {
    const place = first + i * each;
    return { x: at.i16(place), y: at.i16(place + 2), width: at.u16(place + 4), height: at.u16(place + 6) };
  });
}

/** The answer to InternAtom. */
export const atom = (bytes: Uint8Array): number => new XReader(bytes).u32(8);

/** The answer to GetSelectionOwner. */
export const window = (bytes: Uint8Array): number => new XReader(bytes).u32(8);

/** The name of an atom: at most 65,535 bytes, as Latin 1. */
export function atomName(bytes: Uint8Array): string {
  const at = new XReader(bytes);
  return Buffer.from(at.slice(32, at.u16(8))).toString('latin1');
}

/** An extension that the server has. */
export interface Extension {
  readonly opcode: number;
  /** Code of its first event; 0: it has none. */
  readonly firstEvent: number;
}

/** Undefined: the server does not have it. */
export function extension(bytes: Uint8Array): Extension | undefined {
  const at = new XReader(bytes);
  return at.u8(8) === 0 ? undefined : { opcode: at.u8(9), firstEvent: at.u8(10) };
}

/** The major version of an extension. */
export const version = (bytes: Uint8Array): number => new XReader(bytes).u32(8);

/** Of RENDER: the format of pixels of 32 bits that are blue, green, red and alpha, from the lowest on. Undefined: none. */
export function argbFormat(bytes: Uint8Array): number | undefined {
  const at = new XReader(bytes);
  const [first, each] = [32, 28];
  for (let i = 0; i < at.u32(8); i++) {
    const format = first + i * each;
    const [type, depth] = [at.u8(format + 4), at.u8(format + 5)];
    const shifts = [8, 12, 16, 20].map(place => at.u16(format + place));
    const masks = [10, 14, 18, 22].map(place => at.u16(format + place));
    const fits = [16, 8, 0, 24].every((shift, colour) => shifts[colour] === shift && masks[colour] === 0xff);
    if (type === 1 && depth === 32 && fits) return at.u32(format);
  }
  return undefined;
}
