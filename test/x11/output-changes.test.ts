/**
 * Outputs that change while X11 programs run, and windows that go from one output to another of a different scale: windows and
 * their open menus stay where they are for the user, and the pointer where it is for the program.
 */
import t, { type Test } from 'tap';
import { pictureOf, type Picture } from '../../src/frames/picture.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import { internAtoms } from '../../src/x11/atoms.js';
import { geometry, property } from '../../src/x11/replies.js';
import { changeProperty, getGeometry, getProperty, mapWindow } from '../../src/x11/requests.js';
import { request, u32, wordsOf, XReader } from '../../src/x11/wire.js';
import { boundsOf, Desk, until, type Rect } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const [RED, GREEN] = [0xff0000, 0x00ff00];
/** Predefined atoms. */
const [STRING, WM_NAME] = [31, 39];
/** X pixels. */
const [WIDTH, HEIGHT] = [200, 120];
const MENU = { x: 20, y: 30, width: 60, height: 40 };

t.setTimeout(100_000);

class Case {
  private constructor(
    readonly desk: Desk,
    readonly x: Awaited<ReturnType<typeof connectTo>>['x'],
    readonly root: number,
    readonly window: number,
    readonly menu: number,
  ) {}

  /** A red window and a green menu on it. */
  static async open(t: Test, desk: Desk): Promise<Case> {
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const window = makeWindow(x, setup.root, false, { width: WIDTH, height: HEIGHT, colour: RED });
    x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('red')));
    x.send(mapWindow(window));
    await until('a window', async () => boundsOf(await desk.picture(), RED) !== undefined);
    const at = await Case.#ask(x, window);
    const menu = makeWindow(x, setup.root, true, { ...MENU, x: at.x + MENU.x, y: at.y + MENU.y, colour: GREEN });
    x.send(mapWindow(menu));
    return new Case(desk, x, setup.root, window, menu);
  }

  static #ask(x: Case['x'], window: number): Promise<Rect> {
    return new Promise(known => x.ask(getGeometry(window), reply => known(geometry(reply))));
  }

  /** Waits until the menu is at its place of the window, on the screen and for the X server. `scale`: pixels of an X pixel. */
  async inPlace(
    what: string,
    scale: number,
    corner: { readonly x: number; readonly y: number },
    picture = (): Promise<Picture> => this.desk.picture(),
  ): Promise<void> {
    const expected = {
      ...{ x: corner.x + MENU.x * scale, y: corner.y + MENU.y * scale },
      ...{ width: MENU.width * scale, height: MENU.height * scale },
    };
    let seen = '';
    await until(`the menu in its place: ${what}`, async () => {
      const [window, menu] = [await Case.#ask(this.x, this.window), await Case.#ask(this.x, this.menu)];
      const offset = { x: menu.x - window.x, y: menu.y - window.y };
      seen = JSON.stringify([boundsOf(await picture(), GREEN), offset]);
      return seen === JSON.stringify([expected, { x: MENU.x, y: MENU.y }]);
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${seen}`);
    });
  }

  /** Waits until the pointer is at a place of the window, in X pixels; fractions of places are rounded on the way. */
  async pointerAt(x: number, y: number): Promise<void> {
    let seen = '';
    await until(`the pointer at ${x}, ${y}`, async () => {
      const question = request(38, 0, u32(this.window));
      const answer = new XReader(await new Promise<Uint8Array>(known => this.x.ask(question, known)));
      const at = { x: answer.i16(20), y: answer.i16(22) };
      seen = `${at.x}, ${at.y}`;
      return Math.abs(at.x - x) <= 1 && Math.abs(at.y - y) <= 1;
    }).catch((error: Error) => {
      throw new Error(`${error.message}: it is at ${seen}`);
    });
  }
}

t.test('an output gets another scale', async t => {
  const config = 'for_window [title=".*"] floating enable, move absolute position 40 60';
  const desk = await Desk.open(t, { width: 1200, height: 900, config, x11: ['--scale', '2'] });
  const test = await Case.open(t, desk);
  await test.inPlace('at scale 1', 0.5, { x: 40, y: 60 });
  const atoms = await new Promise<Readonly<Record<'_NET_DESKTOP_GEOMETRY', number>>>(known =>
    internAtoms(test.x, ['_NET_DESKTOP_GEOMETRY'], known),
  );
  for (const scale of [2, 1]) {
    await desk.sway.message(`output HEADLESS-1 scale ${scale}`);
    await test.inPlace(`at scale ${scale}`, scale / 2, { x: 40 * scale, y: 60 * scale });
    await until('the X screen', async () => {
      const size = property(
        await new Promise<Uint8Array>(known =>
          test.x.ask(getProperty(test.root, atoms._NET_DESKTOP_GEOMETRY, 8), known),
        ),
      );
      return String(wordsOf(size.value)) === `${2400 / scale},${1800 / scale}`;
    });
    // The last pixel of the compositor's that is of the window: an X screen that is too small keeps the pointer from it.
    const seat = await desk.seat(1200 / scale, 900 / scale);
    await seat.move(40 + 10, 60 + 10);
    await seat.move(40 + WIDTH / 2 - 1, 60 + HEIGHT / 2 - 1);
    await test.pointerAt(WIDTH - 2, HEIGHT - 2);
  }
  t.notMatch(desk.said(), /error/);
});

t.test('a window goes to an output of another scale and back, with its menu', async t => {
  const config = 'for_window [title=".*"] floating enable, move absolute position 40 60';
  const desk = await Desk.open(t, { width: 1200, height: 900, config, x11: ['--scale', '2'] });
  const test = await Case.open(t, desk);
  await desk.sway.message('create_output');
  await desk.sway.message('output HEADLESS-2 mode 1200x900@60Hz position 1200 0 scale 2');
  const display = await Display.connect(desk.sway.display);
  t.teardown(() => display.close());
  const second = await Capturer.open(display, { output: 'HEADLESS-2' });
  for (let round = 0; round < 2; round++) {
    await desk.sway.message('[title="red"] move absolute position 1240 60');
    const there = { x: 40 * 2, y: 60 * 2 };
    await test.inPlace('on the finer output', 1, there, async () => pictureOf(await second.capture()));
    const seat = await desk.seat(1800, 900);
    await seat.move(1240 + 5, 60 + 5);
    await seat.move(1240 + WIDTH / 2 - 1, 60 + HEIGHT / 2 - 1);
    await test.pointerAt(WIDTH - 2, HEIGHT - 2);
    await desk.sway.message('[title="red"] move absolute position 40 60');
    await test.inPlace('on the other one', 0.5, { x: 40, y: 60 });
    await seat.move(40 + 5, 60 + 5);
    await seat.move(40 + WIDTH / 2 - 1, 60 + HEIGHT / 2 - 1);
    await test.pointerAt(WIDTH - 2, HEIGHT - 2);
  }
  t.notMatch(desk.said(), /error/);
});
