/**
 * The X11 wire: bytes of the core protocol, little-endian, as the server was told that we speak it. What comes from the
 * server was often written by an X client, so every read is checked against the end of what there is; a message that is too
 * short is an {@link XWireError}, never a value of something else.
 */

/** A message that its sender cannot have meant. It ends the connection to the X server. */
export class XWireError extends Error {
  override readonly name = 'XWireError';
}

/** Every event is of this size, and so is the part of each reply that is always there. */
export const EVENT_BYTES = 32;

/** Reads one message. Numbers are unsigned unless their reader says otherwise. */
export class XReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** `bytes` is lent, and is read as long as this object is used. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** In bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  u8(at: number): number {
    this.#check(at, 1);
    return this.#bytes[at]!;
  }

  u16(at: number): number {
    this.#check(at, 2);
    return this.#view.getUint16(at, true);
  }

  i16(at: number): number {
    this.#check(at, 2);
    return this.#view.getInt16(at, true);
  }

  u32(at: number): number {
    this.#check(at, 4);
    return this.#view.getUint32(at, true);
  }

  /** A copy. */
  slice(at: number, length: number): Uint8Array {
    this.#check(at, length);
    return this.#bytes.slice(at, at + length);
  }

  #check(at: number, length: number): void {
    if (at < 0 || length < 0 || at + length > this.#bytes.length) {
      throw new XWireError(`${length} bytes at ${at} of an X11 message of ${this.#bytes.length} bytes`);
    }
  }
}

/** Bytes that are a multiple of four, as the protocol pads everything. */
export function padded4(length: number): number {
  return (length + 3) & ~3;
}

/** Most bytes of a request: what every server takes without the extension for larger ones. */
export const MAX_REQUEST_BYTES = 65_535 * 4;

/** One part of a request behind its first four bytes. */
export type Part = { readonly u8: number } | { readonly u16: number } | { readonly u32: number } | Uint8Array;

export const u8 = (value: number): Part => ({ u8: value });
/** Also of a signed number, which has the same bytes. */
export const u16 = (value: number): Part => ({ u16: value });
export const u32 = (value: number): Part => ({ u32: value });

/**
 * A request: its opcode, the byte behind that (of an extension: the request's own opcode), and the rest, padded.
 * @throws RangeError for one over {@link MAX_REQUEST_BYTES}
 */
export function request(opcode: number, data: number, ...parts: readonly Part[]): Uint8Array {
  const size = padded4(4 + sizeOfAll(parts));
  if (size > MAX_REQUEST_BYTES) throw new RangeError(`an X11 request of ${size} bytes: ${MAX_REQUEST_BYTES} at most`);
  const bytes = new Uint8Array(size);
  bytes[0] = opcode;
  bytes[1] = data;
  new DataView(bytes.buffer).setUint16(2, size / 4, true);
  put(bytes, 4, parts);
  return bytes;
}

/** Parts behind each other, nothing between them. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  const bytes = new Uint8Array(sizeOfAll(parts));
  put(bytes, 0, parts);
  return bytes;
}

function put(bytes: Uint8Array, start: number, parts: readonly Part[]): void {
  const view = new DataView(bytes.buffer);
  let at = start;
  for (const part of parts) {
    if (part instanceof Uint8Array) bytes.set(part, at);
    else if ('u8' in part) bytes[at] = part.u8;
    else if ('u16' in part) view.setUint16(at, part.u16 & 0xffff, true);
    else view.setUint32(at, part.u32 >>> 0, true);
    at += sizeOf(part);
  }
}

const sizeOfAll = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + sizeOf(part), 0);

function sizeOf(part: Part): number {
  if (part instanceof Uint8Array) return part.length;
  if ('u8' in part) return 1;
  return 'u16' in part ? 2 : 4;
}

/** Words as the bytes of a property or message of format 32. */
export function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(i * 4, value >>> 0, true));
  return bytes;
}

/** The words in a property of format 32. */
export function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(i * 4, true));
}
