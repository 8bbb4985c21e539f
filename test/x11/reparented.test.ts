/** Windows that are made within another, as old toolkits do, and put onto the X screen afterwards: they have their size there. */
import t from 'tap';
import { inMiddle } from '../../src/x11/places.js';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, destroyWindow, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { request, u32 } from '../../src/x11/wire.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** Atoms of the core protocol. */
const STRING = 31;
const WM_NAME = 39;

const reparent = (window: number, parent: number): Uint8Array => request(7, 0, u32(window), u32(parent), u32(0));

t.setTimeout(120_000);

t.test('a window and a menu that were within another window have their size', async t => {
  const desk = await Desk.open(t, { config: 'for_window [title=".*"] floating enable', x11: ['--trace'] });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const nest = makeWindow(x, setup.root);

  const window = makeWindow(x, nest, false, { width: 320, height: 200 });
  x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('window')));
  x.send(reparent(window, setup.root));
  x.send(mapWindow(window));
  x.flush();
  const { width, height } = await desk.window('window');
  t.same({ width, height }, { width: 320, height: 200 });
  const place = await new Promise<Uint8Array>(answered => {
    x.ask(getGeometry(window), answered);
    x.flush();
  });
  t.same(
    geometry(place),
    inMiddle({ width: 320, height: 200 }, { size: setup, monitors: [{ x: 0, y: 0, ...setup }] }),
    'in the middle by its own size',
  );

  const menu = makeWindow(x, nest, true, { width: 77, height: 55 });
  x.send(reparent(menu, setup.root));
  x.send(mapWindow(menu));
  await until('the menu', () => /xdg_popup#\d+\.configure/.test(desk.said()));
  t.match(desk.said(), /xdg_positioner#\d+\.set_size\(77, 55\)/, 'the compositor is told of a menu of this size');

  // Some that go before anybody knows how large they are.
  for (let i = 0; i < 20; i++) {
    const gone = makeWindow(x, nest);
    x.send(reparent(gone, setup.root));
    x.send(mapWindow(gone));
    if (i % 2 === 0) x.send(reparent(gone, nest));
    else x.send(destroyWindow(gone));
  }
  await settled(x);
  x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('still there')));
  x.flush();
  await desk.window('still there');
  await until('no other window', async () => (await desk.windows()).length === 1);
});
