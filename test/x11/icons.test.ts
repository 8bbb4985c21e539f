/**
 * Icons and modal dialogs, on a compositor that shows such a thing. Debian 12 has none: they are seen by what stands between
 * `virtwl x11` and sway (`added-globals.ts`).
 */
import t, { type Test } from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { MAX_ICON_SIDE } from '../../src/x11/icon-picture.js';
import { MAX_ICON_BYTES, MAX_SIZES } from '../../src/x11/icons.js';
import { changeProperty, changeWords, destroyWindow, freePixmap, mapWindow, titles } from '../../src/x11/requests.js';
import { request, u16, u32, u8, words } from '../../src/x11/wire.js';
import { AddedGlobals, type AddedPicture } from './added-globals.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const NAMES = [
  ...['ATOM', 'CARDINAL', 'STRING', 'WINDOW', 'WM_HINTS', 'WM_NAME', 'WM_TRANSIENT_FOR', '_NET_WM_ICON'],
  ...['_NET_WM_STATE', '_NET_WM_STATE_MODAL'],
] as const;
/** Flags of WM_HINTS. */
const [ICON_PIXMAP, ICON_MASK] = [4, 32];
const GREEN = 0xff00ff00;

t.setTimeout(120_000);

let added: AddedGlobals | undefined;
const desk = await Desk.open(t, {
  x11: ['--trace'],
  through: sway => (added = new AddedGlobals(t, sway)).display,
});
const { icons } = added!;
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());
const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
  internAtoms(x, NAMES, known),
);
const window = (title: string): number => {
  const id = makeWindow(x, setup.root);
  x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  return id;
};
const setIcon = (id: number, values: readonly number[] | Uint32Array): void =>
  x.send(changeWords(id, atoms._NET_WM_ICON, atoms.CARDINAL, values as readonly number[]));
/** One size of an icon, of one colour. */
const size = (width: number, height: number, argb: number): number[] => [
  ...[width, height],
  ...Array.from({ length: width * height }, () => argb),
];
/** Waits for the next icon that a window is given. */
async function next(give: () => void): Promise<readonly AddedPicture[] | undefined> {
  const before = icons.length;
  give();
  x.flush();
  await until('an icon', () => icons.length > before);
  return icons[before];
}
const end = async (...ids: number[]): Promise<void> => {
  for (const id of ids) x.send(destroyWindow(id));
  await until('no window', async () => (await desk.windows()).length === 0);
};
const middle = ({ width, height, pixels }: AddedPicture): number =>
  pixels[Math.floor(height / 2) * width + Math.floor(width / 2)]!;

t.test('a window has the sizes of its icon, and another one when it says so', async t => {
  const id = window('icon');
  setIcon(id, [...size(16, 16, GREEN), ...size(32, 32, 0x80ff0000)]);
  const first = await next(() => x.send(mapWindow(id)));
  t.match(first, [
    { width: 16, height: 16 },
    { width: 32, height: 32 },
  ]);
  t.equal(middle(first![0]!), GREEN);
  t.equal(middle(first![1]!), 0x80800000, 'colours multiplied by what of them is there');
  const wide = await next(() => setIcon(id, size(20, 10, GREEN)));
  t.match(wide, [{ width: 20, height: 20 }], 'a square');
  t.same([wide![0]!.pixels[0], middle(wide![0]!)], [0, GREEN], 'with nothing above');
  t.equal(await next(() => setIcon(id, [])), undefined, 'none again');
  await end(id);
});

t.test('a bitmap of WM_HINTS, with its mask', async t => {
  const [side, row] = [16, 4];
  const bitmap = (bits: (y: number) => number): number => {
    const [pixmap, context] = [x.newId(), x.newId()];
    x.send(titles.createBitmap(pixmap, setup.root, side, side));
    x.send(request(55, 0, u32(context), u32(pixmap), u32(0)));
    const rows = words(Array.from({ length: side }, (_, y) => bits(y)));
    const place = [u16(side), u16(side), u16(0), u16(0), u8(0), u8(1), u16(0)];
    x.send(request(72, 2, u32(pixmap), u32(context), ...place, rows.subarray(0, side * row)));
    return pixmap;
  };
  const id = window('bitmap');
  const [picture, mask] = [bitmap(y => (y < 8 ? 0xffff : 0)), bitmap(y => (y % 2 === 0 ? 0xffff : 0))];
  const hints = (...words: number[]): void => x.send(changeWords(id, atoms.WM_HINTS, atoms.WM_HINTS, words));
  hints(ICON_PIXMAP | ICON_MASK, 0, 0, picture, 0, 0, 0, mask, 0);
  const icon = await next(() => x.send(mapWindow(id)));
  t.match(icon, [{ width: side, height: side }]);
  const rows = Array.from({ length: 4 }, (_, i) => icon![0]!.pixels[(i + 6) * side]);
  t.same(rows, [0xff000000, 0, 0xffffffff, 0], 'black where it is set, white where not, nothing outside');
  x.send(freePixmap(picture));
  t.equal(await next(() => hints(ICON_PIXMAP, 0, 0, picture, 0, 0, 0, 0, 0)), undefined, 'one that is gone is none');
  await end(id);
});

t.test('sizes are bounded', async t => {
  const id = window('sizes');
  const sides = (pictures: readonly AddedPicture[] | undefined): readonly number[] => pictures!.map(one => one.width);
  const most = await next(() => {
    setIcon(id, [...size(MAX_ICON_SIDE + 1, 1, GREEN), ...size(MAX_ICON_SIDE, 1, GREEN), ...size(8, 8, GREEN)]);
    x.send(mapWindow(id));
  });
  t.same(sides(most), [MAX_ICON_SIDE, 8], 'the largest that is shown');
  const many = await next(() =>
    setIcon(id, Array.from({ length: MAX_SIZES + 1 }, (_, i) => size(i + 1, i + 1, GREEN)).flat()),
  );
  t.equal(many!.length, MAX_SIZES, 'so many');
  // 256 KiB, one more of that side, and two of which one has room beside it.
  const large = [size(256, 256, GREEN), size(256, 255, GREEN), size(255, 255, GREEN), size(254, 254, GREEN)];
  await next(() => {
    x.send(changeWords(id, atoms._NET_WM_ICON, atoms.CARDINAL, []));
    for (const part of large) {
      for (let at = 0; at < part.length; at += 50_000) {
        const value = words(part.slice(at, at + 50_000));
        x.send(changeProperty(id, atoms._NET_WM_ICON, atoms.CARDINAL, 32, value, 2));
      }
    }
  });
  // What is there of it while it is being written counts, and is read again.
  await until('the last', () => (icons.at(-1)?.length ?? 0) >= 2);
  t.same(sides(icons.at(-1)), [256, 255], 'of each size one, and no more bytes than that');
  const bytes = (sides: readonly number[]): number => sides.reduce((all, side) => all + side * side * 4, 0);
  t.ok(bytes([256, 255]) <= MAX_ICON_BYTES && bytes([256, 255, 254]) > MAX_ICON_BYTES);
  await end(id);
});

const hostile = (name: string, values: readonly number[]): void => {
  t.test(`${name} is no icon`, async (t: Test) => {
    const [id, other] = [window('hostile'), window('other')];
    setIcon(id, values);
    x.send(mapWindow(id));
    await desk.window('hostile');
    setIcon(other, size(9, 9, GREEN));
    t.match(await next(() => x.send(mapWindow(other))), [{ width: 9 }], 'the next window has one');
    t.equal(x.closed, false);
    await end(id, other);
  });
};
hostile('one of no width', [0, 0, 1, 2, 3]);
hostile('one without a height', [16]);
hostile('one of 2^31 pixels', [2 ** 31, 1, 5]);
hostile('one of more pixels than a number has room for', [0xffffffff, 0xffffffff, 5]);
hostile('one that is cut off', [16, 16, ...Array.from({ length: 255 }, () => GREEN)]);

t.test('one that changes all the time does not keep others from theirs', async t => {
  const [id, other] = [window('restless'), window('patient')];
  x.send(mapWindow(id));
  await desk.window('restless');
  const before = icons.length;
  for (let i = 0; i < 500; i++) {
    setIcon(id, size(16, 16, GREEN + i));
    if (i % 50 === 0) await settled(x);
  }
  setIcon(other, size(9, 9, GREEN));
  x.send(mapWindow(other));
  await until('the other', () => icons.slice(before).some(icon => icon?.[0]?.width === 9));
  await until('the last one', () => icons.some(icon => icon?.[0]?.pixels[0] === GREEN + 499));
  t.ok(icons.length - before < 250, 'and costs less than it says');
  await end(id, other);
});

t.test('a modal dialog is told to be one, as long as it is', async t => {
  const [parent, dialog] = [window('parent'), window('dialog')];
  x.send(changeWords(dialog, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [parent]));
  x.send(changeWords(dialog, atoms._NET_WM_STATE, atoms.ATOM, [atoms._NET_WM_STATE_MODAL]));
  const before = desk.said().length;
  for (const id of [parent, dialog]) x.send(mapWindow(id));
  await until('both', async () => (await desk.windows()).length === 2);
  const said = (): readonly string[] =>
    desk
      .said()
      .slice(before)
      .match(/xdg_dialog_v1#\d+\.\w+/g) ?? [];
  t.match(said(), [/\.set_modal$/]);
  x.send(destroyWindow(dialog));
  await until('its end', () => /xdg_toplevel#\d+\.destroy/.test(desk.said().slice(before)));
  t.equal(said().length, 2);
  t.match(said()[1], /\.destroy$/);
  const whole = desk.said().slice(before);
  t.ok(whole.indexOf(said()[1]!) < whole.search(/xdg_toplevel#\d+\.destroy/), 'before its window');
  await end(parent);
});
