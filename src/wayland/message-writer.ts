/**
 * Writing messages in the Wayland wire format: what our own processes say, and what a relay passes on. Values are checked
 * against the signature here, since a handler may have made them of what a peer said.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Message } from './interface.js';
import { HEADER_BYTES, MAX_MESSAGE_BYTES, padded, WireError, writeUint, type Bind, type WireValue } from './wire.js';

const encoder = new TextEncoder();

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

  /** Forgets bytes and fds. Fds are not closed: the send has given them away. */
  reset(): void {
    this.#length = 0;
    if (this.#fds.length > 0) this.#fds = [];
  }

  /**
   * Appends a message to object `id`. `args` has a value for every argument of the signature, of the types that
   * `readArgs` gives; fds become this object's when the call succeeds.
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
    let fds: OwnedFd[] | undefined;
    let at = start + HEADER_BYTES;
    for (let i = 0; i < args.length; i++) {
      const arg = message.args[i]!;
      const value = args[i];
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
          if (value === undefined ? arg.nullable !== true : !isWord(value, 1, 0xffffffff))
            throw badValue(message, i, value);
          break;
        case 'string':
          if (value === undefined && arg.nullable === true) break;
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
    if (fds !== undefined) this.#fds.push(...fds);
  }

  /**
   * Appends bytes that are whole messages already, as a relay forwards them.
   * @returns the offset in {@link bytes} at which they begin, for those who change ids in the copy ({@link put})
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

  /** Changes a word of what is held, at its offset in {@link bytes}: no view of them is made for that. */
  put(at: number, word: number): void {
    writeUint(this.#bytes, at, word);
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
  return typeof value === 'object' && 'release' in value;
}

function isBind(value: WireValue): value is Bind {
  return (
    typeof value === 'object' &&
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
  const given = typeof value === 'number' || value === undefined ? String(value) : `a ${typeof value}`;
  return new WireError('value', `'${message.name}': argument '${arg.name}' is a ${arg.kind}, given ${given}`);
}

function tooLong(message: Message, index: number): WireError {
  return new WireError(
    'size',
    `'${message.name}' is longer than ${MAX_MESSAGE_BYTES} bytes with its argument '${message.args[index]!.name}'`,
  );
}
