import t from 'tap';
import { Ranges } from '../../src/system/ranges.js';
import { Random } from '../wayland/random.js';

t.test('a new slab is one free range', async t => {
  const ranges = new Ranges(1 << 20);
  t.equal(ranges.used, 0);
  t.equal(ranges.count, 0);
  t.equal(ranges.largest, 1 << 20);
});

t.test('a range begins where its alignment says and is rounded up to it', async t => {
  const ranges = new Ranges(64 * 1024);
  t.equal(ranges.allocate(1), 0);
  t.equal(ranges.lengthAt(0), 4096);
  t.equal(ranges.allocate(100, 64), 4096);
  t.equal(ranges.lengthAt(4096), 128);
  t.equal(ranges.allocate(4096), 8192, 'the gap before it stays free');
  t.equal(ranges.allocate(64, 64), 4096 + 128, 'and is used for what fits there');
  t.equal(ranges.used, 4096 + 128 + 4096 + 64);
});

t.test('the whole slab can be lent, and not a byte more', async t => {
  const ranges = new Ranges(3 * 4096);
  t.equal(ranges.allocate(3 * 4096), 0);
  t.equal(ranges.allocate(1, 1), undefined);
  t.equal(ranges.largest, 0);
  ranges.free(0);
  t.equal(ranges.allocate(3 * 4096 + 1), undefined);
  t.equal(ranges.used, 0);
});

t.test('the smallest free range that fits is taken', async t => {
  const ranges = new Ranges(16 * 4096);
  const large = ranges.allocate(4 * 4096)!;
  ranges.allocate(4096);
  const small = ranges.allocate(4096)!;
  ranges.allocate(10 * 4096);
  ranges.free(large);
  ranges.free(small);
  t.equal(ranges.allocate(4096), small);
  t.equal(ranges.largest, 4 * 4096);
});

t.test('freed neighbours become one range, in either order', async t => {
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const ranges = new Ranges(3 * 4096);
    const offsets = [ranges.allocate(4096)!, ranges.allocate(4096)!, ranges.allocate(4096)!];
    for (const which of order) ranges.free(offsets[which]!);
    t.equal(ranges.largest, 3 * 4096, `order ${order.join()}`);
    t.equal(ranges.used, 0);
  }
});

t.test('mistakes are refused and change nothing', async t => {
  const ranges = new Ranges(4096 * 4);
  const offset = ranges.allocate(4096)!;
  for (const bytes of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) t.throws(() => ranges.allocate(bytes), RangeError);
  for (const align of [0, -4096, 3, 1.5, NaN, 2 ** 31]) t.throws(() => ranges.allocate(1, align), RangeError);
  t.throws(() => ranges.free(4096), RangeError, 'never lent');
  t.throws(() => ranges.free(offset + 1), RangeError, 'inside a range');
  t.equal(ranges.used, 4096);
  ranges.free(offset);
  t.throws(() => ranges.free(offset), RangeError, 'freed twice');
  t.equal(ranges.used, 0);
  for (const size of [0, -4096, 1.5, NaN, Infinity]) t.throws(() => new Ranges(size), RangeError);
});

t.test('slabs beyond 4 GiB', async t => {
  const ranges = new Ranges(2 ** 40);
  t.equal(ranges.allocate(5 * 2 ** 30), 0);
  t.equal(ranges.allocate(4096), 5 * 2 ** 30);
});

t.test('under any sequence ranges never overlap, the books agree, and everything comes back', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const size = 4096 * (16 + random.below(64));
    const ranges = new Ranges(size);
    // The reference: one byte a 64-byte cell.
    const cells = new Uint8Array(size / 64);
    const lent: number[] = [];
    for (let step = 0; step < 1500; step++) {
      if (lent.length > 0 && random.below(5) < 2) {
        const offset = lent.splice(random.below(lent.length), 1)[0]!;
        cells.fill(0, offset / 64, (offset + ranges.lengthAt(offset)!) / 64);
        ranges.free(offset);
      } else {
        const align = 64 << random.below(8);
        const bytes = 1 + random.below(size / 8);
        const offset = ranges.allocate(bytes, align);
        const need = Math.ceil(bytes / align) * align;
        if (offset === undefined) {
          if (roomFor(cells, need, align)) t.fail(`seed ${seed}: room for ${need} at ${align} was not found`);
          continue;
        }
        const length = ranges.lengthAt(offset)!;
        const inside = cells.subarray(offset / 64, (offset + length) / 64);
        if (offset % align !== 0 || length !== need || offset + length > size || inside.includes(1)) {
          t.fail(`seed ${seed}: a range of ${bytes} at ${offset} overlaps, is misaligned or lies outside`);
        }
        inside.fill(1);
        lent.push(offset);
      }
      const used = cells.reduce((sum, cell) => sum + cell, 0) * 64;
      if (ranges.used !== used || ranges.count !== lent.length) t.fail(`seed ${seed}: the books are wrong`);
    }
    for (const offset of lent) ranges.free(offset);
    t.equal(ranges.largest, size, `seed ${seed}: all came back as one range`);
    t.equal(ranges.used, 0);
  }
});

function roomFor(cells: Uint8Array, bytes: number, align: number): boolean {
  for (let start = 0; start + bytes <= cells.length * 64; start += align) {
    if (!cells.subarray(start / 64, (start + bytes) / 64).includes(1)) return true;
  }
  return false;
}
