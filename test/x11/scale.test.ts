/**
 * X11 programs on outputs of several scales, told that scale: their pixels are those of the screen, none of which is mixed of
 * two; menus and the pointer are where they are for the program.
 */
import t from 'tap';
import { Verdict } from '../../src/relay/call.js';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { scaleConcern } from '../../src/x11/scale.js';
import { request, u16, u32, XReader } from '../../src/x11/wire.js';
import type { XConnection } from '../../src/x11/connection.js';
import { boundsOf, Desk, until } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const [RED, BLUE, GREEN] = [0xff0000, 0x0000ff, 0x00ff00];
/** Predefined atoms. */
const [RESOURCE_MANAGER, STRING, WM_NAME] = [23, 31, 39];
const [WIDTH, HEIGHT] = [120, 90];

/** Draws each other column of a window blue. */
function drawColumns(x: XConnection, window: number): void {
  const context = x.newId();
  x.send(request(55, 0, u32(context), u32(window), u32(0x4), u32(BLUE)));
  const columns = Array.from({ length: WIDTH / 2 }, (_, i) => [2 * i, 0, 1, HEIGHT].map(u16)).flat();
  x.send(request(70, 0, u32(window), u32(context), ...columns));
}

for (const scale of [1, 1.5, 2]) {
  t.test(`a pixel of an X11 program is one of the screen, at scale ${scale}`, { timeout: 100_000 }, async t => {
    const config = `output HEADLESS-1 scale ${scale}\nfor_window [title=".*"] floating enable, move absolute position 40 60`;
    const desk = await Desk.open(t, { width: 1200, height: 900, config, x11: ['--scale', String(scale)] });
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const ask = (question: Uint8Array): Promise<Uint8Array> => new Promise(answered => x.ask(question, answered));
    t.same([setup.width, setup.height], [1200, 900], 'the X screen has the pixels of the output');

    const window = makeWindow(x, setup.root, false, { width: WIDTH, height: HEIGHT, colour: RED });
    x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('columns')));
    x.send(mapWindow(window));
    await desk.window('columns');
    drawColumns(x, window);
    const [left, top] = [40 * scale, 60 * scale];
    const place = { x: left, y: top, width: WIDTH, height: HEIGHT };
    await until('columns', async () => {
      const { width, pixels } = await desk.picture();
      const at = (column: number, row: number): number => pixels[(top + row) * width + left + column]! & 0xffffff;
      const rows = [0, 1, HEIGHT / 2, HEIGHT - 1];
      return rows.every(row =>
        Array.from({ length: WIDTH }, (_, i) => at(i, row) === (i % 2 === 0 ? BLUE : RED)).every(Boolean),
      );
    });
    t.same(boundsOf(await desk.picture(), BLUE), { ...place, width: WIDTH - 1 });

    const seat = await desk.seat(1200 / scale, 900 / scale);
    await seat.move(40 + 40, 60 + 20);
    await until('the pointer at the same pixel', async () => {
      const answer = new XReader(await ask(request(38, 0, u32(window))));
      return answer.i16(20) === 40 * scale && answer.i16(22) === 20 * scale;
    });

    const parent = geometry(await ask(getGeometry(window)));
    const look = { x: parent.x + 24, y: parent.y + 36, width: 30, height: 24, colour: GREEN };
    x.send(mapWindow(makeWindow(x, setup.root, true, look)));
    const menu = { x: left + 24, y: top + 36, width: 30, height: 24 };
    await until('a menu at its place', async () => {
      const bounds = boundsOf(await desk.picture(), GREEN);
      return JSON.stringify(bounds) === JSON.stringify(menu);
    });
    // A side that is no whole number of the compositor's pixels ends with the last that is.
    const odd = { x: parent.x, y: parent.y + 60, width: 31, height: 25, colour: 0xffff00 };
    x.send(mapWindow(makeWindow(x, setup.root, true, odd)));
    const whole = (side: number): number => Math.floor(side / scale) * scale;
    await until('a menu of another size', async () => {
      const bounds = boundsOf(await desk.picture(), odd.colour);
      return bounds !== undefined && Math.abs(bounds.width - whole(31)) < 1 && Math.abs(bounds.height - whole(25)) < 1;
    });

    const resources = await ask(request(20, 0, u32(setup.root), ...[RESOURCE_MANAGER, STRING, 0, 100].map(u32)));
    const text = Buffer.from(resources.subarray(32)).toString('latin1');
    if (scale === 1) t.notMatch(text, 'Xft.dpi', 'fonts have the size that they have with any X server');
    else t.match(text, `Xft.dpi:\t${96 * scale}`);
    t.notMatch(desk.said(), /error/);
  });
}

t.test('a locked pointer moves by X pixels, times and all else as they are', async t => {
  const { relative_motion: moved } = scaleConcern(2).events!.zwp_relative_pointer_v1!;
  const bytes = new Uint8Array(32);
  new Int32Array(bytes.buffer).set([1, 2, 256, -512, 128, -64], 2);
  const replaced: [number, number][] = [];
  const call = { bytes, offset: 0, replaceWord: (...word: [number, number]) => replaced.push(word) };
  t.equal(moved!(call as never), Verdict.Forward);
  t.same(replaced, [
    [2, 512],
    [3, -1024],
    [4, 256],
    [5, -128],
  ]);
});
