/** Slabs and parts, over a source that gives, refuses and dawdles as a test says. */
import t from 'tap';
import { LinkMemory, type SlabPart } from '../../src/slabs/link-memory.js';
import { NoMemory } from '../../src/slabs/memory-source.js';
import {
  LARGE_BYTES,
  MAX_SHARED_SLAB_BYTES,
  MAX_SLABS,
  MIN_SLAB_BYTES,
  SlabArena,
} from '../../src/slabs/slab-arena.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle } from '../relay/peer.js';
import { FakeSource, memory, taken } from './fake-source.js';
import { Random } from '../wayland/random.js';

const before = new Holdings();

const MIB = 1 << 20;

t.test('a slab is asked for once, with room for double buffering', async t => {
  const { source, memory: m, arrivals } = memory();
  source.waiting = [];
  for (let i = 0; i < 5; i++) t.equal(m.take(MIB), undefined);
  t.same(source.asked, [2 * MIB]);
  source.waiting.shift()!();
  await settle(2);
  t.equal(arrivals.count, 1);
  const parts = [0, 1].map(() => m.take(MIB)!);
  t.same(
    parts.map(({ offset }) => offset),
    [0, MIB],
  );
  t.equal(new Set(parts.map(({ mapping }) => mapping)).size, 1);
  t.equal(m.take(1), undefined, 'the third needs another');
  m.close();
});

t.test('slabs fit what is asked for', async t => {
  for (const [bytes, size] of [
    [1, MIN_SLAB_BYTES],
    [MIB / 2, MIN_SLAB_BYTES],
    [MIB / 2 + 1, 2 * MIN_SLAB_BYTES],
    [LARGE_BYTES - 1, 2 * LARGE_BYTES],
    [LARGE_BYTES, LARGE_BYTES],
    [4 * 1920 * 1080, 8 * MIB],
    [4 * 3840 * 2160, 32 * MIB],
    [4 * 7680 * 4320, 128 * MIB],
  ] as const) {
    const { source, memory: m } = memory();
    source.waiting = [];
    m.take(bytes);
    t.same(source.asked, [size], `for ${bytes} bytes`);
    t.ok(bytes < LARGE_BYTES || size < bytes * 1.13, 'a large buffer has a slab for itself, of its size');
    m.close();
  }
});

t.test('many small buffers make few slabs, since each is as large as what is used already', async t => {
  const { source, memory: m } = memory();
  for (let i = 0; i < 5000; i++) await taken(m, 4 * 64 * 64);
  t.same(
    source.asked.map(size => size / MIB),
    [1, 1, 2, 4, 8, 16, 16, 16, 16],
  );
  t.ok(source.asked.every(size => size <= MAX_SHARED_SLAB_BYTES));
  m.close();
});

t.test('what is refused is asked for smaller, and then told once', async t => {
  const { source, memory: m, arrivals } = memory();
  source.largest = 2 * MIB - 4096;
  t.equal(m.take(MIB), undefined);
  await settle(2);
  t.same(source.asked, [2 * MIB, MIB]);
  t.equal(arrivals.count, 1);
  const part = m.take(MIB)!;
  t.equal(part.offset, 0);
  source.largest = 0;
  t.equal(m.take(1), undefined);
  await settle(2);
  t.equal(arrivals.count, 2);
  t.throws(() => m.take(1), new NoMemory('4096 bytes are too many'));
  source.largest = Infinity;
  t.equal(m.take(1), undefined, 'a later call tries again');
  await settle(2);
  t.equal(m.take(1)!.offset, 0);
  m.close();
});

t.test('a large buffer is not given up for the sake of round sizes', async t => {
  const { source, memory: m } = memory();
  source.largest = 4 * 3840 * 2160;
  t.equal((await taken(m, 4 * 3840 * 2160)).offset, 0);
  t.same(source.asked, [32 * MIB, 4 * 3840 * 2160]);
  m.close();
});

t.test('a slab that cannot be mapped is given back, and no memory', async t => {
  const held = new Holdings();
  const { source, memory: m } = memory();
  source.short = 4096;
  t.equal(m.take(5000), undefined);
  await settle(2);
  t.same(source.released, [1, 2], 'nor a smaller one');
  t.throws(() => m.take(5000), /cannot map/);
  m.close();
  await held.assertSame(t);
});

t.test('a slab that comes after the end is closed', async t => {
  const held = new Holdings();
  const { source, memory: m, arrivals } = memory();
  source.waiting = [];
  m.take(1);
  m.close();
  source.waiting.shift()!();
  await settle(2);
  t.equal(arrivals.count, 0);
  t.equal(m.slabCount, 0);
  await held.assertSame(t);
});

t.test('a slab that does not come is waited for so long, and given back when it comes after all', async t => {
  const source = new FakeSource();
  source.waiting = [];
  let arrivals = 0;
  const m = new LinkMemory<number>(source, () => (arrivals += 1), { timeoutMs: 20 });
  t.equal(m.take(MIN_SLAB_BYTES), undefined);
  await eventually('the end of the wait', () => arrivals === 1);
  t.throws(() => m.take(MIN_SLAB_BYTES), /no answer within 20 ms to the request for 2097152 bytes/);
  t.equal(source.asked.length, 1, 'and nothing smaller is asked for');
  source.waiting.shift()!();
  await settle(2);
  t.same(source.released, [1]);
  t.equal(m.slabCount, 0);
  source.waiting = undefined;
  await taken(m, MIN_SLAB_BYTES);
  t.equal(m.slabCount, 1, 'the next one is asked for as ever');
  m.close();

  const closed = new LinkMemory<number>({ allocate: () => new Promise(() => {}) }, () => t.fail('told after the end'), {
    timeoutMs: 1,
  });
  closed.take(1);
  closed.close();
  await new Promise(resolve => setTimeout(resolve, 20));
});

t.test('an empty slab is given back, but for the last; after the end nothing is', async t => {
  const held = new Holdings();
  const { source, memory: m } = memory();
  const parts: SlabPart<number>[] = [];
  for (let i = 0; i < 3; i++) parts.push(await taken(m, MIB));
  t.equal(m.slabCount, 2);
  parts.pop()!.free();
  t.same(source.released, [2]);
  for (const part of parts) part.free();
  t.same(source.released, [2]);
  t.equal(m.slabCount, 1);
  const last = await taken(m, 1);
  m.close();
  last.free();
  m.close();
  t.same(source.released, [2]);
  await held.assertSame(t);
});

t.test('the slab of a large buffer goes with it, but for one while there are others', async t => {
  const { source, memory: m } = memory();
  const parts: SlabPart<number>[] = [];
  for (let i = 0; i < 3; i++) parts.push(await taken(m, LARGE_BYTES));
  t.equal(m.slabCount, 3);
  parts.pop()!.free();
  t.same(source.released, [], 'a window that is resized uses it again');
  const again = await taken(m, LARGE_BYTES + 4096);
  t.same(source.asked.length, 4, 'unless it is too small');
  t.same(source.released, [3]);
  again.free();
  parts.push(await taken(m, LARGE_BYTES + 8192));
  t.same(source.asked.length, 4, 'sizes that differ by little share one');
  for (const part of parts) part.free();
  t.equal(m.slabCount, 0, 'with the last, all');
  m.close();
});

t.test('there are so many slabs in a process, and what needs one more is refused until one is free', async t => {
  const arena = new SlabArena();
  const [{ source, memory: m }, other] = [memory({ arena }), memory({ arena })];
  // The test has no room for so many large ones.
  source.allocate = size => {
    source.asked.push(size);
    return Promise.resolve({
      memory: { map: () => ({ unmap: () => undefined }), close: () => undefined } as unknown as Memory,
      pool: 0,
      release: () => undefined,
    });
  };
  const parts: SlabPart<number>[] = [];
  for (let i = 0; i < MAX_SLABS; i++) parts.push(await taken(m, LARGE_BYTES));
  t.equal(arena.slabCount, MAX_SLABS);
  t.throws(() => m.take(LARGE_BYTES), /512 slabs are full/);
  t.throws(() => other.memory.take(1), /512 slabs are full/);
  t.same([source.asked.length, other.source.asked.length], [MAX_SLABS, 0], 'it is not even asked for');
  for (const part of parts.splice(0, 2)) part.free();
  await taken(other.memory, 1);
  t.equal(arena.slabCount, MAX_SLABS);
  m.close();
  other.memory.close();
  t.equal(arena.slabCount, 0);
});

t.test('a window begins only where there is as much memory once more', async t => {
  const { source, memory: m } = memory();
  const never = () => false;
  const begin = async (spare: (bytes: number) => boolean): Promise<SlabPart<number> | undefined> => {
    for (let tries = 0; tries < 4; tries++) {
      const part = m.takeWithSpare(LARGE_BYTES, spare);
      if (part !== undefined) return part;
      await settle(2);
    }
    return undefined;
  };
  t.not(await begin(never), undefined);
  t.equal(source.asked.length, 2);
  t.ok(m.hasRoomFor(LARGE_BYTES), 'for its next frame');
  t.not(await begin(never), undefined, 'the next begins with that, and there is as much once more');
  t.same([source.asked.length, m.hasRoomFor(LARGE_BYTES)], [3, true]);
  t.not(await begin(() => true), undefined, 'unless others have something to give up');
  t.same([source.asked.length, m.hasRoomFor(LARGE_BYTES)], [3, false]);
  source.allocate = (allocate => {
    let left = 1;
    return (size: number) => (left-- > 0 ? allocate(size) : Promise.reject(new NoMemory('used up')));
  })(source.allocate.bind(source));
  await t.rejects(begin(never), /used up/);
  t.ok(m.hasRoomFor(LARGE_BYTES), 'what it did not get is there for the others');
  m.close();
});

t.test(
  'what a window was to begin with, and does not take, is there for others once nothing is on its way',
  async t => {
    const { source, memory: m } = memory();
    source.waiting = [];
    const arrive = async (): Promise<void> => {
      source.waiting!.shift()!();
      await settle(2);
    };
    const never = () => false;
    t.equal(m.takeWithSpare(LARGE_BYTES, never), undefined);
    await arrive();
    t.equal(m.takeWithSpare(LARGE_BYTES, never), undefined, 'the first is there, the second is on its way');
    m.dropEmpty();
    t.equal(m.slabCount, 1, 'it is waited for');
    await arrive();
    t.equal(m.slabCount, 2);
    m.dropEmpty();
    t.same([m.slabCount, source.released.length], [0, 2], 'the window did not come back');
    m.close();
  },
);

t.test('when memory is refused, what is not needed is given up, and it is asked for again', async t => {
  const idle: SlabPart<number>[] = [];
  const wanted: number[] = [];
  const { source, memory: m } = memory({
    relieve: bytes => {
      wanted.push(bytes);
      idle.pop()?.free();
      return idle.length >= 0 && wanted.length < 3;
    },
  });
  const kept = await taken(m, LARGE_BYTES);
  idle.push(await taken(m, LARGE_BYTES));
  source.largest = 0;
  t.equal(m.take(LARGE_BYTES), undefined);
  await settle(2);
  t.equal(m.take(LARGE_BYTES)!.offset, 0, 'what was given up is used');
  t.same(wanted, [LARGE_BYTES]);
  t.equal(m.take(8 * MIB), undefined);
  await eventually('a second try', () => {
    if (wanted.length === 2) m.take(8 * MIB);
    return wanted.length === 3;
  });
  await settle(2);
  t.throws(() => m.take(8 * MIB), NoMemory, 'when there is nothing to give up any more, that is told');
  kept.free();
  m.close();
});

t.test('parts never overlap, whatever comes and goes', async t => {
  const held = new Holdings();
  const { source, memory: m } = memory();
  const random = new Random(5);
  const live: { part: SlabPart<number>; bytes: number; mark: number }[] = [];
  for (let step = 0; step < 2000; step++) {
    if (live.length > 0 && random.below(5) < 2) {
      const [{ part, bytes, mark }] = live.splice(random.below(live.length), 1) as [(typeof live)[number]];
      const at = new Uint8Array(part.mapping.buffer, part.offset, bytes);
      if (at[0] !== mark || at[bytes - 1] !== mark) t.fail(`step ${step}: another part wrote into it`);
      part.free();
    } else {
      const bytes = 1 + random.below(random.below(10) === 0 ? 1 << 20 : 60_000);
      const part = await taken(m, bytes);
      const mark = random.below(256);
      if (part.offset % 4096 !== 0) t.fail('not on a page');
      new Uint8Array(part.mapping.buffer, part.offset, bytes).fill(mark);
      live.push({ part, bytes, mark });
    }
  }
  for (const { part } of live) part.free();
  t.equal(m.slabCount, 1);
  t.equal(source.released.length, source.asked.length - 1);
  m.close();
  await held.assertSame(t);
});

t.test('nothing is left behind', async t => before.assertSame(t));
