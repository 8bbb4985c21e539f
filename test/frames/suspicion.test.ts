/** What is another's, and what is not, on pictures made here. */
import t from 'tap';
import { compare } from '../../src/frames/compare.js';
import { MAX_COVERED_SHARE, MAX_SPOTS, suspect, type Suspicion } from '../../src/frames/foreign.js';
import { blockColour, frameOfColour, Pattern } from '../../src/frames/pattern.js';
import { blankPicture, copyPart, type Picture } from '../../src/frames/picture.js';

const SIZE = { width: 200, height: 120 };
const AT = { x: 20, y: 30 };
const GREY = 0x323232;

/** The output with whatever is drawn in it: the window, or only what is behind. */
function output(window?: Picture, background = GREY): Picture {
  const picture = blankPicture(300, 200);
  picture.pixels.fill(background);
  if (window !== undefined) copyPart(window, 0, 0, picture, AT.x, AT.y, window.width, window.height);
  return picture;
}

/** A cursor: an outline around a body, as most are. */
function cursor(picture: Picture, x: number, y: number, outline = 0xffffff, body = 0): Picture {
  for (let row = 0; row < 20; row++) {
    for (let column = 0; column <= row / 2; column++) {
      const edge = column === 0 || row === 19 || column + 1 > row / 2;
      picture.pixels[(y + row) * picture.width + x + column] = edge ? outline : body;
    }
  }
  return picture;
}

function fill(picture: Picture, x: number, y: number, width: number, height: number, colour: number): Picture {
  for (let row = y; row < y + height; row++)
    picture.pixels.fill(colour, row * picture.width + x, row * picture.width + x + width);
  return picture;
}

function pattern(frames = 5): Pattern {
  const it = new Pattern(SIZE.width, SIZE.height);
  for (let i = 0; i < frames; i++) it.advance();
  return it;
}

function suspected(captured: Picture, it = pattern()): Suspicion {
  const found = suspect(captured, AT, it);
  if (found === undefined) throw new Error('nothing is suspected');
  return found;
}

t.test("a cursor that is there without the window, too, is another's", async t => {
  const { verdict, foreign } = suspected(cursor(output(pattern().picture()), 100, 80)).judge(cursor(output(), 100, 80));
  t.equal(verdict.kind, 'identical');
  t.match(foreign, [{ box: { x: 80, y: 50, width: 10, height: 20 } }]);
});

t.test('and so is one that has moved meanwhile', async t => {
  const { verdict, foreign } = suspected(cursor(output(pattern().picture()), 100, 80)).judge(cursor(output(), 41, 133));
  t.equal(verdict.kind, 'identical');
  t.equal(foreign.length, 1);
});

t.test("what goes with the window is the window's fault", async t => {
  const { verdict, foreign } = suspected(cursor(output(pattern().picture()), 100, 80)).judge(output());
  t.match(verdict, { kind: 'pixels', wrong: { box: { x: 80, y: 50, width: 10, height: 20 } } });
  t.same(foreign, []);
});

t.test('a fault beside a cursor is found, and the cursor named', async t => {
  const captured = cursor(output(pattern().picture()), 100, 80);
  captured.pixels[(AT.y + 5) * captured.width + AT.x + 7]! ^= 1;
  const { verdict, foreign } = suspected(captured).judge(cursor(output(), 100, 80));
  t.match(verdict, {
    kind: 'pixels',
    wrong: { count: 1, box: { x: 7, y: 5, width: 1, height: 1 }, first: [{ x: 7, y: 5 }] },
  });
  t.equal(foreign.length, 1);
});

t.test('old pixels of ours are no cursor, however long they stay', async t => {
  const it = pattern(40);
  const captured = output(it.picture());
  // As frame 3 drew the block, 37 frames ago: longer than the pattern remembers.
  fill(captured, AT.x + 80, AT.y + 48, 8, 8, blockColour(3, 10, 6));
  t.equal(suspect(captured, AT, it), undefined);
  t.match(compare(captured, it, AT), { kind: 'pixels', wrong: { count: 64 } });
});

t.test('old pixels of ours beside a cursor are found as such', async t => {
  const it = pattern();
  const captured = output(it.picture());
  fill(captured, AT.x + 8, AT.y + 8, 8, 8, blockColour(4, 1, 1));
  const { verdict, foreign } = suspected(cursor(captured, 100, 80), it).judge(cursor(output(), 100, 80));
  t.match(verdict, { kind: 'stale-area', behind: { least: 1, most: 1 } });
  t.equal(foreign.length, 1);
});

t.test('memory that nobody wrote to proves nothing, where the output behind is black as well', async t => {
  const captured = fill(output(pattern().picture(), 0), 100, 80, 16, 16, 0);
  t.equal(suspected(captured).judge(output(undefined, 0)).verdict.kind, 'pixels');
  const grey = fill(output(pattern().picture()), 100, 80, 16, 16, 0);
  t.equal(suspected(grey).judge(fill(output(), 100, 80, 16, 16, 0)).verdict.kind, 'pixels', 'nor does one colour');
});

t.test("a cursor's shadow is its own, and what is farther off is not", async t => {
  const shade = (reach: number): Picture => {
    const captured = cursor(output(pattern().picture()), 100, 80);
    fill(captured, 100 + 9 + reach, 98, 1, 1, 0x123456);
    return captured;
  };
  t.equal(suspected(shade(8)).judge(cursor(output(), 100, 80)).verdict.kind, 'identical');
  t.equal(suspected(shade(9)).judge(cursor(output(), 100, 80)).verdict.kind, 'pixels');
});

t.test('a window that is covered by more than a share of it is not explained away', async t => {
  const it = pattern();
  const rows = MAX_COVERED_SHARE * SIZE.height;
  const cover = (height: number): Picture => {
    const captured = output(it.picture());
    for (let y = 0; y < height; y++)
      for (let x = 0; x < SIZE.width; x++) captured.pixels[(AT.y + y) * 300 + AT.x + x] = 0xf0f0f0 - x - 256 * y;
    return captured;
  };
  t.ok(suspect(cover(rows), AT, it), 'as much as that');
  t.equal(suspect(cover(rows + 1), AT, it), undefined, 'and no more');
});

t.test("there are so many things of others', and no more", async t => {
  const it = pattern();
  const dots = (count: number): Picture => {
    const picture = output(it.picture());
    for (let i = 0; i < count; i++) {
      const at = { x: AT.x + 20 * (i % 9) + 3, y: AT.y + 24 * Math.floor(i / 9) + 3 };
      fill(picture, at.x, at.y, 1, 1, 0xffffff);
      fill(picture, at.x + 1, at.y, 1, 1, 0x777777);
    }
    return picture;
  };
  const without = (count: number): Picture => {
    const picture = output();
    copyPart(dots(count), AT.x, AT.y, picture, AT.x, AT.y, SIZE.width, SIZE.height);
    return picture;
  };
  t.equal(suspected(dots(MAX_SPOTS), it).judge(without(MAX_SPOTS)).verdict.kind, 'identical');
  t.equal(suspected(dots(MAX_SPOTS + 1), it).judge(without(MAX_SPOTS + 1)).verdict.kind, 'pixels');
});

t.test('a colour names the frame that drew it', async t => {
  for (const frame of [1, 2, 31, 32, 33, 1000]) t.equal(frameOfColour(blockColour(frame, 7, 9), 7, 9, 1000), frame);
  t.equal(frameOfColour(blockColour(1001, 7, 9), 7, 9, 1000), undefined, 'not one that is to come');
  t.equal(frameOfColour(blockColour(5, 7, 9) ^ 1, 7, 9, 1000), undefined);
});
