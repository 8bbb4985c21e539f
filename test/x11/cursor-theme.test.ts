/** Cursor themes: the picture of the nearest size, from the theme or what it inherits from, and files that are no such thing. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  cursorSize,
  MAX_CURSOR_BYTES,
  MAX_INDEX_BYTES,
  MAX_CURSOR_SIDE,
  MAX_THEMES,
  parseCursor,
  themeCursor,
} from '../../src/x11/cursor-theme.js';
import { words } from '../../src/x11/wire.js';

interface Image {
  readonly size: number;
  readonly side: number;
  readonly hot?: number;
}

/** A file with pictures that are squares, each of one colour: its own size. */
function cursorFile(...images: readonly Image[]): Uint8Array {
  const header = [0x72756358, 16, 0x10000, images.length];
  let place = 16 + images.length * 12;
  const table: number[] = [];
  const chunks: number[] = [];
  for (const { size, side, hot = 1 } of images) {
    table.push(0xfffd0002, size, place);
    const pixels = Array.from({ length: side * side }, () => size);
    const chunk = [36, 0xfffd0002, size, 1, side, side, hot, hot, 0, ...pixels];
    chunks.push(...chunk);
    place += chunk.length * 4;
  }
  return words([...header, ...table, ...chunks]);
}

t.test('of a file, the picture of the nearest size', t => {
  const file = cursorFile({ size: 24, side: 32, hot: 3 }, { size: 48, side: 64 }, { size: 48, side: 10 });
  for (const [size, side] of [
    [1, 32],
    [24, 32],
    [36, 32],
    [37, 64],
    [500, 64],
  ] as const) {
    t.equal(parseCursor(file, size)!.width, side, `for ${size}`);
  }
  const { pixels, ...picture } = parseCursor(file, 24)!;
  t.same(picture, { width: 32, height: 32, hotX: 3, hotY: 3 });
  t.same(pixels.slice(0, 8), [24, 0, 0, 0, 24, 0, 0, 0]);
  t.equal(pixels.length, 32 * 32 * 4);
  t.equal(parseCursor(cursorFile({ size: 24, side: 4, hot: 99 }), 24)!.hotX, 3, 'what points is within');
  t.end();
});

t.test('what is too large, and what is no cursor, is passed over', t => {
  const most = { size: 24, side: MAX_CURSOR_SIDE };
  t.equal(parseCursor(cursorFile(most), 24)!.width, MAX_CURSOR_SIDE);
  t.equal(parseCursor(cursorFile({ size: 24, side: MAX_CURSOR_SIDE + 1 }), 24), undefined);
  t.equal(parseCursor(cursorFile({ size: 24, side: MAX_CURSOR_SIDE + 1 }, { size: 90, side: 9 }), 24)!.width, 9);
  t.equal(parseCursor(cursorFile({ size: 24, side: 0 }), 24), undefined);
  t.equal(parseCursor(cursorFile(), 24), undefined);
  t.equal(parseCursor(Buffer.from('no cursor, but some text'), 24), undefined);
  const whole = cursorFile({ size: 24, side: 4 });
  for (let length = 0; length < whole.length; length++) {
    t.throws(() => parseCursor(whole.subarray(0, length), 24), { name: 'XWireError' }, `${length} bytes of it`);
  }
  t.end();
});

t.test('a theme, those that it inherits from, and no end of them', t => {
  const home = t.testdir();
  const env = { XCURSOR_PATH: `${home}/first:~/second:${home}/not-there`, HOME: home };
  const theme = (path: string, inherits?: string, file?: Uint8Array): void => {
    mkdirSync(join(home, path, 'cursors'), { recursive: true });
    if (inherits !== undefined) writeFileSync(join(home, path, 'index.theme'), `[Icon Theme]\nInherits=${inherits}\n`);
    if (file !== undefined) writeFileSync(join(home, path, 'cursors', 'left_ptr'), file);
  };
  const found = (name?: string): number | undefined =>
    themeCursor('left_ptr', 24, { ...env, ...(name !== undefined && { XCURSOR_THEME: name }) })?.width;
  t.equal(found(), undefined);
  theme('first/default', 'lost, ../second/away, base');
  theme('second/base', 'default', cursorFile({ size: 24, side: 7 }));
  t.equal(found(), 7, 'of another directory, by inheritance');
  theme('first/own', 'base', cursorFile({ size: 24, side: 5 }));
  t.equal(found('own'), 5);
  theme('first/turn', 'round');
  theme('first/round', 'turn');
  t.equal(found('turn'), undefined, 'in a circle');
  for (let i = 1; i <= MAX_THEMES; i++) theme(`first/t${i}`, `t${i + 1}`);
  theme(`first/t${MAX_THEMES + 1}`, undefined, cursorFile({ size: 24, side: 3 }));
  t.equal(found('t2'), 3, 'the last that is looked at');
  t.equal(found('t1'), undefined, 'one more');
  const padded = (length: number): Uint8Array => {
    const file = cursorFile({ size: 24, side: 6 });
    return Buffer.concat([file, Buffer.alloc(length - file.length)]);
  };
  theme('first/large', undefined, padded(MAX_CURSOR_BYTES));
  t.equal(found('large'), 6);
  theme('first/large', undefined, padded(MAX_CURSOR_BYTES + 1));
  t.equal(found('large'), undefined);
  const described = (length: number): void => theme('first/long', `base\n${'#'.repeat(length)}`);
  const rest = '[Icon Theme]\nInherits=base\n\n'.length;
  described(MAX_INDEX_BYTES - rest);
  t.equal(found('long'), 7);
  described(MAX_INDEX_BYTES - rest + 1);
  t.equal(found('long'), undefined);
  theme('first/pipe');
  spawnSync('mkfifo', [join(home, 'first', 'pipe', 'index.theme')]);
  t.equal(found('pipe'), undefined, 'a pipe, which nobody writes to');
  t.equal(
    themeCursor('left_ptr', 24, { XCURSOR_PATH: '~/second', XCURSOR_THEME: 'base' }),
    undefined,
    'without a home',
  );
  t.end();
});

t.test('the size that is asked for', t => {
  for (const [said, size] of [
    [undefined, 24],
    ['32', 32],
    [String(MAX_CURSOR_SIDE), MAX_CURSOR_SIDE],
    [String(MAX_CURSOR_SIDE + 1), 24],
    ['0', 24],
    ['large', 24],
  ] as const) {
    t.equal(cursorSize({ ...(said !== undefined && { XCURSOR_SIZE: said }) }), size, `${said}`);
  }
  t.end();
});
