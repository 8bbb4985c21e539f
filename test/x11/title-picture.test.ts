/** What of a title bar is where: its buttons from the right, fewer of them where it is narrow. */
import t from 'tap';
import { partAt, TITLE_BAR_HEIGHT as SIDE, titlePicture } from '../../src/x11/title-picture.js';

t.test('three buttons at the right of a wide one', t => {
  const places = [0, 199 - 3 * SIDE, 200 - 3 * SIDE, 200 - 2 * SIDE, 200 - SIDE, 199];
  t.same(
    places.map(x => partAt(x, 0, 200)),
    ['title', 'title', 'minimize', 'maximize', 'close', 'close'],
  );
  t.end();
});

t.test('outside of it, nothing', t => {
  for (const [x, y] of [
    [-1, 0],
    [200, 0],
    [0, -1],
    [0, SIDE],
  ] as const)
    t.equal(partAt(x, y, 200), undefined, `${x}, ${y}`);
  t.end();
});

t.test('a narrow one can be moved at the least, and closed where there is room for that', t => {
  const parts = (width: number): string[] => [
    ...new Set(Array.from({ length: width }, (_, x) => partAt(x, SIDE / 2, width)!)),
  ];
  t.same(parts(1.5 * SIDE - 1), ['title']);
  t.same(parts(1.5 * SIDE), ['title', 'close']);
  t.same(parts(3 * SIDE), ['title', 'maximize', 'close']);
  for (const width of [1, 2, 7, SIDE, 32_767])
    t.equal(titlePicture(width, undefined, true).pixels.length, width * SIDE * 4, `${width} wide`);
  t.end();
});
