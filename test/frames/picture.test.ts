/** Pictures: from captured memory, and to PNG and back. */
import t from 'tap';
import {
  ABGR8888,
  ARGB8888,
  blankPicture,
  copyPart,
  decodePng,
  encodePng,
  pictureFrom,
  XBGR8888,
  XRGB8888,
} from '../../src/frames/picture.js';

/** Two rows of two pixels, a stride of twelve bytes: red, green / blue, grey, as bytes in memory. */
const memory = Uint8Array.from([
  0, 0, 255, 9, 0, 255, 0, 9, 7, 7, 7, 7,
  255, 0, 0, 9, 1, 2, 3, 9, 7, 7, 7, 7,
]);
const colours = (pixels: Uint32Array): number[] => [...pixels].map((pixel) => pixel & 0xffffff);

t.test('captured memory becomes a picture', (t) => {
  for (const format of [XRGB8888, ARGB8888]) {
    t.same(colours(pictureFrom(memory, 2, 2, 12, format).pixels), [0xff0000, 0x00ff00, 0x0000ff, 0x030201]);
  }
  for (const format of [XBGR8888, ABGR8888]) {
    t.same(colours(pictureFrom(memory, 2, 2, 12, format).pixels), [0x0000ff, 0x00ff00, 0xff0000, 0x010203]);
  }
  t.same(colours(pictureFrom(memory, 2, 2, 12, XRGB8888, true).pixels), [0x0000ff, 0x030201, 0xff0000, 0x00ff00], 'flipped');
  const odd = new Uint8Array(memory.length + 1);
  odd.set(memory, 1);
  t.same(colours(pictureFrom(odd.subarray(1), 2, 2, 12, XRGB8888).pixels)[0], 0xff0000, 'from an odd address');
  t.ok(pictureFrom(memory.subarray(0, 20), 2, 2, 12, XRGB8888), 'the last row needs no padding');
  t.end();
});

t.test('numbers that do not fit are refused', (t) => {
  for (const [bytes, width, height, stride, format] of [
    [memory.subarray(0, 19), 2, 2, 12, XRGB8888],
    [memory, 2, 3, 12, XRGB8888],
    [memory, 4, 2, 12, XRGB8888],
    [memory, 2, 2, 10, XRGB8888],
    [memory, 0, 2, 12, XRGB8888],
    [memory, 2, 2, 12, 0x36314752],
  ] as const) {
    t.throws(() => pictureFrom(bytes, width, height, stride, format), RangeError);
  }
  t.end();
});

t.test('a PNG gives back the same pixels', (t) => {
  const picture = pictureFrom(memory, 2, 2, 12, XRGB8888);
  const back = decodePng(encodePng(picture));
  t.equal(back.width, 2);
  t.equal(back.height, 2);
  t.same(colours(back.pixels), colours(picture.pixels));
  t.end();
});

t.test('a part that reaches outside is copied as far as it goes', (t) => {
  const from = blankPicture(3, 3);
  from.pixels.set([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const to = blankPicture(3, 3);
  copyPart(from, 1, 1, to);
  t.same([...to.pixels], [5, 6, 0, 8, 9, 0, 0, 0, 0]);
  to.pixels.fill(0);
  copyPart(from, -1, -2, to);
  t.same([...to.pixels], [0, 0, 0, 0, 0, 0, 0, 1, 2]);
  to.pixels.fill(0);
  copyPart(from, 0, 0, to, 1, 1, 2, 1);
  t.same([...to.pixels], [0, 0, 0, 0, 1, 2, 0, 0, 0]);
  t.end();
});
