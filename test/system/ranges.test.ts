import t from 'tap';
import { Regions } from '../../src/system/ranges.js';
import { Random } from '../wayland/random.js';

t.test('a new slab is one free range', async t => {
  const regions = new Regions(1 << 20);
  t.equal(regions.used, 0);
  t.equal(regions.count, 0);
  t.equal(regions.largest, 1 << 20);
});

t.test('a range begins where its alignment says and is rounded up to it', async t => {
  const regions = new Regions(64 * 1024);
  t.equal(regions.allocate(1), 0);
  t.equal(regions.lengthAt(0), 4096);
  t.equal(regions.allocate(100, 64), 4096);
  t.equal(regions.lengthAt(4096), 128);
  t.equal(regions.allocate(4096), 8192, 'the gap before it stays free');
  t.equal(regions.allocate(64, 64), 4096 + 128, 'and is used for what fits there');
  t.equal(regions.used, 4096 + 128 + 4096 + 64);
});

t.test('the whole slab can be lent, and not a byte more', async t => {
  const regions = new Regions(3 * 4096);
  t.equal(regions.allocate(3 * 4096), 0);
  t.equal(regions.allocate(1, 1), undefined);
  t.equal(regions.largest, 0);
  regions.free(0);
  t.equal(regions.allocate(3 * 4096 + 1), undefined);
  t.equal(regions.used, 0);
});

t.test('the smallest free range that fits is taken', async t => {
  const regions = new Regions(16 * 4096);
  const large = regions.allocate(4 * 4096)!;
  regions.allocate(4096);
  const small = regions.allocate(4096)!;
  regions.allocate(10 * 4096);
  regions.free(large);
  regions.free(small);
  t.equal(regions.allocate(4096), small);
  t.equal(regions.largest, 4 * 4096);
});

t.test('freed neighbours become one range, whichever goes first', async t => {
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const regions = new Regions(3 * 4096);
    const offsets = [regions.allocate(4096)!, regions.allocate(4096)!, regions.allocate(4096)!];
    for (const which of order) regions.free(offsets[which]!);
    t.equal(regions.largest, 3 * 4096, `order ${order.join()}`);
    t.equal(regions.used, 0);
  }
});

t.test('mistakes are refused and change nothing', async t => {
  const regions = new Regions(4096 * 4);
  const offset = regions.allocate(4096)!;
  for (const bytes of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) t.throws(() => regions.allocate(bytes), RangeError);
  for (const align of [0, -4096, 3, 1.5, NaN, 2 ** 31]) t.throws(() => regions.allocate(1, align), RangeError);
  t.throws(() => regions.free(4096), RangeError, 'never lent');
  t.throws(() => regions.free(offset + 1), RangeError, 'inside a range');
  t.equal(regions.used, 4096);
  regions.free(offset);
  t.throws(() => regions.free(offset), RangeError, 'freed twice');
  t.equal(regions.used, 0);
  for (const size of [0, -4096, 1.5, NaN, Infinity]) t.throws(() => new Regions(size), RangeError);
});

t.test('slabs beyond 4 GiB', async t => {
  const regions = new Regions(2 ** 40);
  t.equal(regions.allocate(5 * 2 ** 30), 0);
  t.equal(regions.allocate(4096), 5 * 2 ** 30);
});

t.test('under any sequence ranges never overlap, the books agree, and everything comes back', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const size = 4096 * (16 + random.below(64));
    const regions = new Regions(size);
    // The reference: one byte a 64-byte cell.
    const cells = new Uint8Array(size / 64);
    const lent: number[] = [];
    for (let step = 0; step < 1500; step++) {
      if (lent.length > 0 && random.below(5) < 2) {
        const offset = lent.splice(random.below(lent.length), 1)[0]!;
        cells.fill(0, offset / 64, (offset + regions.lengthAt(offset)!) / 64);
        regions.free(offset);
      } else {
        const align = 64 << random.below(8);
        const bytes = 1 + random.below(size / 8);
        const offset = regions.allocate(bytes, align);
        const need = Math.ceil(bytes / align) * align;
        if (offset === undefined) {
          if (roomFor(cells, need, align)) t.fail(`seed ${seed}: room for ${need} at ${align} was not found`);
          continue;
        }
        const length = regions.lengthAt(offset)!;
        const inside = cells.subarray(offset / 64, (offset + length) / 64);
        if (offset % align !== 0 || length !== need || offset + length > size || inside.includes(1)) {
          t.fail(`seed ${seed}: a range of ${bytes} at ${offset} overlaps, is misaligned or lies outside`);
        }
        inside.fill(1);
        lent.push(offset);
      }
      const used = cells.reduce((sum, cell) => sum + cell, 0) * 64;
      if (regions.used !== used || regions.count !== lent.length) t.fail(`seed ${seed}: the books are wrong`);
    }
    for (const offset of lent) regions.free(offset);
    t.equal(regions.largest, size, `seed ${seed}: all came back as one range`);
    t.equal(regions.used, 0);
  }
});

function roomFor(cells: Uint8Array, bytes: number, align: number): boolean {
  for (let start = 0; start + bytes <= cells.length * 64; start += align) {
    if (!cells.subarray(start / 64, (start + bytes) / 64).includes(1)) return true;
  }
  return false;
}
