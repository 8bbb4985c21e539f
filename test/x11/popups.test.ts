/** Menus above menus, and which window one belongs to that names none, on a real compositor with a real Xwayland. */
import t, { type Test } from 'tap';
import { geometry } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWords,
  configureWindow,
  destroyWindow,
  getGeometry,
  mapWindow,
  unmapWindow,
} from '../../src/x11/requests.js';
import type { Setup, XConnection } from '../../src/x11/connection.js';
import { COLOUR_MASK } from '../../src/frames/picture.js';
import { MAX_STACKED } from '../../src/x11/popups.js';
import { boundsOf, Desk, until, type Rect } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const [WHITE, GREEN, BLUE, RED, YELLOW] = [0xffffff, 0x00ff00, 0x0000ff, 0xff0000, 0xffff00];
/** Predefined atoms. */
const [STRING, WINDOW, WM_NAME, WM_TRANSIENT_FOR] = [31, 33, 39, 68];
const [WIDTH, HEIGHT] = [200, 160];

/** Windows float where their titles say; the keyboard does not follow the pointer. */
const CONFIG = [
  'for_window [title=".*"] floating enable',
  'for_window [title="left"] move absolute position 40 40',
  'for_window [title="right"] move absolute position 600 40',
  'focus_follows_mouse no',
  'mouse_warping none',
].join('\n');

class Program {
  private constructor(
    readonly desk: Desk,
    readonly x: XConnection,
    readonly setup: Setup,
  ) {}

  static async start(t: Test, desk: Desk): Promise<Program> {
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    return new Program(desk, x, setup);
  }

  /** A window with a title, once it is shown. */
  async window(title: string): Promise<number> {
    const id = makeWindow(this.x, this.setup.root, false, { width: WIDTH, height: HEIGHT, colour: WHITE });
    this.x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(title)));
    this.x.send(mapWindow(id));
    await this.desk.window(title);
    return id;
  }

  async place(id: number): Promise<Rect> {
    return geometry(await new Promise<Uint8Array>(answered => this.x.ask(getGeometry(id), answered)));
  }

  /** Shows a menu at a place of the X screen. */
  menu(place: Rect, colour: number, of = 0): number {
    const id = makeWindow(this.x, this.setup.root, true, { ...place, colour });
    if (of !== 0) this.x.send(changeWords(id, WM_TRANSIENT_FOR, WINDOW, [of]));
    this.x.send(mapWindow(id));
    return id;
  }
}

/** What is to be seen, the topmost last. */
type Painted = readonly (readonly [colour: number, place: Rect])[];

/** Of all these places, each pixel has the colour of the last that covers it. In `anything`, it may have any. */
async function shows(desk: Desk, painted: Painted, what: string, anything?: Rect): Promise<void> {
  const inside = (x: number, y: number, { x: left, y: top, width, height }: Rect): boolean =>
    x >= left && x < left + width && y >= top && y < top + height;
  await until(what, async () => {
    const { width, pixels } = await desk.picture();
    return painted.every(([, place]) => {
      for (let y = place.y; y < place.y + place.height; y++) {
        for (let x = place.x; x < place.x + place.width; x++) {
          if (anything !== undefined && inside(x, y, anything)) continue;
          const [wanted] = painted.findLast(([, each]) => inside(x, y, each))!;
          if ((pixels[y * width + x]! & COLOUR_MASK) !== wanted) return false;
        }
      }
      return true;
    });
  });
}

t.setTimeout(200_000);

const MENU: Rect = { x: 10, y: 20, width: 60, height: 50 };
const moved = (place: Rect, x: number, y: number): Rect => ({ ...place, x: place.x + x, y: place.y + y });

t.test('a menu lies above the one that it overlaps, touches or names, and stays when that goes', async t => {
  const desk = await Desk.open(t, { width: 1000, height: 600, config: CONFIG });
  const program = await Program.start(t, desk);
  const { x } = program;
  const main = await program.window('left');
  const corner = await program.place(main);
  const onX = (place: Rect): Rect => moved(place, corner.x, corner.y);
  const shown = (place: Rect): Rect => moved(place, 40, 40);
  const window = [WHITE, { x: 40, y: 40, width: WIDTH, height: HEIGHT }] as const;

  for (const how of ['overlaps it', 'overlaps it, and names the window', 'names it']) {
    const named = (menu: number): number => (how === 'overlaps it' ? 0 : how === 'names it' ? menu : main);
    const places = [MENU, moved(MENU, 50, 10), moved(MENU, 100, 20)] as const;
    const menu = program.menu(onX(places[0]), GREEN, named(main));
    await shows(desk, [window, [GREEN, shown(places[0])]], 'the menu');
    const submenu = program.menu(onX(places[1]), BLUE, named(menu));
    const two = [
      [GREEN, shown(places[0])],
      [BLUE, shown(places[1])],
    ] as const;
    await shows(desk, [window, ...two], `another, which ${how}`);
    const third = program.menu(onX(places[2]), RED, named(submenu));
    const last = [RED, shown(places[2])] as const;
    await shows(desk, [window, ...two, last], 'and one above that');

    x.send(configureWindow(menu, { x: corner.x + 15, y: corner.y + 10 }));
    const elsewhere = moved(places[0], 5, -10);
    await shows(desk, [window, [GREEN, shown(elsewhere)], two[1], last], 'all others stay when the lowest moves');
    x.send(unmapWindow(menu));
    await shows(desk, [window, two[1], last], 'and when it goes');
    x.send(destroyWindow(submenu));
    await shows(desk, [window, last], 'and when the next does');
    x.send(destroyWindow(third));
    x.send(destroyWindow(menu));
    await shows(desk, [window], 'until all are gone');
  }
  t.equal(desk.process.exitCode, null);
  t.notMatch(desk.said(), /error|warn/);
});

t.test(`${MAX_STACKED} popups lie on each other, others beside them`, async t => {
  const desk = await Desk.open(t, { width: 1000, height: 600, config: CONFIG });
  const program = await Program.start(t, desk);
  const { x } = program;
  const corner = await program.place(await program.window('left'));
  /** Each covers a part of the one before. */
  const painted: [number, Rect][] = [];
  const ids: number[] = [];
  for (let i = 0; i <= MAX_STACKED; i++) {
    const place = { x: 10 + 8 * i, y: 10, width: 12, height: 20 };
    const colour = 0x400000 + i * 0x0800;
    // One more is drawn above the last or below it: sway 1.7 has it below, sway 1.10 above.
    const more = i === MAX_STACKED ? moved(place, 40, 40) : undefined;
    if (more === undefined) painted.push([colour, moved(place, 40, 40)]);
    ids.push(program.menu(moved(place, corner.x, corner.y), colour));
    await shows(desk, painted, `popup ${i + 1}`, more);
  }
  await until('the last', async () => boundsOf(await desk.picture(), 0x400000 + MAX_STACKED * 0x0800) !== undefined);
  // The lowest goes, shows again, and goes: all others are made anew each time.
  for (let i = 0; i < 50; i++) x.send(i % 2 === 0 ? unmapWindow(ids[0]!) : mapWindow(ids[0]!));
  await settled(x);
  await until('the first', async () => boundsOf(await desk.picture(), 0x400000) !== undefined);
  for (const id of ids) x.send(destroyWindow(id));
  await shows(desk, [[WHITE, { x: 40, y: 40, width: WIDTH, height: HEIGHT }]], 'until all are gone');
  t.notMatch(desk.said(), /error|warn/);
});

t.test(
  'a menu that names no window belongs to its program’s, or to the one that the user did something in',
  async t => {
    const desk = await Desk.open(t, { width: 1000, height: 600, config: CONFIG });
    const [one, other, none] = await Promise.all([1, 2, 3].map(() => Program.start(t, desk)));
    const corner = await one!.place(await one!.window('left'));
    await other!.window('right');
    const seat = await desk.seat(1000, 600);
    const place = { x: 20, y: 20, width: 60, height: 50 };
    /** Where a menu at that place of the X screen is shown. */
    const belongs = async (program: Program, title: 'left' | 'right', what: string): Promise<void> => {
      const id = program.menu(moved(place, corner.x, corner.y), YELLOW);
      await shows(desk, [[YELLOW, moved(place, title === 'left' ? 40 : 600, 40)]], what);
      program.x.send(destroyWindow(id));
      await until('its end', async () => boundsOf(await desk.picture(), YELLOW) === undefined);
    };

    await desk.sway.message('[title="left"] focus');
    await seat.move(700, 100);
    await seat.type('a');
    await belongs(one!, 'left', 'its own, with the keyboard');
    await belongs(none!, 'left', 'the one with the keyboard, where a key was pressed last');
    await seat.click(700, 100);
    await belongs(other!, 'right', 'its own, with the pointer');
    await belongs(none!, 'right', 'the one with the pointer, where a button was');
    t.notMatch(desk.said(), /error|warn/);
  },
);

t.test('what has been a menu waits for another window when its own goes, and is none itself', async t => {
  const desk = await Desk.open(t, { width: 1000, height: 600, config: CONFIG });
  const program = await Program.start(t, desk);
  const { x } = program;
  const main = await program.window('left');
  const corner = await program.place(main);
  const shown = (place: Rect): Rect => moved(place, 40, 40);
  const [place, beside] = [MENU, moved(MENU, 50, 10)] as const;
  const menu = program.menu(moved(place, corner.x, corner.y), GREEN);
  const submenu = program.menu(moved(beside, corner.x, corner.y), BLUE);
  const menus = [
    [GREEN, shown(place)],
    [BLUE, shown(beside)],
  ] as const;
  await shows(desk, menus, 'both');
  // The menu below goes together with the window; the other one is to be shown anew on nothing.
  x.send(destroyWindow(menu));
  x.send(destroyWindow(main));
  x.send(changeProperty(submenu, WM_NAME, STRING, 8, Buffer.from('still there')));
  await settled(x);
  await until('an empty screen', async () => (await desk.windows()).length === 0);
  await program.window('left');
  await shows(desk, [menus[1]], 'the menu that was left, on the next window');
  t.notMatch(desk.said(), /error|warn/);
});
