/**
 * Throws broken messages at the wire format, in a fixed order that a seed decides. They are made from right ones of every
 * signature in the tables, by changing what the format is made of: sizes, lengths, single words and bytes, cuts and
 * additions. Whatever they are, `checkMessage` either throws a WireError or lets through a message that the other
 * functions can read without ever looking outside of it.
 */
import t from 'tap';
import { type OwnedFd } from '../../src/system/fd.js';
import type { Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../src/wayland/message-writer.js';
import {
  checkMessage,
  checkSize,
  findObjects,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_OBJECT_ARGS,
  readArgs,
  readUint,
  WireError,
  type WireValue,
  writeUint,
} from '../../src/wayland/wire.js';
import { Random } from './random.js';

/** Rounds over every message of the tables. Some 800 messages, so this is about 80,000 broken ones, in 2 seconds. */
const ROUNDS = 100;
const SEED = Number(process.env.FUZZ_SEED ?? 20);

/** Lengths and sizes at which arithmetic goes wrong. */
const AWKWARD = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 4087, 4088, 4092, 4096, 4100, 0x7ffffffc, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffb,
  0xfffffffc, 0xfffffffd, 0xffffffff,
];

const messages: readonly Message[] = [...interfaces.values()].flatMap(item => [...item.requests, ...item.events]);

const fd = { release: () => 0, close: () => undefined } as unknown as OwnedFd;

function right(random: Random, message: Message): Uint8Array {
  const writer = new MessageWriter();
  const args = message.args.map((arg): WireValue => {
    switch (arg.kind) {
      case 'string':
        return 'x'.repeat(random.below(40));
      case 'array':
        return new Uint8Array(random.below(40)).fill(1 + random.below(255));
      case 'bind':
        return { interface: 'w'.repeat(1 + random.below(20)), version: random.below(10), id: 1 + random.below(1000) };
      case 'fd':
        return fd;
      case 'int':
      case 'fixed':
        return random.below(1000) - 500;
      default:
        return 1 + random.below(1000);
    }
  });
  writer.write(1 + random.below(1000), message, args);
  return writer.bytes.slice();
}

/** One to three things go wrong. */
function wrong(random: Random, original: Uint8Array): Uint8Array {
  let bytes = original;
  for (let faults = 1 + random.below(3); faults > 0; faults--) {
    const words = bytes.length >> 2;
    switch (random.below(6)) {
      case 0: // a word of the body becomes a length that hurts
        if (words > 2) {
          bytes = bytes.slice();
          writeUint(bytes, 4 * (2 + random.below(words - 2)), random.below(3) === 0 ? 0 : random.pick(AWKWARD));
        }
        break;
      case 1: // a byte changes
        bytes = bytes.slice();
        bytes[random.below(bytes.length)] = random.below(256);
        break;
      case 2: // the end is missing
        bytes = bytes.slice(0, Math.max(HEADER_BYTES, 4 * random.below(words + 1)));
        break;
      case 3: // something follows
        bytes = Uint8Array.from([
          ...bytes,
          ...Array.from({ length: 4 * (1 + random.below(4)) }, () => random.below(256)),
        ]);
        break;
      case 4: // words change places
        if (words > 3) {
          bytes = bytes.slice();
          const [a, b] = [4 * (2 + random.below(words - 2)), 4 * (2 + random.below(words - 2))];
          const word = readUint(bytes, a);
          writeUint(bytes, a, readUint(bytes, b));
          writeUint(bytes, b, word);
        }
        break;
      default: // noise
        bytes = bytes.map((value, i) => (i < HEADER_BYTES || random.below(8) > 0 ? value : random.below(256)));
    }
  }
  return bytes.length > MAX_MESSAGE_BYTES ? bytes.slice(0, MAX_MESSAGE_BYTES) : bytes;
}

/**
 * Puts the message in the middle of a larger buffer, as in a batch, with something else all around. `guard` says what:
 * if anything read there would count, the results with different surroundings would differ.
 */
function surrounded(bytes: Uint8Array, offset: number, guard: number): Uint8Array {
  const all = new Uint8Array(offset + bytes.length + 64).fill(guard);
  all.set(bytes, offset);
  return all;
}

/** Everything that can be read of a message, as text; or the kind of its error. */
function outcome(message: Message, bytes: Uint8Array, offset: number, size: number): string {
  try {
    checkSize(size);
    checkMessage(message, bytes, offset, size);
  } catch (error) {
    if (error instanceof WireError) return `refused: ${error.kind}`;
    throw error;
  }
  const places = new Int32Array(MAX_OBJECT_ARGS);
  const found = findObjects(message, bytes, offset, places);
  const ids = Array.from(places.subarray(0, found), at => {
    if (at < offset + HEADER_BYTES || at + 4 > offset + size) throw new Error(`an id outside of the message, at ${at}`);
    return readUint(bytes, at);
  });
  const args = readArgs(
    message,
    bytes,
    offset,
    message.args.flatMap(arg => (arg.kind === 'fd' ? [fd] : [])),
  );
  const shown = args.map(value => (value instanceof Uint8Array ? [...value] : value === fd ? 'fd' : value));
  return JSON.stringify([ids, shown]);
}

t.test(`broken messages are refused or harmless (FUZZ_SEED=${SEED})`, async t => {
  const random = new Random(SEED);
  const tally = new Map<string, number>();
  let failures = 0;
  for (let round = 0; round < ROUNDS && failures < 5; round++) {
    for (const message of messages) {
      const bytes = wrong(random, right(random, message));
      const offset = random.below(9);
      try {
        const one = outcome(message, surrounded(bytes, offset, 0), offset, bytes.length);
        const other = outcome(message, surrounded(bytes, offset, 0xff), offset, bytes.length);
        if (one !== other) throw new Error(`it depends on its surroundings: ${one} or ${other}`);
        const kind = one.startsWith('refused') ? one : 'accepted';
        tally.set(kind, (tally.get(kind) ?? 0) + 1);
      } catch (error) {
        failures += 1;
        t.fail(`${message.name}: ${(error as Error).message}`, { bytes: Buffer.from(bytes).toString('hex'), offset });
      }
    }
  }
  t.comment([...tally].map(([kind, count]) => `${kind} ${count}`).join(', '));
  // The test is worth something only while it gets into every corner.
  for (const kind of ['accepted', 'refused: size', 'refused: string', 'refused: null']) {
    t.ok((tally.get(kind) ?? 0) > 200, kind);
  }
});

t.test('what is accepted is said again in the same words', async t => {
  const random = new Random(SEED + 1);
  let compared = 0;
  let different = 0;
  for (let round = 0; round < ROUNDS / 2; round++) {
    for (const message of messages) {
      const bytes = wrong(random, right(random, message));
      if (outcome(message, bytes, 0, bytes.length).startsWith('refused')) continue;
      const fds = message.args.flatMap(arg => (arg.kind === 'fd' ? [fd] : []));
      const values = readArgs(message, bytes, 0, fds);
      // Text that is not UTF-8 changes when it is decoded; everything else must survive.
      if (values.some(value => JSON.stringify(value)?.includes('\ufffd'))) continue;
      const writer = new MessageWriter();
      writer.write(readUint(bytes, 0), message, values);
      compared += 1;
      const sameFds = message.args.flatMap(arg => (arg.kind === 'fd' ? [fd] : []));
      const again = JSON.stringify(readArgs(message, writer.bytes, 0, sameFds));
      if (writer.length !== bytes.length || again !== JSON.stringify(values)) different += 1;
    }
  }
  t.equal(different, 0);
  t.ok(compared > 1000, `${compared} compared`);
});
