/**
 * A compositor that tells a window its size again takes back nothing that its client has done meanwhile. KWin, which answers so, is no package of the tests: what stands between `virtwl x11` and sway does it.
 */
import t from 'tap';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, configureWindow, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { AddedGlobals } from './added-globals.js';
import { boundsOf, Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const RED = 0xff0000;
/** Predefined atoms. */
const [STRING, WM_NAME] = [31, 39];

t.setTimeout(120_000);

const desk = await Desk.open(t, {
  config: 'for_window [title=".*"] floating enable',
  x11: ['--trace'],
  through: sway => new AddedGlobals(t, sway, [], true).display,
});
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());
const id = makeWindow(x, setup.root, false, { width: 200, height: 100, colour: RED });
const titled = (title: string): void => x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(title)));
titled('first');
x.send(mapWindow(id));
await desk.window('first');
t.test('a window that resizes itself and says something keeps its new size', async t => {
  for (let i = 0; i < 10; i++) {
    const [width, height] = [210 + 5 * i, 110 + 5 * i];
    x.send(configureWindow(id, { width, height }));
    titled(`size ${i}`);
    await desk.window(`size ${i}`);
    await until('its picture', async () => boundsOf(await desk.picture(), RED)?.width === width);
    await settled(x);
    const size = geometry(await new Promise<Uint8Array>(told => x.ask(getGeometry(id), told)));
    t.match(size, { width, height });
  }
});

t.test('a size that the compositor means counts after it all the same', async () => {
  x.send(configureWindow(id, { width: 220, height: 120 }));
  await until('its own', async () => boundsOf(await desk.picture(), RED)?.width === 220);
  await desk.sway.message('[title="size"]', 'resize', 'set', '280', '140');
  await until('the compositor’s', async () => boundsOf(await desk.picture(), RED)?.width === 280);
  await desk.sway.message('[title="size"]', 'resize', 'set', '220', '120');
  await until('and back', async () => boundsOf(await desk.picture(), RED)?.width === 220);
});
