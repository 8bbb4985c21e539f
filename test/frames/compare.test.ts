/** Finding the window in a capture, and naming what is wrong with it. No compositor: captures are made up here. */
import t from 'tap';
import { compare, describe, MAX_SHIFT, type Verdict } from '../../src/frames/compare.js';
import { differencePicture } from '../../src/frames/difference.js';
import { applyFault, FAULT_KINDS } from '../../src/frames/faults.js';
import { locate, reorder } from '../../src/frames/locate.js';
import { Pattern, someBlocks } from '../../src/frames/pattern.js';
import { blankPicture, copyPart, type Picture } from '../../src/frames/picture.js';

const WIDTH = 203;
const HEIGHT = 117;

/** A pattern after some frames. */
function pattern(frames = 5, mode: 'full' | 'block' = 'full'): Pattern {
  const it = new Pattern(WIDTH, HEIGHT);
  for (let frame = 1; frame <= frames; frame++) it.advance(mode === 'full' ? undefined : someBlocks(it, frame));
  return it;
}

/** An output with wallpaper of noise and the window at (x, y). */
function output(window: Picture, x = 31, y = 17, width = 320, height = 200): Picture {
  const picture = blankPicture(width, height);
  let noise = 1;
  for (let i = 0; i < picture.pixels.length; i++) {
    noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
    picture.pixels[i] = noise >>> 8;
  }
  copyPart(window, 0, 0, picture, x, y, window.width, window.height);
  return picture;
}

function only<K extends Verdict['kind']>(verdict: Verdict, kind: K): Extract<Verdict, { kind: K }> {
  if (verdict.kind !== kind) throw new Error(`${kind} expected, not ${describe(verdict)}`);
  return verdict as Extract<Verdict, { kind: K }>;
}

t.test('a window is found wherever the compositor put it', t => {
  const it = pattern();
  for (const [x, y] of [
    [0, 0],
    [1, 0],
    [31, 17],
    [320 - WIDTH, 200 - HEIGHT],
  ] as const) {
    t.same(compare(output(it.picture(), x, y), it), { kind: 'identical', at: { x, y } }, `at ${x}, ${y}`);
  }
  t.same(compare(output(it.picture()), it, { x: 31, y: 17 }), { kind: 'identical', at: { x: 31, y: 17 } }, 'as told');
  t.same(
    compare(output(it.picture()), it, { x: 0, y: 0 }),
    { kind: 'identical', at: { x: 31, y: 17 } },
    'when told wrong',
  );
  t.same(compare(it.picture(), it), { kind: 'identical', at: { x: 0, y: 0 } }, 'when it is all there is');
  t.end();
});

t.test('it is found by frames that were composed of some blocks, too', t => {
  const it = pattern(60, 'block');
  t.same(compare(output(it.picture()), it), { kind: 'identical', at: { x: 31, y: 17 } });
  t.end();
});

t.test('the smallest window is found although any one of its pixels is wrong', t => {
  const it = new Pattern(24, 24);
  it.advance();
  for (let i = 0; i < 24 * 24; i++) {
    const picture = it.picture();
    picture.pixels[i]! ^= 0x000100;
    const { wrong, at } = only(compare(output(picture), it), 'pixels');
    if (wrong.count !== 1 || at.x !== 31 || at.y !== 17) t.fail(`pixel ${i}`);
  }
  t.end();
});

t.test('a wrong pixel is named with its place and colours', t => {
  const it = pattern();
  const picture = it.picture();
  picture.pixels[100 * WIDTH + 150]! ^= 1;
  const { wrong } = only(compare(output(picture), it), 'pixels');
  const expected = it.picture().pixels[100 * WIDTH + 150]! & 0xffffff;
  t.same(wrong, {
    count: 1,
    outside: 0,
    box: { x: 150, y: 100, width: 1, height: 1 },
    first: [{ x: 150, y: 100, expected, actual: expected ^ 1 }],
  });
  t.match(describe(only(compare(output(picture), it), 'pixels')), /1 pixel in 1x1 at \(150, 100\)/);
  t.end();
});

t.test('the unused upper byte says nothing', t => {
  const it = pattern();
  const picture = it.picture();
  picture.pixels.forEach((pixel, i) => (picture.pixels[i] = pixel & 0xffffff));
  t.equal(compare(output(picture), it).kind, 'identical');
  t.end();
});

t.test('many wrong pixels are counted and boxed', t => {
  const it = pattern();
  const picture = it.picture();
  copyPart(blankPicture(60, 40), 0, 0, picture, 20, 10, 60, 40);
  const { wrong, at } = only(compare(output(picture), it), 'pixels');
  t.equal(wrong.count, 60 * 40);
  t.same(wrong.box, { x: 20, y: 10, width: 60, height: 40 });
  t.same(at, { x: 31, y: 17 });
  t.equal(wrong.first.length, 8);
  t.end();
});

t.test('a window that reaches out of the output is found, and what is cut off is wrong', t => {
  const it = pattern();
  for (const [x, y] of [
    [-10, 5],
    [5, -20],
    [320 - WIDTH + 30, 5],
    [5, 200 - HEIGHT + 3],
  ] as const) {
    const captured = blankPicture(320, 200);
    for (let row = 0; row < HEIGHT; row++) {
      for (let column = 0; column < WIDTH; column++) {
        const [left, top] = [x + column, y + row];
        if (left < 0 || top < 0 || left >= 320 || top >= 200) continue;
        captured.pixels[top * 320 + left] = it.picture().pixels[0]!;
      }
    }
    copyPart(
      it.picture(),
      Math.max(0, -x),
      Math.max(0, -y),
      captured,
      Math.max(0, x),
      Math.max(0, y),
      Math.min(WIDTH + Math.min(0, x), 320 - Math.max(0, x)),
      Math.min(HEIGHT + Math.min(0, y), 200 - Math.max(0, y)),
    );
    const { at, wrong } = only(compare(captured, it), 'pixels');
    t.same(at, { x, y });
    t.ok(wrong.count > 0);
    t.equal(wrong.outside, wrong.count);
  }
  t.end();
});

t.test('an old frame is named with its age', t => {
  for (const mode of ['full', 'block'] as const) {
    const it = pattern(40, mode);
    for (const behind of [1, 2, 7, 16]) {
      const { kind, ...rest } = only(compare(output(it.picture(behind)), it), 'stale');
      t.equal(rest.behind, behind, `${mode}, ${kind} by ${behind}`);
    }
  }
  t.end();
});

t.test('a frame older than is remembered is not taken for anything else', t => {
  const it = pattern(5);
  const old = it.picture();
  for (let frame = 0; frame < 17; frame++) it.advance();
  t.equal(compare(output(old), it).kind, 'missing');
  t.equal(compare(output(old), it, { x: 31, y: 17 }).kind, 'missing');
  t.end();
});

t.test('a torn picture, and lost damage, are old areas', t => {
  const it = pattern(20);
  const torn = it.picture();
  copyPart(it.picture(1), 0, 64, torn, 0, 64, WIDTH, HEIGHT - 64);
  const area = only(compare(output(torn), it), 'stale-area');
  t.same(area.behind, { least: 1, most: 1 });
  t.same(area.wrong.box, { x: 0, y: 64, width: WIDTH, height: HEIGHT - 64 });
  copyPart(it.picture(3), 8, 8, torn, 8, 8, 8, 8);
  t.same(only(compare(output(torn), it), 'stale-area').behind, { least: 1, most: 3 });

  const blocks = pattern(30, 'block');
  const lost = blocks.picture();
  const rect = blocks.changesSince(1)[0]!;
  copyPart(blocks.picture(1), rect.x, rect.y, lost, rect.x, rect.y, rect.width, rect.height);
  t.equal(compare(output(lost), blocks).kind, 'stale-area');
  t.end();
});

t.test('exchanged channels are named', t => {
  const it = pattern();
  for (const order of ['bgr', 'rbg', 'grb', 'gbr', 'brg'] as const) {
    const picture = it.picture();
    picture.pixels.forEach((pixel, i) => (picture.pixels[i] = reorder(pixel, order)));
    t.equal(only(compare(output(picture), it), 'channels').order, order);
  }
  t.equal(reorder(0x123456, 'bgr'), 0x563412);
  t.equal(reorder(0x123456, 'gbr'), 0x345612);
  t.end();
});

t.test('shifted rows are named with their shift', t => {
  const it = pattern();
  const expected = it.picture();
  for (const [dx, first, last] of [
    [1, 60, 60],
    [-1, 0, 0],
    [5, HEIGHT - 3, HEIGHT - 1],
    [MAX_SHIFT, 8, 20],
  ] as const) {
    const picture = it.picture();
    for (let y = first; y <= last; y++) {
      for (let x = 0; x < WIDTH; x++) {
        picture.pixels[y * WIDTH + x] = expected.pixels[y * WIDTH + ((x - dx + WIDTH) % WIDTH)]!;
      }
    }
    const verdict = only(compare(output(picture), it), 'rows');
    t.same(verdict.dx, { least: dx, most: dx }, `by ${dx}`);
    t.same(verdict.rows, { least: first, most: last });
    t.equal(verdict.count, last - first + 1);
    t.same(verdict.dy, { least: 0, most: 0 });
  }
  t.test('a wrong stride shifts each row a little more', t => {
    const picture = it.picture();
    for (let i = 0; i < picture.pixels.length; i++) {
      const y = Math.floor(i / WIDTH);
      picture.pixels[i] = expected.pixels[Math.max(0, i - Math.floor(y / 4))]!;
    }
    const verdict = only(compare(output(picture), it), 'rows');
    t.equal(verdict.dx.least, 1);
    t.equal(verdict.dx.most, Math.floor((HEIGHT - 1) / 4));
    t.end();
  });
  t.test('rows may also move up and down', t => {
    const picture = it.picture();
    for (let y = 40; y < 80; y++) copyPart(expected, 0, y - 3, picture, 0, y, WIDTH, 1);
    const verdict = only(compare(output(picture), it), 'rows');
    t.same(verdict.dy, { least: 3, most: 3 });
    t.same(verdict.dx, { least: 0, most: 0 });
    t.end();
  });
  t.end();
});

t.test('a picture that moved against its earlier place, and lost its edge, is shifted', t => {
  const it = pattern();
  const captured = output(it.picture());
  copyPart(it.picture(), 0, 0, captured, 33, 16, WIDTH - 2, HEIGHT);
  const verdict = only(compare(captured, it, { x: 31, y: 17 }), 'shifted');
  t.same([verdict.dx, verdict.dy], [2, -1]);
  t.end();
});

t.test('a window that is not there is missing', t => {
  const it = pattern();
  t.equal(compare(output(blankPicture(1, 1)), it).kind, 'missing');
  t.equal(compare(output(blankPicture(1, 1)), it, { x: 31, y: 17 }).kind, 'missing');
  t.equal(compare(blankPicture(320, 200), it).kind, 'missing');
  t.equal(compare(blankPicture(1, 1), it).kind, 'missing');
  t.equal(locate(blankPicture(1, 1), it), undefined);
  t.end();
});

t.test('each deliberate fault is caught under its name, in full frames and in some blocks', t => {
  const names = { pixel: 'pixels', stale: 'stale', channel: 'channels', row: 'rows' } as const;
  for (const mode of ['full', 'block'] as const) {
    for (const kind of FAULT_KINDS) {
      for (const frames of [2, 9, 30]) {
        const it = pattern(frames, mode);
        const drawn = it.picture();
        const touched = applyFault(kind, it, drawn.pixels, WIDTH, it.changesSince(1));
        const verdict = compare(output(drawn), it);
        t.equal(verdict.kind, names[kind], `${kind} in frame ${frames}, ${mode}: ${describe(verdict)}`);
        it.advance(touched);
        it.draw(drawn.pixels, WIDTH, touched);
        t.equal(compare(output(drawn), it).kind, 'identical', 'and drawing what it touched anew mends it');
      }
    }
  }
  t.end();
});

t.test('the difference picture shows three panels, the wrong pixels in red', t => {
  const it = pattern();
  const picture = it.picture();
  picture.pixels[50 * WIDTH + 70]! ^= 0x80;
  const panels = differencePicture(it.picture(), output(picture), { x: 31, y: 17 });
  t.equal(panels.width, 3 * WIDTH + 16);
  t.equal(panels.height, HEIGHT);
  const left = blankPicture(WIDTH, HEIGHT);
  copyPart(panels, 0, 0, left);
  t.same(left.pixels, it.picture().pixels);
  const middle = blankPicture(WIDTH, HEIGHT);
  copyPart(panels, WIDTH + 8, 0, middle);
  t.same(middle.pixels, picture.pixels);
  const red = [...panels.pixels.keys()].filter(i => panels.pixels[i] === 0xff2020);
  t.same(red, [50 * panels.width + 2 * (WIDTH + 8) + 70]);
  t.ok(differencePicture(it.picture(), blankPicture(10, 10), { x: -5, y: 3 }), 'also where there is no capture');
  t.end();
});
