/** What a window says of itself, on a real compositor: told when it has changed, and all of it to a window that is shown anew. */
import t from 'tap';
import { changeProperty, changeWords, mapWindow, unmapWindow } from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** Predefined atoms. */
const [STRING, WM_CLASS, WM_NAME, WM_NORMAL_HINTS, WM_SIZE_HINTS] = [31, 67, 39, 40, 41];
/** Of WM_NORMAL_HINTS: there is a smallest size. */
const MIN_SIZE = 1 << 4;

const ALL = ['set_title', 'set_app_id', 'set_min_size', 'set_max_size', 'set_parent', 'set_mode'];

t.setTimeout(120_000);

const desk = await Desk.open(t, { x11: ['--trace'] });
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());

/** The requests by which something was told of a window since `from`. */
const told = (from: number): string[] =>
  [
    ...desk
      .said()
      .slice(from)
      .matchAll(/=> (?:xdg_toplevel|zxdg_toplevel_decoration_v1)#\d+\.(\w+)/g),
  ].map(([, name]) => name!);
const id = makeWindow(x, setup.root);
const name = (title: string): void => x.send(changeProperty(id, WM_NAME, STRING, 8, Buffer.from(title)));
const show = async (title: string): Promise<void> => {
  x.send(mapWindow(id));
  await desk.window(title);
};

t.test('a window is told all of at first', async t => {
  name('first');
  x.send(changeProperty(id, WM_CLASS, STRING, 8, Buffer.from('one\0One\0')));
  await show('first');
  t.same(told(0), ALL);
});

t.test('another title is one request', async t => {
  const from = desk.said().length;
  for (const title of ['second', 'third']) {
    name(title);
    await desk.window(title);
  }
  t.same(told(from), ['set_title', 'set_title']);
});

t.test('the same title is none', async t => {
  const from = desk.said().length;
  name('third');
  x.send(changeWords(id, WM_NORMAL_HINTS, WM_SIZE_HINTS, [MIN_SIZE, 0, 0, 0, 0, 50, 40, ...Array<number>(11).fill(0)]));
  await until('its smallest size', () => told(from).includes('set_min_size'));
  await settled(x);
  t.same(told(from), ['set_min_size']);
});

t.test('a window that is shown again is told all anew', async t => {
  x.send(unmapWindow(id));
  await until('it to go', async () => (await desk.windows()).length === 0);
  await settled(x);
  const from = desk.said().length;
  await show('third');
  t.same(told(from), ALL);
});
