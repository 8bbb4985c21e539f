/** What is said has to agree with what was said before. */
import t, { type Test } from 'tap';
import { settle } from '../relay/peer.js';
import { firstCommit, positionerOf } from '../relay/manners.js';
import { behindWall } from './walled.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['xdg_wm_base', 6],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['xdg_activation_v1', 1],
  ['wl_seat', 7],
] as const;

/** A client behind a firewall with a window that is shown. */
async function shown(t: Test) {
  const b = await behindWall(t, GLOBALS);
  const { client, bound } = b;
  const xdgSurface = () => {
    const surface = client.make(bound.wl_compositor, 'create_surface');
    return { surface, xdg: client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', surface]) };
  };
  const { surface, xdg } = xdgSurface();
  const toplevel = client.make(xdg, 'get_toplevel');
  const buffer = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  await firstCommit(client, surface, xdg);
  client.say(surface, 'attach', [buffer, 0, 0]);
  client.say(surface, 'commit');
  await client.roundtrip();
  /** It ends by this error. */
  const refused = async (object: number, code: number, text: RegExp): Promise<void> => {
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [object, code, text]);
    t.same(b.compositor.faults, []);
  };
  const fine = async (what: string): Promise<void> => {
    await client.roundtrip();
    t.same([client.all('wl_display.error'), b.compositor.faults], [[], []], what);
  };
  return { ...b, bound, xdgSurface, surface, xdg, toplevel, buffer, refused, fine };
}

t.test('popups are placed by positioners with a size and an anchor', async t => {
  for (const [size, anchor, error] of [
    [false, false, /no size/],
    [true, false, /no anchor/],
    [false, true, /no size/],
    [true, true, undefined],
  ] as const) {
    for (const again of [false, true]) {
      const { client, compositor, bound, xdg, xdgSurface, refused, fine } = await shown(t);
      const positioner = client.make(bound.xdg_wm_base, 'create_positioner');
      if (size) client.say(positioner, 'set_size', [1, 1]);
      if (anchor) client.say(positioner, 'set_anchor_rect', [0, 0, 1, 0]);
      const popup = xdgSurface();
      if (again) {
        const good = positionerOf(client, bound.xdg_wm_base);
        const menu = client.make(popup.xdg, 'get_popup', ['new', xdg, good]);
        client.say(menu, 'reposition', [positioner, 7]);
      } else client.make(popup.xdg, 'get_popup', ['new', xdg, positioner]);
      if (error === undefined) await fine('a complete one');
      else await refused(bound.xdg_wm_base, 5, error);
      const heard = compositor.all(again ? 'xdg_popup.reposition' : 'xdg_surface.get_popup').length;
      t.equal(heard, error === undefined ? 1 : 0, `the compositor hears of ${again ? 'its place' : 'a popup'}`);
    }
  }
});

t.test('an anchor that has become nothing is none', async t => {
  const { client, bound, xdg, xdgSurface, refused } = await shown(t);
  const positioner = positionerOf(client, bound.xdg_wm_base);
  client.say(positioner, 'set_anchor_rect', [5, 5, 0, 10]);
  client.make(xdgSurface().xdg, 'get_popup', ['new', xdg, positioner]);
  await refused(bound.xdg_wm_base, 5, /no anchor/);
});

t.test('the least size of a window is not over its largest when they are committed', async t => {
  for (const [least, most, good] of [
    [[10, 0], [9, 0], false],
    [[0, 10], [0, 9], false],
    [[10, 10], [10, 10], true],
    [[10, 10], [0, 0], true],
    [[10, 10], [0, 11], true],
  ] as const) {
    const { client, compositor, surface, toplevel, refused, fine } = await shown(t);
    client.say(toplevel, 'set_min_size', least);
    client.say(toplevel, 'set_max_size', most);
    await settle();
    t.same(client.all('wl_display.error'), [], 'as long as it is not committed they may be anything');
    const before = compositor.all('wl_surface.commit').length;
    client.say(surface, 'commit');
    if (good) await fine(`${String(least)} and ${String(most)}`);
    else await refused(toplevel, 2, /least (width|height) of 10 was committed with a largest of 9/);
    t.equal(compositor.all('wl_surface.commit').length, before + (good ? 1 : 0));
  }
});

t.test('a window that was hidden has no sizes any more', async t => {
  const { client, surface, xdg, toplevel, fine } = await shown(t);
  client.say(toplevel, 'set_min_size', [100, 100]);
  client.say(surface, 'commit');
  client.say(surface, 'attach', [undefined, 0, 0]);
  client.say(surface, 'commit');
  client.say(toplevel, 'set_max_size', [50, 50]);
  await firstCommit(client, surface, xdg);
  await fine('what it is told anew holds alone');
});

t.test('a token that was asked for says nothing more', async t => {
  for (const [request, args] of [
    ['commit', []],
    ['set_app_id', ['foot']],
    ['set_surface', ['surface']],
    ['set_serial', [1, 'seat']],
  ] as const) {
    const { client, bound, surface, refused, fine } = await shown(t);
    const values = args.map(arg => (arg === 'surface' ? surface : arg === 'seat' ? bound.wl_seat : arg));
    const token = client.make(bound.xdg_activation_v1, 'get_activation_token');
    client.say(token, request, values);
    await fine(`${request} before`);
    const other = client.make(bound.xdg_activation_v1, 'get_activation_token');
    client.say(other, 'commit');
    client.say(other, request, values);
    await refused(other, 0, /committed already/);
  }
});
