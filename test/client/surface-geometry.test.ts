import t from 'tap';
import { initialGeometry, surfaceToBuffer, type SurfaceGeometry } from '../../src/client/surface-geometry.js';
import type { Box } from '../../src/wayland/region.js';
import { Random } from '../wayland/random.js';
import { numbered, stored, uprightPixels, type Picture } from './pictures.js';

const SEED = Number(process.env.FUZZ_SEED ?? 11);

/** The same pixels where they are in the buffer: their bounding box, and whether `box` holds them all. */
function inBuffer(
  upright: ReadonlySet<number>,
  buffer: Picture,
): { bounds: Box | undefined; missing(box: Box): number } {
  let bounds: { x1: number; y1: number; x2: number; y2: number } | undefined;
  const places: [number, number][] = [];
  buffer.forEach((row, y) =>
    row.forEach((name, x) => {
      if (!upright.has(name)) return;
      places.push([x, y]);
      bounds ??= { x1: x, y1: y, x2: x + 1, y2: y + 1 };
      bounds.x1 = Math.min(bounds.x1, x);
      bounds.y1 = Math.min(bounds.y1, y);
      bounds.x2 = Math.max(bounds.x2, x + 1);
      bounds.y2 = Math.max(bounds.y2, y + 1);
    }),
  );
  return {
    bounds,
    missing: box => places.filter(([x, y]) => x < box.x1 || x >= box.x2 || y < box.y1 || y >= box.y2).length,
  };
}

function clipped(r: Box, width: number, height: number): Box {
  return { x1: Math.max(0, r.x1), y1: Math.max(0, r.y1), x2: Math.min(width, r.x2), y2: Math.min(height, r.y2) };
}

t.test('the model itself turns and flips as the protocol says', async t => {
  // 0 1 2
  // 3 4 5
  const picture = numbered(3, 2);
  t.same(stored(picture, 0), [
    [0, 1, 2],
    [3, 4, 5],
  ]);
  t.same(
    stored(picture, 1),
    [
      [2, 5],
      [1, 4],
      [0, 3],
    ],
    '90: the right edge is on top',
  );
  t.same(stored(picture, 2), [
    [5, 4, 3],
    [2, 1, 0],
  ]);
  t.same(stored(picture, 3), [
    [3, 0],
    [4, 1],
    [5, 2],
  ]);
  t.same(stored(picture, 4), [
    [2, 1, 0],
    [5, 4, 3],
  ]);
  t.same(
    stored(picture, 5),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    'flipped, then turned left',
  );
});

t.test('a rectangle of the surface is its pixels in the buffer, for every transform and scale', async t => {
  const random = new Random(SEED);
  for (let transform = 0; transform < 8; transform++) {
    for (const scale of [1, 2, 3, 4]) {
      for (let round = 0; round < 40; round++) {
        const [width, height] = [scale * (1 + random.below(7)), scale * (1 + random.below(7))];
        const buffer = stored(numbered(width, height), transform);
        const [bufferWidth, bufferHeight] = [buffer[0]!.length, buffer.length];
        const x1 = random.below(9) - 1;
        const y1 = random.below(9) - 1;
        const damage = { x1, y1, x2: x1 + 1 + random.below(8), y2: y1 + 1 + random.below(8) };
        const geometry = { ...initialGeometry(), scale, transform };
        const { bounds } = inBuffer(uprightPixels(damage, geometry, width, height), buffer);
        const found = clipped(surfaceToBuffer(damage, geometry, bufferWidth, bufferHeight), bufferWidth, bufferHeight);
        const same =
          bounds === undefined
            ? found.x1 >= found.x2 || found.y1 >= found.y2
            : bounds.x1 === found.x1 && bounds.y1 === found.y1 && bounds.x2 === found.x2 && bounds.y2 === found.y2;
        if (!same) {
          t.fail(`transform ${transform}, scale ${scale}`, { bufferWidth, bufferHeight, damage, found, bounds });
          return;
        }
      }
    }
  }
  t.pass('all are exact');
});

t.test('a buffer that is no multiple of its scale is rounded outwards', async t => {
  for (let transform = 0; transform < 8; transform++) {
    for (const [width, height, scale] of [
      [5, 7, 2],
      [7, 5, 3],
      [1, 1, 2],
      [10, 3, 4],
    ] as const) {
      const buffer = stored(numbered(width, height), transform);
      const geometry = { ...initialGeometry(), scale, transform };
      for (let x = 0; x * scale < width; x++) {
        for (let y = 0; y * scale < height; y++) {
          const damage = { x1: x, y1: y, x2: x + 1, y2: y + 1 };
          const { missing } = inBuffer(uprightPixels(damage, geometry, width, height), buffer);
          const found = surfaceToBuffer(damage, geometry, buffer[0]!.length, buffer.length);
          if (missing(found) > 0)
            t.fail(`transform ${transform} scale ${scale} of ${width}x${height}`, { damage, found });
        }
      }
    }
  }
  t.pass('nothing is missing');
});

t.test(`through a viewport no pixel is missing, and few are too many (seed ${SEED})`, async t => {
  const random = new Random(SEED);
  let cases = 0;
  for (let transform = 0; transform < 8; transform++) {
    for (const scale of [1, 2, 3]) {
      for (let round = 0; round < 60; round++) {
        const [width, height] = [scale * (2 + random.below(8)), scale * (2 + random.below(8))];
        const [surfaceWidth, surfaceHeight] = [width / scale, height / scale];
        const buffer = stored(numbered(width, height), transform);
        // wl_fixed: 256ths. The source lies inside the buffer, or the compositor ends the client.
        const sourceX = random.below(surfaceWidth * 256) / 256;
        const sourceY = random.below(surfaceHeight * 256) / 256;
        const source =
          random.below(3) === 0
            ? undefined
            : {
                x: sourceX,
                y: sourceY,
                width: (1 + random.below((surfaceWidth - sourceX) * 256)) / 256,
                height: (1 + random.below((surfaceHeight - sourceY) * 256)) / 256,
              };
        const destination =
          source !== undefined && random.below(3) === 0
            ? undefined
            : { width: 1 + random.below(20), height: 1 + random.below(20) };
        const geometry: SurfaceGeometry = { scale, transform, source, destination };
        const shown = destination ?? source!;
        const x1 = random.below(Math.max(1, Math.floor(shown.width)));
        const y1 = random.below(Math.max(1, Math.floor(shown.height)));
        const damage = { x1, y1, x2: x1 + 1 + random.below(4), y2: y1 + 1 + random.below(4) };
        const found = surfaceToBuffer(damage, geometry, buffer[0]!.length, buffer.length);
        const { missing } = inBuffer(uprightPixels(damage, geometry, width, height), buffer);
        // A filter reads one neighbour on each side: that may be copied too, rounded outwards, and no more.
        const { bounds } = inBuffer(uprightPixels(damage, geometry, width, height, scale + 1), buffer);
        const cut = clipped(found, buffer[0]!.length, buffer.length);
        const tooMany =
          bounds !== undefined &&
          cut.x1 < cut.x2 &&
          cut.y1 < cut.y2 &&
          (cut.x1 < bounds.x1 || cut.y1 < bounds.y1 || cut.x2 > bounds.x2 || cut.y2 > bounds.y2);
        cases += 1;
        if (missing(found) > 0 || tooMany) {
          t.fail(missing(found) > 0 ? 'pixels are missing' : 'far too many pixels', {
            geometry,
            damage,
            found,
            bounds,
            width,
            height,
          });
          return;
        }
      }
    }
  }
  t.pass(`${cases} cases`);
});

t.test('what clients send to say "everything" is finite and covers the buffer', async t => {
  for (let transform = 0; transform < 8; transform++) {
    for (const geometry of [
      { ...initialGeometry(), transform },
      { ...initialGeometry(), transform, scale: 3 },
      { ...initialGeometry(), transform, scale: 0x7fffffff },
      {
        scale: 2,
        transform,
        source: { x: 1 / 256, y: 1 / 256, width: 1 / 256, height: 1 / 256 },
        destination: { width: 0x7fffffff, height: 1 },
      },
      {
        scale: 1,
        transform,
        source: { x: 0, y: 0, width: 8388607, height: 8388607 },
        destination: { width: 1, height: 1 },
      },
    ]) {
      for (const r of [
        { x1: 0, y1: 0, x2: 0x7fffffff, y2: 0x7fffffff },
        { x1: -0x80000000, y1: -0x80000000, x2: 0x7fffffff, y2: 0x7fffffff },
        { x1: 0x7fffffff, y1: 0x7fffffff, x2: 0xfffffffe, y2: 0xfffffffe },
      ]) {
        const found = surfaceToBuffer(r, geometry, 64, 32);
        if (!Object.values(found).every(Number.isSafeInteger)) t.fail('not a whole number', { geometry, r, found });
      }
    }
    const all = clipped(
      surfaceToBuffer(
        { x1: 0, y1: 0, x2: 0x7fffffff, y2: 0x7fffffff },
        { ...initialGeometry(), transform, scale: 2 },
        64,
        32,
      ),
      64,
      32,
    );
    t.same(all, { x1: 0, y1: 0, x2: 64, y2: 32 }, `transform ${transform}`);
  }
});

t.test('a transform that does not exist is none: the compositor answers it', async t => {
  for (const transform of [-1, 8, 0x7fffffff, -0x80000000]) {
    const found = surfaceToBuffer({ x1: 0, y1: 0, x2: 1, y2: 1 }, { ...initialGeometry(), transform }, 8, 8);
    t.ok(Object.values(found).every(Number.isSafeInteger));
  }
});
