/** Many windows that are to be shown at once, of which an Xwayland that had to show them all at once would die. */
import t, { type Test } from 'tap';
import { MAX_POPUPS, MAX_SHOWN, MAX_SURFACES } from '../../src/x11/limits.js';
import { MAX_UNDER_WAY } from '../../src/x11/mapping.js';
import {
  changeProperty,
  createCover,
  createWindow,
  destroyWindow,
  EventMask,
  mapWindow,
  sendEvent,
} from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** Windows at once; by hand: VIRTWL_X11_WINDOWS=10000. */
const WINDOWS = Number(process.env.VIRTWL_X11_WINDOWS ?? MAX_SHOWN + 2 * MAX_UNDER_WAY);

/** Windows at once that nobody manages, which the server shows without asking. */
const MENUS = 1_000;

/** Atoms of the core protocol. */
const STRING = 31;
const WM_NAME = 39;

t.setTimeout(200_000);

async function client(t: Test, desk: Desk): ReturnType<typeof connectTo> {
  const connected = await connectTo(desk.display, desk.authority);
  t.teardown(() => connected.x.close());
  return connected;
}

t.test(`${WINDOWS} windows that are to be shown at once do not end the X server`, async t => {
  const desk = await Desk.open(t, { config: 'for_window [title=".*"] floating enable' });
  const both = [await client(t, desk), await client(t, desk)];
  for (const { x, setup } of both) {
    const ids = Array.from({ length: WINDOWS / 2 }, () => makeWindow(x, setup.root));
    await settled(x);
    for (const id of ids) x.send(mapWindow(id));
    x.flush();
  }
  await until('as many as may be', async () => (await desk.windows()).length === MAX_SHOWN);
  for (const { x } of both) await settled(x);
  t.notMatch(desk.said(), /can't send file descriptor/);
});

t.test(`${MENUS} menus that are shown at once do not either`, async t => {
  const desk = await Desk.open(t);
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const below = makeWindow(x, setup.root);
  x.send(changeProperty(below, WM_NAME, STRING, 8, Buffer.from('below')));
  x.send(mapWindow(below));
  x.flush();
  await desk.window('below');
  const ids = Array.from({ length: MENUS }, () => makeWindow(x, setup.root, true));
  await settled(x);
  for (const id of ids) x.send(mapWindow(id));
  await settled(x);
  await until('a word of it', () => desk.said().includes(`shows ${MAX_POPUPS / 2} menus`));
  // As many are shown again when these are gone.
  for (const id of ids) x.send(destroyWindow(id));
  x.send(changeProperty(below, WM_NAME, STRING, 8, Buffer.from('still there')));
  x.flush();
  await desk.window('still there');
  await settled(x);
  t.notMatch(desk.said(), /lost/);
});

/** Windows without a picture, so that a compositor has nothing to do with them; they are to be shown. */
function mapMany({ x, setup }: Awaited<ReturnType<typeof connectTo>>, count: number): number[] {
  return Array.from({ length: count }, () => {
    const id = x.newId();
    x.send(createWindow(id, setup.root, true, EventMask.structureNotify));
    x.send(mapWindow(id));
    return id;
  });
}

const half = MAX_SHOWN / 2;
t.test(`${MAX_SHOWN} are shown, ${half} of one client, and others when these go`, async t => {
  const desk = await Desk.open(t);
  const [one, other] = [await client(t, desk), await client(t, desk)];
  const [shown, ofOther]: [number[], number[]] = [[], []];
  one.x.on('event', event => event.is === 'MapNotify' && shown.push(event.window));
  other.x.on('event', event => event.is === 'MapNotify' && ofOther.push(event.window));
  const { x, setup } = one;
  const ids = mapMany(one, half + 2 * MAX_UNDER_WAY);
  // One that is withdrawn before its turn is not shown later.
  const withdrawn = ids[half + 1]!;
  const unmapped = new Uint8Array(32);
  unmapped[0] = 18;
  new DataView(unmapped.buffer).setUint32(4, setup.root, true);
  new DataView(unmapped.buffer).setUint32(8, withdrawn, true);
  x.send(sendEvent(setup.root, unmapped, EventMask.substructureNotify | EventMask.substructureRedirect));
  await until('as many as one may have', () => shown.length >= half);
  await until('a word of it', () => desk.said().includes(`an X11 program shows ${half} windows`));
  await settled(x);
  t.same(shown, ids.slice(0, half), 'the first of them');
  const all = mapMany(other, half + MAX_UNDER_WAY);
  await until('as many of another one', () => ofOther.length >= half);
  await until('a word of all', () => desk.said().includes(`X11 programs show ${MAX_SHOWN} windows`));
  await settled(other.x);
  t.same(ofOther, all.slice(0, half));
  t.equal(desk.said().match(/an X11 program shows 256 windows/g)?.length, 1, 'which is told once');

  for (const id of ids.slice(0, MAX_UNDER_WAY)) x.send(destroyWindow(id));
  await until('as many others', () => shown.length >= half + MAX_UNDER_WAY);
  t.notOk(shown.includes(withdrawn), 'but for one that was withdrawn');
  t.notMatch(desk.said(), /lost/);
});

t.test(`one that has more than ${MAX_SURFACES / 2} mapped is ended, and no other`, async t => {
  const desk = await Desk.open(t);
  const [one, other] = [await client(t, desk), await client(t, desk)];
  const maps = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const id = one.x.newId();
      one.x.send(createCover(id, one.setup.root, 1));
      one.x.send(mapWindow(id));
      if (i % 512 === 0) await settled(one.x);
    }
    await settled(one.x);
  };
  await maps(MAX_SURFACES / 2);
  await settled(other.x);
  t.notOk(one.x.closed, 'as many as may be');
  await maps(1).catch(() => undefined);
  await until('its end', () => one.x.closed);
  await settled(other.x);
  await until('a word of it', () =>
    desk.said().includes('an X11 program has 4096 windows mapped, and wants more: it is ended'),
  );
  t.notMatch(desk.said(), /lost/);
});
