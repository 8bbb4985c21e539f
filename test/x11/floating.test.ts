/**
 * Windows that are to lie above others by their type or because they block others, and have no parent: sway floats just those
 * that it floats of an Xwayland of its own, at the same size, and they can be resized within their own bounds after that.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { XConnection, type Setup } from '../../src/x11/connection.js';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, changeWords, destroyWindow, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { words } from '../../src/x11/wire.js';
import { Desk, until, type Window } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

/** More than sway's least of a floating window. */
const [WIDTH, HEIGHT] = [223, 145];
const LEAST = [150, 110] as const;
const MOST = [320, 240] as const;
/** Predefined atoms. */
const [ATOM, STRING, WM_NAME, WM_NORMAL_HINTS, WM_SIZE_HINTS] = [4, 31, 39, 40, 41];
const TYPES = ['NORMAL', 'DIALOG', 'UTILITY', 'TOOLBAR', 'SPLASH', 'MENU'] as const;
const NAMES = [
  ...(['_NET_WM_WINDOW_TYPE', '_NET_WM_STATE', '_NET_WM_STATE_MODAL', '_NET_WM_STATE_FULLSCREEN'] as const),
  ...TYPES.map(name => `_NET_WM_WINDOW_TYPE_${name}` as const),
] as const;
type Atom = (typeof NAMES)[number];

/** What a window says of itself. */
const KINDS: Readonly<Record<string, { readonly types?: readonly Atom[]; readonly states?: readonly Atom[] }>> = {
  ...Object.fromEntries(TYPES.map(name => [name, { types: [`_NET_WM_WINDOW_TYPE_${name}` as const] }])),
  'a second type': { types: ['_NET_WM_WINDOW_TYPE_NORMAL', '_NET_WM_WINDOW_TYPE_UTILITY'] },
  nothing: {},
};
const MORE: typeof KINDS = {
  modal: { states: ['_NET_WM_STATE_MODAL'] },
  'full screen': { types: ['_NET_WM_WINDOW_TYPE_SPLASH'], states: ['_NET_WM_STATE_FULLSCREEN'] },
};

t.setTimeout(120_000);

/** Pixels. By a border a window can be gripped. */
const BORDER = 10;

class Client {
  private constructor(
    readonly desk: Pick<Desk, 'window' | 'windows'>,
    readonly x: XConnection,
    readonly setup: Setup,
    readonly atoms: Readonly<Record<Atom, number>>,
  ) {}

  static async of(t: Test, desk: Desk, own = false): Promise<Client> {
    const { x, setup } = own ? await connectToOwn(desk) : await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    return new Client(desk, x, setup, await new Promise(known => internAtoms(x, NAMES, known)));
  }

  /** Shows a window of the kind, and waits for it. */
  async show(kind: string, hints: readonly number[] = []): Promise<number> {
    const { types = [], states = [] } = { ...KINDS, ...MORE }[kind]!;
    const { x, atoms } = this;
    const id = makeWindow(x, this.setup.root, false, { width: WIDTH, height: HEIGHT });
    x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(kind)));
    const list = (names: readonly Atom[]): number[] => names.map(name => atoms[name]);
    if (types.length > 0) x.send(changeWords(id, atoms._NET_WM_WINDOW_TYPE, ATOM, list(types)));
    if (states.length > 0) x.send(changeWords(id, atoms._NET_WM_STATE, ATOM, list(states)));
    if (hints.length > 0) x.send(changeProperty(id, WM_NORMAL_HINTS, WM_SIZE_HINTS, 32, words(hints)));
    x.send(mapWindow(id));
    await this.desk.window(kind);
    return id;
  }

  async end(id: number): Promise<void> {
    this.x.send(destroyWindow(id));
    await until('no window', async () => (await this.desk.windows()).length === 0);
  }

  /** The window as sway and its client have it: once these agree. */
  async size(kind: string, id: number): Promise<{ readonly width: number; readonly height: number }> {
    let seen: Window | undefined;
    await until(`window and client of one size: ${kind}`, async () => {
      seen = await this.desk.window(kind);
      const { x } = this;
      const own = await new Promise<Window>(known => x.ask(getGeometry(id), reply => known(geometry(reply) as never)));
      return own.width === seen.width && own.height === seen.height;
    });
    return { width: seen!.width, height: seen!.height };
  }
}

/** Connects to the Xwayland that sway has itself, which asks for no cookie. */
function connectToOwn({ sway }: Desk): Promise<{ x: XConnection; setup: Setup }> {
  const display = readFileSync(join(sway.runtimeDir, 'x11'), 'utf8').trim();
  const x = new XConnection(UnixSocket.connect(`/tmp/.X11-unix/X${display.replace(':', '')}`));
  return new Promise((resolve, reject) => {
    x.once('ready', setup => resolve({ x, setup }));
    x.once('close', reason => reject(reason ?? new Error('the X server left')));
    x.start();
  });
}

t.test('the same windows float as of sway’s own Xwayland', async t => {
  const desk = await Desk.open(t, { xwayland: true });
  const [directly, ours] = [await Client.of(t, desk, true), await Client.of(t, desk)];
  const shown = async (client: Client, kind: string): Promise<{ width: number; height: number }> => {
    const id = await client.show(kind);
    const size = await client.size(kind, id);
    await client.end(id);
    return size;
  };
  for (const kind of Object.keys(KINDS)) t.same(await shown(ours, kind), await shown(directly, kind), kind);
  t.same(await shown(ours, 'DIALOG'), { width: WIDTH, height: HEIGHT }, 'those that float keep their size');
  t.not((await shown(ours, 'nothing')).width, WIDTH, 'others are as large as there is room');
  // wlroots 0.15 writes the states anew before it reads those that a program has set right before it maps its window.
  t.same(await shown(ours, 'modal'), { width: WIDTH, height: HEIGHT });
});

t.test('a window that floats so is resized within its own bounds', async t => {
  const desk = await Desk.open(t, { config: `default_floating_border pixel ${BORDER}`, x11: ['--trace'] });
  const client = await Client.of(t, desk);
  const seat = await desk.seat(800, 600);
  // Bits of flags: smallest, largest.
  const id = await client.show('UTILITY', [16 | 32, 0, 0, 0, 0, ...LEAST, ...MOST, ...new Array<number>(10).fill(0)]);
  t.same(await client.size('UTILITY', id), { width: WIDTH, height: HEIGHT });
  const { x, y } = await desk.window('UTILITY');
  const [right, bottom] = [x + WIDTH + BORDER / 2, y + HEIGHT + BORDER / 2];
  await seat.move(right, bottom);
  await seat.press();
  await seat.glide(right + 40, bottom + 30);
  // A picture of the size before that comes late is a wish of the window for sway: the next motion counts again.
  await until('a larger window', async () => {
    await seat.move(right + 39, bottom + 29);
    await seat.move(right + 40, bottom + 30);
    const { width, height } = await client.size('UTILITY', id);
    return width === WIDTH + 40 && height === HEIGHT + 30;
  });
  await seat.release();
  const said = (what: string): readonly string[] =>
    [...desk.said().matchAll(new RegExp(String.raw`\.set_${what}_size\((\d+, \d+)\)`, 'g'))].map(([, size]) => size!);
  t.same([said('min').at(-1), said('max').at(-1)], [LEAST.join(', '), MOST.join(', ')]);
});

t.test('a window without an own size is resized to any', async t => {
  const desk = await Desk.open(t);
  const client = await Client.of(t, desk);
  const id = await client.show('DIALOG');
  await desk.sway.message('[title="DIALOG"] resize set 400 333');
  await until('the size', async () => (await client.size('DIALOG', id)).height === 333);
  await desk.sway.message('[title="DIALOG"] fullscreen enable');
  await until('the screen filled', async () => (await client.size('DIALOG', id)).height === 600);
  await desk.sway.message('[title="DIALOG"] fullscreen disable');
  await until('its size again', async () => (await client.size('DIALOG', id)).height === 333);
  t.pass();
});

t.test('one that is to fill the screen from the start does', async t => {
  const desk = await Desk.open(t);
  const client = await Client.of(t, desk);
  const id = await client.show('full screen');
  t.same(await client.size('full screen', id), { width: 800, height: 600 });
  t.ok((await desk.window('full screen')).fullscreen);
});
