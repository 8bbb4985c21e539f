/** The pattern: what makes each of its pixels tell frame and place. */
import t from 'tap';
import { blockColour, HISTORY_FRAMES, MAX_SIDE, MIN_SIDE, Pattern, someBlocks } from '../../src/frames/pattern.js';

t.test('a block differs from itself in every frame that is remembered, and from its neighbours', t => {
  let same = 0;
  for (let frame = 1; frame < 400; frame += 7) {
    for (let column = 0; column < 40; column++) {
      for (let row = 0; row < 40; row++) {
        const colour = blockColour(frame, column, row);
        for (let behind = 1; behind <= HISTORY_FRAMES; behind++) {
          if (blockColour(frame - behind, column, row) === colour) same++;
        }
        for (const [dx, dy] of [
          [1, 0],
          [0, 1],
          [1, 1],
          [1, -1],
        ] as const) {
          if (blockColour(frame, column + dx, row + dy) === colour) same++;
        }
      }
    }
  }
  t.equal(same, 0);
  t.end();
});

t.test('red and blue are far apart in every block: swapping them shows', t => {
  let closest = 255;
  for (let frame = 1; frame < 100; frame++) {
    for (let block = 0; block < 1000; block++) {
      const colour = blockColour(frame, block % 50, Math.floor(block / 50));
      closest = Math.min(closest, Math.abs((colour >>> 16) - (colour & 0xff)));
    }
  }
  t.ok(closest >= 129, `at least ${closest} apart`);
  t.end();
});

t.test('colours are rare: hardly any two blocks of a full screen share one', t => {
  const colours = new Set<number>();
  for (let row = 0; row < 135; row++)
    for (let column = 0; column < 240; column++) colours.add(blockColour(9, column, row));
  t.ok(colours.size > 0.97 * 240 * 135, `${colours.size} colours in ${240 * 135} blocks`);
  t.end();
});

t.test('a picture is made of its blocks, the last ones cut off at the edge', t => {
  const pattern = new Pattern(37, 29);
  pattern.advance();
  const { pixels } = pattern.picture();
  t.equal(pixels.length, 37 * 29);
  let wrong = 0;
  for (let y = 0; y < 29; y++) {
    for (let x = 0; x < 37; x++) {
      if ((pixels[y * 37 + x]! & 0xffffff) !== blockColour(1, x >> 3, y >> 3)) wrong++;
      if (pixels[y * 37 + x]! >>> 24 !== 0xff) wrong++;
    }
  }
  t.equal(wrong, 0);
  t.end();
});

t.test('drawing keeps to the stride and leaves what is beyond each row alone', t => {
  const pattern = new Pattern(40, 30);
  pattern.advance();
  const stride = 50;
  const target = new Uint32Array(stride * 30).fill(0x12345678);
  t.equal(pattern.draw(target, stride), 40 * 30 * 4, 'tells the bytes written');
  const picture = pattern.picture();
  for (let y = 0; y < 30; y++) {
    t.same(target.subarray(y * stride, y * stride + 40), picture.pixels.subarray(y * 40, y * 40 + 40));
    t.ok(target.subarray(y * stride + 40, (y + 1) * stride).every(pixel => pixel === 0x12345678));
  }
  t.equal(pattern.draw(target.subarray(0, stride * 29 + 40), stride), 40 * 30 * 4, 'the last row may be cut short');
  t.throws(() => pattern.draw(target.subarray(0, stride * 29 + 39), stride), RangeError, 'but not too short');
  t.throws(() => pattern.draw(target, 39), RangeError, 'a stride below the width');
  t.end();
});

t.test('a frame may change some blocks only', t => {
  const pattern = new Pattern(64, 48);
  pattern.advance();
  const changed = pattern.advance([{ x: 9, y: 8, width: 7, height: 9 }]);
  t.same(changed, [{ x: 8, y: 8, width: 8, height: 16 }], 'rounded out to blocks');
  const state = pattern.drawnIn()!;
  t.same([...state].filter(frame => frame === 2).length, 2);
  t.equal(state[1 * 8 + 1], 2);
  t.equal(state[2 * 8 + 1], 2);

  t.test('and drawing the changes over the frame before gives the frame', t => {
    const before = pattern.picture(1);
    t.equal(pattern.draw(before.pixels, 64, changed), 8 * 16 * 4);
    t.same(before.pixels, pattern.picture().pixels);
    t.end();
  });
  t.test('and a buffer of some frames ago becomes right by what changed since', t => {
    for (let frame = 3; frame <= 40; frame++) pattern.advance(someBlocks(pattern, frame));
    for (const age of [1, 2, 5, HISTORY_FRAMES]) {
      const old = pattern.picture(age);
      pattern.draw(old.pixels, 64, pattern.changesSince(age));
      t.same(old.pixels, pattern.picture().pixels, `age ${age}`);
    }
    for (const age of [0, HISTORY_FRAMES + 1]) t.same(pattern.changesSince(age), [pattern.whole], `age ${age}`);
    t.end();
  });
  t.test('and nothing is drawn twice when everything has changed', t => {
    pattern.advance();
    pattern.advance(someBlocks(pattern, 9));
    pattern.advance();
    t.same(pattern.changesSince(3), [pattern.whole]);
    t.end();
  });
  t.test('and what lies outside changes nothing', t => {
    t.same(
      pattern.advance([
        { x: 64, y: 0, width: 8, height: 8 },
        { x: -8, y: 0, width: 8, height: 8 },
      ]),
      [],
    );
    t.same(pattern.picture().pixels, pattern.picture(1).pixels);
    t.end();
  });
  t.end();
});

t.test('the first frame changes everything, whatever was asked', t => {
  const pattern = new Pattern(64, 48);
  t.same(pattern.advance([{ x: 0, y: 0, width: 8, height: 8 }]), [pattern.whole]);
  t.end();
});

t.test('old frames are remembered so far and no further', t => {
  const pattern = new Pattern(64, 48);
  t.equal(pattern.drawnIn(), undefined, 'there is no frame before the first');
  for (let frame = 1; frame <= 30; frame++) pattern.advance();
  t.equal(pattern.drawnIn(HISTORY_FRAMES)![0], 30 - HISTORY_FRAMES);
  t.equal(pattern.drawnIn(HISTORY_FRAMES + 1), undefined);
  t.throws(() => pattern.picture(HISTORY_FRAMES + 1), RangeError);
  t.end();
});

t.test('sides have limits', t => {
  t.ok(new Pattern(MIN_SIDE, MIN_SIDE));
  t.ok(new Pattern(MAX_SIDE, MIN_SIDE));
  for (const [width, height] of [
    [MIN_SIDE - 1, 100],
    [100, MIN_SIDE - 1],
    [MAX_SIDE + 1, 100],
    [100, MAX_SIDE + 1],
    [100.5, 100],
    [NaN, 100],
  ] as const) {
    t.throws(() => new Pattern(width, height), RangeError, `${width}x${height}`);
  }
  t.end();
});

t.test('random blocks stay inside, are wide enough for a shifted row, and are the same in each run', t => {
  for (const [width, height] of [
    [24, 24],
    [100, 60],
    [1920, 1080],
  ] as const) {
    const pattern = new Pattern(width, height);
    for (let frame = 1; frame < 100; frame++) {
      const rects = someBlocks(pattern, frame);
      t.same(rects, someBlocks(pattern, frame));
      for (const rect of rects) {
        if (rect.x < 0 || rect.y < 0 || rect.x + rect.width > pattern.columns * 8 || rect.width < 16) {
          t.fail(`${width}x${height} frame ${frame}: ${JSON.stringify(rect)}`);
        }
        if (rect.y + rect.height > pattern.rows * 8) t.fail(`${width}x${height} frame ${frame}: too high`);
      }
    }
  }
  t.end();
});
