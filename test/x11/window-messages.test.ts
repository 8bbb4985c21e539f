/** What X clients ask a window manager for, and what they are told, on a real compositor: each beside what it may not cost others. */
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import type { XConnection } from '../../src/x11/connection.js';
import { clientMessage, configureNotify } from '../../src/x11/events.js';
import { property } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWindowEvents,
  changeWords,
  destroyWindow,
  EventMask,
  getInputFocus,
  getProperty,
  mapWindow,
  sendEvent,
  setInputFocus,
} from '../../src/x11/requests.js';
import { wordsOf, XReader } from '../../src/x11/wire.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** Whether a window is shown before its client asks for something is a matter of luck; three in five are not. */
const ROUNDS = 6;

const NAMES = [
  ...['ATOM', 'STRING', 'WINDOW', 'WM_CHANGE_STATE', 'WM_HINTS', 'WM_NAME', 'WM_STATE', 'WM_TRANSIENT_FOR'],
  ...['_NET_ACTIVE_WINDOW', '_NET_WM_MOVERESIZE'],
  ...['_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN', '_NET_WM_STATE_HIDDEN'],
] as const;

const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
const [NORMAL, ICONIC] = [1, 3];
/** Of _NET_WM_MOVERESIZE. */
const MOVE = 8;
const CREATE_NOTIFY = 16;
const URGENT = [0x100, 1, 1, 0, 0, 0, 0, 0, 0];
const NO_INPUT = [1, 0, 0, 0, 0, 0, 0, 0, 0];

t.setTimeout(240_000);

const desk = await Desk.open(t, { x11: ['--trace'] });

interface Client {
  readonly x: XConnection;
  readonly root: number;
  readonly atoms: Readonly<Record<(typeof NAMES)[number], number>>;
  window(title: string): number;
  title(window: number, title: string): void;
  /** Sends a ClientMessage to the window manager. */
  ask(window: number, type: number, ...data: number[]): void;
  words(window: number, name: number): Promise<readonly number[]>;
}

async function client(): Promise<Client> {
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const { root } = setup;
  const atoms = await new Promise<Client['atoms']>(known => internAtoms(x, NAMES, known));
  const title = (window: number, text: string): void =>
    x.send(changeProperty(window, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(text)));
  return {
    ...{ x, root, atoms, title },
    window(text) {
      const id = makeWindow(x, root);
      title(id, text);
      return id;
    },
    ask: (window, type, ...data) => x.send(sendEvent(root, clientMessage(window, type, data), TO_ROOT)),
    words: (window, name) =>
      new Promise((told, failed) =>
        x.ask(
          getProperty(window, name, 256),
          reply => told(wordsOf(property(reply).value)),
          () => failed(new Error('no such window')),
        ),
      ),
  };
}

const { x, root, atoms, window, title, ask, words } = await client();
/** Shows it, and waits for that. */
async function show(id: number, text: string): Promise<void> {
  x.send(mapWindow(id));
  await desk.window(text);
}
const active = async (id: number): Promise<boolean> => (await words(root, atoms._NET_ACTIVE_WINDOW))[0] === id;
const end = async (...ids: number[]): Promise<void> => {
  for (const id of ids) x.send(destroyWindow(id));
  await until('no window', async () => (await desk.windows()).length === 0);
};

t.test('what a client asks for once its window is mapped counts, though it is not shown yet', async t => {
  for (let i = 0; i < ROUNDS; i++) {
    const id = window(`early ${i}`);
    x.send(changeWindowEvents(id, EventMask.structureNotify));
    x.on('event', event => {
      if (event.is !== 'MapNotify') return;
      ask(id, atoms._NET_WM_STATE, 1, atoms._NET_WM_STATE_FULLSCREEN);
      x.flush();
    });
    await show(id, `early ${i}`);
    x.removeAllListeners('event');
    await until('full screen', async () => (await desk.windows())[0]?.fullscreen === true);
    await end(id);
  }
  t.pass(`${ROUNDS} of them`);
});

t.test('a window that is to be moved by the pointer before it is shown ends no X program', async t => {
  const pressed = window('pressed');
  await show(pressed, 'pressed');
  const seat = await desk.seat(800, 600);
  await seat.move(100, 100);
  await seat.press();
  for (let i = 0; i < ROUNDS; i++) {
    const id = window(`early ${i}`);
    let shown = false;
    const ready = show(id, `early ${i}`).then(() => (shown = true));
    while (!shown) {
      ask(id, atoms._NET_WM_MOVERESIZE, 0, 0, MOVE, 1);
      await settled(x);
    }
    await ready;
    x.send(destroyWindow(id));
  }
  await seat.release();
  await end(pressed);
  t.pass(`${ROUNDS} of them`);
});

t.test('a window that the compositor does not minimize is not told so', async t => {
  const id = window('stays');
  await show(id, 'stays');
  await until('the keyboard', () => active(id));
  ask(id, atoms.WM_CHANGE_STATE, ICONIC);
  title(id, 'heard');
  await desk.window('heard');
  t.same((await words(id, atoms.WM_STATE))[0], NORMAL);
  t.notOk((await words(id, atoms._NET_WM_STATE)).includes(atoms._NET_WM_STATE_HIDDEN));
  await end(id);
});

t.test('there is no active window once it has gone', async () => {
  const id = window('last');
  await show(id, 'last');
  await until('the keyboard', () => active(id));
  await end(id);
  await until('none', () => active(0));
});

t.test('a dialog that was there before its window belongs to it', async t => {
  const [parent, dialog] = [window('parent'), window('dialog')];
  x.send(changeWords(dialog, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [parent]));
  await show(dialog, 'dialog');
  const before = desk.said().length;
  await show(parent, 'parent');
  await until('its parent', () => /\.set_parent\(xdg_toplevel#\d+\)/.test(desk.said().slice(before)));
  await end(parent, dialog);
  t.pass();
});

t.test('a window that wants attention does not say that the user has asked for it', async t => {
  const [shown, urgent] = [window('shown'), window('urgent')];
  await show(urgent, 'urgent');
  await show(shown, 'shown');
  await until('the keyboard', () => active(shown));
  const asked = (since: number): readonly string[] =>
    desk
      .said()
      .slice(since)
      .match(/xdg_activation_token_v1#\d+\.(set_surface|set_serial|commit)|\.activate\(/g) ?? [];
  const since = desk.said().length;
  x.send(changeWords(urgent, atoms.WM_HINTS, atoms.WM_HINTS, URGENT));
  await until('the wish', () => asked(since).at(-1) === '.activate(');
  title(urgent, 'urgent still');
  await desk.window('urgent still');
  t.same(
    asked(since).map(request => /\w+\(?$/.exec(request)![0]),
    ['commit', 'activate('],
    'once',
  );
  const later = desk.said().length;
  ask(urgent, atoms._NET_ACTIVE_WINDOW, 1);
  await until('the wish to be active', () => asked(later).at(-1) === '.activate(');
  t.match(asked(later).join(), /set_surface/, 'who wants to be active says who asks');
  await end(shown, urgent);
});

t.test('what is typed is for the active window, whatever another client wants', async t => {
  const id = window('typed into');
  await show(id, 'typed into');
  const other = await client();
  const thief = other.window('thief');
  other.x.send(mapWindow(thief));
  await desk.window('thief');
  await desk.sway.message('[title="typed into"] focus');
  await until('the keyboard', () => active(id));
  const focus = (): Promise<number> =>
    new Promise(told => x.ask(getInputFocus(), reply => told(new XReader(reply).u32(8))));
  await until('the focus', async () => (await focus()) === id);
  other.x.send(setInputFocus(thief));
  await settled(other.x);
  await until('it is given back', async () => (await focus()) === id);
  const second = window('second');
  await show(second, 'second');
  await until('the keyboard for the second', () => active(second));
  await desk.sway.message('[title="typed into"] focus');
  await until('the keyboard again', () => active(id));
  await until('the focus', async () => (await focus()) === id);
  x.send(setInputFocus(second));
  title(second, 'heard');
  await desk.window('heard');
  t.equal(await focus(), second, 'among its own windows a client may choose');
  other.x.close();
  await end(id, second);
});

t.test('a window that wants no input leaves the keyboard where it is', async t => {
  const id = window('typed into');
  await show(id, 'typed into');
  await until('the keyboard', () => active(id));
  const focus = (): Promise<number> =>
    new Promise(told => x.ask(getInputFocus(), reply => told(new XReader(reply).u32(8))));
  await until('the focus', async () => (await focus()) === id);
  const keys = window('keys on the screen');
  x.send(changeWords(keys, atoms.WM_HINTS, atoms.WM_HINTS, NO_INPUT));
  await show(keys, 'keys on the screen');
  await desk.sway.message('[title="keys on the screen"] focus');
  await until('it is active', () => active(keys));
  t.equal(await focus(), id);
  await end(id, keys);
});

t.test('a copy of a CreateNotify makes no window', async t => {
  const id = window('victim');
  await show(id, 'victim');
  const copy = configureNotify(id, { x: 5, y: 5, width: 1, height: 1 });
  copy[0] = CREATE_NOTIFY;
  new DataView(copy.buffer).setUint32(4, root, true);
  new DataView(copy.buffer).setUint32(8, id, true);
  x.send(sendEvent(root, copy, EventMask.substructureNotify));
  title(id, 'still heard');
  await desk.window('still heard');
  await end(id);
  t.pass();
});
