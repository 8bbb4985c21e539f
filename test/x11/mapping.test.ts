/** Many windows that are to be shown at once, of which an Xwayland that had to show them all at once would die. */
import t from 'tap';
import { MAX_POPUPS, MAX_SHOWN } from '../../src/x11/limits.js';
import { MAX_UNDER_WAY } from '../../src/x11/mapping.js';
import {
  changeProperty,
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

t.test(`${WINDOWS} windows that are to be shown at once do not end the X server`, async t => {
  const desk = await Desk.open(t, { config: 'for_window [title=".*"] floating enable' });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const ids = Array.from({ length: WINDOWS }, () => makeWindow(x, setup.root));
  await settled(x);
  for (const id of ids) x.send(mapWindow(id));
  await until('as many as may be', async () => (await desk.windows()).length === MAX_SHOWN);
  await settled(x);
  t.notOk(x.closed);
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
  await until('a word of it', () => desk.said().includes(`show ${MAX_POPUPS} menus`));
  // As many are shown again when these are gone.
  for (const id of ids) x.send(destroyWindow(id));
  x.send(changeProperty(below, WM_NAME, STRING, 8, Buffer.from('still there')));
  x.flush();
  await desk.window('still there');
  await settled(x);
  t.notMatch(desk.said(), /lost/);
});

t.test(`${MAX_SHOWN} are shown, and others when these go`, async t => {
  const desk = await Desk.open(t);
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const shown: number[] = [];
  x.on('event', event => {
    if (event.is === 'MapNotify') shown.push(event.window);
  });
  // Without a picture, so that a compositor has nothing to do with them.
  const ids = Array.from({ length: MAX_SHOWN + 2 * MAX_UNDER_WAY }, () => {
    const id = x.newId();
    x.send(createWindow(id, setup.root, true, EventMask.structureNotify));
    x.send(mapWindow(id));
    return id;
  });
  // One that is withdrawn before its turn is not shown later.
  const withdrawn = ids[MAX_SHOWN + 1]!;
  const unmapped = new Uint8Array(32);
  unmapped[0] = 18;
  new DataView(unmapped.buffer).setUint32(4, setup.root, true);
  new DataView(unmapped.buffer).setUint32(8, withdrawn, true);
  x.send(sendEvent(setup.root, unmapped, EventMask.substructureNotify | EventMask.substructureRedirect));
  await until('as many as may be', () => shown.length >= MAX_SHOWN);
  await until('a word of it', () => desk.said().includes('show 512 windows'));
  await settled(x);
  t.same(shown, ids.slice(0, MAX_SHOWN), 'the first of them');
  t.equal(desk.said().match(/show 512 windows/g)?.length, 1, 'which is told once');

  for (const id of ids.slice(0, MAX_UNDER_WAY)) x.send(destroyWindow(id));
  await until('as many others', () => shown.length >= MAX_SHOWN + MAX_UNDER_WAY);
  t.notOk(shown.includes(withdrawn), 'but for one that was withdrawn');
  t.notMatch(desk.said(), /lost/);
});
