/**
 * X11 windows on a compositor that draws no title bars: sway without what it offers for that. `virtwl x11` draws one then, which
 * is part of the window: it is moved and closed by it, and is nowhere where a window wants none or fills the screen.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { COLOUR_MASK, pictureOf, type Picture } from '../../src/frames/picture.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import { internAtoms } from '../../src/x11/atoms.js';
import { geometry } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWords,
  configureWindow,
  destroyWindow,
  getGeometry,
  mapWindow,
} from '../../src/x11/requests.js';
import { TITLE_BAR_HEIGHT } from '../../src/x11/title-picture.js';
import { MAX_TITLE_CHARACTERS } from '../../src/x11/title-text.js';
import { Seat } from '../applications/seat.js';
import { PATIENT_LAYOUTS, startSway } from '../compositors.js';
import { quietEnvironment } from '../loopback/applications.js';
import { boundsOf, until, type Rect } from './desk.js';
import { openOffice } from './office.js';
import { connectTo, makeWindow, settled } from './x-client.js';

t.setTimeout(180_000);

const BAR = TITLE_BAR_HEIGHT;
const RED = 0xff0000;
const BLUE = 0x0000ff;
/** Of a title bar: its background, and its letters and signs. */
const BACK = 0x30343c;
const FRONT = 0xf0f0f0;
const AT = { x: 300, y: 200 };

const policies = join(t.testdir({}), 'policies');
mkdirSync(policies);
writeFileSync(join(policies, 'default.policy'), 'deny zxdg_decoration_manager_v1\n');
const sway = await startSway(t, {
  flags: [PATIENT_LAYOUTS],
  config: `for_window [title="^.office. bar"] floating enable, move position ${AT.x} ${AT.y}`,
});
const seat = await Seat.take(sway.display, { width: 800, height: 600 });
t.teardown(() => seat.close());
const stack = await LoopbackStack.start({
  clients: ['office'],
  compositor: { attach: sway.display },
  compositorArguments: ['--policy', policies],
});
t.teardown(() => stack.stop());
const { display: name, authority } = await openOffice(t, stack, quietEnvironment(t));
const display = await Display.connect(sway.display);
t.teardown(() => display.close());
const capturer = await Capturer.open(display);
const picture = async (): Promise<Picture> => pictureOf(await capturer.capture());

const { x, setup } = await connectTo(name, authority);
t.teardown(() => x.close());
const NAMES = ['WM_NAME', 'STRING', '_MOTIF_WM_HINTS', 'WM_TRANSIENT_FOR', 'WINDOW'] as const;
const atoms = await new Promise<Record<(typeof NAMES)[number], number>>(known => internAtoms(x, NAMES, known));

/** Waits until the colour is shown just there. */
async function shows(t: Test, what: string, colour: number, rect: Rect | undefined): Promise<void> {
  let seen: Rect | undefined;
  await until(what, async () => {
    seen = boundsOf(await picture(), colour);
    return JSON.stringify(seen) === JSON.stringify(rect);
  }).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: it is at ${JSON.stringify(seen)}, not ${JSON.stringify(rect)}`);
  });
  t.pass(what);
}
const rect = (left: number, top: number, width: number, height: number): Rect => ({ x: left, y: top, width, height });
const titled = (id: number, title: string): void =>
  x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
const inBar = ({ width, pixels }: Picture, colour: number, { x: left, y: top }: { x: number; y: number }): number => {
  let count = 0;
  for (let row = top; row < top + BAR; row++)
    for (let i = left; i < left + 100; i++) if ((pixels[row * width + i]! & COLOUR_MASK) === colour) count++;
  return count;
};

/** sway resizes about the middle of a window. */
const put = (): Promise<unknown> => sway.message('[title="bar"]', 'move', 'position', String(AT.x), String(AT.y));

const id = makeWindow(x, setup.root, false, { width: 200, height: 100, colour: RED });
titled(id, 'bar');
x.send(mapWindow(id));

t.test('it is above the window, with the title', async t => {
  await shows(t, 'the window', RED, rect(AT.x, AT.y + BAR, 200, 100));
  await shows(t, 'its title bar', BACK, rect(AT.x, AT.y, 200, BAR));
  await until('the title', async () => inBar(await picture(), FRONT, AT) > 0);
  const before = inBar(await picture(), FRONT, AT);
  titled(id, 'bar, and more');
  await until('another one', async () => inBar(await picture(), FRONT, AT) > before);
  titled(id, `bar \u{1f4bb} \u0000\n ${'W'.repeat(MAX_TITLE_CHARACTERS + 100)}`);
  await until('one as long as the bar', async () => inBar(await picture(), FRONT, AT) > before * 4);
  t.equal(x.closed, false, 'of any letters and any length');
  titled(id, 'bar');
  await until('the first', async () => inBar(await picture(), FRONT, AT) === before);
});

t.test('the window has the size that the compositor says, without it', async t => {
  await sway.message('[title="bar"]', 'resize', 'set', '300', '200');
  await put();
  await shows(t, 'the window', RED, rect(AT.x, AT.y + BAR, 300, 200 - BAR));
  await shows(t, 'its title bar', BACK, rect(AT.x, AT.y, 300, BAR));
  x.send(configureWindow(id, { width: 200, height: 100 }));
  await until('a size of its own', async () => boundsOf(await picture(), RED)?.width === 200);
  await put();
  await shows(t, 'the window', RED, rect(AT.x, AT.y + BAR, 200, 100));
});

t.test('its menus are where they are on the X screen, beside the window', async t => {
  const at = geometry(await new Promise<Uint8Array>(told => x.ask(getGeometry(id), told)));
  const menu = makeWindow(x, setup.root, true, { x: at.x + 20, y: at.y + 30, width: 40, height: 50, colour: BLUE });
  x.send(changeWords(menu, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [id]));
  x.send(mapWindow(menu));
  await shows(t, 'the menu', BLUE, rect(AT.x + 20, AT.y + BAR + 30, 40, 50));
  x.send(destroyWindow(menu));
  await shows(t, 'no menu', BLUE, undefined);
});

t.test('a window that fills the screen has none, until it does not', async t => {
  await sway.message('[title="bar"]', 'fullscreen', 'enable');
  await shows(t, 'the window', RED, rect(0, 0, 800, 600));
  await sway.message('[title="bar"]', 'fullscreen', 'disable');
  await shows(t, 'the window', RED, rect(AT.x, AT.y + BAR, 200, 100));
  await shows(t, 'its title bar', BACK, rect(AT.x, AT.y, 200, BAR));
});

t.test('it moves the window', async t => {
  await seat.move(AT.x + 50, AT.y + 10);
  await seat.press();
  // The compositor takes the place where the pointer is when it is asked for what the window is held by.
  let [step, held] = [0, 0];
  await until('it is held', async () => {
    step = 4 - step;
    await seat.move(AT.x + 50 + step, AT.y + 10);
    held = boundsOf(await picture(), RED)!.x - AT.x;
    return held !== 0;
  });
  await seat.glide(AT.x - 50, AT.y + 60);
  await seat.release();
  await shows(t, 'the window', RED, rect(AT.x - 100 + held - step, AT.y + 50 + BAR, 200, 100));
});

t.test('a window that wants none has none', async () => {
  const bare = (decorations: number): Uint8Array =>
    changeWords(id, atoms._MOTIF_WM_HINTS, atoms._MOTIF_WM_HINTS, [2, 0, decorations, 0, 0]);
  x.send(bare(0));
  titled(id, 'bar, bare');
  await until('no title bar', async () => boundsOf(await picture(), BACK) === undefined);
  x.send(bare(1));
  titled(id, 'bar');
  await until('one again', async () => boundsOf(await picture(), BACK)?.height === BAR);
});

t.test('its button closes the window, and what is pressed there is not told to the X client', async t => {
  const left = new Promise(resolve => x.once('close', resolve));
  const { x: at, y: top, width } = boundsOf(await picture(), BACK)!;
  await seat.move(at + width - BAR / 2, top + BAR / 2);
  await seat.press();
  await seat.move(at + width - BAR / 2, top + BAR * 2);
  await seat.release();
  await settled(x);
  t.equal(x.closed, false, 'not where it is released elsewhere');
  await seat.click(at + width - BAR / 2, top + BAR / 2);
  await left;
  await shows(t, 'nothing', RED, undefined);
});
