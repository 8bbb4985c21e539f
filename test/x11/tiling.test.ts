/**
 * A layout that changes waits for no window of an X client longer than that takes to draw itself. sway draws nothing new until
 * all windows of a layout have their sizes, or have had their time; here that is longer than the test.
 */
import t from 'tap';
import { changeProperty, mapWindow, unmapWindow } from '../../src/x11/requests.js';
import { boundsOf, Desk, until } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const [STRING, WM_NAME] = [31, 39];
const COLOURS = [0xff0000, 0x00ff00, 0x0000ff, 0xffff00];
const ROUNDS = 3;

t.test('windows that come and go beside each other are drawn at once', { timeout: 100_000 }, async t => {
  const desk = await Desk.open(t, { flags: ['-Dtxn-timeout=600000'] });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const windows = COLOURS.map((colour, i) => {
    const id = makeWindow(x, setup.root, false, { width: 200, height: 100, colour });
    x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(`window ${i}`)));
    return { id, colour, title: `window ${i}` };
  });
  /** Each is drawn where sway has it from now on. */
  const drawn = (left: number): Promise<void> =>
    until(`${left} windows as they are to be`, async () => {
      const [there, picture] = [await desk.windows(), await desk.picture()];
      const isDrawn = ({ colour, title }: (typeof windows)[number]): boolean => {
        const [place, bounds] = [there.find(window => window.title === title), boundsOf(picture, colour)];
        return place === undefined || (bounds?.x === place.x && bounds.width === place.width);
      };
      return there.length === left && windows.every(isDrawn);
    });

  for (let round = 0; round < ROUNDS; round++) {
    for (const { id } of windows) x.send(mapWindow(id));
    await drawn(windows.length);
    for (const { title } of windows) await desk.sway.message(`[title="${title}"] focus`);
    // One by one: sway 1.7 waits for one that goes while it waits.
    for (const [i, { id }] of windows.entries()) {
      x.send(unmapWindow(id));
      await drawn(windows.length - 1 - i);
    }
  }
  t.pass('each layout was drawn');
});
