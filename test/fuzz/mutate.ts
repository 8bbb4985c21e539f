/** Changing inputs: bytes and words, cuts and copies, parts of a dictionary and of other inputs. */
import type { Random } from '../wayland/random.js';

/** Numbers at which arithmetic goes wrong. */
const AWKWARD = [
  0, 1, 2, 4, 7, 8, 15, 16, 17, 28, 29, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 1023, 1024, 1025, 4095, 4096, 4097,
  0x7fff, 0x8000, 0xffff, 0x10000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfeffffff, 0xff000000, 0xfffffff0, 0xfffffffe,
  0xffffffff,
];

/** A changed copy of `input`, at most `maxBytes` long. `other` is another input to take from. */
export function mutate(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
  dictionary: readonly Uint8Array[],
  maxBytes: number,
): Uint8Array {
  let bytes = Uint8Array.from(input);
  for (let changes = 1 << random.below(4); changes > 0; changes--) bytes = once(random, bytes, other, dictionary);
  return bytes.length > maxBytes ? bytes.slice(0, maxBytes) : bytes;
}

function once(
  random: Random,
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  dictionary: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const inside = bytes.length > 0;
  switch (random.below(inside ? 11 : 3)) {
    case 0:
      return spliced(
        bytes,
        at,
        0,
        Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256)),
      );
    case 1:
      return spliced(bytes, at, random.below(2) * random.below(9), part(random, other));
    case 2: {
      const word = dictionary.length > 0 ? random.pick(dictionary) : awkward(random);
      return spliced(bytes, at, random.below(2) * word.length, word);
    }
    case 3:
      bytes[at % bytes.length]! ^= 1 << random.below(8);
      return bytes;
    case 4:
      bytes[at % bytes.length] = random.below(256);
      return bytes;
    case 5:
      bytes[at % bytes.length]! += random.below(35) - 17;
      return bytes;
    case 6:
      return spliced(bytes, at, 4, awkward(random));
    case 7:
      return spliced(bytes, at, 1 + random.below(16), new Uint8Array(0));
    case 8:
      return spliced(bytes, at, 0, part(random, bytes));
    case 9: {
      const word = part(random, bytes);
      return spliced(bytes, at, word.length, word);
    }
    default:
      return bytes.slice(0, at);
  }
}

function awkward(random: Random): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, random.pick(AWKWARD), random.below(8) > 0);
  return bytes.subarray(0, random.pick([1, 2, 4, 4]));
}

/** A part, short more often than long. */
function part(random: Random, of: Uint8Array): Uint8Array {
  const from = random.below(of.length + 1);
  return of.slice(from, from + random.below(1 + random.pick([4, 16, 64, 256])));
}

function spliced(bytes: Uint8Array, at: number, gone: number, put: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = Math.min(at, bytes.length);
  const rest = bytes.subarray(Math.min(bytes.length, from + gone));
  const all = new Uint8Array(from + put.length + rest.length);
  all.set(bytes.subarray(0, from));
  all.set(put, from);
  all.set(rest, from + put.length);
  return all;
}
