import t from 'tap';
import { MAX_RECTS, Region, type Box } from '../../src/wayland/region.js';
import { Random } from './random.js';

const SEED = Number(process.env.FUZZ_SEED ?? 7);

function rect(x1: number, y1: number, x2: number, y2: number): Box {
  return { x1, y1, x2, y2 };
}

/** A region as it is defined: a set of pixels. Only for the area of SIDE x SIDE around the origin. */
const SIDE = 48;
const ORIGIN = -8;

class Bitmap {
  readonly bits = new Uint8Array(SIDE * SIDE);

  static of(rects: readonly Box[]): { map: Bitmap; overlap: boolean } {
    const map = new Bitmap();
    let overlap = false;
    for (const r of rects)
      map.each(r, at => {
        overlap ||= map.bits[at] === 1;
        map.bits[at] = 1;
      });
    return { map, overlap };
  }

  each(r: Box, visit: (at: number) => void): void {
    for (let y = r.y1; y < r.y2; y++) for (let x = r.x1; x < r.x2; x++) visit((y - ORIGIN) * SIDE + x - ORIGIN);
  }

  add(r: Box): void {
    this.each(r, at => (this.bits[at] = 1));
  }

  clip(width: number, height: number): void {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const inside = x + ORIGIN >= 0 && y + ORIGIN >= 0 && x + ORIGIN < width && y + ORIGIN < height;
        if (!inside) this.bits[y * SIDE + x] = 0;
      }
    }
  }

  get area(): number {
    return this.bits.reduce((sum, bit) => sum + bit, 0);
  }

  contains(other: Bitmap): boolean {
    return other.bits.every((bit, at) => bit === 0 || this.bits[at] === 1);
  }

  bounds(): Box {
    let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
    this.bits.forEach((bit, at) => {
      if (bit === 0) return;
      const [x, y] = [(at % SIDE) + ORIGIN, Math.floor(at / SIDE) + ORIGIN];
      [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x + 1), Math.max(y2, y + 1)];
    });
    return rect(x1, y1, x2, y2);
  }
}

t.test('a new region is empty, and empty rectangles leave it so', async t => {
  const region = new Region();
  for (const r of [rect(0, 0, 0, 5), rect(5, 5, 5, 5), rect(3, 0, 2, 9), rect(0, 7, 9, 7)]) region.add(r);
  t.equal(region.empty, true);
  t.equal(region.area, 0);
  t.same(region.rects, []);
});

t.test('a rectangle inside the region changes nothing, one around it replaces all', async t => {
  const region = new Region();
  region.add(rect(2, 2, 8, 8));
  region.add(rect(3, 3, 4, 4));
  region.add(rect(2, 2, 8, 8));
  t.same(region.rects, [rect(2, 2, 8, 8)]);
  region.add(rect(20, 2, 28, 8));
  region.add(rect(0, 0, 40, 40));
  t.same(region.rects, [rect(0, 0, 40, 40)]);
});

t.test('what "everything" means to clients is one rectangle, and clipping makes it the buffer', async t => {
  const region = new Region();
  for (let i = 0; i < 100; i++) region.add(rect(i, i, i + 0x7fffffff, i + 0x7fffffff));
  region.add(rect(-0x7fffffff, -0x7fffffff, 0x7fffffff * 2, 0x7fffffff * 2));
  region.clip(1920, 1080);
  t.same(region.rects, [rect(0, 0, 1920, 1080)]);
});

t.test('past MAX_RECTS it is the bounding box', async t => {
  const diagonal = (count: number): Region => {
    const region = new Region();
    for (let i = 0; i < count; i++) region.add(rect(2 * i, 2 * i, 2 * i + 1, 2 * i + 1));
    return region;
  };
  t.equal(diagonal(MAX_RECTS).rects.length, MAX_RECTS);
  t.equal(diagonal(MAX_RECTS).area, MAX_RECTS);
  t.same(diagonal(MAX_RECTS + 1).rects, [rect(0, 0, 2 * MAX_RECTS + 1, 2 * MAX_RECTS + 1)]);
});

t.test('one that falls into many parts counts with its parts', async t => {
  const region = new Region();
  for (let i = 0; i < MAX_RECTS - 1; i++) region.add(rect(2 * i, 5, 2 * i + 1, 6));
  // Comes apart at each of them: far more parts than there is room for.
  region.add(rect(-1, 5, 100, 6));
  t.same(region.rects, [rect(-1, 5, 100, 6)], 'it swallows them all');
  region.clear();
  for (let i = 0; i < MAX_RECTS - 1; i++) region.add(rect(2 * i, 4, 2 * i + 1, 7));
  region.add(rect(-1, 5, 100, 6));
  t.same(region.rects, [rect(-1, 4, 100, 7)]);
});

t.test('adding a region to another leaves the other as it was', async t => {
  const [one, other] = [new Region(), new Region()];
  one.add(rect(0, 0, 4, 4));
  other.add(rect(2, 2, 6, 6));
  one.addRegion(other);
  one.clip(5, 5);
  t.equal(one.area, 16 + 9 - 4);
  t.same(other.rects, [rect(2, 2, 6, 6)]);
  one.clear();
  one.clear();
  t.equal(one.empty, true);
  t.equal(other.area, 16);
});

t.test('clipping to nothing empties it', async t => {
  const region = new Region();
  region.add(rect(10, 10, 20, 20));
  region.clip(10, 100);
  t.equal(region.empty, true);
  region.add(rect(-9, -9, 0, 5));
  region.clip(10, 10);
  t.equal(region.empty, true);
});

t.test(`any sequence keeps every pixel that was added, once (seed ${SEED})`, async t => {
  const random = new Random(SEED);
  let [fallbacks, exact] = [0, 0];
  for (let round = 0; round < 200; round++) {
    const region = new Region();
    const wanted = new Bitmap();
    const longest = 1 + random.below(20);
    const steps = 1 + random.below(70);
    /** Whether the region must still be exact: it never had to fall back. */
    let isExact = true;
    for (let step = 0; step < steps; step++) {
      if (random.below(30) === 0) {
        const [width, height] = [random.below(SIDE + ORIGIN), random.below(SIDE + ORIGIN)];
        region.clip(width, height);
        wanted.clip(width, height);
      } else {
        const x1 = ORIGIN + random.below(SIDE - 1);
        const y1 = ORIGIN + random.below(SIDE - 1);
        const r = rect(
          x1,
          y1,
          Math.min(SIDE + ORIGIN, x1 + random.below(longest + 1)),
          Math.min(SIDE + ORIGIN, y1 + random.below(longest + 1)),
        );
        const before = region.rects.length;
        region.add(r);
        if (r.x1 < r.x2 && r.y1 < r.y2) wanted.add(r);
        if (before > 1 && region.rects.length === 1) isExact = false;
      }
      const { map, overlap } = Bitmap.of(region.rects);
      const faults = [
        overlap && 'rectangles overlap',
        region.rects.length > MAX_RECTS && 'too many rectangles',
        region.rects.some(r => r.x1 >= r.x2 || r.y1 >= r.y2) && 'an empty rectangle',
        region.empty !== (map.area === 0) && 'empty is wrong',
        region.area !== map.area && `area ${region.area} is not ${map.area}`,
        !map.contains(wanted) && 'pixels are missing',
        isExact && map.area !== wanted.area && 'pixels too many without need',
        map.area > 0 && !within(map.bounds(), wanted.bounds()) && isExact && 'beyond the bounding box',
      ].filter(Boolean);
      if (faults.length > 0) {
        t.fail(`round ${round}, step ${step}: ${faults.join(', ')}`, { rects: region.rects });
        return;
      }
    }
    if (isExact) exact += 1;
    else fallbacks += 1;
  }
  t.ok(fallbacks > 10 && exact > 20, `${exact} sequences stayed exact, ${fallbacks} fell back to bounding boxes`);
});

function within(inner: Box, outer: Box): boolean {
  return inner.x1 >= outer.x1 && inner.y1 >= outer.y1 && inner.x2 <= outer.x2 && inner.y2 <= outer.y2;
}
