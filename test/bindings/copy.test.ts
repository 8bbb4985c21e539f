import { fstatSync, ftruncateSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import t from 'tap';
import { native, type Mapping } from '../../src/system/native.js';
import { Random } from '../wayland/random.js';
import { eventually } from '../eventually.js';
import { leavesNothing, MEMFD, thrownBy } from './held.js';

const PAGE = native.pageSize;
const SIZE = 4 * PAGE;

function mapNew(size = SIZE, writable = true): Mapping {
  const fd = native.memfd(MEMFD, size, 0);
  try {
    return native.map(fd, 0, size, writable);
  } finally {
    native.close(fd);
  }
}

const bytesOf = (mapping: Mapping) => new Uint8Array(mapping.buffer);

/** A mapping whose bytes all differ from their neighbours. */
function mapPattern(size = SIZE): Mapping {
  const mapping = mapNew(size);
  bytesOf(mapping).forEach((_, i, all) => (all[i] = (i * 7 + (i >> 8)) & 0xff));
  return mapping;
}

const dst = mapNew();
const src = mapPattern();
t.teardown(() => {
  dst.unmap();
  src.unmap();
});
t.beforeEach(() => void bytesOf(dst).fill(0));

/** Copies one rectangle: dstOffset, dstStride, srcOffset, srcStride, rowBytes, rows. */
function copy(...rectangle: [number, number, number, number, number, number]): number {
  return native.copyRects(dst, src, Float64Array.from(rectangle), 1);
}

/** The same in TypeScript, byte by byte: what the native loop is compared with. */
function reference(to: Uint8Array, from: Uint8Array, rects: Float64Array, count: number): number {
  let copied = 0;
  for (let i = 0; i < count; i++) {
    const [dstOffset, dstStride, srcOffset, srcStride, rowBytes, rows] = rects.subarray(
      i * 6,
      i * 6 + 6,
    ) as unknown as [number, number, number, number, number, number];
    for (let row = 0; row < rows; row++) {
      for (let x = 0; x < rowBytes; x++) {
        to[dstOffset + row * dstStride + x] = from[srcOffset + row * srcStride + x]!;
        copied++;
      }
    }
  }
  return copied;
}

t.test('rectangles land where they should, and nowhere else', async t => {
  const random = new Random(2024);
  for (let round = 0; round < 200; round++) {
    const count = random.below(8);
    const rects = new Float64Array(48);
    for (let i = 0; i < count; i++) {
      const rows = random.below(20);
      const rowBytes = random.below(300);
      const dstStride = rowBytes + random.pick([0, 0, 1, 64]);
      const srcStride = rowBytes + random.pick([0, 0, 3, 100]);
      const room = SIZE - 20 * 400;
      rects.set([random.below(room), dstStride, random.below(room), srcStride, rowBytes, rows], i * 6);
    }
    bytesOf(dst).fill(0xee);
    const expected = new Uint8Array(SIZE).fill(0xee);
    const copied = reference(expected, bytesOf(src), rects, count);
    if (native.copyRects(dst, src, rects, count) !== copied) t.fail(`round ${round}: wrong count`);
    if (Buffer.compare(expected, bytesOf(dst)) !== 0) t.fail(`round ${round}: wrong bytes`);
  }
  t.pass('200 rounds');
});

t.test('what is large goes past the caches, with the same bytes at the end', async t => {
  const room = 1 << 20;
  const [from, to] = [mapPattern(room), mapNew(room)];
  const bytes = 256 * 1024;
  for (const [what, ...rectangle] of [
    ['one stretch, just long enough', 0, 1024, 0, 1024, 1024, bytes / 1024],
    ['a byte less', 0, bytes - 1, 0, bytes - 1, bytes - 1, 1],
    ['from and to odd places', 13, bytes + 7, 5, bytes + 7, bytes + 7, 1],
    ['rows', 3, 3000, 11, 2900, 2801, 200],
    ['rows shorter than a cache line', 3, 61, 11, 59, 57, 9000],
  ] as const) {
    const rects = Float64Array.from(rectangle);
    const expected = new Uint8Array(room).fill(0xee);
    bytesOf(to).fill(0xee);
    t.equal(native.copyRects(to, from, rects, 1), reference(expected, bytesOf(from), rects, 1));
    t.equal(Buffer.compare(expected, bytesOf(to)), 0, what);
  }
  const before = bytesOf(from).slice();
  native.copyRects(from, from, Float64Array.of(100, 0, 0, 0, 2 * bytes, 1), 1);
  before.copyWithin(100, 0, 2 * bytes);
  t.equal(Buffer.compare(before, bytesOf(from)), 0, 'over itself, as memmove');
  for (const mapping of [from, to]) mapping.unmap();
});

t.test('what is read from the file touches no page of its mapping', async t => {
  const large = 64 * 1024;
  const room = 4 * large;
  const blocks = (fd: number): number => fstatSync(fd).blocks;
  const fd = native.memfd(MEMFD, room, 0);
  t.teardown(() => native.close(fd));
  const from = native.map(fd, 0, room, false);
  const to = mapNew(room);
  const one = (bytes: number, file?: number): void => {
    bytesOf(to).fill(0xee);
    t.equal(native.copyRects(to, from, Float64Array.of(0, 0, 0, 0, bytes, 1), 1, file), bytes);
    t.ok(bytesOf(to).every((byte, i) => byte === (i < bytes ? 0 : 0xee)));
  };
  one(large, fd);
  t.equal(blocks(fd), 0, 'a hole stays one');
  one(large - 1, fd);
  t.not(blocks(fd), 0, 'a small rectangle is read through the mapping, which fills it');

  const pattern = bytesOf(to).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
  writeSync(fd, pattern);
  const rects = Float64Array.of(1, large + 9, 3, large + 1, large, 3, 9, 400, 40, 500, 300, 2);
  const expected = new Uint8Array(room).fill(0xee);
  for (const [what, file] of [
    ['with the file', fd],
    ['without it', undefined],
    ['with another that cannot be read at a place: by the mapping', native.pipe()],
  ] as const) {
    bytesOf(to).fill(0xee);
    const given = typeof file === 'object' ? file[0] : file;
    t.equal(native.copyRects(to, from, rects, 2, given), reference(expected, pattern, rects, 2));
    t.equal(Buffer.compare(expected, bytesOf(to)), 0, what);
    if (typeof file === 'object') file.forEach(end => native.close(end));
  }
  t.equal(writeSync(fd, Uint8Array.of(1)), 1);
  t.equal(fstatSync(fd).size, room + 1, 'the position of the file, which its owner shares, stays where it was');

  ftruncateSync(fd, large);
  bytesOf(to).fill(0xee);
  t.equal(native.copyRects(to, from, Float64Array.of(0, 0, 0, 0, 2 * large, 1), 1, fd), 2 * large);
  t.ok(from.faulted, 'a file that ends early is found out by the mapping');
  t.equal(bytesOf(to)[large - 1], pattern[large - 1]);
  t.equal(bytesOf(to)[2 * large - 1], 0);
  for (const mapping of [from, to]) mapping.unmap();
});

t.test('a rectangle of whole rows is copied at once', async t => {
  t.equal(copy(0, 64, 0, 64, 64, SIZE / 64), SIZE);
  t.same(bytesOf(dst), bytesOf(src));
});

t.test('the last row needs no stride after it', async t => {
  t.equal(copy(0, 1000, SIZE - 3010, 1000, 10, 4), 40);
  t.equal(copy(SIZE - 10, 0, 0, 0, 10, 1), 10, 'one row needs no stride at all');
  t.throws(() => copy(SIZE - 3009, 1000, 0, 1000, 10, 4), RangeError);
  t.throws(() => copy(0, 1000, SIZE - 3009, 1000, 10, 4), RangeError);
});

t.test('nothing to copy is no mistake', async t => {
  t.equal(copy(0, 0, 0, 0, 0, 0), 0);
  t.equal(copy(1e12, 1e12, 1e12, 1e12, 0, 5), 0);
  t.equal(copy(1e12, 1e12, 1e12, 1e12, 5, 0), 0);
  t.equal(native.copyRects(dst, src, new Float64Array(0), 0), 0);
  t.ok(bytesOf(dst).every(byte => byte === 0));
});

t.test('a rectangle that is not within both mappings is refused', async t => {
  const max = Number.MAX_SAFE_INTEGER;
  const outside: [number, number, number, number, number, number][] = [
    [SIZE, 1, 0, 1, 1, 1],
    [0, 1, SIZE, 1, 1, 1],
    [SIZE - 1, 2, 0, 2, 2, 1],
    [0, 2, SIZE - 1, 2, 2, 1],
    [0, SIZE, 0, SIZE, 1, 2],
    [0, 1, 0, 1, 1, SIZE + 1],
    [0, 1, 0, SIZE, 1, 2],
    [0, SIZE, 0, 1, 1, 2],
    [0, SIZE + 1, 0, SIZE + 1, SIZE + 1, 1],
    [max, 1, 0, 1, 1, 1],
    [0, max, 0, max, 1, 2],
    [0, max, 0, max, 1, max],
    [0, max, 0, max, max, max],
    [max, max, max, max, max, max],
    [0, 2 ** 33, 0, 2 ** 33, 1, 2 ** 31 + 1], // the product is 2^64
    [0, 2 ** 32, 0, 2 ** 32, 2 ** 32, 2 ** 32],
    [2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52, 4096],
  ];
  for (const rectangle of outside) {
    t.throws(() => copy(...rectangle), RangeError, rectangle.join(', '));
  }
  t.ok(
    bytesOf(dst).every(byte => byte === 0),
    'no byte moved',
  );
});

t.test('rows longer than their stride are refused: they would make any number of rows fit', async t => {
  t.throws(() => copy(0, 0, 0, 0, 1, 2 ** 53 - 1), RangeError);
  t.throws(() => copy(0, 9, 0, 10, 10, 2), RangeError);
  t.throws(() => copy(0, 10, 0, 9, 10, 2), RangeError);
  t.equal(copy(0, 10, 0, 10, 10, 2), 20);
});

t.test('numbers that are no sizes are refused, in every place', async t => {
  for (const bad of [NaN, Infinity, -Infinity, -1, -0.5, 0.5, 1.0000001, 2 ** 53, 1e300, Number.MIN_VALUE]) {
    for (let place = 0; place < 6; place++) {
      const rectangle: [number, number, number, number, number, number] = [0, 16, 0, 16, 4, 2];
      rectangle[place] = bad;
      t.throws(() => copy(...rectangle), RangeError, `${bad} as number ${place}`);
    }
  }
  t.equal(copy(-0, 16, 0, 16, 4, 2), 8, 'minus zero is zero');
});

t.test('all rectangles are checked before the first byte moves, and the error names the wrong one', async t => {
  const rects = Float64Array.from([0, 16, 0, 16, 16, 4, 100, 16, 100, 16, 16, 4, SIZE, 16, 0, 16, 16, 4]);
  const error = thrownBy(t, () => native.copyRects(dst, src, rects, 3));
  t.match(error, RangeError);
  t.equal(
    error.message,
    `copyRects: rectangle 2 lies outside of the destination (dstOffset ${SIZE}, dstStride 16, srcOffset 0, ` +
      `srcStride 16, rowBytes 16, rows 4; destination ${SIZE}, source ${SIZE} bytes)`,
  );
  t.ok(bytesOf(dst).every(byte => byte === 0));
  t.equal(native.copyRects(dst, src, rects, 2), 128, 'what lies behind count does not matter');
});

t.test('count says how many, at most what rects has room for', async t => {
  const rects = new Float64Array(13);
  t.equal(native.copyRects(dst, src, rects, 2), 0);
  for (const count of [3, -1, NaN, 0.5, 2 ** 32, Infinity]) {
    t.throws(() => native.copyRects(dst, src, rects, count), RangeError, `count ${count}`);
  }
  t.throws(() => native.copyRects(dst, src, new Float64Array(5), 1), RangeError);
});

t.test('arguments of another type are refused', async t => {
  const rects = Float64Array.of(0, 1, 0, 1, 1, 1);
  const call = native.copyRects as (...args: unknown[]) => number;
  for (const args of [
    [],
    [dst],
    [dst, src],
    [dst, src, rects],
    [dst.buffer, src.buffer, rects, 1],
    [dst, src, [0, 1, 0, 1, 1, 1], 1],
    [dst, src, new Float32Array(6), 1],
    [dst, src, rects, '1'],
    [null, src, rects, 1],
    [dst, {}, rects, 1],
    [dst, src, rects, 1, '0'],
    [dst, src, rects, 1, null],
  ]) {
    t.throws(() => call(...args), TypeError);
  }
});

t.test('a read-only mapping is no destination', async t => {
  const readOnly = mapNew(PAGE, false);
  const rects = Float64Array.of(0, 1, 0, 1, 1, 1);
  t.throws(() => native.copyRects(readOnly, src, rects, 1), TypeError);
  t.equal(native.copyRects(dst, readOnly, rects, 1), 1);
  readOnly.unmap();
});

t.test('numbers that another thread can change are read once', async t => {
  const shared = mapNew(PAGE);
  const rects = new Float64Array(shared.buffer, 0, 6);
  rects.set([0, 16, 0, 16, 16, 2]);
  t.equal(native.copyRects(dst, src, rects, 1), 32, 'they may lie in shared memory');
  shared.unmap();
  t.throws(() => native.copyRects(dst, src, rects, 1), TypeError, 'but not in memory that is gone');
});

t.test('a copy within one mapping behaves as if the source had been read first, row by row', async t => {
  const one = mapPattern(PAGE);
  const expected = bytesOf(one).slice();
  expected.copyWithin(100, 0, 1000);
  t.equal(native.copyRects(one, one, Float64Array.of(100, 1000, 0, 1000, 1000, 1), 1), 1000);
  t.same(bytesOf(one), expected);
  one.unmap();
});

t.test('copies are counted', async t => {
  const before = native.counters();
  native.copyRects(dst, src, Float64Array.from([0, 10, 0, 10, 10, 3, 0, 10, 0, 10, 5, 2]), 2);
  t.throws(() => copy(SIZE, 1, 0, 1, 1, 1), RangeError);
  const after = native.counters();
  t.equal(after.copies - before.copies, 2);
  t.equal(after.bytesCopied - before.bytesCopied, 40);
});

t.test('many rectangles at once', async t => {
  leavesNothing(t, () => {
    const count = 10_000;
    const rects = new Float64Array(6 * count);
    for (let i = 0; i < count; i++) rects.set([i, 1, i, 1, 1, 1], i * 6);
    t.equal(native.copyRects(dst, src, rects, count), count);
    t.same(bytesOf(dst).subarray(0, count), bytesOf(src).subarray(0, count));
  });
});

t.test('in a thread', async t => {
  const size = 64 * PAGE;
  const inThread = (to: Mapping, from: Mapping, rects: readonly number[], file?: number): Promise<number> =>
    new Promise(resolve =>
      native.copyRectsInThread(to, from, Float64Array.from(rects), rects.length / 6, file, copied => resolve(copied)),
    );

  await t.test('the same bytes arrive', async t => {
    const [to, from] = [mapNew(size), mapPattern(size)];
    const rects = [100, 0, 0, 0, 1000, 1, 5000, 700, 333, 900, 600, 40];
    const expected = new Uint8Array(size);
    const bytes = reference(expected, bytesOf(from), Float64Array.from(rects), 2);
    const { copies, bytesCopied } = native.counters();
    t.equal(await inThread(to, from, rects), bytes);
    t.ok(Buffer.from(expected).equals(bytesOf(to)));
    t.match(native.counters(), { copies: copies + 2, bytesCopied: bytesCopied + bytes });
    to.unmap();
    from.unmap();
  });

  await t.test('from a file, whose descriptor may be closed meanwhile', async t => {
    const fd = native.memfd(MEMFD, size, 0);
    writeSync(fd, Buffer.alloc(size, 7));
    const [to, from] = [mapNew(size), native.map(fd, 0, size, false)];
    const copied = inThread(to, from, [0, 0, 0, 0, size, 1], fd);
    native.close(fd);
    t.equal(await copied, size);
    t.ok(bytesOf(to).every(byte => byte === 7));
    to.unmap();
    from.unmap();
  });

  await t.test('both mappings may be unmapped meanwhile', async t => {
    const [to, from] = [mapNew(size), mapPattern(size)];
    const { munmap } = native.counters();
    const copied = inThread(to, from, [0, 0, 0, 0, size, 1]);
    to.unmap();
    from.unmap();
    t.equal(await copied, size);
    await eventually('they are gone', () => native.counters().munmap === munmap + 2);
  });

  await t.test('many at a time', async t => {
    const from = mapPattern(size);
    const targets = Array.from({ length: 64 }, () => mapNew(size));
    const copied = await Promise.all(targets.map(to => inThread(to, from, [0, 0, 0, 0, size, 1])));
    t.ok(copied.every(bytes => bytes === size));
    t.ok(targets.every(to => Buffer.from(bytesOf(from)).equals(bytesOf(to))));
    for (const mapping of [from, ...targets]) mapping.unmap();
  });

  await t.test('a source that has shrunk gives zeros, and says so', async t => {
    const fd = native.memfd(MEMFD, size, 0);
    const [to, from] = [mapNew(size), native.map(fd, 0, size, false)];
    ftruncateSync(fd, PAGE);
    t.equal(await inThread(to, from, [0, 0, 0, 0, size, 1]), size);
    t.ok(from.faulted);
    native.close(fd);
    to.unmap();
    from.unmap();
  });

  await t.test('what is wrong is thrown at once, and `done` has to be a function', t => {
    const call = native.copyRectsInThread as (...args: unknown[]) => void;
    const rects = Float64Array.of(SIZE, 1, 0, 1, 1, 1);
    const done = (): void => void t.fail('it was called');
    t.throws(() => call(dst, src, rects, 1, undefined, done), /copyRectsInThread: rectangle 0 lies outside/);
    t.throws(() => call(dst, src, new Float64Array(6), 1, undefined), TypeError);
    t.throws(() => call(dst, src, new Float64Array(6), 1, 1 << 30, done), { code: 'EBADF' });
    t.end();
  });
});

t.test('shared with a second thread', async t => {
  const MIB = 1 << 20;
  const size = 12 * MIB;
  const [to, from] = [mapNew(size), mapPattern(size)];
  t.teardown(() => {
    to.unmap();
    from.unmap();
  });
  const random = new Random(11);
  const partners = (): number =>
    readdirSync('/proc/self/task').filter(id => {
      try {
        return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === 'virtwl-copy';
      } catch {
        return false; // a thread that ended meanwhile
      }
    }).length;

  await t.test('the same bytes arrive', t => {
    for (let i = 0; i < 30; i++) {
      const rowBytes = 500 + random.below(20_000);
      const rows = Math.floor((2 * MIB) / rowBytes) + random.below(100);
      const strides = [rowBytes + 4 * random.below(8), rowBytes + 4 * random.below(8)] as const;
      const rect = [random.below(1000), strides[0], random.below(1000), strides[1], rowBytes, rows] as const;
      const expected = new Uint8Array(size);
      bytesOf(to).fill(0);
      const bytes = reference(expected, bytesOf(from), Float64Array.from(rect), 1);
      t.equal(native.copyRects(to, from, Float64Array.from(rect), 1), bytes);
      t.ok(Buffer.from(expected).equals(bytesOf(to)), `${rows} rows of ${rowBytes} bytes`);
    }
    t.ok(partners() <= 1, `${partners()} threads for that, however many copies`);
    t.equal(partners(), availableParallelism() > 1 ? 1 : 0, 'where there is a processor for it');
    t.end();
  });

  await t.test('from several threads at once', async t => {
    const targets = Array.from({ length: 8 }, () => mapNew(size));
    const rows = Float64Array.of(0, 4096, 0, 4096, 4096, size / 4096);
    // Often: two that wait for the one partner at the same time were a deadlock once.
    for (let i = 0; i < 20; i++) {
      const inThreads = targets.map(
        target => new Promise<number>(resolve => native.copyRectsInThread(target, from, rows, 1, undefined, resolve)),
      );
      if (native.copyRects(to, from, rows, 1) !== size) t.fail('not all of it was copied');
      if (!(await Promise.all(inThreads)).every(bytes => bytes === size)) t.fail('not all of one was copied');
    }
    for (const target of [to, ...targets]) t.ok(Buffer.from(bytesOf(from)).equals(bytesOf(target)));
    for (const target of targets) target.unmap();
    t.ok(partners() <= 1);
  });

  await t.test('from a file, and one that has shrunk gives zeros', t => {
    const fd = native.memfd(MEMFD, size, 0);
    const source = native.map(fd, 0, size, false);
    writeSync(fd, Buffer.alloc(size, 5));
    const rows = Float64Array.of(0, 4096, 0, 4096, 4096, size / 4096);
    t.equal(native.copyRects(to, source, rows, 1, fd), size);
    t.ok(Buffer.alloc(size, 5).equals(bytesOf(to)));
    t.notOk(source.faulted);
    ftruncateSync(fd, size / 2);
    for (const file of [fd, undefined]) {
      bytesOf(to).fill(9);
      t.equal(native.copyRects(to, source, rows, 1, file), size);
      t.ok(source.faulted);
      t.ok(
        Buffer.alloc(size)
          .fill(5, 0, size / 2)
          .equals(bytesOf(to)),
      );
    }
    native.close(fd);
    source.unmap();
    t.end();
  });

  await t.test('rows of one mapping that overlap move one after another', t => {
    const one = mapPattern(size);
    const rect = Float64Array.of(4096, 4096, 0, 4096, 4096, size / 4096 - 1);
    const expected = bytesOf(one).slice();
    expected.copyWithin(4096, 0, size - 4096);
    t.equal(native.copyRects(one, one, rect, 1), size - 4096);
    t.ok(Buffer.from(expected).equals(bytesOf(one)));
    one.unmap();
    t.end();
  });
});
