/** Pictures: from captured memory, and to PNG and back. */
import t from 'tap';
import { toImage } from '../../src/wayland-client/image.js';
import { blankPicture, copyPart, decodePng, encodePng, pictureOf } from '../../src/frames/picture.js';

/** Two rows of two pixels in XRGB8888: red, green / blue, grey. */
const memory = Uint8Array.from([0, 0, 255, 9, 0, 255, 0, 9, 255, 0, 0, 9, 1, 2, 3, 9]);
const image = toImage(memory, { width: 2, height: 2, stride: 8, format: 1 });
const colours = (pixels: Uint32Array): number[] => [...pixels].map(pixel => pixel & 0xffffff);

t.test('a capture becomes a picture, from an odd address too', t => {
  t.same(colours(pictureOf(image).pixels), [0xff0000, 0x00ff00, 0x0000ff, 0x030201]);
  const odd = new Uint8Array(17);
  odd.set(image.data, 1);
  t.same(colours(pictureOf({ ...image, data: odd.subarray(1) }).pixels), [0xff0000, 0x00ff00, 0x0000ff, 0x030201]);
  t.end();
});

t.test('a PNG gives back the same pixels', t => {
  const picture = pictureOf(image);
  const back = decodePng(encodePng(picture));
  t.equal(back.width, 2);
  t.equal(back.height, 2);
  t.same(colours(back.pixels), colours(picture.pixels));
  t.end();
});

t.test('a part that reaches outside is copied as far as it goes', t => {
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
