/** Many windows that are to be shown at once, of which an Xwayland that had to show them all at once would die. */
import t from 'tap';
import { changeProperty, destroyWindow, EventMask, mapWindow, sendEvent } from '../../src/x11/requests.js';
import { MAX_UNDER_WAY } from '../../src/x11/mapping.js';
import { MAX_SHOWN } from '../../src/x11/limits.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** Windows at once; by hand: VIRTWL_X11_WINDOWS=10000. */
const WINDOWS = Number(process.env.VIRTWL_X11_WINDOWS ?? MAX_SHOWN + 2 * MAX_UNDER_WAY);
/** Predefined atoms. */
const [STRING, WM_NAME] = [31, 39];

t.test(`of ${WINDOWS} windows that are to be shown at once, ${MAX_SHOWN} are, and others when these go`, async t => {
  t.setTimeout(300_000);
  const desk = await Desk.open(t, { config: 'for_window [title=".*"] floating enable' });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const ids = Array.from({ length: WINDOWS }, (_, i) => {
    const id = makeWindow(x, setup.root);
    x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(`window ${i}`)));
    return id;
  });
  await settled(x);
  for (const id of ids) x.send(mapWindow(id));
  // One that is withdrawn before its turn is not shown later.
  const withdrawn = ids[MAX_SHOWN + 1]!;
  const unmapped = new Uint8Array(32);
  unmapped[0] = 18;
  new DataView(unmapped.buffer).setUint32(4, setup.root, true);
  new DataView(unmapped.buffer).setUint32(8, withdrawn, true);
  const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;
  x.send(sendEvent(setup.root, unmapped, TO_ROOT));
  const titles = async (): Promise<string[]> => (await desk.windows()).map(({ title }) => title ?? '');
  await until('as many as may be', async () => (await titles()).length === MAX_SHOWN);
  await settled(x);
  t.same(new Set(await titles()), new Set(ids.slice(0, MAX_SHOWN).map((_, i) => `window ${i}`)), 'the first of them');
  t.match(desk.said(), /show 512 windows/);
  t.equal(desk.said().match(/show 512 windows/g)?.length, 1, 'which is told once');

  const gone = 2 * MAX_UNDER_WAY - 10;
  for (const id of ids.slice(0, gone)) x.send(destroyWindow(id));
  await until('the next', async () => {
    const shown = await titles();
    return shown.length === MAX_SHOWN && shown.includes(`window ${MAX_SHOWN + gone}`);
  });
  t.notOk((await titles()).includes(`window ${MAX_SHOWN + 1}`), 'but for one that was withdrawn');
  t.notMatch(desk.said(), /lost/);
});
