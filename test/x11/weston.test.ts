/**
 * X11 windows on weston, which draws no title bars, and ends the connection, and so all X11 programs, of one whose window is maximized or
 * full screen and has another size than it was told: real weston without a screen.
 */
import { spawn } from 'node:child_process';
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { clientMessage } from '../../src/x11/events.js';
import { geometry, property } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWords,
  configureWindow,
  destroyWindow,
  EventMask,
  getGeometry,
  getProperty,
  mapWindow,
  sendEvent,
} from '../../src/x11/requests.js';
import { TITLE_BAR_HEIGHT } from '../../src/x11/title-picture.js';
import { wordsOf } from '../../src/x11/wire.js';
import { startCommand } from '../compositors.js';
import { until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';
import { startX11 } from './x-server.js';

const NAMES = [
  ...['ATOM', 'STRING', 'WM_NAME', 'WM_NORMAL_HINTS', '_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN'],
  ...['_NET_WM_STATE_MAXIMIZED_HORZ', '_NET_WM_STATE_MAXIMIZED_VERT', '_NET_CLIENT_LIST', '_MOTIF_WM_HINTS'],
] as const;
const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
const [REMOVE, ADD] = [0, 1];
const [WIDTH, HEIGHT] = [640, 480];
/** Of weston's own, at the top of the screen. */
const PANEL = 32;

t.setTimeout(120_000);

const options = ['--backend=headless-backend.so', '--no-config', '--idle-time=0'];
const weston = await startCommand(t, ['weston', ...options, `--width=${WIDTH}`, `--height=${HEIGHT}`]);
const server = await startX11(t, weston.environment());
const { x, setup } = await connectTo(server.display, server.authority);
t.teardown(() => x.close());
const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
  internAtoms(x, NAMES, known),
);
const { _NET_WM_STATE: STATE, _NET_WM_STATE_FULLSCREEN: FULLSCREEN } = atoms;
const MAXIMIZED = [atoms._NET_WM_STATE_MAXIMIZED_HORZ, atoms._NET_WM_STATE_MAXIMIZED_VERT];

const states = (id: number): Promise<readonly number[]> =>
  new Promise(told => x.ask(getProperty(id, STATE, 256), reply => told(wordsOf(property(reply).value))));
const size = async (id: number): Promise<readonly [number, number]> => {
  const { width, height } = geometry(await new Promise<Uint8Array>(told => x.ask(getGeometry(id), told)));
  return [width, height];
};
const clients = (): Promise<readonly number[]> =>
  new Promise(told =>
    x.ask(getProperty(setup.root, atoms._NET_CLIENT_LIST, 256), reply => told(wordsOf(property(reply).value))),
  );
const end = async (id: number): Promise<void> => {
  x.send(destroyWindow(id));
  await until('its end', async () => (await clients()).length === 0);
};
const ask = (id: number, change: number, ...wanted: readonly number[]): void =>
  x.send(sendEvent(setup.root, clientMessage(id, STATE, [change, ...wanted]), TO_ROOT));
const window = (title: string): number => {
  const id = makeWindow(x, setup.root, false, { width: 200, height: 100 });
  x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  return id;
};
/** `again`: done before each look. */
const has = (id: number, wanted: readonly number[], again = (): void => {}): Promise<void> =>
  until('the state', async () => {
    again();
    const now = await states(id);
    return [FULLSCREEN, ...MAXIMIZED].every(state => now.includes(state) === wanted.includes(state));
  });

t.test('a window that is maximized from the start, by its property or by a message, and back', async t => {
  for (const by of ['property', 'message']) {
    const id = window(by);
    if (by === 'property') x.send(changeWords(id, STATE, atoms.ATOM, MAXIMIZED));
    else ask(id, ADD, ...MAXIMIZED);
    x.send(mapWindow(id));
    await has(id, MAXIMIZED);
    await until('its size', async () => (await size(id))[0] === WIDTH);
    const [, height] = await size(id);
    t.ok(height > HEIGHT / 2 && height <= HEIGHT - TITLE_BAR_HEIGHT, 'with room for its title bar');
    ask(id, REMOVE, ...MAXIMIZED);
    await has(id, []);
    await until('the size before', async () => (await size(id)).join() === '200,100');
    ask(id, ADD, FULLSCREEN);
    await has(id, [FULLSCREEN]);
    await until('its size', async () => (await size(id)).join() === [WIDTH, HEIGHT].join());
    ask(id, REMOVE, FULLSCREEN);
    await has(id, []);
    await end(id);
  }
  t.equal(x.closed, false);
});

t.test('one that keeps its size all the same costs nothing', async t => {
  const id = window('stubborn');
  // Flags of a smallest and a largest size.
  const hints = [16 | 32, 0, 0, 0, 0, 200, 100, 200, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  x.send(changeWords(id, atoms.WM_NORMAL_HINTS, atoms.WM_NORMAL_HINTS, hints));
  x.send(changeWords(id, STATE, atoms.ATOM, [...MAXIMIZED, FULLSCREEN]));
  x.send(mapWindow(id));
  const back = setInterval(() => x.send(configureWindow(id, { width: 200, height: 100 })), 5);
  t.teardown(() => clearInterval(back));
  for (let i = 0; i < 10; i++) {
    ask(id, i % 2, ...MAXIMIZED);
    ask(id, (i + 1) % 2, FULLSCREEN);
    await settled(x);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  clearInterval(back);
  ask(id, REMOVE, FULLSCREEN);
  // weston does not heed it while the window is full screen still, for as long as it may take on a busy machine.
  await has(id, MAXIMIZED, () => ask(id, ADD, ...MAXIMIZED));
  t.equal(x.closed, false);
  await end(id);
});

t.test('a window that gives up its title bar, and wants it back, while it is maximized', async t => {
  const id = window('frame');
  x.send(mapWindow(id));
  ask(id, ADD, ...MAXIMIZED);
  await has(id, MAXIMIZED);
  for (const decorations of [0, 1]) {
    const hints = [2, 0, decorations, 0, 0];
    x.send(changeWords(id, atoms._MOTIF_WM_HINTS, atoms._MOTIF_WM_HINTS, hints));
    const height = HEIGHT - PANEL - decorations * TITLE_BAR_HEIGHT;
    await until('the size that is left', async () => (await size(id)).join() === [WIDTH, height].join());
  }
  t.equal(x.closed, false);
  await end(id);
});

t.test('a real program: xterm, which somebody maximizes', async t => {
  const env = { ...process.env, DISPLAY: server.display, XAUTHORITY: server.authority };
  const xterm = spawn('xterm', ['-e', 'sleep', '1000'], { env, stdio: 'ignore' });
  t.teardown(() => xterm.kill('SIGKILL'));
  let id = 0;
  await until('its window', async () => (id = (await clients())[0] ?? 0) !== 0);
  for (const [change, state] of [
    [ADD, MAXIMIZED],
    [REMOVE, []],
  ] as const) {
    ask(id, change, ...MAXIMIZED);
    await has(id, state);
    await until('its size', async () => ((await size(id))[0] === WIDTH) === (change === ADD));
  }
  t.equal(xterm.exitCode, null);
  t.notMatch(server.said(), /error|lost/);
});
