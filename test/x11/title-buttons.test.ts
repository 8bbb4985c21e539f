/**
 * Title bars of ours under the pointer and under fingers, on sway without what it offers for decorations. sway maximizes and
 * minimizes nothing, and has no menu: what it is asked is looked at. Nor has it a touch screen: one stands in (`added-globals.ts`).
 */
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { clientMessage } from '../../src/x11/events.js';
import { changeProperty, destroyWindow, EventMask, mapWindow, sendEvent } from '../../src/x11/requests.js';
import { EDGE_WIDTH } from '../../src/x11/title-edges.js';
import { TITLE_BAR_HEIGHT as BAR } from '../../src/x11/title-picture.js';
import { words } from '../../src/x11/wire.js';
import { AddedGlobals } from './added-globals.js';
import { boundsOf, Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const AT = { x: 300, y: 200 };
const WIDTH = 200;
const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
/** Of _NET_WM_MOVERESIZE: from the lower right corner, and the whole window. */
const [LOWER_RIGHT, MOVE] = [4, 8];
const LOWER_RIGHT_EDGES = 10;

t.setTimeout(120_000);

let added: AddedGlobals | undefined;
const desk = await Desk.open(t, {
  config: `for_window [title=".*"] floating enable, move position ${AT.x} ${AT.y}`,
  x11: ['--trace'],
  through: sway => (added = new AddedGlobals(t, sway, ['zxdg_decoration_manager_v1'])).display,
});
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());
const NAMES = ['STRING', 'WM_NAME', 'WM_NORMAL_HINTS', 'WM_SIZE_HINTS', '_NET_WM_MOVERESIZE'] as const;
const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
  internAtoms(x, NAMES, known),
);
const id = makeWindow(x, setup.root, false, { width: WIDTH, height: 100 });
x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from('bar')));
x.send(mapWindow(id));
await desk.window('bar');
await until('its place', async () => (await desk.window('bar')).x === AT.x);
const seat = await desk.seat(800, 600);

/** What the compositor is asked of the window while something is done, once `last` is among it. */
async function asked(last: string, act: () => Promise<void> | void): Promise<readonly string[]> {
  const before = desk.said().length;
  const said = (): readonly string[] =>
    desk
      .said()
      .slice(before)
      .match(/=> xdg_toplevel#\d+\.\w+\(.*/g) ?? [];
  await act();
  x.flush();
  await until(last, () => said().some(one => one.includes(`.${last}(`)));
  return said().map(one => /\.(\w+\(.*)/.exec(one)![1]!);
}
const button = (n: number): [number, number] => [AT.x + WIDTH - (n + 0.5) * BAR, AT.y + BAR / 2];
const TITLE: [number, number] = [AT.x + 40, AT.y + BAR / 2];

t.test('by the pointer: buttons, a double click, the menu', async t => {
  t.match(await asked('set_maximized', () => seat.click(...button(1))), [/^set_maximized/], 'maximizes');
  t.match(await asked('set_minimized', () => seat.click(...button(2))), [/^set_minimized/], 'minimizes');
  const twice = await asked('set_maximized', () => seat.clickTwice(...TITLE));
  t.match(twice, [/^move/, /^set_maximized/], 'a double click: the first of which may be the beginning of a move');
  const menu = await asked('show_window_menu', () => seat.click(...TITLE, 'right'));
  t.match(menu, [/^show_window_menu\(wl_seat#\d+, \d+, 40, 12\)/], 'at the pointer');
});

t.test('by a finger: buttons, moving, a double tap', async t => {
  const bar = added!.bars[0]!;
  let time = 10_000;
  const tap = (n: number, pause = 1_000): void => {
    time += pause;
    added!.touch(bar, WIDTH - (n + 0.5) * BAR, BAR / 2, time);
    added!.lift(time);
  };
  t.match(await asked('set_maximized', () => tap(1)), [/^set_maximized/]);
  t.match(await asked('set_minimized', () => tap(2)), [/^set_minimized/]);
  let serial = 0;
  const moved = await asked('move', () => {
    serial = added!.touch(bar, 40, BAR / 2, (time += 1_000));
  });
  t.match(moved, [new RegExp(String.raw`^move\(wl_seat#\d+, ${serial}\)`)], 'with the serial of the finger');
  added!.lift(time);
  const twice = await asked('set_maximized', () => {
    added!.touch(bar, 40, BAR / 2, (time += 100));
    added!.lift(time);
  });
  t.match(twice.at(-1), /^set_maximized/, 'a double tap');
});

t.test('by the edges around the window: a finger resizes it', async t => {
  const edges = added!.bars[1]!;
  const press = async (left: number, top: number): Promise<string> => {
    let serial = 0;
    const [first] = await asked('resize', () => {
      serial = added!.touch(edges, left, top);
    });
    added!.lift();
    return first!.replace(`, ${serial},`, ', #,');
  };
  const outer = { width: WIDTH + 2 * EDGE_WIDTH, height: 100 + BAR + 2 * EDGE_WIDTH };
  t.match(await press(outer.width - 1, outer.height / 2), /^resize\(wl_seat#\d+, #, 8\)/, 'to the right');
  t.match(await press(outer.width / 2, outer.height - 1), /^resize\(wl_seat#\d+, #, 2\)/, 'down');
  t.match(await press(0, 0), /^resize\(wl_seat#\d+, #, 5\)/, 'up and to the left');
  // The bar and the window lie where they would without: what is beside them is no part of the window.
  const { width, height } = await desk.window('bar');
  t.same([width, height], [WIDTH, 100 + BAR]);
});

t.test('a window of one size has no edges, nor one that fills the screen', async t => {
  const shown = (): boolean | undefined => added!.shown(added!.bars[1]!);
  const hints = (...sizes: number[]): void => {
    const value = words([16 | 32, 0, 0, 0, 0, ...sizes, ...Array.from({ length: 9 }, () => 0)]);
    x.send(changeProperty(id, atoms.WM_NORMAL_HINTS, atoms.WM_SIZE_HINTS, 32, value));
    // With the next picture.
    x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(`bar ${sizes.join(' ')}`)));
  };
  t.equal(shown(), true);
  hints(WIDTH, 100, WIDTH, 100);
  await until('none', () => shown() === false);
  hints(0, 0, 0, 0);
  await until('edges', () => shown() === true);
  await desk.sway.message('[title="bar"]', 'fullscreen', 'enable');
  await until('none', () => shown() === false);
  await desk.sway.message('[title="bar"]', 'fullscreen', 'disable');
  await until('edges', () => shown() === true);
});

t.test('bounds are told once more with a bar that the window has not had before', async t => {
  const before = desk.said().length;
  const fixed = makeWindow(x, setup.root, false, { width: WIDTH, height: 100 });
  const hints = words([16 | 32, 0, 0, 0, 0, WIDTH, 100, WIDTH, 100, ...Array.from({ length: 9 }, () => 0)]);
  x.send(changeProperty(fixed, atoms.WM_NORMAL_HINTS, atoms.WM_SIZE_HINTS, 32, hints));
  x.send(changeProperty(fixed, atoms.WM_NAME, atoms.STRING, 8, Buffer.from('fixed')));
  x.send(mapWindow(fixed));
  await desk.window('fixed');
  const said = desk.said().slice(before);
  const bar = said.indexOf(`.set_window_geometry(0, -${BAR}, ${WIDTH}, ${100 + BAR})`);
  t.ok(bar >= 0);
  const then = said.slice(bar, said.indexOf('=> wl_surface#', bar));
  for (const bound of ['min', 'max']) t.match(then, `.set_${bound}_size(${WIDTH}, ${100 + BAR})`, `the ${bound}imum`);
  x.send(destroyWindow(fixed));
  // Nothing of it is to be taken for what is asked next.
  await until('its end', () => /xdg_toplevel#\d+\.destroy\(/.test(desk.said().slice(before)));
});

t.test('a client moves and resizes its window by the finger that is on it', async t => {
  const serial = added!.touch(added!.windows[0]!, 20, 20);
  await settled(x);
  for (const [direction, request] of [
    [LOWER_RIGHT, `resize\\(wl_seat#\\d+, ${serial}, ${LOWER_RIGHT_EDGES}\\)`],
    [MOVE, `move\\(wl_seat#\\d+, ${serial}\\)`],
  ] as const) {
    const message = clientMessage(id, atoms._NET_WM_MOVERESIZE, [0, 0, direction, 1, 1]);
    const name = direction === MOVE ? 'move' : 'resize';
    // The finger may come after the message.
    const all = await asked(name, async () => {
      await until('the finger', () => desk.said().includes(`wl_touch#`) && desk.said().includes(`.down(${serial}, `));
      x.send(sendEvent(setup.root, message, TO_ROOT));
    });
    t.match(all, [new RegExp(`^${request}`)]);
  }
  added!.lift();
});

t.test('at scale 2 it has the pixels of the screen, none of which is mixed of two', async t => {
  const fine = await Desk.open(t, {
    x11: ['--trace'],
    config: `output HEADLESS-1 scale 2\nfor_window [title=".*"] floating enable, move position 50 40`,
    through: sway => new AddedGlobals(t, sway, ['zxdg_decoration_manager_v1']).display,
  });
  const client = await connectTo(fine.display, fine.authority);
  t.teardown(() => client.x.close());
  const window = makeWindow(client.x, client.setup.root, false, { width: WIDTH, height: 100, colour: 0xff0000 });
  // By their predefined numbers: WM_NAME, STRING.
  client.x.send(changeProperty(window, 39, 31, 8, Buffer.from('sharp')));
  client.x.send(mapWindow(window));
  const [back, front] = [0x30343c, 0xf0f0f0];
  await until('a title without mixed pixels', async () => {
    const picture = await fine.picture();
    const bar = boundsOf(picture, back);
    if (bar?.width !== 2 * WIDTH || bar.height !== 2 * BAR) return false;
    const pixels = Array.from({ length: bar.width * bar.height }, (_, i) => {
      const [column, row] = [i % bar.width, Math.floor(i / bar.width)];
      return picture.pixels[(bar.y + row) * picture.width + bar.x + column]! & 0xffffff;
    });
    const mixed = pixels.filter(pixel => pixel !== back && pixel !== front).length;
    // The title stands left of the buttons.
    const written = pixels.filter((pixel, i) => pixel === front && i % bar.width < 200).length;
    return mixed === 0 && written > 0;
  });
  // Without a GPU sway mixes none when it enlarges: others do.
  t.match(fine.said(), new RegExp(String.raw`create_buffer\(new id wl_buffer#\d+, 0, ${2 * WIDTH}, ${2 * BAR}, `));
  t.match(fine.said(), /set_buffer_scale\(2\)/);
});
