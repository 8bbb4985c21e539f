/** Pictures dragged between windows of real programs: GTK 3 on X11 and on Wayland, each way. */
import { spawn } from 'node:child_process';
import t from 'tap';
import { Desk, until, type Window } from '../desk.js';

const [WIDTH, HEIGHT] = [1200, 700];
/** Where the windows are, in the compositor's units: under each other, those of X11 at the left. */
const PLACES = { first: [10, 20], second: [10, 360], wayland: [620, 20] } as const;
type Name = keyof typeof PLACES;

/** From the left edge of a picture to where one takes hold of it. */
const INSIDE = 8;

/** How long a window has to show what was dropped before it is dragged anew, in milliseconds. */
const AGAIN_MS = 8_000;

type Colour = (red: number, green: number, blue: number) => boolean;
/** The pictures: a triangle with an exclamation mark, and a stop sign. */
const ORANGE: Colour = (red, green, blue) => red > 220 && green > 100 && green < 190 && blue < 90;
const RED: Colour = (red, green, blue) => red > 170 && green < 40 && blue < 40;

t.test('a picture', { timeout: 200_000 }, async t => {
  const config = [
    'default_border none',
    'default_floating_border none',
    'for_window [title="Application Class"] move container to workspace 2',
    'for_window [title="Clipboard"] floating enable',
  ].join('\n');
  const desk = await Desk.open(t, { width: WIDTH, height: HEIGHT, config });
  const seat = await desk.seat(WIDTH, HEIGHT);
  const windows = new Map<Name, Window>();
  for (const name of Object.keys(PLACES) as Name[]) {
    const backend = name === 'wayland' ? 'wayland' : 'x11';
    const env = { ...desk.sway.environment(), DISPLAY: desk.display, XAUTHORITY: desk.authority, GDK_BACKEND: backend };
    const child = spawn('gtk3-demo', ['--run=clipboard'], { env: { ...env, NO_AT_BRIDGE: '1' }, stdio: 'ignore' });
    t.teardown(() => child.kill('SIGKILL'));
    const [x, y] = PLACES[name];
    const shown = async (): Promise<Window[]> => (await desk.windows()).filter(({ title }) => title === 'Clipboard');
    await until(`the window of ${name}`, async () => (await shown()).length > windows.size);
    // The newest one has the keyboard.
    await desk.sway.message(`[title="Clipboard" con_id=__focused__] move absolute position ${x} ${y}`);
    await until(`its place`, async () => {
      const found = (await shown()).find(window => window.x === x && window.y === y);
      if (found !== undefined) windows.set(name, found);
      return found !== undefined;
    });
  }
  /** Pixels of that colour in a window: how many, and a place among the leftmost. */
  const picture = async (name: Name, colour: Colour): Promise<{ count: number; x: number; y: number }> => {
    const { x: left, y: top, width, height } = windows.get(name)!;
    const shown = await desk.picture();
    let [count, x, y] = [0, Infinity, 0];
    for (let row = top; row < top + height; row++) {
      for (let column = left; column < left + width; column++) {
        const pixel = shown.pixels[row * shown.width + column]!;
        if (!colour((pixel >> 16) & 0xff, (pixel >> 8) & 0xff, pixel & 0xff)) continue;
        count += 1;
        if (column < x) [x, y] = [column, row];
      }
    }
    return { count, x: x + INSIDE, y };
  };
  for (const name of windows.keys()) {
    await until(`the pictures of ${name}`, async () => (await picture(name, RED)).count > 0);
  }
  const drag = async (from: Name, what: Colour, to: Name, onto: Colour): Promise<void> => {
    const [start, end] = [await picture(from, what), await picture(to, onto)];
    await seat.move(start.x, start.y);
    await seat.press();
    await seat.glide(end.x - 20, end.y + 8);
    await seat.glide(end.x, end.y);
    // A hand holds still before it lets go, and a moment is what the compositors' own drags need.
    for (let i = 0; i < 20; i++) await seat.move(end.x + (i % 2), end.y);
    await seat.release();
    await seat.move(start.x, start.y + 60);
  };

  /** Again where it was let go before all had answered, as a person would. */
  const drags = (what: string, done: () => Promise<boolean>, ...way: Parameters<typeof drag>): Promise<void> => {
    let next = 0;
    return until(what, async () => {
      if (await done()) return true;
      if (Date.now() >= next) {
        await drag(...way);
        next = Date.now() + AGAIN_MS;
      }
      return false;
    });
  };

  const covered = (name: Name) => async (): Promise<boolean> => (await picture(name, RED)).count === 0;
  await drags('X11 to Wayland', covered('wayland'), 'first', ORANGE, 'wayland', RED);
  await drags('Wayland to X11', covered('second'), 'wayland', ORANGE, 'second', RED);
  await drags('X11 to X11', async () => (await picture('second', RED)).count > 0, 'first', RED, 'second', ORANGE);
  t.pass('each way');
  t.notMatch(desk.said(), /error/);
});
