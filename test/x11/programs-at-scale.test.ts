/**
 * Real programs on outputs of scale 1.5 and 2, told that scale: what is on the screen are the pixels that they have drawn into
 * the X server, menus too; they are as large as at scale 1, and what is clicked is what is under the pointer.
 */
import type { ChildProcess } from 'node:child_process';
import t, { type Test } from 'tap';
import { blankPicture, copyPart, type Picture } from '../../src/frames/picture.js';
import { Desk, until } from './desk.js';
import { connectTo } from './x-client.js';
import { difference, pictureOfWindow, shownWindows, type XWindowSeen } from './x-picture.js';

const [WIDTH, HEIGHT] = [1500, 1200];
/** Where windows are, in the compositor's pixels. */
const [LEFT, TOP] = [140, 80];
/** An arrow reaches so far, in the compositor's pixels. */
const POINTER = 40;

const XTERM = [
  ...['xterm', '-fa', 'DejaVu Sans Mono', '-fs', '9', '-geometry', '41x13', '-T', 'program', '+sb'],
  ...['-xrm', '*VT100.translations: #override <Btn1Down>: popup-menu(mainMenu)', '-xrm', '*cursorBlink: false'],
  ...['-e', 'echo "what is drawn; what is shown"; sleep 1000'],
];
const GTK = [
  ...['GDK_BACKEND=x11', 'NO_AT_BRIDGE=1', 'GSETTINGS_BACKEND=memory', 'GTK_THEME=Adwaita'],
  'gtk3-demo-application',
];

t.setTimeout(200_000);

class Case {
  /** Windows when they were looked at last, and the picture then. */
  #shown = 0;
  #before: Picture | undefined;

  private constructor(
    readonly scale: number,
    readonly desk: Desk,
    readonly x: Awaited<ReturnType<typeof connectTo>>['x'],
    readonly root: number,
    readonly seat: Awaited<ReturnType<Desk['seat']>>,
  ) {}

  static async open(t: Test, scale: number): Promise<Case> {
    const there = `move absolute position ${LEFT} ${TOP}`;
    const config = `output HEADLESS-1 scale ${scale}\nfor_window [title=".*"] floating enable, ${there}`;
    const desk = await Desk.open(t, {
      width: WIDTH,
      height: HEIGHT,
      config,
      x11: ['--scale', String(scale), '--trace'],
    });
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const seat = await desk.seat(WIDTH / scale, HEIGHT / scale);
    const opened = new Case(scale, desk, x, setup.root, seat);
    await opened.park();
    opened.#before = await desk.picture();
    return opened;
  }

  /** The pointer is in the pictures. */
  park(): Promise<void> {
    return this.seat.move(WIDTH / this.scale - 1, HEIGHT / this.scale - 1);
  }

  /**
   * Waits until so many windows are shown by the X server, and, where they are to be equal, just so on the screen. `pointer`:
   * where it is, if it is not parked. Returns the program's window and its menu.
   */
  async shown(windows: number, equal: boolean, pointer?: Point): Promise<XWindowSeen[]> {
    const { desk, x, scale } = this;
    let seen: XWindowSeen[] = [];
    let state = '';
    const reach = { width: 2 * POINTER * scale, height: 2 * POINTER * scale };
    const but = pointer && { x: (pointer.x - POINTER) * scale, y: (pointer.y - POINTER) * scale, ...reach };
    await until(`${windows} windows as they are drawn`, async () => {
      seen = await shownWindows(x, this.root);
      const first = seen.find(({ unmanaged }) => !unmanaged);
      state = `${seen.length} windows`;
      if (first === undefined || seen.length !== windows) return false;
      const screen = await desk.picture();
      if (!equal) {
        // Where the one that has come will be, something else is shown than before.
        const { left, top, width, height } = this.#placeOf(seen.find(({ unmanaged }) => unmanaged) ?? first, first);
        const there = (of: Picture): Picture => {
          const part = blankPicture(of.width, of.height);
          copyPart(of, left, top, part, left, top, width, height);
          return part;
        };
        if (windows > this.#shown && difference(there(screen), there(this.#before!), but) === 0) return false;
        return true;
      }
      const expected: Picture = { ...screen, pixels: screen.pixels.slice() };
      for (const window of seen) {
        const drawn = await pictureOfWindow(x, window);
        if (drawn === undefined) return false;
        const { left, top, width, height } = this.#placeOf(window, first);
        copyPart(drawn, 0, 0, expected, left, top, width, height);
      }
      const count = difference(screen, expected, but);
      state = `${count} pixels differ: ${JSON.stringify(seen)}`;
      return count === 0;
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${state}`);
    });
    this.#shown = windows;
    this.#before = await desk.picture();
    return [...seen].sort((one, other) => Number(one.unmanaged) - Number(other.unmanaged));
  }

  /** Of a window's lower right part, by the program's window, in the compositor's pixels. */
  inside({ x, y, width, height }: XWindowSeen, first: XWindowSeen, toRight: number, toBottom: number): Point {
    const at = (place: number, side: number): number => Math.floor((place + side) / this.scale);
    return {
      x: LEFT + at(x - first.x, width) - toRight,
      y: TOP + at(y - first.y, height) - toBottom,
    };
  }

  /** On the screen. A window that ends within a pixel of the compositor's is shown to the last whole one. */
  #placeOf({ x, y, width, height }: XWindowSeen, first: XWindowSeen): { left: number; top: number } & Size {
    const { scale } = this;
    const at = (start: number, offset: number): number => Math.round((start + Math.round(offset / scale)) * scale);
    const [left, top] = [at(LEFT, x - first.x), at(TOP, y - first.y)];
    const end = (start: number, offset: number, side: number): number =>
      Math.round((start + Math.round(offset / scale) + Math.floor(side / scale)) * scale);
    return { left, top, width: end(LEFT, x - first.x, width) - left, height: end(TOP, y - first.y, height) - top };
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function ended(child: ChildProcess): Promise<void> {
  return until('the end of the program', () => child.exitCode !== null || child.signalCode !== null);
}

/** At scale 1.5, every other place of the compositor's is between two pixels, and a menu there may lose a column. */
const ALL_EQUAL = [1, 2];

t.test('xterm: its letters, its menu, and the entry that is chosen', async t => {
  for (const scale of [1.5, 2]) {
    const test = await Case.open(t, scale);
    const xterm = test.desk.start(t, ...XTERM);
    await test.shown(1, true);

    const press = { x: LEFT + 30, y: TOP + 30 };
    await test.seat.move(press.x, press.y);
    await test.seat.press();
    const [first, menu] = await test.shown(2, ALL_EQUAL.includes(scale), press);
    // Its last entry is the one that ends the program.
    const quit = test.inside(menu!, first!, 20, 8);
    await test.seat.glide(quit.x, quit.y);
    await test.shown(2, ALL_EQUAL.includes(scale), quit);
    await test.seat.release();
    await ended(xterm);
    const shown = [...test.desk.said().matchAll(/\.set_source\(([^)]*)\)/g)].flatMap(([, part]) => part!.split(', '));
    t.ok(shown.length > 0 && shown.every(side => Number.isInteger(Number(side))), 'no pixel is shown in part');
    t.notMatch(test.desk.said(), /error/);
  }
});

t.test('GTK 3: as large as at scale 1 with its icons, its menu, and the entry that is chosen', async t => {
  const sizes: Size[] = [];
  for (const scale of [1, 1.5, 2]) {
    const test = await Case.open(t, scale);
    const gtk = test.desk.start(t, 'env', ...GTK);
    const { width, height } = (await test.shown(1, ALL_EQUAL.includes(scale)))[0]!;
    sizes.push({ width: width / scale, height: height / scale });

    const name = { x: LEFT + 40, y: TOP + 12 };
    await test.seat.click(name.x, name.y);
    const [first, menu] = await test.shown(2, ALL_EQUAL.includes(scale), name);
    const quit = test.inside(menu!, first!, 20, 16);
    // In one step: the menu sees no motion within it before the click.
    await test.seat.move(quit.x, quit.y);
    await test.shown(2, ALL_EQUAL.includes(scale), quit);
    await test.seat.click(quit.x, quit.y);
    await ended(gtk);
    t.notMatch(test.desk.said(), /error/);
  }
  t.same(sizes[2], sizes[0]);
});
