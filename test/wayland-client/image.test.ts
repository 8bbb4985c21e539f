import t from 'tap';
import { isImageFormat, toImage } from '../../src/wayland-client/image.js';

/** Two pixels a row, two rows: red, green / blue, a grey of three different values. */
const COLOURS = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [10, 20, 30],
] as const;
const EXPECTED = COLOURS.flatMap(([r, g, b]) => [b, g, r, 255]);

function layOut(pixel: (r: number, g: number, b: number) => number[], stride: number, flipped: boolean): Uint8Array {
  const rows = [COLOURS.slice(0, 2), COLOURS.slice(2)];
  if (flipped) rows.reverse();
  return Uint8Array.from(
    rows.flatMap(row => {
      const bytes = row.flatMap(([r, g, b]) => pixel(r, g, b));
      return [...bytes, ...Array<number>(stride - bytes.length).fill(77)];
    }),
  );
}

const FORMATS: readonly [string, number, (r: number, g: number, b: number) => number[]][] = [
  ['ARGB8888', 0, (r, g, b) => [b, g, r, 9]],
  ['XRGB8888', 1, (r, g, b) => [b, g, r, 9]],
  ['ABGR8888', 0x34324241, (r, g, b) => [r, g, b, 9]],
  ['XBGR8888', 0x34324258, (r, g, b) => [r, g, b, 9]],
  ['RGBA8888', 0x34324152, (r, g, b) => [9, b, g, r]],
  ['BGRX8888', 0x34325842, (r, g, b) => [9, r, g, b]],
  ['RGB888', 0x34324752, (r, g, b) => [b, g, r]],
  ['BGR888', 0x34324742, (r, g, b) => [r, g, b]],
];

for (const [name, format, pixel] of FORMATS) {
  t.test(`${name} becomes XRGB words from the top row down`, async t => {
    for (const stride of [8, 12, 13]) {
      for (const flipped of [false, true]) {
        const source = layOut(pixel, stride, flipped);
        const image = toImage(source, { width: 2, height: 2, stride, format, flipped });
        t.match(image, { width: 2, height: 2, stride: 8, format: 1 });
        t.same([...image.data], EXPECTED, `stride ${stride}${flipped ? ', flipped' : ''}`);
        const shifted = new Uint8Array(source.length + 1);
        shifted.set(source, 1);
        t.same([...toImage(shifted.subarray(1), { width: 2, height: 2, stride, format, flipped }).data], EXPECTED);
      }
    }
  });
}

t.test('an image is a copy', async t => {
  const source = new Uint8Array(16);
  const image = toImage(source, { width: 2, height: 2, stride: 8, format: 1 });
  source.fill(5);
  t.equal(image.data[0], 0);
});

t.test('a layout must fit into its bytes', async t => {
  const layout = { width: 2, height: 2, stride: 12, format: 1 };
  toImage(new Uint8Array(20), layout); // the last row needs no padding
  t.throws(() => toImage(new Uint8Array(19), layout), RangeError);
  t.throws(() => toImage(new Uint8Array(100), { ...layout, stride: 7 }), RangeError);
  t.throws(() => toImage(new Uint8Array(100), { ...layout, width: 0 }), RangeError);
  t.throws(() => toImage(new Uint8Array(100), { ...layout, height: 0 }), RangeError);
  t.throws(() => toImage(new Uint8Array(100), { ...layout, height: 0x7fffffff }), RangeError);
});

t.test('a format without 8 bits a colour is refused', async t => {
  const rgb565 = 0x36314752;
  t.equal(isImageFormat(rgb565), false);
  t.throws(() => toImage(new Uint8Array(100), { width: 2, height: 2, stride: 8, format: rgb565 }), /0x36314752/);
});
