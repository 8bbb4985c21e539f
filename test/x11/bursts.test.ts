/** Many windows of all kinds that come at once, of which sway takes some away while they come: that costs none of the others. */
import t, { type Test } from 'tap';
import { COLOUR_MASK } from '../../src/frames/picture.js';
import { destroyWindow, mapWindow } from '../../src/x11/requests.js';
import { MAX_POPUPS } from '../../src/x11/limits.js';
import { request, u16, u32 } from '../../src/x11/wire.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

t.setTimeout(120_000);

async function client(t: Test, desk: Desk): ReturnType<typeof connectTo> {
  const connected = await connectTo(desk.display, desk.authority);
  t.teardown(() => connected.x.close());
  return connected;
}

/** Which colours (0xrrggbb) are to be seen. */
async function colours(desk: Desk): Promise<ReadonlySet<number>> {
  return new Set([...(await desk.picture()).pixels].map(pixel => pixel & COLOUR_MASK));
}

const [WIDTH, HEIGHT] = [1200, 800];
const SIDE = 40;
/** A place of its own in a grid, with room around it. */
const placed = (i: number): { x: number; y: number; width: number; height: number } => ({
  ...{ x: 100 + (i % 20) * (SIDE + 8), y: 100 + Math.floor(i / 20) * (SIDE + 8) },
  ...{ width: SIDE, height: SIDE },
});

t.test('a hundred windows that nobody manages, and none that is managed: one window with all others on it', async t => {
  const desk = await Desk.open(t, { width: WIDTH, height: HEIGHT });
  const { x, setup } = await client(t, desk);
  const colourOf = (i: number): number => 0x800000 + i * 0x0101;
  const ids = Array.from({ length: 100 }, (_, i) =>
    makeWindow(x, setup.root, true, { ...placed(i), colour: colourOf(i) }),
  );
  await settled(x);
  for (const id of ids) x.send(mapWindow(id));
  await settled(x);
  const seen = async (from: number, to: number): Promise<boolean> => {
    const there = await colours(desk);
    return ids.every((_, i) => i < from || i >= to || there.has(colourOf(i)));
  };
  await until('as many as may be', () => seen(0, MAX_POPUPS / 2));
  t.equal((await desk.windows()).length, 1);
  x.send(destroyWindow(ids[0]!));
  await until('it to go', async () => (await desk.windows()).length === 0);
  await settled(x);
  // What has been a popup can be nothing else: the others wait for a window.
  x.send(mapWindow(makeWindow(x, setup.root, false, { width: WIDTH, height: HEIGHT })));
  await until('the others, with the next window', () => seen(1, MAX_POPUPS / 2));
  for (const id of ids) x.send(destroyWindow(id));
  await settled(x);
  await until('all to be gone', async () => !(await seen(1, 2)));
  t.notMatch(desk.said(), /lost|error/);
});

/** Paints a window anew, so that Xwayland draws it. */
function paint(colour: number, id: number): Uint8Array[] {
  return [request(2, 0, u32(id), u32(0x2), u32(colour)), request(61, 0, u32(id), ...[0, 0, 0, 0].map(u16))];
}

t.test('menus that draw and come while windows do: sway takes menus away with each', async t => {
  const desk = await Desk.open(t, { width: WIDTH, height: HEIGHT, x11: ['--trace'] });
  const [one, other] = [await client(t, desk), await client(t, desk)];
  for (let round = 0; round < 6; round++) {
    const menus = Array.from({ length: 20 }, (_, i) => makeWindow(one.x, one.setup.root, true, placed(i)));
    const windows = Array.from({ length: 12 }, () => makeWindow(other.x, other.setup.root));
    if (round === 0) {
      one.x.send(mapWindow(makeWindow(one.x, one.setup.root)));
      await until('a window', async () => (await desk.windows()).length > 0);
    }
    await settled(other.x);
    for (const [i, menu] of menus.entries()) {
      one.x.send(mapWindow(menu));
      if (i < windows.length) other.x.send(mapWindow(windows[i]!));
      for (const each of menus.slice(0, i)) for (const bytes of paint(i * 0x40400, each)) one.x.send(bytes);
      one.x.flush();
      other.x.flush();
      await Promise.all([settled(one.x), settled(other.x)]);
    }
    await until('all windows', async () => (await desk.windows()).length === windows.length + 1);
    for (const id of windows) other.x.send(destroyWindow(id));
    for (const id of menus) one.x.send(destroyWindow(id));
    await Promise.all([settled(one.x), settled(other.x)]);
  }
  t.match(desk.said(), /popup_done/, 'some were taken away');
  t.notMatch(desk.said(), /lost/);
});
