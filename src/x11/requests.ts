/**
 * The X11 requests that we make, one function each, named as the protocol names them; what they return goes to
 * `XConnection.send` or `ask`. Windows, atoms and times are their numbers.
 */
import { request, u16, u32, u8, words, type Part } from './wire.js';

/** The time that stands for now. */
export const CURRENT_TIME = 0;
/** No window, no atom, any property type. */
export const NONE = 0;
/** In the place of a window that has the focus: whichever is under the pointer. */
export const POINTER_ROOT = 1;

/** `SETofEVENT`: what a client wants to be told of a window. */
export const EventMask = {
  structureNotify: 0x20000,
  substructureNotify: 0x80000,
  substructureRedirect: 0x100000,
  focusChange: 0x200000,
  propertyChange: 0x400000,
} as const;

/** What ConfigureWindow changes, by the bits of its mask, and in the order of its values. */
const CONFIGURE = ['x', 'y', 'width', 'height', 'border', 'sibling', 'stackMode'] as const;
/** In pixels. `stackMode`: 0 above, 1 below. */
export type Configuration = Readonly<Partial<Record<(typeof CONFIGURE)[number], number>>>;

export const createWindow = (id: number, parent: number, inputOnly: boolean, eventMask = 0): Uint8Array =>
  request(
    1,
    0,
    u32(id),
    u32(parent),
    ...[-1, -1, 1, 1, 0, inputOnly ? 2 : 1].map(u16),
    u32(0),
    u32(0x800),
    u32(eventMask),
  );
/** A square window without a picture, above others, that no window manager is asked about. */
export const createCover = (id: number, parent: number, side: number): Uint8Array =>
  request(1, 0, u32(id), u32(parent), ...[0, 0, side, side, 0, 2].map(u16), u32(0), u32(0x200), u32(1));
export const changeWindowEvents = (window: number, eventMask: number): Uint8Array =>
  request(2, 0, u32(window), u32(0x800), u32(eventMask));
/** The pointer's picture where no window of a client says another. */
export const changeWindowCursor = (window: number, cursor: number): Uint8Array =>
  request(2, 0, u32(window), u32(0x4000), u32(cursor));
export const destroyWindow = (window: number): Uint8Array => request(4, 0, u32(window));
export const mapWindow = (window: number): Uint8Array => request(8, 0, u32(window));
export const unmapWindow = (window: number): Uint8Array => request(10, 0, u32(window));

export function configureWindow(window: number, configuration: Configuration): Uint8Array {
  let mask = 0;
  const values: Part[] = [];
  CONFIGURE.forEach((name, bit) => {
    const value = configuration[name];
    if (value === undefined) return;
    mask |= 1 << bit;
    values.push(u32(value));
  });
  return request(12, 0, u32(window), u16(mask), u16(0), ...values);
}

/** Answered: `geometry` of `replies.ts`. */
export const getGeometry = (drawable: number): Uint8Array => request(14, 0, u32(drawable));

/** Answered: `atom` of `replies.ts`. `name`: at most 65,535 bytes. */
export function internAtom(name: string): Uint8Array {
  const bytes = Buffer.from(name, 'latin1');
  return request(16, 0, u16(bytes.length), u16(0), bytes);
}

/** Answered: `atomName` of `replies.ts`. */
export const getAtomName = (atom: number): Uint8Array => request(17, 0, u32(atom));

/** `format`: bits of a unit, 8, 16 or 32. `mode`: 0 puts in its place, 2 appends. */
export function changeProperty(
  window: number,
  property: number,
  type: number,
  format: 8 | 16 | 32,
  value: Uint8Array,
  mode: 0 | 2 = 0,
): Uint8Array {
  const unit = format / 8;
  const units = Math.floor(value.length / unit);
  const head = [u32(window), u32(property), u32(type), u8(format), u8(0), u16(0), u32(units)];
  return request(18, mode, ...head, value.subarray(0, units * unit));
}

/** A property of words. */
export const changeWords = (window: number, property: number, type: number, values: readonly number[]): Uint8Array =>
  changeProperty(window, property, type, 32, words(values));
export const deleteProperty = (window: number, property: number): Uint8Array =>
  request(19, 0, u32(window), u32(property));

/**
 * Answered: `property` of `replies.ts`. The server sends at most `maxBytes` of it from `offset` on, both in bytes and
 * multiples of four, however large it is.
 */
export const getProperty = (
  window: number,
  property: number,
  maxBytes: number,
  { offset = 0, remove = false }: { readonly offset?: number; readonly remove?: boolean } = {},
): Uint8Array =>
  request(20, remove ? 1 : 0, u32(window), u32(property), u32(NONE), u32(offset / 4), u32(Math.ceil(maxBytes / 4)));

export const setSelectionOwner = (owner: number, selection: number, time = CURRENT_TIME): Uint8Array =>
  request(22, 0, u32(owner), u32(selection), u32(time));
/** Answered: `window` of `replies.ts`. */
export const getSelectionOwner = (selection: number): Uint8Array => request(23, 0, u32(selection));
export const convertSelection = (
  requestor: number,
  selection: number,
  target: number,
  property: number,
  time = CURRENT_TIME,
): Uint8Array => request(24, 0, u32(requestor), u32(selection), u32(target), u32(property), u32(time));

/** `event`: 32 bytes, see `events.ts`. `mask` 0: to the client that made the window. */
export const sendEvent = (window: number, event: Uint8Array, mask = 0): Uint8Array =>
  request(25, 0, u32(window), u32(mask), event);

export const setInputFocus = (window: number, time = CURRENT_TIME): Uint8Array =>
  request(42, POINTER_ROOT, u32(window), u32(time));
export function openFont(id: number, name: string): Uint8Array {
  const bytes = Buffer.from(name, 'latin1');
  return request(45, 0, u32(id), u16(bytes.length), u16(0), bytes);
}
/** A cursor of the font `cursor`, black on white; behind each glyph there is its mask. */
export const createGlyphCursor = (id: number, font: number, glyph: number): Uint8Array =>
  request(94, 0, u32(id), u32(font), u32(font), u16(glyph), u16(glyph + 1), ...[0, 0, 0, -1, -1, -1].map(u16));
/** Answered: the pixels, from byte 32 on, all their bits beside each other; their depth is byte 1. */
export const getImage = (drawable: number, width: number, height: number): Uint8Array =>
  request(73, Z_PIXMAP, u32(drawable), u16(0), u16(0), u16(width), u16(height), u32(0xffffffff));
/** Answered, by 32 bytes without meaning to us: a question of which the answer says that all before it was read. */
export const getInputFocus = (): Uint8Array => request(43, 0);
/** Answered: `extension` of `replies.ts`. */
export function queryExtension(name: string): Uint8Array {
  const bytes = Buffer.from(name, 'latin1');
  return request(98, 0, u16(bytes.length), u16(0), bytes);
}
/** Ends the client that made `resource`. */
export const killClient = (resource: number): Uint8Array => request(113, 0, u32(resource));

/** Depth of pixels with red, green, blue and alpha. */
const ARGB_DEPTH = 32;
/** The format of a picture in which all bits of a pixel are beside each other. */
const Z_PIXMAP = 2;

/** Pictures in the server, of 32 bits a pixel. */
export const pixmaps = {
  create: (id: number, drawable: number, width: number, height: number): Uint8Array =>
    request(53, ARGB_DEPTH, u32(id), u32(drawable), u16(width), u16(height)),
  free: (id: number): Uint8Array => request(54, 0, u32(id)),
  createContext: (id: number, drawable: number): Uint8Array => request(55, 0, u32(id), u32(drawable), u32(0)),
  freeContext: (id: number): Uint8Array => request(60, 0, u32(id)),
  /** All of it: `pixels` has `width * height` of them. */
  put: (id: number, context: number, width: number, height: number, pixels: Uint8Array): Uint8Array => {
    const size = [width, height, 0, 0].map(u16);
    return request(72, Z_PIXMAP, u32(id), u32(context), ...size, u8(0), u8(ARGB_DEPTH), u16(0), pixels);
  },
};

export const freePixmap = pixmaps.free;

/** Text in black and white, which is read back. */
export const titles = {
  /** The font that is built into every server, of 6 x 13 pixels a letter. */
  openFont: (id: number): Uint8Array => openFont(id, 'fixed'),
  createBitmap: (id: number, drawable: number, width: number, height: number): Uint8Array =>
    request(53, 1, u32(id), u32(drawable), u16(width), u16(height)),
  /** Draws ones on zeros. */
  createContext: (id: number, drawable: number, font: number): Uint8Array =>
    request(55, 0, u32(id), u32(drawable), u32(0x400c), u32(1), u32(0), u32(font)),
  freeContext: pixmaps.freeContext,
  /** `ascent`: of the line that the letters stand on. `letters`: 255 at most. */
  draw: (drawable: number, context: number, ascent: number, letters: Uint8Array): Uint8Array =>
    request(76, letters.length, u32(drawable), u32(context), u16(0), u16(ascent), letters),
  read: getImage,
};

/** A counter has a value, or a larger one. */
const POSITIVE_COMPARISON = 2;

/** Requests of extensions, by the opcode that the server gave the extension. */
export const composite = {
  /** Answered. */
  queryVersion: (opcode: number): Uint8Array => request(opcode, 0, u32(0), u32(4)),
  /** All children of `window` draw into memory of their own, which nobody but us shows. */
  redirectSubwindows: (opcode: number, window: number): Uint8Array => request(opcode, 2, u32(window), u8(1)),
};

export const sync = {
  /** Answered, by what is of no use. Any other request comes after it. */
  initialize: (opcode: number): Uint8Array => request(opcode, 0, u8(3), u8(1), u16(0)),
  /** Tells once when `counter` is `value` or more, which may be at once. */
  createAlarm: (opcode: number, alarm: number, counter: number, value: number): Uint8Array =>
    request(opcode, 8, u32(alarm), u32(0x3f), ...[counter, 0, 0, value, POSITIVE_COMPARISON, 0, 0, 1].map(u32)),
  destroyAlarm: (opcode: number, alarm: number): Uint8Array => request(opcode, 11, u32(alarm)),
};

export const render = {
  /** Answered, by what is of no use. Any other request comes after it. */
  queryVersion: (opcode: number): Uint8Array => request(opcode, 0, u32(0), u32(11)),
  /** Answered: `argbFormat` of `replies.ts`. */
  queryPictFormats: (opcode: number): Uint8Array => request(opcode, 1),
  createPicture: (opcode: number, id: number, drawable: number, format: number): Uint8Array =>
    request(opcode, 4, u32(id), u32(drawable), u32(format), u32(0)),
  freePicture: (opcode: number, id: number): Uint8Array => request(opcode, 7, u32(id)),
  createCursor: (opcode: number, id: number, picture: number, hotX: number, hotY: number): Uint8Array =>
    request(opcode, 27, u32(id), u32(picture), u16(hotX), u16(hotY)),
};

export const ShapeKind = { bounding: 0, input: 2 } as const;

export const shape = {
  /** Tells when a shape of the window changes. */
  selectInput: (opcode: number, window: number): Uint8Array => request(opcode, 6, u32(window), u8(1)),
  /** Answered: `rectangles` of `replies.ts`; there may be any number of them. */
  getRectangles: (opcode: number, window: number, kind: number): Uint8Array =>
    request(opcode, 8, u32(window), u8(kind)),
};

export const xfixes = {
  /** Answered: `version` of `replies.ts`. */
  queryVersion: (opcode: number): Uint8Array => request(opcode, 0, u32(6), u32(0)),
  /** Tells `window` of each new owner of `selection`, of its end with its window, and of its end with its client. */
  selectSelectionInput: (opcode: number, window: number, selection: number): Uint8Array =>
    request(opcode, 2, u32(window), u32(selection), u32(7)),
  /** We do not count among the clients for which a server with `-terminate` stays. */
  leaveWithOthers: (opcode: number): Uint8Array => request(opcode, 33, u32(1)),
};
