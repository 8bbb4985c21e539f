/** `virtwl x11` on a real compositor with a real Xwayland: what becomes of windows, and of X clients that do not behave. */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { clientMessage } from '../../src/x11/events.js';
import { internAtoms } from '../../src/x11/atoms.js';
import {
  changeProperty,
  changeWords,
  destroyWindow,
  EventMask,
  mapWindow,
  sendEvent,
  unmapWindow,
} from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeCounter, makeWindow, settled } from './x-client.js';

/** Clients that are killed; by hand: VIRTWL_X11_KILLS=200. */
const KILLS = Number(process.env.VIRTWL_X11_KILLS ?? 12);

t.test('an X server runs while there are X clients', { timeout: 120_000 }, async t => {
  const desk = await Desk.open(t);
  const number = desk.display.slice(1);
  t.equal(ownerOf(number), desk.process.pid);
  t.ok(existsSync(`/tmp/.X11-unix/X${number}`));
  for (const round of ['first', 'second']) {
    const xterm = desk.start(t, 'xterm', '-T', `the ${round}`, '-e', 'sleep', '1000');
    await until(`the ${round} window`, async () =>
      (await desk.windows()).some(({ title, app }) => title === `the ${round}` && app === 'XTerm'),
    );
    xterm.kill('SIGKILL');
    await until('no window', async () => (await desk.windows()).length === 0);
  }
  await t.rejects(connectTo(desk.display, '/dev/null'), 'who does not know the cookie is refused');
  desk.process.kill('SIGTERM');
  await until('the end', () => desk.process.exitCode !== null);
  t.equal(desk.process.exitCode, 0);
  // The next server that starts on this machine may have taken the number: one of another test.
  t.not(ownerOf(number), desk.process.pid, 'its lock is not left');
  t.notOk(existsSync(`/tmp/.X11-unix/X${number}`) && ownerOf(number) === undefined, 'nor is its socket');
});

t.test(
  'a window is closed, resized, made full screen and back by what its client and the compositor ask for',
  async t => {
    t.setTimeout(120_000);
    const desk = await Desk.open(t);
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const names = [
      'WM_NAME',
      'STRING',
      'WM_PROTOCOLS',
      'WM_DELETE_WINDOW',
      '_NET_WM_STATE',
      '_NET_WM_STATE_FULLSCREEN',
      '_NET_WM_PING',
      '_NET_WM_SYNC_REQUEST',
      '_NET_WM_SYNC_REQUEST_COUNTER',
    ] as const;
    const atoms = await new Promise<Readonly<Record<(typeof names)[number], number>>>(known =>
      internAtoms(x, names, known),
    );
    const window = makeWindow(x, setup.root);
    x.send(changeProperty(window, atoms.WM_NAME, atoms.STRING, 8, Buffer.from('one')));
    const [ATOM, CARDINAL] = [4, 6];
    const protocols = [atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING, atoms._NET_WM_SYNC_REQUEST];
    x.send(changeWords(window, atoms.WM_PROTOCOLS, ATOM, protocols));
    const counter = await makeCounter(x);
    x.send(changeWords(window, atoms._NET_WM_SYNC_REQUEST_COUNTER, CARDINAL, [counter.id]));
    /** What the window was asked, as WM_PROTOCOLS has it. */
    const asked: (readonly number[])[] = [];
    x.on('event', event => {
      if (event.is === 'ClientMessage' && event.type === atoms.WM_PROTOCOLS) asked.push(event.data);
    });
    const askedFor = (protocol: number): (readonly number[])[] => asked.filter(([first]) => first === protocol);
    x.send(mapWindow(window));
    await until('the window', async () => (await desk.windows()).some(({ title }) => title === 'one'));
    x.send(changeProperty(window, atoms.WM_NAME, atoms.STRING, 8, Buffer.from('two')));
    await until('the other title', async () => (await desk.windows()).some(({ title }) => title === 'two'));
    const toRoot = EventMask.substructureNotify | EventMask.substructureRedirect;
    for (const add of [1, 0]) {
      const message = clientMessage(window, atoms._NET_WM_STATE, [add, atoms._NET_WM_STATE_FULLSCREEN, 0]);
      x.send(sendEvent(setup.root, message, toRoot));
      await until(`full screen ${add}`, async () => (await desk.windows())[0]?.fullscreen === (add === 1));
    }
    await desk.sway.message('[title="two"] floating enable');
    await desk.sway.message('[title="two"] resize set 300 200');
    await until('the question', () => askedFor(atoms._NET_WM_SYNC_REQUEST).length > 0);
    counter.set(askedFor(atoms._NET_WM_SYNC_REQUEST).at(-1)![2]!);
    const closing = (): (readonly number[])[] => asked.filter(([first]) => first !== atoms._NET_WM_SYNC_REQUEST);
    await desk.sway.message('[title="two"] kill');
    await until('both questions', () => closing().length === 2);
    t.same(
      closing().map(([first, , third]) => [first, third]),
      [
        [atoms.WM_DELETE_WINDOW, 0],
        [atoms._NET_WM_PING, window],
      ],
    );
    x.send(sendEvent(setup.root, clientMessage(setup.root, atoms.WM_PROTOCOLS, closing()[1]!), toRoot));
    // The answer goes by the X server, and the wish by the compositor: either may be the first to come.
    await until('the question again, since it has answered', async () => {
      await desk.sway.message('[title="two"] kill');
      return closing().filter(([first]) => first === atoms._NET_WM_PING).length === 2;
    });
  },
);

t.test('X clients that do not behave cost other X clients nothing', { timeout: 300_000 }, async t => {
  const desk = await Desk.open(t);
  desk.start(t, 'xterm', '-T', 'stays', '-e', 'sleep', '1000');
  await until('a window', async () => (await desk.windows()).length === 1);
  const stays = async (): Promise<boolean> => (await desk.windows()).some(({ title }) => title === 'stays');

  for (let i = 0; i < KILLS; i++) {
    const { x, setup } = await connectTo(desk.display, desk.authority);
    const window = makeWindow(x, setup.root, i % 2 === 1);
    x.send(mapWindow(window));
    // At another moment each time: before, while and after its window is shown.
    await new Promise(resolve => setTimeout(resolve, (i * 7) % 60));
    x.close();
  }
  await until('no other window', async () => (await desk.windows()).length === 1);

  const { x, setup } = await connectTo(desk.display, desk.authority);
  for (let i = 0; i < 500; i++) {
    const window = makeWindow(x, setup.root, i % 3 === 0);
    x.send(mapWindow(window));
    x.send(i % 2 === 0 ? unmapWindow(window) : mapWindow(window));
    x.send(destroyWindow(window));
  }
  await settled(x);
  await until('no other window', async () => (await desk.windows()).length === 1);

  // In many parts, as a request has a limit; WM_NAME is 39, WM_CLASS 67, STRING 31.
  const window = makeWindow(x, setup.root);
  const part = Buffer.alloc(250_000, 'x');
  for (let i = 0; i < 400; i++) {
    x.send(changeProperty(window, i % 2 === 0 ? 39 : 67, 31, 8, part, 2));
    if (i % 20 === 0) await settled(x);
  }
  x.send(mapWindow(window));
  await until('a window with a title of 50 MB', async () => (await desk.windows()).length === 2);
  x.close();
  await until('no other window', async () => (await desk.windows()).length === 1);

  const many = await connectTo(desk.display, desk.authority);
  for (let i = 0; i < 10_000; i++) {
    makeWindow(many.x, many.setup.root);
    if (i % 500 === 0) await settled(many.x);
  }
  await settled(many.x);
  many.x.close();
  t.ok(await stays());
  t.notMatch(desk.said(), /error/);
});

/** The process that has a display; undefined: nobody has. */
function ownerOf(number: string): number | undefined {
  try {
    return Number(readFileSync(`/tmp/.X${number}-lock`, 'latin1'));
  } catch {
    return undefined;
  }
}
