/**
 * A system tray: Wayland has none for X11 programs, but any of X11's own is a window, with the icons of other programs in it. Here
 * trayer, on a real sway, and a program whose icon has a menu.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Picture } from '../../src/frames/picture.js';
import { boundsOfDifference } from '../loopback/screen.js';
import { Desk, until, type Rect } from './desk.js';

/** Of the icons. */
const HEIGHT = 24;
/** A picture has more colours than this, and an empty tray one or two. */
const FEW_COLOURS = 10;
/** No menu is smaller. */
const MENU = { width: 40, height: 30 };

t.setTimeout(120_000);

t.test('the icon of a program is in the window of a tray, with its menu', async t => {
  const desk = await Desk.open(t);
  const seat = await desk.seat(800, 600);
  desk.start(t, 'trayer', '--widthtype', 'request', '--height', String(HEIGHT));
  const { height } = await desk.window('panel');
  t.equal(height, HEIGHT, 'it is as high as it wants to be');
  const chosen = join(t.testdir(), 'chosen');
  const menu = `--menu=One!touch ${chosen}|Two!true`;
  desk.start(t, 'env', 'GDK_BACKEND=x11', 'yad', '--notification', '--image=dialog-information', menu);
  await until('the icon', async () => colours(await desk.picture(), await desk.window('panel')) > FEW_COLOURS);

  const tray = await desk.window('panel');
  const [x, y] = [Math.round(tray.x + tray.width / 2), tray.y + HEIGHT / 2];
  await seat.move(x, y);
  const before = await desk.picture();
  await seat.click(x, y, 'right');
  let shown: Rect | undefined;
  await until('its menu', async () => {
    shown = boundsOfDifference(before, await desk.picture());
    return shown !== undefined && shown.width > MENU.width && shown.height > MENU.height;
  });
  t.ok(Math.abs(shown!.x - tray.x) < tray.width && shown!.y - tray.y <= HEIGHT + 1, 'it is at the icon');
  await seat.click(shown!.x + 30, Math.round(shown!.y + shown!.height / 4));
  await until('what its first entry does', () => existsSync(chosen));
  t.notMatch(desk.said(), /error|warn/, 'nothing is complained of');
});

function colours({ width, pixels }: Picture, rect: Rect): number {
  const found = new Set<number>();
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) found.add(pixels[y * width + x]!);
  }
  return found.size;
}
