/** Slabs and parts, over a source that gives, refuses and dawdles as a test says. */
import t from 'tap';
import {
  BUFFERS_PER_SLAB,
  LinkMemory,
  MAX_ROOMY_SLAB_BYTES,
  MAX_SLABS,
  MIN_SLAB_BYTES,
  type SlabPart,
} from '../../src/slabs/link-memory.js';
import type { MemorySource, SlabGrant } from '../../src/slabs/memory-source.js';
import { native } from '../../src/system/native.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle } from '../relay/peer.js';
import { Random } from '../wayland/random.js';

const before = new Holdings();

class FakeSource implements MemorySource<number> {
  readonly asked: number[] = [];
  readonly released: number[] = [];
  largest = Infinity;
  /** Bytes that are missing from what is given. */
  short = 0;
  waiting: (() => void)[] | undefined;
  #pools = 0;

  allocate(size: number): Promise<SlabGrant<number>> {
    this.asked.push(size);
    if (size > this.largest) return Promise.reject(new Error(`${size} bytes are too many`));
    const pool = ++this.#pools;
    const grant = (): SlabGrant<number> => ({
      memory: new Memory(native.memfd('virtwl-slab', size - this.short, 0), size - this.short, size - this.short),
      pool,
      release: () => this.released.push(pool),
    });
    if (this.waiting === undefined) return Promise.resolve(grant());
    return new Promise(resolve => this.waiting!.push(() => resolve(grant())));
  }
}

function memory() {
  const source = new FakeSource();
  const arrivals = { count: 0 };
  const made = new LinkMemory<number>(source, () => (arrivals.count += 1));
  return { source, memory: made, arrivals };
}

async function taken(m: LinkMemory<number>, bytes: number): Promise<SlabPart<number>> {
  const part = m.take(bytes) ?? (await settle(2), m.take(bytes));
  if (part === undefined) throw new Error('no part');
  return part;
}

t.test('a slab is asked for once, with room for double buffering', async t => {
  const { source, memory: m, arrivals } = memory();
  source.waiting = [];
  for (let i = 0; i < 5; i++) t.equal(m.take(1 << 20), undefined);
  t.same(source.asked, [BUFFERS_PER_SLAB << 20]);
  source.waiting.shift()!();
  await settle(2);
  t.equal(arrivals.count, 1);
  const parts = [0, 1, 2].map(() => m.take(1 << 20)!);
  t.same(
    parts.map(({ offset }) => offset),
    [0, 1 << 20, 2 << 20],
  );
  t.equal(new Set(parts.map(({ mapping }) => mapping)).size, 1);
  t.equal(m.take(1), undefined, 'the fourth needs another');
  m.close();
});

t.test('sizes are whole MiB, and roomy only within reason', async t => {
  for (const [bytes, size] of [
    [1, MIN_SLAB_BYTES],
    [4096 * 85, MIN_SLAB_BYTES],
    [4096 * 86, 2 * MIN_SLAB_BYTES],
    [MAX_ROOMY_SLAB_BYTES / 4, 96 << 20],
    [MAX_ROOMY_SLAB_BYTES / 2, MAX_ROOMY_SLAB_BYTES / 2],
    [MAX_ROOMY_SLAB_BYTES + 1, MAX_ROOMY_SLAB_BYTES + MIN_SLAB_BYTES],
  ] as const) {
    const { source, memory: m } = memory();
    source.waiting = [];
    m.take(bytes);
    t.same(source.asked, [size], `for ${bytes} bytes`);
    m.close();
  }
});

t.test('what is refused is asked for smaller, and then told once', async t => {
  const { source, memory: m, arrivals } = memory();
  source.largest = 2 << 20;
  t.equal(m.take(1 << 20), undefined);
  await settle(2);
  t.same(source.asked, [3 << 20, 1 << 20]);
  t.equal(arrivals.count, 1);
  const part = m.take(1 << 20)!;
  t.equal(part.offset, 0);
  source.largest = 0;
  t.equal(m.take(1), undefined);
  await settle(2);
  t.equal(arrivals.count, 2);
  t.throws(() => m.take(1), /1048576 bytes are too many/);
  source.largest = Infinity;
  t.equal(m.take(1), undefined, 'a later call tries again');
  await settle(2);
  t.equal(m.take(1)!.offset, 0);
  m.close();
});

t.test('a slab that cannot be mapped is given back, and no memory', async t => {
  const held = new Holdings();
  const { source, memory: m } = memory();
  source.short = 4096;
  t.equal(m.take(5000), undefined);
  await settle(2);
  t.same(source.released, [1]);
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
  const m = new LinkMemory<number>(source, () => (arrivals += 1), 20);
  t.equal(m.take(MIN_SLAB_BYTES), undefined);
  await eventually('the end of the wait', () => arrivals === 1);
  t.throws(() => m.take(MIN_SLAB_BYTES), /no answer within 20 ms to the request for 3145728 bytes/);
  t.equal(source.asked.length, 1, 'and nothing smaller is asked for');
  source.waiting.shift()!();
  await settle(2);
  t.same(source.released, [1]);
  t.equal(m.slabCount, 0);
  source.waiting = undefined;
  await taken(m, MIN_SLAB_BYTES);
  t.equal(m.slabCount, 1, 'the next one is asked for as ever');
  m.close();

  const closed = new LinkMemory<number>(
    { allocate: () => new Promise(() => {}) },
    () => t.fail('told after the end'),
    1,
  );
  closed.take(1);
  closed.close();
  await new Promise(resolve => setTimeout(resolve, 20));
});

t.test('an empty slab is given back, but for the last; after the end nothing is', async t => {
  const held = new Holdings();
  const { source, memory: m } = memory();
  const parts: SlabPart<number>[] = [];
  for (let i = 0; i < 4; i++) parts.push(await taken(m, 1 << 20));
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

t.test('there are so many slabs, and what needs one more is refused until one is free', async t => {
  const { source, memory: m } = memory();
  const parts: SlabPart<number>[] = [];
  for (let i = 0; i < MAX_SLABS; i++)
    parts.push(await taken(m, MIN_SLAB_BYTES), await taken(m, MIN_SLAB_BYTES), await taken(m, MIN_SLAB_BYTES));
  t.equal(m.slabCount, MAX_SLABS);
  t.throws(() => m.take(MIN_SLAB_BYTES), /64 slabs are full/);
  t.equal(source.asked.length, MAX_SLABS, 'it is not even asked for');
  for (const part of parts.splice(0, 3)) part.free();
  parts.push(await taken(m, MIN_SLAB_BYTES));
  t.equal(m.slabCount, MAX_SLABS);
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
