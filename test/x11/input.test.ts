/**
 * What X11 programs do with pointer and keyboard beyond plain events, through a whole stack: games that put the pointer back
 * into their window's middle and want relative motion, grabs that confine it, and keyboard layouts. Xwayland makes of it
 * what Wayland has, pointer constraints and relative pointers; the proxy, the glue and the firewall have to let that through.
 */
import t from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { internAtoms } from '../../src/x11/atoms.js';
import type { XEvent } from '../../src/x11/events.js';
import { extension } from '../../src/x11/replies.js';
import { changeProperty, mapWindow, queryExtension } from '../../src/x11/requests.js';
import { request, u16, u32, XReader } from '../../src/x11/wire.js';
import { Seat } from '../applications/seat.js';
import { startSway } from '../compositors.js';
import { quietEnvironment } from '../loopback/applications.js';
import { until } from './desk.js';
import { openOffice } from './office.js';
import { connectTo, makeWindow, settled } from './x-client.js';

t.setTimeout(120_000);

/** Where the window is, and its size. */
const WINDOW = { x: 300, y: 200, width: 100, height: 80 };
const MIDDLE = { x: WINDOW.width / 2, y: WINDOW.height / 2 };

/** Codes of events, and the bits by which they are asked for. */
const KEY_PRESS = 2;
const BUTTON_PRESS = 4;
const MOTION_NOTIFY = 6;
const MASK = { keyPress: 0x1, buttonPress: 0x4, motion: 0x40, focus: 0x200000 };
const CW = { eventMask: 0x800, cursor: 0x4000 };

const changeWindow = (window: number, what: number, value: number): Uint8Array =>
  request(2, 0, u32(window), u32(what), u32(value));
const createPixmap = (id: number, drawable: number): Uint8Array =>
  request(53, 1, u32(id), u32(drawable), u16(1), u16(1));
const fillPixmap = (context: number, pixmap: number): Uint8Array[] => [
  // Of the value 0, which is what a new context draws with.
  request(55, 0, u32(context), u32(pixmap), u32(0)),
  request(70, 0, u32(pixmap), u32(context), u16(0), u16(0), u16(1), u16(1)),
];
/** Shows nothing: its mask has no point. */
const createCursor = (id: number, pixmap: number): Uint8Array =>
  request(93, 0, u32(id), u32(pixmap), u32(pixmap), ...[0, 0, 0, 0, 0, 0, 0, 0].map(u16));
const warpPointer = (window: number, x: number, y: number): Uint8Array =>
  request(41, 0, u32(0), u32(window), u16(0), u16(0), u16(0), u16(0), u16(x), u16(y));
const grabPointer = (window: number, confineTo: number): Uint8Array =>
  request(26, 1, u32(window), u16(MASK.motion), Uint8Array.of(1, 1), u32(confineTo), u32(0), u32(0));
const ungrabPointer = (): Uint8Array => request(27, 0, u32(0));
/** The extension XKEYBOARD is wanted, in version 1.0: only who says so is told which layout a key was of. */
const useXkb = (opcode: number): Uint8Array => request(opcode, 0, u16(1), u16(0));
const getKeyboardMapping = (keycode: number): Uint8Array => request(101, 0, Uint8Array.of(keycode, 1, 0, 0));

const sway = await startSway(t, {
  config: [
    // sway 1.7 grants none to a seat that nobody configures.
    'seat * pointer_constraint enable',
    `for_window [title="game"] floating enable, move position ${WINDOW.x} ${WINDOW.y}`,
  ].join('\n'),
});
const seat = await Seat.take(sway.display, { width: 800, height: 600 });
t.teardown(() => seat.close());
const stack = await LoopbackStack.start({ clients: ['office'], compositor: { attach: sway.display } });
t.teardown(() => stack.stop());
const { display, authority } = await openOffice(t, stack, quietEnvironment(t));
const { x, setup } = await connectTo(display, authority);
t.teardown(() => x.close());
x.on('failed', error => t.fail('a request failed', error));

const events: { code: number; at: XReader }[] = [];
x.on('event', (event: XEvent) => {
  if (event.is === 'Other') events.push({ code: event.code, at: new XReader(event.bytes) });
});
const of = (code: number): XReader[] => events.filter(event => event.code === code).map(({ at }) => at);
/** Where in the window the pointer was last told to be. */
const pointer = (): { x: number; y: number } | undefined => {
  const last = of(MOTION_NOTIFY).at(-1);
  return last && { x: last.i16(24), y: last.i16(26) };
};

const window = makeWindow(x, setup.root, false, WINDOW);
const atoms = await new Promise<Record<'WM_NAME' | 'STRING', number>>(known =>
  internAtoms(x, ['WM_NAME', 'STRING'] as const, known),
);
x.send(changeProperty(window, atoms.WM_NAME, atoms.STRING, 8, Buffer.from('game')));
x.send(changeWindow(window, CW.eventMask, MASK.keyPress | MASK.buttonPress | MASK.motion));
x.send(mapWindow(window));
await until('its window', async () => JSON.stringify(await sway.message('-t', 'get_tree')).includes('game"'));
await until('the pointer in it', async () => {
  await seat.click(WINDOW.x + 20, WINDOW.y + 20);
  await seat.move(WINDOW.x + 30, WINDOW.y + 30);
  await settled(x);
  return pointer()?.x === 30;
});

t.test('a game that hides the pointer and puts it back each time has all of its motion, beyond its window', async t => {
  const [pixmap, context, cursor] = [x.newId(), x.newId(), x.newId()];
  x.send(createPixmap(pixmap, setup.root));
  for (const each of fillPixmap(context, pixmap)) x.send(each);
  x.send(createCursor(cursor, pixmap));
  x.send(changeWindow(window, CW.cursor, cursor));
  x.send(warpPointer(window, MIDDLE.x, MIDDLE.y));
  await settled(x);
  await until('the pointer in the middle', async () => {
    // Xwayland has no lock before it has asked for one: until then a motion is by the compositor's place.
    x.send(warpPointer(window, MIDDLE.x, MIDDLE.y));
    await settled(x);
    events.length = 0;
    await seat.push(1, 0);
    // No motion of one attempt is to come within the next.
    await until('motion', () => pointer() !== undefined);
    return pointer()!.x === MIDDLE.x + 1;
  });
  let [right, down] = [0, 0];
  for (let i = 0; i < 12; i++) {
    x.send(warpPointer(window, MIDDLE.x, MIDDLE.y));
    await settled(x);
    events.length = 0;
    await seat.push(25, -15);
    await until('motion', () => pointer() !== undefined && pointer()!.x !== MIDDLE.x);
    right += pointer()!.x - MIDDLE.x;
    down += pointer()!.y - MIDDLE.y;
  }
  t.same({ right, down }, { right: 12 * 25, down: 12 * -15 }, 'farther than its window is large');
});

t.test('a grab that confines the pointer keeps it in the window', async t => {
  // It shows itself again, and is where the compositor has it.
  x.send(changeWindow(window, CW.cursor, 0));
  const grabbed = await new Promise<number>(told => x.ask(grabPointer(window, window), reply => told(reply[1]!)));
  t.equal(grabbed, 0, 'the grab is there');
  await until('it at the edge', async () => {
    await seat.push(40, 0);
    await settled(x);
    return pointer()?.x === WINDOW.width - 1;
  });
  for (let i = 0; i < 10; i++) await seat.push(40, 0);
  events.length = 0;
  await seat.push(-10, 0);
  // Word of the edge may come after that.
  await until('it back from the edge', () => (pointer()?.x ?? Infinity) < WINDOW.width - 1);
  t.ok(pointer()!.x >= WINDOW.width - 11, `at ${pointer()!.x}, as if it had not been pushed on`);
  x.send(ungrabPointer());
  await settled(x);
  await until('it outside', async () => {
    events.length = 0;
    await seat.push(40, 0);
    await settled(x);
    return pointer() === undefined;
  });
});

t.test('a window that comes below the pointer has it where it is, however far it went when it left one', async t => {
  await seat.move(WINDOW.x + 20, WINDOW.y + 20);
  await until('the pointer in it', async () => {
    await settled(x);
    return pointer()?.x === 20;
  });
  // Xwayland keeps how far that was until the pointer is in a window again.
  await seat.move(WINDOW.x + 260, WINDOW.y + 230);
  events.length = 0;
  await sway.message(`[title="game"] move position ${WINDOW.x + 250} ${WINDOW.y + 200}`);
  await until('a click in it', async () => {
    await seat.press();
    await seat.release();
    await settled(x);
    return of(BUTTON_PRESS).length > 0;
  });
  for (let i = 0; i < 3; i++) {
    await seat.press();
    await seat.release();
  }
  await until('four clicks', async () => {
    await settled(x);
    return of(BUTTON_PRESS).length >= 4;
  });
  for (const press of of(BUTTON_PRESS)) t.same({ x: press.i16(24), y: press.i16(26) }, { x: 10, y: 30 });
  await sway.message(`[title="game"] move position ${WINDOW.x} ${WINDOW.y}`);
});

t.test('the keyboard is of the layout that the compositor’s is', async t => {
  /** The kernel's code of the key where \`us\` has a y, plus 8. */
  const KEY_Y = 29;
  await seat.click(WINDOW.x + 20, WINDOW.y + 20);
  const { opcode } = extension(await new Promise<Uint8Array>(told => x.ask(queryExtension('XKEYBOARD'), told)))!;
  await new Promise<Uint8Array>(told => x.ask(useXkb(opcode), told));
  const keysyms = async (): Promise<string> => {
    const reply = await new Promise<Uint8Array>(told => x.ask(getKeyboardMapping(KEY_Y), told));
    const at = new XReader(reply);
    return [0, 1, 2, 3]
      .slice(0, at.u8(1))
      .map(i => String.fromCharCode(at.u32(32 + 4 * i)))
      .join('');
  };
  const typed = async (): Promise<{ keycode: number; group: number }> => {
    events.length = 0;
    await seat.type('y');
    await until('a key', () => of(KEY_PRESS).length > 0);
    const press = of(KEY_PRESS)[0]!;
    return { keycode: press.u8(1), group: (press.u16(28) >> 13) & 3 };
  };
  await typed();
  t.match(await keysyms(), /^yY/, 'us');
  await seat.exchangeKeyboard('de');
  t.same(await typed(), { keycode: KEY_Y, group: 0 });
  t.match(await keysyms(), /^zZ/, 'de');
  await seat.exchangeKeyboard('us+de:2');
  t.same(await typed(), { keycode: KEY_Y, group: 0 });
  t.match(await keysyms(), /^yYzZ/, 'both');
  await seat.chooseLayout(1);
  t.same(await typed(), { keycode: KEY_Y, group: 1 }, 'and the second of them is chosen');
});
