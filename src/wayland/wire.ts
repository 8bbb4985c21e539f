/**
 * The Wayland wire format: what every byte of every proxy and client goes through. A message is a header (object id,
 * opcode, size) and a body of 32-bit words; strings and arrays carry their length and are padded to whole words; fds are
 * not in the bytes, they come beside them, in the order of the messages that own them.
 *
 * Bytes come from peers that nobody trusts, so {@link checkMessage} comes first: it proves a message's body against its
 * signature, and the other functions here may only be given what it has passed. Nothing in this file knows which objects
 * exist: that is the object map of whoever uses it.
 *
 * A relay forwards tens of thousands of messages a second. Checking and finding ids therefore allocates nothing, and
 * words are put together from bytes because a message may lie at any offset of a receive buffer.
 *
 * All numbers are in the host's byte order on the wire; this project runs on little-endian machines only.
 */
import type { OwnedFd } from '../fd.js';
import type { Message } from './interface.js';

/** Header: u32 object id, u16 opcode, u16 size of the whole message in bytes. */
export const HEADER_BYTES = 8;
/**
 * The most bytes of one message, header included. The size field could say 65,535, but libwayland's buffers hold 4,096
 * by default (connection.c), so a longer message kills the connection of whoever is behind us.
 */
export const MAX_MESSAGE_BYTES = 4096;
/** wl_display, the one object that exists from the start. */
export const DISPLAY_ID = 1;
/** The highest object id that a client may choose. */
export const MAX_CLIENT_ID = 0xfeffffff;
/** The lowest object id that a server chooses: WL_SERVER_ID_START of libwayland. */
export const MIN_SERVER_ID = 0xff000000;
/** Room that {@link findObjects} needs in its output; no message of any table has more than 4 object arguments. */
export const MAX_OBJECT_ARGS = 16;

/**
 * What is wrong with a message.
 * - `size`: the header's size is below 8, above 4,096 or no multiple of 4, or differs from what the arguments need
 * - `string`: not ended by its only NUL byte
 * - `null`: a null where the protocol allows none
 * - `fd`: fewer descriptors arrived than the messages so far own
 * - `value`: an argument to be encoded has a type or range that the wire cannot carry
 */
export type WireErrorKind = 'size' | 'string' | 'null' | 'fd' | 'value';

/** A message that breaks the wire format, or arguments that cannot be written in it. */
export class WireError extends Error {
  override readonly name = 'WireError';
  constructor(
    readonly kind: WireErrorKind,
    message: string,
  ) {
    super(message);
  }
}

/** The unsigned word at `offset`, which must lie inside `bytes`. */
export function readUint(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0
  );
}

/** The signed word at `offset`, which must lie inside `bytes`. */
export function readInt(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24);
}

/** The opcode of the message whose header is at `offset`. */
export function readOpcode(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 4]! | (bytes[offset + 5]! << 8);
}

/** The size in bytes of the message whose header is at `offset`, header included. Unchecked. */
export function readSize(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 6]! | (bytes[offset + 7]! << 8);
}

/** Writes a word, signed or unsigned, at `offset`. */
export function writeUint(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/**
 * Checks the size in a header: the first check of all, made before waiting for the rest of the message.
 * @throws WireError `size`
 */
export function checkSize(size: number): void {
  if (size < HEADER_BYTES || size > MAX_MESSAGE_BYTES || (size & 3) !== 0) {
    throw new WireError(
      'size',
      `message size ${size} in a header; it must be a multiple of 4 from ${HEADER_BYTES} to ${MAX_MESSAGE_BYTES}`,
    );
  }
}

function wrongSize(message: Message, size: number, detail: string): WireError {
  return new WireError('size', `message '${message.name}' of ${size} bytes ${detail}`);
}

/**
 * Checks a whole message, of which `size` bytes ({@link checkSize}) are present from its header at `offset` on, against
 * its signature: exact length, strings ended by their only NUL, no null where none is allowed. Ids are not looked up, and fds not
 * counted.
 * @throws WireError; the message is then not to be used in any way
 */
export function checkMessage(message: Message, bytes: Uint8Array, offset: number, size: number): void {
  if (message.fixedSize >= 0) {
    if (size !== HEADER_BYTES + message.fixedSize) {
      throw wrongSize(message, size, `must have ${HEADER_BYTES + message.fixedSize}`);
    }
    const { objectArgs } = message;
    const objectOffsets = message.objectOffsets!;
    for (let i = 0; i < objectArgs.length; i++) {
      if (objectArgs[i]!.nullable === true) continue;
      if (readInt(bytes, offset + objectOffsets[i]!) === 0) throw notNull(message, i, 'object');
    }
    return;
  }
  checkVariable(message, bytes, offset, size);
}

function notNull(message: Message, index: number, what: 'object' | 'string'): WireError {
  const name = what === 'object' ? message.objectArgs[index]!.name : message.args[index]!.name;
  return new WireError('null', `message '${message.name}': argument '${name}' is null`);
}

function checkVariable(message: Message, bytes: Uint8Array, offset: number, size: number): void {
  const end = offset + size;
  let at = offset + HEADER_BYTES;
  let objects = 0;
  for (let i = 0; i < message.args.length; i++) {
    const arg = message.args[i]!;
    if (arg.kind === 'fd') continue;
    if (at + 4 > end) throw wrongSize(message, size, `ends before its argument '${arg.name}'`);
    switch (arg.kind) {
      case 'int':
      case 'uint':
      case 'fixed':
        at += 4;
        break;
      case 'object':
      case 'new_id':
        if (arg.nullable !== true && readInt(bytes, at) === 0) throw notNull(message, objects, 'object');
        objects += 1;
        at += 4;
        break;
      case 'string':
        if (readInt(bytes, at) === 0) {
          if (arg.nullable !== true) throw notNull(message, i, 'string');
          at += 4;
        } else {
          at = checkString(message, bytes, at, end, size, i);
        }
        break;
      case 'array':
        at = skipSized(message, bytes, at, end, size, i);
        break;
      case 'bind': {
        if (readInt(bytes, at) === 0) throw notNull(message, i, 'string');
        at = checkString(message, bytes, at, end, size, i);
        if (at + 8 > end) throw wrongSize(message, size, `ends inside its argument '${arg.name}'`);
        if (readInt(bytes, at + 4) === 0) throw notNull(message, objects, 'object');
        objects += 1;
        at += 8;
        break;
      }
    }
  }
  if (at !== end) throw wrongSize(message, size, `has ${end - at} bytes after its last argument`);
}

/** Checks that a string or array lies inside the message; returns the offset after its padding. */
function skipSized(
  message: Message,
  bytes: Uint8Array,
  at: number,
  end: number,
  size: number,
  index: number,
): number {
  const length = readUint(bytes, at);
  // What is left is whole words, so where the last byte fits, its padding does; and nothing has been added to the length
  // yet that could make it wrap around.
  if (length > end - at - 4) {
    const { name } = message.args[index]!;
    throw wrongSize(message, size, `ends inside its argument '${name}', which says that it has ${length} bytes`);
  }
  return at + 4 + padded(length);
}

function checkString(
  message: Message,
  bytes: Uint8Array,
  at: number,
  end: number,
  size: number,
  index: number,
): number {
  const next = skipSized(message, bytes, at, end, size, index);
  const last = at + 4 + readUint(bytes, at) - 1;
  let nul = at + 4;
  while (nul < last && bytes[nul] !== 0) nul += 1;
  if (nul !== last || bytes[last] !== 0) {
    const fault = nul === last ? 'is not ended by a NUL byte' : 'holds a NUL byte before its end';
    throw new WireError('string', `message '${message.name}': string '${message.args[index]!.name}' ${fault}`);
  }
  return next;
}

/**
 * Finds the object ids in a message that {@link checkMessage} has passed, without decoding the rest. `out[i]` becomes the
 * offset in `bytes` of the id that belongs to `message.objectArgs[i]`; `out` needs room for {@link MAX_OBJECT_ARGS}.
 * @returns how many there are: `message.objectArgs.length`
 */
export function findObjects(message: Message, bytes: Uint8Array, offset: number, out: Int32Array): number {
  const { objectOffsets } = message;
  if (objectOffsets !== null) {
    for (let i = 0; i < objectOffsets.length; i++) out[i] = offset + objectOffsets[i]!;
    return objectOffsets.length;
  }
  let at = offset + HEADER_BYTES;
  let found = 0;
  for (const arg of message.args) {
    switch (arg.kind) {
      case 'fd':
        break;
      case 'object':
      case 'new_id':
        out[found++] = at;
        at += 4;
        break;
      case 'string':
      case 'array':
        at += 4 + padded(readUint(bytes, at));
        break;
      case 'bind':
        at += 4 + padded(readUint(bytes, at)) + 4;
        out[found++] = at;
        at += 4;
        break;
      default:
        at += 4;
    }
  }
  return found;
}

/** wl_registry.bind's untyped new object. */
export interface Bind {
  readonly interface: string;
  readonly version: number;
  readonly id: number;
}

/** An argument as a value: ids as numbers, fixed as a fraction, a null string or object as null. */
export type WireValue = number | string | null | Uint8Array | Bind | OwnedFd;

/** A byte order mark is a character like any other here: what is relayed must stay as it was. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** The string whose length word is at `at`, without its NUL. */
export function readString(bytes: Uint8Array, at: number): string {
  return decoder.decode(bytes.subarray(at + 4, at + 4 + readUint(bytes, at) - 1));
}

/**
 * Decodes a message that {@link checkMessage} has passed. Arrays are copied. Fds are taken from the front of `fds` and
 * are the caller's.
 * @throws WireError `fd` when there are too few; none is taken then
 */
export function readArgs(message: Message, bytes: Uint8Array, offset: number, fds: OwnedFd[]): WireValue[] {
  if (fds.length < message.fds) {
    throw new WireError('fd', `message '${message.name}' has ${message.fds} descriptors, ${fds.length} arrived`);
  }
  const values: WireValue[] = [];
  let at = offset + HEADER_BYTES;
  for (const arg of message.args) {
    switch (arg.kind) {
      case 'int':
        values.push(readInt(bytes, at));
        at += 4;
        break;
      case 'fixed':
        values.push(readInt(bytes, at) / 256);
        at += 4;
        break;
      case 'uint':
      case 'new_id':
        values.push(readUint(bytes, at));
        at += 4;
        break;
      case 'object': {
        const id = readUint(bytes, at);
        values.push(id === 0 ? null : id);
        at += 4;
        break;
      }
      case 'string': {
        const length = readUint(bytes, at);
        values.push(length === 0 ? null : readString(bytes, at));
        at += 4 + padded(length);
        break;
      }
      case 'array': {
        const length = readUint(bytes, at);
        values.push(bytes.slice(at + 4, at + 4 + length));
        at += 4 + padded(length);
        break;
      }
      case 'bind': {
        const name = readString(bytes, at);
        at += 4 + padded(readUint(bytes, at));
        values.push({ interface: name, version: readUint(bytes, at), id: readUint(bytes, at + 4) });
        at += 8;
        break;
      }
      case 'fd':
        values.push(fds.shift()!);
        break;
    }
  }
  return values;
}

/**
 * Marshals messages one after another into a buffer that is used again. It holds the bytes and fds of what was written
 * until {@link reset}; an unsuccessful write leaves it as it was.
 */
export class MessageWriter {
  #bytes: Uint8Array;
  #length = 0;
  #fds: OwnedFd[] = [];

  /** `capacity` in bytes to begin with; it doubles when needed. */
  constructor(capacity = 4 * MAX_MESSAGE_BYTES) {
    this.#bytes = new Uint8Array(Math.max(capacity, MAX_MESSAGE_BYTES));
  }

  /** Bytes that it has room for as it is. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  /** A view of the bytes held, valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The fds held, in order. Still this object's until {@link reset}. */
  get fds(): readonly OwnedFd[] {
    return this.#fds;
  }

  /** Forgets bytes and fds. Fds are not closed: whoever sent them has given them away. */
  reset(): void {
    this.#length = 0;
    if (this.#fds.length > 0) this.#fds = [];
  }

  /**
   * Appends a message to object `id`. `args` has a value for every argument of the signature, of the types that
   * {@link readArgs} gives; fds become this object's when the call succeeds.
   * @throws WireError for values that do not fit the signature, or more than 4,096 bytes in all
   */
  write(id: number, message: Message, args: readonly WireValue[]): void {
    if (args.length !== message.args.length) {
      throw new WireError('value', `'${message.name}' takes ${message.args.length} arguments, not ${args.length}`);
    }
    // Strings and arrays check for room themselves; everything else fits in the room made here.
    this.#makeRoom(MAX_MESSAGE_BYTES);
    const bytes = this.#bytes;
    const start = this.#length;
    const end = start + MAX_MESSAGE_BYTES;
    let fds: OwnedFd[] | null = null;
    let at = start + HEADER_BYTES;
    for (let i = 0; i < args.length; i++) {
      const arg = message.args[i]!;
      const value = args[i]!;
      switch (arg.kind) {
        case 'int':
          if (!isWord(value, -0x80000000, 0x7fffffff)) throw badValue(message, i, value);
          break;
        case 'uint':
          if (!isWord(value, 0, 0xffffffff)) throw badValue(message, i, value);
          break;
        case 'fixed':
          if (typeof value !== 'number' || !isWord(Math.round(value * 256), -0x80000000, 0x7fffffff)) {
            throw badValue(message, i, value);
          }
          break;
        case 'new_id':
          if (!isWord(value, 1, 0xffffffff)) throw badValue(message, i, value);
          break;
        case 'object':
          if (value === null ? arg.nullable !== true : !isWord(value, 1, 0xffffffff)) throw badValue(message, i, value);
          break;
        case 'string':
          if (value === null && arg.nullable === true) break;
          if (typeof value !== 'string') throw badValue(message, i, value);
          at = putString(message, bytes, at, end, i, value);
          continue;
        case 'array':
          if (!(value instanceof Uint8Array)) throw badValue(message, i, value);
          at = putBytes(message, bytes, at, end, i, value, value.length);
          continue;
        case 'bind': {
          if (!isBind(value)) throw badValue(message, i, value);
          at = putString(message, bytes, at, end, i, value.interface);
          if (at + 8 > end) throw tooLong(message, i);
          writeUint(bytes, at, value.version);
          writeUint(bytes, at + 4, value.id);
          at += 8;
          continue;
        }
        case 'fd':
          if (!isFd(value)) throw badValue(message, i, value);
          (fds ??= []).push(value);
          continue;
      }
      // Everything that is one word.
      if (at + 4 > end) throw tooLong(message, i);
      const word = (value ?? 0) as number;
      writeUint(bytes, at, arg.kind === 'fixed' ? Math.round(word * 256) : word);
      at += 4;
    }
    writeUint(bytes, start, id);
    writeUint(bytes, start + 4, (message.opcode | ((at - start) << 16)) >>> 0);
    this.#length = at;
    if (fds !== null) this.#fds.push(...fds);
  }

  /**
   * Appends bytes that are whole messages already, as a relay forwards them.
   * @returns the offset in {@link bytes} at which they begin, for those who change ids in the copy
   */
  append(source: Uint8Array, offset: number, size: number): number {
    this.#makeRoom(size);
    const start = this.#length;
    if (size <= 64) {
      // A call of set() costs more than such a message.
      for (let i = 0; i < size; i++) this.#bytes[start + i] = source[offset + i]!;
    } else {
      this.#bytes.set(source.subarray(offset, offset + size), start);
    }
    this.#length = start + size;
    return start;
  }

  /** Appends an fd beside the bytes. It becomes this object's. */
  appendFd(fd: OwnedFd): void {
    this.#fds.push(fd);
  }

  #makeRoom(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function isWord(value: WireValue, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isFd(value: WireValue): value is OwnedFd {
  return typeof value === 'object' && value !== null && 'release' in value;
}

function isBind(value: WireValue): value is Bind {
  return (
    typeof value === 'object' &&
    value !== null &&
    'interface' in value &&
    typeof value.interface === 'string' &&
    isWord(value.version, 0, 0xffffffff) &&
    isWord(value.id, 1, 0xffffffff)
  );
}

function putString(message: Message, bytes: Uint8Array, at: number, end: number, index: number, text: string): number {
  const body = encoder.encode(text);
  if (body.includes(0)) {
    throw new WireError('value', `'${message.name}': string '${message.args[index]!.name}' holds a NUL character`);
  }
  return putBytes(message, bytes, at, end, index, body, body.length + 1);
}

/** Writes a length, the bytes and zeros up to the next word. `length` may be one more than there are bytes: the NUL. */
function putBytes(
  message: Message,
  bytes: Uint8Array,
  at: number,
  end: number,
  index: number,
  body: Uint8Array,
  length: number,
): number {
  const next = at + 4 + padded(length);
  if (next > end) throw tooLong(message, index);
  writeUint(bytes, at, length);
  bytes.set(body, at + 4);
  bytes.fill(0, at + 4 + body.length, next);
  return next;
}

function badValue(message: Message, index: number, value: WireValue): WireError {
  const arg = message.args[index]!;
  const given = typeof value === 'number' || value === null ? String(value) : `a ${typeof value}`;
  return new WireError('value', `'${message.name}': argument '${arg.name}' is a ${arg.kind}, given ${given}`);
}

function tooLong(message: Message, index: number): WireError {
  return new WireError(
    'size',
    `'${message.name}' is longer than ${MAX_MESSAGE_BYTES} bytes with its argument '${message.args[index]!.name}'`,
  );
}
