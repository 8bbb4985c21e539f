/** The formats of wl_shm that are carried, and how the rows of their link buffers lie. */
import t from 'tap';
import { BYTES_PER_PIXEL, linkStride } from '../../src/wayland/shm-formats.js';

t.test('the rows of a link buffer suit every renderer, whatever the format and the width', async t => {
  for (const [format, bytes] of BYTES_PER_PIXEL) {
    const wrong: number[] = [];
    for (let width = 1; width <= 130; width++) {
      const stride = linkStride(width, bytes);
      const holdsTheRow = stride >= width * bytes;
      const gles2 = stride % bytes === 0;
      const pixman = stride % 4 === 0;
      const least = stride - width * bytes < 12;
      if (!holdsTheRow || !gles2 || !pixman || !least) wrong.push(width);
    }
    t.same(wrong, [], `0x${format.toString(16)}: ${bytes} bytes a pixel`);
  }
});

t.test('24-bit rows are multiples of twelve bytes', async t => {
  t.same(
    [1, 4, 5, 100, 101, 102].map(width => linkStride(width, 3)),
    [12, 12, 24, 300, 312, 312],
  );
});

t.test('a row that no int holds is not folded', async t => {
  t.equal(linkStride(0x40000001, 4), 0x100000004);
});
