/** X clients with thousands of pixmaps: Xwayland makes a pool of memory and a buffer of each, with a descriptor of its own. */
import t from 'tap';
import { getInputFocus, mapWindow, pixmaps } from '../../src/x11/requests.js';
import { startSway } from '../compositors.js';
import { connectTo, makeWindow } from './x-client.js';
import { startX11 } from './x-server.js';

const PIXMAPS = 5_000;
/** More than a compositor that reads nothing, and what waits for it here, hold; less than an Xwayland stands that has to wait itself. */
const HELD_UP = 3_600;

t.test('an X client may have thousands of pixmaps', { timeout: 120_000 }, async t => {
  const sway = await startSway(t);
  const { display, authority, said } = await startX11(t, sway.environment());
  const { x, setup } = await connectTo(display, authority);
  t.teardown(() => x.close());
  let failed = 0;
  x.on('failed', () => (failed += 1));
  const answered = (): Promise<unknown> =>
    new Promise((resolve, reject) => x.ask(getInputFocus(), resolve, () => reject(new Error(said()))));
  x.once('close', () => t.fail(`the X server is gone: ${said()}`));
  const made: number[] = [];
  const make = (count: number): void => {
    for (let i = 0; i < count; i++) {
      made.push(x.newId());
      x.send(pixmaps.create(made.at(-1)!, setup.root, 16, 16));
    }
  };
  make(PIXMAPS);
  await answered();
  process.kill(-sway.process.pid!, 'SIGSTOP');
  make(HELD_UP);
  await answered();
  process.kill(-sway.process.pid!, 'SIGCONT');
  await answered();
  for (const pixmap of made) x.send(pixmaps.free(pixmap));
  x.send(mapWindow(makeWindow(x, setup.root)));
  await answered();
  t.equal(failed, 0);
  for (let shown = false; !shown;) shown = JSON.stringify(await sway.message('-t', 'get_tree')).includes('"pid"');
  t.pass('its window is shown');
  x.removeAllListeners();
});
