/** Icons of windows: their pixels are copied once, and stay where they are as long as a window may show them. */
import t, { type Test } from 'tap';
import { MAX_ICON_BUFFERS } from '../../src/client/app-icons.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { XdgToplevelIconV1Error } from '../../src/wayland/protocols/xdg-toplevel-icon-v1.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool, LINK_GLOBALS, nameOf, type AppAndLink } from './app-and-link.js';

const GLOBALS = [...LINK_GLOBALS, ['xdg_toplevel_icon_manager_v1', 1], ['xdg_wm_base', 6]] as const;
const SIDE = 16;
const BYTES = 4 * SIDE * SIDE;

interface Scene extends AppAndLink {
  readonly manager: number;
  icon(): number;
  window(): number;
  /** A buffer of one colour; the pool is the test's. */
  picture(colour: number, width?: number, height?: number): { pool: DrawnPool; buffer: number };
  /** The far end's buffers that icons were given, in order. */
  added(): number[];
}

async function scene(t: Test): Promise<Scene> {
  const c = await connectApp(t, { globals: GLOBALS });
  t.teardown(() => {
    c.app.close();
    c.far.close();
  });
  const bind = (name: string, version: number): number =>
    c.app.bind(c.registry, GLOBALS.findIndex(([each]) => each === name) + 1, name, version);
  const manager = bind('xdg_toplevel_icon_manager_v1', 1);
  const shell = bind('xdg_wm_base', 6);
  return {
    ...c,
    manager,
    icon: () => c.app.make(manager, 'create_icon'),
    window: () => {
      const surface = c.app.make(c.factory, 'create_surface');
      return c.app.make(c.app.make(shell, 'get_xdg_surface', ['new', surface]), 'get_toplevel');
    },
    picture: (colour, width = SIDE, height = width) => {
      const pool = new DrawnPool(c, 4 * width * height);
      pool.bytes.fill(colour);
      return { pool, buffer: pool.buffer(0, width, height) };
    },
    added: () => c.far.peer.all('xdg_toplevel_icon_v1.add_buffer').map(({ args }) => args[0] as number),
  };
}

t.test('an icon crosses as a copy, and its buffer may be drawn into again', async t => {
  const c = await scene(t);
  const { pool, buffer } = c.picture(0x44);
  const [icon, window] = [c.icon(), c.window()];
  c.app.say(icon, 'set_name', ['editor']);
  c.app.say(icon, 'add_buffer', [buffer, 2]);
  c.app.say(c.manager, 'set_icon', [window, icon]);
  await settle(24);
  const [added] = c.added();
  t.ok(c.far.pixels(added!).equals(Buffer.alloc(BYTES, 0x44)));
  t.equal(c.far.peer.last('xdg_toplevel_icon_v1.add_buffer').args[1], 2, 'at its scale');
  const names = c.far.peer.received.map(({ name }) => name);
  t.ok(names.indexOf('xdg_toplevel_icon_v1.add_buffer') < names.indexOf('xdg_toplevel_icon_manager_v1.set_icon'));
  pool.bytes.fill(0);
  c.far.peer.say(added!, 'release');
  await settle();
  t.ok(c.far.pixels(added!).equals(Buffer.alloc(BYTES, 0x44)));
  t.same(c.app.all('wl_buffer.release'), [], 'the protocol has no release for it');
  t.same(c.ends, []);
});

t.test('its memory is kept as long as a window may show it, and no longer', async t => {
  const c = await scene(t);
  const show = async (window: number, colour: number): Promise<number> => {
    const icon = c.icon();
    c.app.say(icon, 'add_buffer', [c.picture(colour).buffer, 1]);
    c.app.say(c.manager, 'set_icon', [window, icon]);
    c.app.say(icon, 'destroy');
    await settle(24);
    return c.far.slabs.size;
  };
  const offsets = (): number[] => c.far.peer.all('wl_shm_pool.create_buffer').map(({ args }) => args[1] as number);
  const [one, two] = [c.window(), c.window()];
  await show(one, 1);
  await show(two, 2);
  t.equal(c.far.buffers.size, 0, 'the icons’ own buffers are gone with them');
  await show(one, 3);
  t.equal(new Set(offsets()).size, 3, 'nothing that is shown is overwritten');
  await show(two, 4);
  t.equal(offsets().at(-1), offsets()[0], 'what no window has any more is free');
  c.app.say(c.manager, 'set_icon', [two, undefined]);
  c.app.say(one, 'destroy');
  await show(two, 5);
  t.ok(offsets().slice(0, 4).includes(offsets().at(-1)!), 'nor one whose window is gone');
  t.same(c.far.mistakes, []);
  t.same(c.far.peer.faults, []);
  t.same(c.ends, []);
});

for (const [what, width, height] of [
  ['is no square', 16, 8],
  ['is no square the other way', 8, 16],
] as const) {
  t.test(`a buffer that ${what} is no icon`, async t => {
    const c = await scene(t);
    const icon = c.icon();
    c.app.say(icon, 'add_buffer', [c.picture(1, width, height).buffer, 1]);
    await c.app.isEnded();
    t.match(c.app.last('wl_display.error').args, [icon, XdgToplevelIconV1Error.invalid_buffer]);
  });
}

t.test('a buffer without memory is no icon', async t => {
  const c = await scene(t);
  const name = nameOf('wp_single_pixel_buffer_manager_v1');
  const pixels = c.app.bind(c.registry, name, 'wp_single_pixel_buffer_manager_v1', 1);
  const pixel = c.app.make(pixels, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  const icon = c.icon();
  c.app.say(icon, 'add_buffer', [pixel, 1]);
  await c.app.isEnded();
  t.match(c.app.last('wl_display.error').args, [icon, XdgToplevelIconV1Error.invalid_buffer]);
});

t.test(`an icon has ${MAX_ICON_BUFFERS} buffers at most`, async t => {
  const c = await scene(t);
  const icon = c.icon();
  const { buffer } = c.picture(1);
  for (let i = 0; i < MAX_ICON_BUFFERS; i++) c.app.say(icon, 'add_buffer', [buffer, i + 1]);
  await settle(40);
  t.equal(c.added().length, MAX_ICON_BUFFERS);
  t.notOk(c.app.ended);
  c.app.say(icon, 'add_buffer', [buffer, 1]);
  await c.app.isEnded();
  t.match(c.app.last('wl_display.error').args, [1, WlDisplayError.no_memory, /64 buffers/]);
});

t.test('without memory for it, the window goes without this size of its icon', async t => {
  const c = await scene(t);
  c.far.slabAnswer = 'refuse';
  c.app.say(c.icon(), 'add_buffer', [c.picture(1).buffer, 1]);
  await c.app.roundtrip();
  t.same(c.ends, []);
  t.same(c.far.peer.all('xdg_toplevel_icon_v1.add_buffer'), []);
});
