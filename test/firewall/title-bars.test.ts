/**
 * Whose title bar it is, by KDE's protocol: a window around which the compositor draws one has no shadow to cover it with.
 * By that of xdg-decoration: `geometry.test.ts`.
 */
import t, { type Test } from 'tap';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { Desk } from './desk.js';

const [NONE, CLIENT, SERVER] = [0, 1, 2];

/** What the compositor is told of a window of 640 x 440 that says it begins 20 inside. */
const ITS_OWN = [20, 20, 600, 400];
const ALL = [0, 0, 640, 440];

async function decorated(t: Test) {
  const desk = await Desk.open(t);
  const { client, compositor } = desk;
  const { surface, xdgSurface } = await desk.window();
  const decoration = client.make(desk.global('org_kde_kwin_server_decoration_manager'), 'create', ['new', surface]);
  await settle(24);
  const theirs = madeBy(compositor, 'org_kde_kwin_server_decoration_manager.create');
  desk.geometry(xdgSurface, 20, 20, 600, 400);
  return {
    desk,
    client,
    decoration,
    surface,
    /** The compositor's word. */
    mode: async (mode: number): Promise<void> => {
      compositor.say(theirs, 'mode', [mode]);
      await settle(24);
    },
    asks: (mode: number): void => client.say(decoration, 'request_mode', [mode]),
    /** The window is drawn, and what the compositor was told then is given back. */
    told: (): Promise<unknown> => {
      desk.show(surface, 640, 440);
      return desk.told();
    },
  };
}

t.test('a window has a shadow until the compositor says that it draws the title bar', async t => {
  const { mode, told } = await decorated(t);
  t.same(await told(), ITS_OWN);
  await mode(SERVER);
  t.same(await told(), ALL);
  for (const other of [NONE, CLIENT]) {
    await mode(other);
    t.same(await told(), ITS_OWN);
    await mode(SERVER);
    t.same(await told(), ALL);
  }
});

t.test('a client that has asked to draw it itself keeps its shadow, whatever it is told', async t => {
  const { mode, asks, told } = await decorated(t);
  asks(CLIENT);
  await mode(SERVER);
  t.same(await told(), ITS_OWN);
  asks(SERVER);
  t.same(await told(), ALL);
  asks(CLIENT);
  asks(NONE);
  t.same(await told(), ALL, 'without one it has not asked for any');
});

t.test('when the decoration is let go of, the title bar may stay', async t => {
  const { desk, client, decoration, mode, told } = await decorated(t);
  await mode(SERVER);
  client.say(decoration, 'release');
  t.same(await told(), ALL);
  t.equal(desk.compositor.all('org_kde_kwin_server_decoration.release').length, 1);
});

t.test('a mode that is none is not told', async t => {
  const { desk, client, asks } = await decorated(t);
  for (const mode of [3, -1 >>> 0]) asks(mode);
  asks(SERVER);
  await client.roundtrip();
  t.same(
    desk.compositor.all('org_kde_kwin_server_decoration.request_mode').map(({ args }) => args),
    [[SERVER]],
  );
  t.same([client.all('wl_display.error'), desk.compositor.faults], [[], []]);
});
