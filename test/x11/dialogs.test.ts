/** Windows that belong to others, on a real compositor: they float above what they belong to, in whatever order they come. */
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { changeProperty, changeWords, destroyWindow, mapWindow } from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

const NAMES = ['STRING', 'WINDOW', 'WM_NAME', 'WM_TRANSIENT_FOR'] as const;
/** More than sway's least of a floating window. */
const [WIDTH, HEIGHT] = [123, 95];

t.setTimeout(120_000);

const desk = await Desk.open(t, { x11: ['--trace'] });
const { x, setup } = await connectTo(desk.display, desk.authority);
t.teardown(() => x.close());
const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
  internAtoms(x, NAMES, known),
);
const window = (title: string): number => {
  const id = makeWindow(x, setup.root, false, { width: WIDTH, height: HEIGHT });
  x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  return id;
};
const belongs = (id: number, parent: number): void =>
  x.send(changeWords(id, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [parent]));
/** Tiled windows are as large as there is room. */
const floats = async (title: string): Promise<boolean> => {
  const { width, height } = await desk.window(title);
  return width === WIDTH && height === HEIGHT;
};
const end = async (...ids: number[]): Promise<void> => {
  for (const id of ids) x.send(destroyWindow(id));
  await until('no window', async () => (await desk.windows()).length === 0);
};

for (const order of [
  ['window', 'dialog', 'question'],
  ['question', 'dialog', 'window'],
] as const) {
  t.test(`a window, its dialog and a question of that, mapped at once: first the ${order[0]}`, async t => {
    const ids = { window: window('window'), dialog: window('dialog'), question: window('question') };
    belongs(ids.dialog, ids.window);
    belongs(ids.question, ids.dialog);
    const before = desk.said().length;
    for (const each of order) x.send(mapWindow(ids[each]));
    await until('all of them', async () => (await desk.windows()).length === 3);
    await until('the window to be tiled', async () => !(await floats('window')));
    for (const title of ['dialog', 'question']) await until(`the ${title} to float`, () => floats(title));
    // Newer compositors take no parent that has no picture yet.
    const said = desk.said().slice(before);
    for (const [, parent] of said.matchAll(/\.set_parent\((xdg_toplevel#\d+)\)/g)) {
      const until = said.indexOf(`.set_parent(${parent})`);
      const [, xdgSurface] = new RegExp(String.raw`(xdg_surface#\d+)\.get_toplevel\(new id ${parent}\)`).exec(said)!;
      const shown = said.indexOf(`${xdgSurface}.ack_configure(`);
      const commit = said.slice(shown, until).search(/wl_surface#\d+\.commit\(/);
      t.ok(shown >= 0 && commit >= 0, `${parent} is there before it is a parent`);
    }
    await end(...Object.values(ids));
  });
}

t.test('windows that belong to each other are shown all the same', async t => {
  const ids = ['one', 'two'].map(title => window(title)) as [number, number];
  belongs(ids[0], ids[1]);
  belongs(ids[1], ids[0]);
  for (const id of ids) x.send(mapWindow(id));
  await until('both', async () => (await desk.windows()).length === 2);
  await end(...ids);
  t.pass();
});

t.test('a dialog does not wait for a window that has gone, or that is not shown', async t => {
  const [dialog, gone, hidden] = [window('dialog'), window('gone'), window('hidden')];
  belongs(dialog, gone);
  for (const id of [gone, dialog]) x.send(mapWindow(id));
  x.send(destroyWindow(gone));
  await desk.window('dialog');
  await end(dialog);
  const other = window('other');
  belongs(other, hidden);
  x.send(mapWindow(other));
  await desk.window('other');
  await end(other);
  t.pass();
});

t.test('a window without a picture is the parent of none: wlroots 0.15 keeps it when it is gone', async t => {
  // Names of what is gone are given again.
  const before = desk.said().length;
  const said = (): string => desk.said().slice(before);
  const [late, first] = [window('late'), window('first')];
  const call = (title: string): void =>
    x.send(changeProperty(first, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  x.send(mapWindow(first));
  await desk.window('first');
  // A compositor that hangs says no size, without which a window has no picture.
  const sway = -desk.sway.process.pid!;
  process.kill(sway, 'SIGSTOP');
  x.send(mapWindow(late));
  const known = (): string | undefined => /(xdg_toplevel#\d+)\.set_title\("late"\)/.exec(said())?.[1];
  await until('it to be on its way', () => known() !== undefined);
  const named = (): boolean => said().includes(`.set_parent(${known()})`);
  belongs(first, late);
  // With the first of these it might be told, and with the second it has been.
  for (const title of ['second', 'third']) {
    call(title);
    await until(`it to be called ${title}`, () => said().includes(`.set_title("${title}")`));
  }
  t.notOk(named());
  process.kill(sway, 'SIGCONT');
  await desk.window('late');
  await until('it to be the parent', named);
  await end(first, late);
});
