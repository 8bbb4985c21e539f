/** Where a new window is on the X screen, by what its client has asked for just before. */
import t from 'tap';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, configureWindow, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { Desk } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const [STRING, WM_NAME] = [31, 39];

t.test('a client that makes a tiny window, gives it a size and shows it has it in the middle', async t => {
  const desk = await Desk.open(t, { config: 'for_window [title=".*"] floating enable' });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const window = makeWindow(x, setup.root, false, { width: 1, height: 1 });
  x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('grown')));
  x.send(configureWindow(window, { width: 400, height: 300 }));
  x.send(mapWindow(window));
  await desk.window('grown');
  const place = await new Promise(resolve => x.ask(getGeometry(window), reply => resolve(reply && geometry(reply))));
  t.match(place, { x: (setup.width - 400) / 2, y: (setup.height - 300) / 2, width: 400, height: 300 });
});
