/**
 * The pointer, fingers and pens on title bars and edges of ours: what each does, what it looks like, and that Xwayland is told nothing of
 * it. Both ends are played here: no compositor of the tests has a pen, and sway gives no input beside a window.
 */
import t from 'tap';
import type { Concern } from '../../src/relay/chain.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { Shell } from '../../src/x11/shell.js';
import { TitleBar } from '../../src/x11/title-bar.js';
import { TitleCursors } from '../../src/x11/title-cursors.js';
import { EDGE_WIDTH as EDGE } from '../../src/x11/title-edges.js';
import { TitlePen } from '../../src/x11/title-pen.js';
import { TITLE_BAR_HEIGHT as BAR } from '../../src/x11/title-picture.js';
import { TitlePointer } from '../../src/x11/title-pointer.js';
import { TitlePresses } from '../../src/x11/title-press.js';
import { userInput } from '../../src/x11/user-input.js';
import { settle } from '../relay/peer.js';
import { between, madeBy } from '../relay/relay-between.js';

const [WIDTH, HEIGHT] = [200, 100];
/** As the compositor makes them. */
const [TABLET, TOOL] = [0xff000000, 0xff000001];
const [LEFT, TOP, RIGHT, BOTTOM] = [4, 1, 8, 2];
const ALL = LEFT | TOP | RIGHT | BOTTOM;
/** Of the window with its bar, from the corner of the edges. */
const [FAR_X, FAR_Y] = [EDGE + WIDTH, EDGE + BAR + HEIGHT];
const MIDDLE = { x: EDGE + WIDTH / 2, y: EDGE + (BAR + HEIGHT) / 2 };

const shell = new Shell();
const names: string[] = [];
/** By which they are told apart. */
const [ARROW, TOP_SIDE, OTHER] = [1, 2, 3];
const cursors = new TitleCursors(shell, name => {
  names.push(name);
  if (name === 'bottom_side' || name === 's-resize') return undefined;
  const hot = name === 'left_ptr' ? ARROW : name === 'top_side' ? TOP_SIDE : OTHER;
  return { width: 1, height: 1, hotX: hot, hotY: hot, pixels: new Uint8Array(4) };
});
const presses = new TitlePresses();
const [pointers, pens] = [new TitlePointer(shell, cursors, presses), new TitlePen(shell, cursors, presses)];
const surfaces: RelayObject<'wl_surface'>[] = [];
const bars: Concern = {
  name: 'bars',
  events: { ...pointers.events, ...pens.events },
  made: { wl_surface: object => void surfaces.push(object) },
};
const input = userInput({ acts: () => {}, pointed: () => {}, pressed: () => {}, typed: () => {} });
const { relay, client, compositor, registry, ends } = await between(t, {
  concerns: [bars, { name: 'input', after: ['bars'], ...input }],
});
const seat = client.bind(registry, 1, 'wl_seat', 5);
client.make(client.bind(registry, 2, 'wl_compositor', 4), 'create_surface');
const tablets = client.bind(registry, 3, 'zwp_tablet_manager_v2', 1);
for (const device of ['pointer', 'touch']) client.make(seat, `get_${device}`);
client.make(tablets, 'get_tablet_seat', ['new', seat]);
for (const [i, name] of ['wl_compositor', 'wl_subcompositor', 'wl_shm', 'wp_viewporter'].entries())
  shell.sees({ name: 10 + i, interface: name, version: 4 });
shell.attach(relay, false, () => {});
await settle();

const done: string[] = [];
const bar = TitleBar.above(shell, surfaces[0]!, {
  closeAsked: () => done.push('close'),
  toggleMaximized: () => done.push('maximize'),
  setMinimized: () => done.push('minimize'),
  move: ({ serial }) => done.push(`move ${serial}`),
  menu: ({ serial }, x, y) => done.push(`menu ${serial} ${x} ${y}`),
  resize: ({ serial }, edges) => done.push(`resize ${serial} ${edges}`),
})!;
const show = async (sides: number): Promise<void> => {
  bar.show({ width: WIDTH, height: HEIGHT }, sides, undefined, true);
  relay.flush();
  await settle();
};
await show(ALL);
const [barSurface, edges] = compositor.all('wl_subcompositor.get_subsurface').map(({ args }) => args[1] as number) as [
  number,
  number,
];
const [pointer, touch] = [madeBy(compositor, 'wl_seat.get_pointer'), madeBy(compositor, 'wl_seat.get_touch')];
const tabletSeat = madeBy(compositor, 'zwp_tablet_manager_v2.get_tablet_seat');
for (const [id, name] of [
  [TABLET, 'zwp_tablet_v2'],
  [TOOL, 'zwp_tablet_tool_v2'],
] as const) {
  compositor.types.set(id, name);
  compositor.versions.set(id, 1);
}
compositor.say(tabletSeat, 'tablet_added', [TABLET]);
compositor.say(tabletSeat, 'tool_added', [TOOL]);

let [serial, time] = [100, 1_000];
/** What has come of it. */
async function after(act: () => void): Promise<readonly string[]> {
  done.length = 0;
  time += 1_000;
  act();
  await settle();
  return done.map(one => one.replace(String(serial), '#'));
}
const click = (surface: number, x: number, y: number): void => {
  compositor.say(pointer, 'enter', [1, surface, x, y]);
  compositor.say(pointer, 'button', [(serial += 1), time, 0x110, 1]);
  compositor.say(pointer, 'leave', [2, surface]);
};

t.test('each edge and each corner resizes by its sides', async t => {
  for (const [x, y, sides] of [
    [0, MIDDLE.y, LEFT],
    [EDGE - 1, MIDDLE.y, LEFT],
    [FAR_X, MIDDLE.y, RIGHT],
    [FAR_X + EDGE - 1, MIDDLE.y, RIGHT],
    [MIDDLE.x, 0, TOP],
    [MIDDLE.x, FAR_Y, BOTTOM],
    [0, 0, LEFT | TOP],
    [EDGE + 15, 0, LEFT | TOP],
    [EDGE + 16, 0, TOP],
    [FAR_X + 2, EDGE + 15, RIGHT | TOP],
    [2, FAR_Y - 16, LEFT | BOTTOM],
    [2, FAR_Y - 17, LEFT],
    [FAR_X - 16, FAR_Y + 3, RIGHT | BOTTOM],
  ] as const) {
    t.same(await after(() => click(edges, x, y)), [`resize # ${sides}`], `at ${x}, ${y}`);
  }
});

t.test('what cannot be resized has no edge there', async t => {
  const region = (): readonly unknown[] => compositor.all('wl_region.add').at(-1)!.args;
  t.same(region(), [0, 0, WIDTH + 2 * EDGE, BAR + HEIGHT + 2 * EDGE]);
  t.same(compositor.all('wl_region.subtract').at(-1)!.args, [EDGE, EDGE, WIDTH, BAR + HEIGHT], 'nor within the window');
  await show(LEFT | RIGHT);
  t.same(region(), [0, EDGE, WIDTH + 2 * EDGE, BAR + HEIGHT]);
  t.same(await after(() => click(edges, 0, EDGE)), [`resize # ${LEFT}`], 'a corner that has one side');
  const attached = (): unknown => compositor.all('wl_surface.attach').at(-1)!.args[0];
  await show(0);
  t.notOk(attached());
  t.same(await after(() => click(edges, 0, 0)), [], 'what was on its way');
  await show(ALL);
  t.ok(attached());
});

t.test('the pointer looks like what it would do', async t => {
  const hot = (): readonly unknown[] => compositor.all('wl_pointer.set_cursor').at(-1)!.args;
  const enter = (surface: number, x: number, y: number): void =>
    compositor.say(pointer, 'enter', [(serial += 1), surface, x, y]);
  const shown = (): number => compositor.all('wl_pointer.set_cursor').length;
  enter(edges, 0, 0);
  await settle();
  t.match(hot(), [serial, Number, OTHER, OTHER]);
  t.ok(names.includes('top_left_corner'));
  const before = shown();
  compositor.say(pointer, 'motion', [time, 1, 1]);
  await settle();
  t.equal(shown(), before, 'as long as that is the same');
  compositor.say(pointer, 'motion', [time, MIDDLE.x, 1]);
  await settle();
  t.match(hot(), [serial, Number, TOP_SIDE, TOP_SIDE], 'with the serial of its coming');
  compositor.say(pointer, 'motion', [time, MIDDLE.x, FAR_Y + 1]);
  await settle();
  t.ok(names.includes('bottom_side') && names.includes('s-resize'));
  t.match(hot(), [serial, Number, ARROW, ARROW], 'an arrow, where the theme has none');
  enter(barSurface, 5, 5);
  await settle();
  t.match(hot(), [serial, Number, ARROW, ARROW], 'and on the bar');
});

t.test('a finger resizes, and moves', async t => {
  const down = (surface: number, x: number, y: number): void => {
    compositor.say(touch, 'down', [(serial += 1), time, surface, 3, x, y]);
    compositor.say(touch, 'motion', [time, 3, x + 1, y]);
    compositor.say(touch, 'up', [serial, time, 3]);
  };
  t.same(await after(() => down(edges, FAR_X + 1, FAR_Y + 1)), [`resize # ${RIGHT | BOTTOM}`]);
  t.same(await after(() => down(barSurface, 20, 5)), ['move #']);
});

t.test('a pen does what the pointer does', async t => {
  const come = (surface: number, x: number, y: number): void => {
    compositor.say(TOOL, 'proximity_in', [(serial += 1), TABLET, surface]);
    compositor.say(TOOL, 'motion', [x, y]);
    compositor.say(TOOL, 'frame', [time]);
  };
  const tip = (pause = 0): void => {
    compositor.say(TOOL, 'down', [(serial += 1)]);
    compositor.say(TOOL, 'pressure', [100]);
    compositor.say(TOOL, 'frame', [(time += pause)]);
  };
  const lift = (): void => {
    compositor.say(TOOL, 'up');
    compositor.say(TOOL, 'frame', [time]);
  };
  const go = (): void => {
    compositor.say(TOOL, 'proximity_out');
    compositor.say(TOOL, 'frame', [time]);
  };
  const tap = (surface: number, x: number, y: number) => (): void => {
    come(surface, x, y);
    tip();
    lift();
    go();
  };
  t.same(await after(tap(barSurface, 20, 5)), [`move #`]);
  const button = (n: number): number => WIDTH - (n + 0.5) * BAR;
  for (const [n, name] of ['close', 'maximize', 'minimize'].entries())
    t.same(await after(tap(barSurface, button(n), 5)), [name]);
  t.same(await after(tap(edges, 0, MIDDLE.y)), [`resize # ${LEFT}`]);
  t.match(compositor.all('zwp_tablet_tool_v2.set_cursor').at(-1)!.args, [Number, Number, OTHER, OTHER], 'and looks so');
  const elsewhere = await after(() => {
    come(barSurface, button(0), 5);
    tip();
    compositor.say(TOOL, 'motion', [20, 5]);
    lift();
    go();
  });
  t.same(elsewhere, [], 'not where it is lifted elsewhere');
  const twice = await after(() => {
    come(barSurface, 20, 5);
    tip();
    lift();
    tip(100);
  });
  t.equal(twice.at(-1), 'maximize', 'a double tap');
  t.same(await after(tip), ['move #'], 'the next is one of its own');
  go();
});

t.test('Xwayland is told of none of it, and of all else', async t => {
  await settle();
  const of = (name: string): unknown[] => [...client.all(`wl_pointer.${name}`), ...client.all(`wl_touch.${name}`)];
  t.same(['enter', 'leave', 'motion', 'button', 'down', 'up'].flatMap(of), []);
  const pen = ['proximity_in', 'proximity_out', 'motion', 'down', 'up', 'pressure', 'frame'];
  const ofPen = (): number[] => pen.map(name => client.all(`zwp_tablet_tool_v2.${name}`).length);
  t.same(new Set(ofPen()), new Set([0]));
  const window = compositor.all('wl_compositor.create_surface')[0]!.args[0]!;
  compositor.say(pointer, 'enter', [1, window, 0, 0]);
  compositor.say(pointer, 'button', [2, 0, 0x110, 1]);
  compositor.say(TOOL, 'proximity_in', [3, TABLET, window]);
  compositor.say(TOOL, 'motion', [1, 1]);
  compositor.say(TOOL, 'down', [4]);
  compositor.say(TOOL, 'pressure', [5]);
  compositor.say(TOOL, 'up');
  compositor.say(TOOL, 'proximity_out');
  compositor.say(TOOL, 'frame', [time]);
  await settle();
  t.same([client.all('wl_pointer.enter').length, client.all('wl_pointer.button').length], [1, 1]);
  t.same(new Set(ofPen()), new Set([1]));
});

t.test('nothing is said of a device that Xwayland has given up, while the compositor still tells of it', async t => {
  const [released, tool] = [client.make(seat, 'get_pointer'), TOOL + 1];
  await settle();
  const its = madeBy(compositor, 'wl_seat.get_pointer');
  compositor.types.set(tool, 'zwp_tablet_tool_v2');
  compositor.versions.set(tool, 1);
  compositor.say(tabletSeat, 'tool_added', [tool]);
  await settle();
  const { answer } = compositor;
  compositor.answer = received => {
    if (received.name === 'wl_pointer.release') compositor.say(its, 'enter', [77, edges, 0, 0]);
    if (received.name === 'zwp_tablet_tool_v2.destroy') compositor.say(tool, 'proximity_in', [78, TABLET, edges]);
    answer(received);
  };
  client.say(released, 'release');
  client.say(tool, 'destroy');
  await settle();
  compositor.answer = answer;
  const said = ['wl_pointer', 'zwp_tablet_tool_v2'].flatMap(name => compositor.all(`${name}.set_cursor`));
  t.same([said.filter(({ id }) => id === its || id === tool), compositor.faults, ends], [[], [], []]);
});

t.test('a device that goes, and a bar that does, are no trouble', async t => {
  compositor.say(pointer, 'enter', [1, edges, 0, 0]);
  compositor.say(TOOL, 'proximity_in', [3, TABLET, edges]);
  await settle();
  pens.gone(relay.clientObject(TOOL)!);
  bar.close();
  relay.flush();
  await settle();
  t.same(await after(() => compositor.say(pointer, 'button', [9, time, 0x110, 1])), [`resize 9 ${LEFT | TOP}`]);
  t.same([...client.faults, ...compositor.faults, ...ends], []);
});
