/**
 * What X clients ask the window manager for before their window is shown, on a real compositor: by messages and properties before
 * they map it, as toolkits do, and what they wait for.
 */
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { clientMessage } from '../../src/x11/events.js';
import { geometry, property } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWindowEvents,
  changeWords,
  destroyWindow,
  EventMask,
  getGeometry,
  getProperty,
  mapWindow,
  sendEvent,
  unmapWindow,
} from '../../src/x11/requests.js';
import { wordsOf } from '../../src/x11/wire.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const NAMES = [
  ...['ATOM', 'STRING', 'WM_NAME', 'WM_CHANGE_STATE', '_NET_ACTIVE_WINDOW', '_NET_FRAME_EXTENTS', '_NET_SUPPORTED'],
  ...['_NET_REQUEST_FRAME_EXTENTS', '_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN', '_NET_WM_STATE_MODAL'],
  ...['_NET_WM_STATE_ABOVE', '_GTK_FRAME_EXTENTS'],
] as const;
const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
const [REMOVE, ADD] = [0, 1];

t.setTimeout(120_000);

// Windows get the keyboard where they ask for it, and this one not otherwise.
const config = 'focus_on_window_activation focus\nno_focus [title="wanted"]';
const desk = await Desk.open(t, { config, x11: ['--trace'] });
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());
const { root } = setup;
const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
  internAtoms(x, NAMES, known),
);
const window = (title: string, overrideRedirect = false): number => {
  const id = makeWindow(x, root, overrideRedirect);
  x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  return id;
};
const ask = (id: number, type: number, ...data: number[]): void =>
  x.send(sendEvent(root, clientMessage(id, type, data), TO_ROOT));
const words = (id: number, name: number): Promise<readonly number[]> =>
  new Promise(told => x.ask(getProperty(id, name, 256), reply => told(wordsOf(property(reply).value))));
const fullscreen = async (title: string): Promise<boolean> => (await desk.window(title)).fullscreen;
const end = async (...ids: number[]): Promise<void> => {
  for (const id of ids) x.send(destroyWindow(id));
  await until('no window', async () => (await desk.windows()).length === 0);
};

t.test('a state that is asked for by a message before the window is mapped', async t => {
  const id = window('whole');
  ask(id, atoms._NET_WM_STATE, ADD, atoms._NET_WM_STATE_FULLSCREEN);
  await settled(x);
  x.send(mapWindow(id));
  await until('full screen', () => fullscreen('whole'));
  x.send(unmapWindow(id));
  await until('no window', async () => (await desk.windows()).length === 0);
  x.send(mapWindow(id));
  t.equal(await fullscreen('whole'), false, 'counts for once');
  await end(id);
});

t.test('a state of its property is taken back by a message after that', async t => {
  const id = window('not whole');
  x.send(changeWords(id, atoms._NET_WM_STATE, atoms.ATOM, [atoms._NET_WM_STATE_FULLSCREEN]));
  ask(id, atoms._NET_WM_STATE, REMOVE, atoms._NET_WM_STATE_FULLSCREEN);
  x.send(mapWindow(id));
  t.equal(await fullscreen('not whole'), false);
  await end(id);
});

t.test('modal, by a message or its property; what Wayland has no word for is not kept', async t => {
  const { _NET_WM_STATE: state, _NET_WM_STATE_MODAL: modal, _NET_WM_STATE_ABOVE: above } = atoms;
  const [told, set] = [window('told'), window('set')];
  ask(told, state, ADD, modal, above);
  x.send(changeWords(set, state, atoms.ATOM, [above, modal]));
  for (const id of [told, set]) x.send(mapWindow(id));
  for (const title of ['told', 'set']) await desk.window(title);
  for (const id of [told, set]) {
    await until('modal alone', async () => {
      const states = await words(id, state);
      return states.includes(modal) && !states.includes(above);
    });
    ask(id, state, REMOVE, modal);
    await until('modal no more', async () => !(await words(id, state)).includes(modal));
  }
  await end(told, set);
  t.pass();
});

t.test('a window that is to be active is, once it is shown: with who asked', async t => {
  const shown = window('shown');
  x.send(mapWindow(shown));
  await until('the keyboard', async () => (await words(root, atoms._NET_ACTIVE_WINDOW))[0] === shown);
  // sway 1.10 gives it to nobody who asks without the user's having done anything.
  const seat = await desk.seat(800, 600);
  await seat.click(400, 300);
  const id = window('wanted');
  const before = desk.said().length;
  ask(id, atoms._NET_ACTIVE_WINDOW, 1);
  // What it asks for next has been answered, so the window manager has dealt with that.
  ask(id, atoms._NET_REQUEST_FRAME_EXTENTS);
  await until('an answer', async () => (await words(id, atoms._NET_FRAME_EXTENTS)).length === 4);
  t.notMatch(desk.said().slice(before), /get_activation_token/, 'not before');
  x.send(mapWindow(id));
  await until('the keyboard', async () => (await words(root, atoms._NET_ACTIVE_WINDOW))[0] === id);
  const said = desk.said().slice(before);
  t.match(said, /set_surface/);
  await end(shown, id);
});

t.test('two that are wanted at once both have their turn', async t => {
  const ids = ['one', 'two', 'three'].map(title => window(title));
  for (const id of ids) x.send(mapWindow(id));
  for (const title of ['one', 'two', 'three']) await desk.window(title);
  const active = ids[2]!;
  await desk.sway.message('[title="three"] focus');
  await until('the keyboard', async () => (await words(root, atoms._NET_ACTIVE_WINDOW))[0] === active);
  const before = desk.said().length;
  const wanted = ids.filter(id => id !== active);
  for (let i = 0; i < 3; i++) for (const id of wanted) ask(id, atoms._NET_ACTIVE_WINDOW, 1);
  const activated = (): readonly string[] =>
    desk
      .said()
      .slice(before)
      .match(/\.activate\(.*/g) ?? [];
  const surfaces = (): number => new Set(activated().map(said => /wl_surface#\d+/.exec(said)?.[0])).size;
  await until('both', () => surfaces() === 2);
  await settled(x);
  t.ok(activated().length <= 5, 'and not once for each message');
  await end(...ids);
});

t.test('what it is told of its states is told once, unless it changes', async t => {
  const id = window('told once');
  let told = 0;
  x.send(changeWindowEvents(id, EventMask.propertyChange));
  const count = (event: { readonly is: string; readonly atom?: number }): void => {
    if (event.is === 'PropertyNotify' && event.atom === atoms._NET_WM_STATE) told += 1;
  };
  x.on('event', count);
  t.teardown(() => x.removeListener('event', count));
  x.send(mapWindow(id));
  await desk.window('told once');
  await desk.sway.message('[title="told once"] floating enable');
  const configured = (): number => desk.said().match(/xdg_toplevel#\d+\.configure\(/g)?.length ?? 0;
  await desk.sway.message('[title="told once"] resize set 300 200');
  await until('the keyboard', async () => (await words(root, atoms._NET_ACTIVE_WINDOW))[0] === id);
  await until('no state but the focus', async () => (await words(id, atoms._NET_WM_STATE)).length === 1);
  const [before, configures] = [told, configured()];
  const width = async (): Promise<number> =>
    geometry(await new Promise<Uint8Array>(answered => x.ask(getGeometry(id), answered))).width;
  for (const size of [310, 320, 330]) {
    await desk.sway.message(`[title="told once"] resize set ${size} 200`);
    await until('the size, for its client too', async () => (await width()) === size);
  }
  t.ok(configured() > configures, 'it was told of them');
  await settled(x);
  t.equal(told, before, 'states are not');
  await end(id);
});

t.test('a window has the frame that it asks for before it is mapped, and one that nobody manages has none', async t => {
  const { _NET_REQUEST_FRAME_EXTENTS: request, _NET_FRAME_EXTENTS: extents, _NET_SUPPORTED: supported } = atoms;
  const [id, menu] = [window('framed'), window('menu', true)];
  for (const each of [id, menu, root]) ask(each, request);
  await until('an answer', async () => (await words(id, extents)).length === 4);
  t.same(await words(id, extents), [0, 0, 0, 0]);
  t.same(await words(menu, extents), []);
  t.same(await words(root, extents), []);
  const all = await words(root, supported);
  t.ok(all.includes(request), 'programs know that they may ask');
  t.notOk(all.includes(atoms._GTK_FRAME_EXTENTS), 'nor are shadows promised that GTK would draw around its windows');
  x.send(destroyWindow(id));
});
