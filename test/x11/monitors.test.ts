/**
 * Two outputs are two monitors for X11 programs, and toolkits keep a menu on the monitor that its window is on. So no window is put
 * between them, new or made larger: its menus would be beside it.
 */
import t from 'tap';
import type { Geometry } from '../../src/x11/events.js';
import { geometry } from '../../src/x11/replies.js';
import { changeProperty, configureWindow, getGeometry, mapWindow } from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const [STRING, WM_NAME] = [31, 39];
const [WIDTH, HEIGHT] = [1200, 900];

t.setTimeout(100_000);

for (const scale of [1, 2]) {
  t.test(`two outputs beside each other, at scale ${scale}`, async t => {
    const config = [
      `output HEADLESS-1 mode ${WIDTH}x${HEIGHT}@60Hz position 0 0 scale ${scale}`,
      'for_window [title=".*"] floating enable, floating_maximum_size -1 x -1',
    ].join('\n');
    const desk = await Desk.open(t, { width: WIDTH, height: HEIGHT, config, x11: ['--scale', String(scale)] });
    await desk.sway.message('create_output');
    // The second one is the larger one: new windows go there.
    const position = WIDTH / scale;
    await desk.sway.message(`output HEADLESS-2 mode 1600x1000@60Hz position ${position} 0 scale ${scale}`);
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    t.equal(setup.width, WIDTH + 1600, 'the X screen is both');
    const window = makeWindow(x, setup.root, false, { width: 400, height: 300 });
    x.send(changeProperty(window, WM_NAME, STRING, 8, Buffer.from('one')));
    x.send(mapWindow(window));
    await desk.window('one');
    const place = (): Promise<Geometry> =>
      new Promise(known => x.ask(getGeometry(window), reply => known(geometry(reply))));
    t.match(await place(), { x: WIDTH + 600, y: 350, width: 400, height: 300 }, 'in the middle of the larger one');

    // As large as the output, as one is that is maximized.
    x.send(configureWindow(window, { width: 1600, height: 1000 }));
    await until('its size', async () => (await place()).width === 1600);
    t.match(await place(), { x: WIDTH, y: 0, width: 1600, height: 1000 }, 'on that one');
    x.send(configureWindow(window, { width: 2000, height: 1100 }));
    await until('its size', async () => (await place()).width === 2000);
    t.match(await place(), { x: WIDTH + 1600 - 2000, y: 0 }, 'what is larger is on the screen as far as it can be');
    t.notMatch(desk.said(), /error/);
  });
}
