/**
 * The Wayland wire format: what every byte of every proxy and client goes through. A message is a header (object id,
 * opcode, size) and a body of 32-bit words; strings and arrays carry their length and are padded to whole words; fds are
 * not in the bytes, they come beside them, in the order of the messages that own them.
 *
 * Bytes come from peers that nobody trusts, so {@link checkMessage} comes first: it proves a message's body against its
 * signature, and the other functions here may only be given what it has passed. Nothing in this file knows which
 * objects exist: that is the caller's object map.
 *
 * A relay forwards tens of thousands of messages a second. Checking and finding ids therefore allocates nothing, and
 * words are put together from bytes because a message may lie at any offset of a receive buffer.
 *
 * All numbers are in the host's byte order on the wire; this project runs on little-endian machines only.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Message } from './interface.js';

/** Header: u32 object id, u16 opcode, u16 size of the whole message in bytes. */
export const HEADER_BYTES = 8;
/**
 * The most bytes of one message, header included. The size field could say 65,535, but libwayland's buffers hold 4,096
 * by default (connection.c), so a longer message kills the connection of the peer behind us.
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
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
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

/** A length in whole words. */
export function padded(length: number): number {
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
function skipSized(message: Message, bytes: Uint8Array, at: number, end: number, size: number, index: number): number {
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
  if (objectOffsets !== undefined) {
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

/** An argument as a value: ids as numbers, fixed as a fraction, a null string or object as undefined. */
export type WireValue = number | string | undefined | Uint8Array | Bind | OwnedFd;

/** A byte order mark is a character like any other here: what is relayed must stay as it was. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The string whose length word is at `at`, without its NUL. */
export function readString(bytes: Uint8Array, at: number): string {
  return decoder.decode(bytes.subarray(at + 4, at + 4 + readUint(bytes, at) - 1));
}

/** A copy of the array whose length word is at `at`. */
export function readBytes(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.slice(at + 4, at + 4 + readUint(bytes, at));
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
        values.push(id === 0 ? undefined : id);
        at += 4;
        break;
      }
      case 'string': {
        const length = readUint(bytes, at);
        values.push(length === 0 ? undefined : readString(bytes, at));
        at += 4 + padded(length);
        break;
      }
      case 'array': {
        values.push(readBytes(bytes, at));
        at += 4 + padded(readUint(bytes, at));
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
        values.push(fds.shift());
        break;
    }
  }
  return values;
}
