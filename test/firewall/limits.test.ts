/** The firewall's limits on both of their sides, and what a client leaves behind. The compositor is a stand-in. */
import t from 'tap';
import { VmFirewall } from '../../src/firewall/firewall.js';
import { ALONE, VM_WINDOW } from '../../src/firewall/pace.js';
import { DEFAULT_BOUNDS } from '../../src/firewall/bounds.js';
import { GRABS_PER_ACTION, MAX_SERIALS, Serials, USER_ACTION_MS } from '../../src/firewall/serials.js';
import { WlDisplayError, WlSubcompositorError } from '../../src/wayland/protocols/wayland.js';
import { XdgToplevelError } from '../../src/wayland/protocols/xdg-shell.js';
import { settle, type Peer } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { behindWall, walled } from './walled.js';

const {
  'region-steps': MAX_REGION_STEPS,
  damage: MAX_DAMAGE_RECTS,
  'subsurface-depth': MAX_SUBSURFACE_DEPTH,
  'popup-depth': MAX_POPUP_DEPTH,
  'parent-depth': MAX_PARENT_DEPTH,
} = DEFAULT_BOUNDS;

/** What surfaces above each other are made of. */
const LAYERED = [
  ['wl_compositor', 4],
  ['wl_subcompositor', 1],
  ['wp_viewporter', 1],
  ['wp_single_pixel_buffer_manager_v1', 1],
] as const;

const count = (peer: Peer, name: string): number => peer.all(name).length;
const errorCode = (peer: Peer): unknown => peer.all('wl_display.error').at(-1)?.args[1];

t.test('subsurfaces of subsurfaces', async t => {
  const { client, bound, surface, compositor } = await walled(t);
  let parent = surface();
  const under = (): void => {
    const child = surface();
    client.make(bound.wl_subcompositor, 'get_subsurface', ['new', child, parent]);
    parent = child;
  };
  for (let i = 1; i < MAX_SUBSURFACE_DEPTH; i++) under();
  await settle(20);
  t.equal(count(compositor, 'wl_subcompositor.get_subsurface'), MAX_SUBSURFACE_DEPTH - 1);
  t.equal(errorCode(client), undefined);
  under();
  await client.isEnded();
  t.equal(errorCode(client), WlDisplayError.no_memory);
});

t.test('bounds of one thing are what a policy says', async t => {
  const scene = (limits: Readonly<Record<string, number>>) => walled(t, new VmFirewall('work', limits));

  await t.test('subsurface-depth', async t => {
    const { client, bound, surface, compositor } = await scene({ 'subsurface-depth': 2 });
    const [top, middle, bottom] = [surface(), surface(), surface()];
    client.make(bound.wl_subcompositor, 'get_subsurface', ['new', middle, top]);
    client.make(bound.wl_subcompositor, 'get_subsurface', ['new', bottom, middle]);
    await client.isEnded();
    t.equal(count(compositor, 'wl_subcompositor.get_subsurface'), 1);
    t.match(client.last('wl_display.error').args[2], /over 2 above one another \(limit subsurface-depth/);
  });

  await t.test('parent-depth', async t => {
    const { client, window, compositor } = await scene({ 'parent-depth': 2 });
    const [top, middle, bottom] = [window().toplevel, window().toplevel, window().toplevel];
    client.say(middle, 'set_parent', [top]);
    client.say(bottom, 'set_parent', [middle]);
    await client.isEnded();
    t.equal(count(compositor, 'xdg_toplevel.set_parent'), 1);
  });

  await t.test('popup-depth', async t => {
    const { client, window, popup, show, compositor } = await scene({ 'popup-depth': 2 });
    const first = window();
    await show(first);
    const menu = popup(first.xdg);
    await show(menu);
    popup(menu.xdg);
    await client.isEnded();
    t.equal(count(compositor, 'xdg_surface.get_popup'), 1);
  });

  await t.test('region-steps', async t => {
    const { client, bound, surface, compositor } = await scene({ 'region-steps': 2 });
    const of = surface();
    for (const steps of [2, 3]) {
      const region = client.make(bound.wl_compositor, 'create_region');
      for (let i = 0; i < steps; i++) client.say(region, 'add', [i, 0, 1, 1]);
      client.say(of, 'set_input_region', [region]);
    }
    await client.isEnded();
    t.equal(count(compositor, 'wl_region.add'), 2);
    t.match(client.last('wl_display.error').args[2], /over 2 rectangles \(limit region-steps/);
  });

  await t.test('damage', async t => {
    const { client, surface, compositor } = await scene({ damage: 2 });
    const of = surface();
    for (let i = 0; i < 5; i++) client.say(of, 'damage', [i, 0, 1, 1]);
    client.say(of, 'commit');
    await settle(20);
    t.equal(count(compositor, 'wl_surface.damage'), 3, 'the rest as one');
    t.equal(errorCode(client), undefined);
  });

  await t.test('layers', async t => {
    for (const count of [3, 4]) {
      const b = await behindWall(t, LAYERED, new VmFirewall('work', { layers: 3 }));
      const { client, bound } = b;
      const pixel = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
      const large = (): number => {
        const of = client.make(bound.wl_compositor, 'create_surface');
        const viewport = client.make(bound.wp_viewporter, 'get_viewport', ['new', of]);
        client.say(viewport, 'set_destination', [1024, 1024]);
        client.say(of, 'attach', [pixel, 0, 0]);
        return of;
      };
      const top = large();
      for (let i = 1; i < count; i++) {
        const child = large();
        client.make(bound.wl_subcompositor, 'get_subsurface', ['new', child, top]);
        client.say(child, 'commit');
      }
      client.say(top, 'commit');
      if (count === 3) await client.roundtrip();
      else {
        await client.isEnded();
        t.match(client.last('wl_display.error').args[2], /over 3 times its pixels \(limit layers/);
      }
      t.equal(client.ended, count > 3, `${count} above each other`);
    }
  });

  await t.test('ahead', async t => {
    const { client, bound, compositor } = await scene({ ahead: 8 });
    await client.roundtrip();
    compositor.answer = () => undefined;
    for (let i = 0; i < 100; i++) client.say(bound.xdg_wm_base, 'pong', [i]);
    await settle(20);
    const passed = count(compositor, 'xdg_wm_base.pong');
    t.ok(passed <= ALONE * 8 && passed >= 4, `${passed}`);
  });
});

t.test('a surface that has children becomes a child, once', async t => {
  const { client, bound, surface, compositor } = await walled(t);
  const [top, middle, bottom] = [surface(), surface(), surface()];
  client.make(bound.wl_subcompositor, 'get_subsurface', ['new', bottom, middle]);
  client.make(bound.wl_subcompositor, 'get_subsurface', ['new', middle, top]);
  await settle(20);
  t.equal(count(compositor, 'wl_subcompositor.get_subsurface'), 2);
  t.equal(errorCode(client), undefined);
  client.make(bound.wl_subcompositor, 'get_subsurface', ['new', middle, top]);
  await client.isEnded();
  t.equal(errorCode(client), WlSubcompositorError.bad_surface);
});

t.test('a surface is not below itself', async t => {
  const { client, bound, surface } = await walled(t);
  const [above, below] = [surface(), surface()];
  client.make(bound.wl_subcompositor, 'get_subsurface', ['new', below, above]);
  await settle(10);
  t.equal(errorCode(client), undefined);
  client.make(bound.wl_subcompositor, 'get_subsurface', ['new', above, below]);
  await client.isEnded();
  t.equal(errorCode(client), WlSubcompositorError.bad_parent);
});

t.test('windows of windows', async t => {
  const { client, window, compositor } = await walled(t);
  let parent = window().toplevel;
  const above = (): void => {
    const child = window().toplevel;
    client.say(child, 'set_parent', [parent]);
    parent = child;
  };
  for (let i = 1; i < MAX_PARENT_DEPTH; i++) above();
  await settle(40);
  t.equal(count(compositor, 'xdg_toplevel.set_parent'), MAX_PARENT_DEPTH - 1);
  t.equal(errorCode(client), undefined);
  above();
  await client.isEnded();
  t.equal(errorCode(client), WlDisplayError.no_memory);
});

t.test('no window is its own parent, over others neither', async t => {
  const { client, window } = await walled(t);
  const [one, two, three] = [window(), window(), window()].map(({ toplevel }) => toplevel) as [number, number, number];
  client.say(one, 'set_parent', [two]);
  client.say(two, 'set_parent', [three]);
  await settle(10);
  t.equal(errorCode(client), undefined);
  client.say(three, 'set_parent', [one]);
  await client.isEnded();
  t.equal(errorCode(client), XdgToplevelError.invalid_parent);
});

t.test('popups above popups', async t => {
  const { client, window, popup, show, compositor } = await walled(t);
  const first = window();
  await show(first);
  let parent = first.xdg;
  const above = async (): Promise<void> => {
    const child = popup(parent);
    await show(child);
    parent = child.xdg;
  };
  for (let i = 1; i < MAX_POPUP_DEPTH; i++) await above();
  await settle(40);
  t.equal(count(compositor, 'xdg_surface.get_popup'), MAX_POPUP_DEPTH - 1);
  t.equal(errorCode(client), undefined);
  await above();
  await client.isEnded();
  t.equal(errorCode(client), WlDisplayError.no_memory);
});

t.test('an input region is exact up to a number of steps, an opaque one may shrink', async t => {
  const { client, bound, surface, compositor } = await walled(t);
  const of = surface();
  const region = client.make(bound.wl_compositor, 'create_region');
  for (let i = 0; i < MAX_REGION_STEPS; i++) client.say(region, 'add', [i, 0, 1, 1]);
  await settle(40);
  t.equal(count(compositor, 'wl_region.add'), 0, 'nobody needs it yet');
  client.say(of, 'set_input_region', [region]);
  client.say(of, 'set_opaque_region', [region]);
  await settle(40);
  t.equal(count(compositor, 'wl_region.add'), MAX_REGION_STEPS, 'told once for both');
  client.say(region, 'add', [0, 1, 1, 1]);
  client.say(of, 'set_opaque_region', [region]);
  await settle(20);
  t.equal(count(compositor, 'wl_region.add'), MAX_REGION_STEPS, 'nothing of it is opaque');
  t.equal(count(compositor, 'wl_surface.set_opaque_region'), 2);
  client.say(of, 'set_input_region', [region]);
  await client.isEnded();
  t.equal(errorCode(client), WlDisplayError.no_memory);
});

t.test('of damage, what is too much becomes one rectangle', async t => {
  const { client, surface, compositor } = await walled(t);
  const of = surface();
  for (let i = 0; i < MAX_DAMAGE_RECTS; i++) client.say(of, 'damage', [i, 0, 1, 1]);
  client.say(of, 'commit');
  await settle(20);
  t.equal(count(compositor, 'wl_surface.damage'), MAX_DAMAGE_RECTS);
  for (let i = 0; i < MAX_DAMAGE_RECTS + 10; i++) client.say(of, 'damage', [i, i, 1, 1]);
  client.say(of, 'commit');
  await settle(20);
  t.equal(count(compositor, 'wl_surface.damage'), 2 * MAX_DAMAGE_RECTS + 1);
  t.same(compositor.last('wl_surface.damage').args, [MAX_DAMAGE_RECTS, MAX_DAMAGE_RECTS, 10, 10]);
});

t.test('a serial counts for its kind, its seat and a while', async t => {
  let now = 0;
  const serials = new Serials(() => now);
  serials.give(7, 'press', 3);
  t.ok(serials.find(7, 3, ['press'], USER_ACTION_MS));
  t.notOk(serials.find(7, 4, ['press'], USER_ACTION_MS), 'of another seat');
  t.notOk(serials.find(7, 3, ['enter'], USER_ACTION_MS), 'of another kind');
  t.notOk(serials.find(8, 3, ['press'], USER_ACTION_MS), 'never given');
  now = USER_ACTION_MS;
  t.ok(serials.find(7, 3, ['press'], USER_ACTION_MS));
  now += 1;
  t.notOk(serials.find(7, 3, ['press'], USER_ACTION_MS), 'too long ago');
  t.ok(serials.find(7, 3, ['press']), 'where time does not matter');
  for (let i = 1; i < MAX_SERIALS; i++) serials.give(100 + i, 'enter', 3);
  t.ok(serials.find(7, 3, ['press']));
  serials.give(99, 'enter', 3);
  t.notOk(serials.find(7, 3, ['press']), 'the oldest is forgotten');
});

t.test('one click opens so many menus', async t => {
  const { client, bound, window, popup, show, compositor, pointer } = await walled(t);
  const first = window();
  await show(first);
  await settle(10);
  t.ok(pointer > 0);
  compositor.say(compositor.last('wl_seat.get_pointer').args[0] as number, 'button', [55, 0, 0x110, 1]);
  await settle(10);
  const menu = async (): Promise<void> => {
    const child = popup(first.xdg);
    client.say(child.popup, 'grab', [bound.wl_seat, 55]);
    await show(child);
    await settle(10);
    client.say(child.popup, 'destroy');
    client.say(child.xdg, 'destroy');
    client.say(child.surface, 'destroy');
    await settle(10);
  };
  for (let i = 0; i < GRABS_PER_ACTION; i++) await menu();
  t.equal(count(compositor, 'xdg_popup.grab'), GRABS_PER_ACTION);
  t.equal(count(client, 'xdg_popup.popup_done'), 0);
  await menu();
  t.equal(count(compositor, 'xdg_popup.grab'), GRABS_PER_ACTION);
  t.equal(count(client, 'xdg_popup.popup_done'), 1);
  t.equal(errorCode(client), undefined);
});

t.test('one press begins one drag', async t => {
  const { client, compositor, bound } = await behindWall(t, [
    ['wl_compositor', 4],
    ['wl_seat', 7],
    ['wl_data_device_manager', 3],
  ]);
  client.make(bound.wl_seat, 'get_pointer');
  const device = client.make(bound.wl_data_device_manager, 'get_data_device', ['new', bound.wl_seat]);
  const origin = client.make(bound.wl_compositor, 'create_surface');
  await client.roundtrip();
  const press = async (serial: number): Promise<void> => {
    compositor.say(madeBy(compositor, 'wl_seat.get_pointer'), 'button', [serial, 0, 0x110, 1]);
    await settle();
  };
  await press(7);
  for (let i = 0; i < 3; i++) client.say(device, 'start_drag', [undefined, origin, undefined, 7]);
  const source = client.make(bound.wl_data_device_manager, 'create_data_source');
  client.say(device, 'start_drag', [source, origin, undefined, 7]);
  await client.roundtrip();
  t.equal(count(compositor, 'wl_data_device.start_drag'), 1);
  t.equal(count(client, 'wl_data_source.cancelled'), 1, 'a source of another is told so');
  await press(8);
  client.say(device, 'start_drag', [undefined, origin, undefined, 8]);
  await client.roundtrip();
  t.equal(count(compositor, 'wl_data_device.start_drag'), 2, 'and the next press the next');
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
});

t.test('a compositor that does not get there has so much before it, of all connections of a VM', async t => {
  const vm = new VmFirewall('work');
  const [one, two] = [await walled(t, vm), await walled(t, vm)];
  const other = await walled(t);
  await settle(10);
  for (const { compositor } of [one, two]) compositor.answer = () => undefined;
  const received = (): number => one.compositor.received.length + two.compositor.received.length;
  const before = received();
  for (const { client, bound } of [one, two]) {
    for (let i = 0; i < 2 * ALONE * VM_WINDOW; i++) client.say(bound.xdg_wm_base, 'pong', [i]);
  }
  await settle(40);
  const asked = count(one.compositor, 'wl_display.sync') + count(two.compositor, 'wl_display.sync');
  t.ok(received() - before <= ALONE * VM_WINDOW + asked, `${received() - before} of ${4 * ALONE * VM_WINDOW}`);
  t.ok(received() > before, 'some went through');
  for (let i = 0; i < 4 * VM_WINDOW; i++) other.client.say(other.bound.xdg_wm_base, 'pong', [i]);
  await settle(60);
  t.equal(count(other.compositor, 'xdg_wm_base.pong'), 4 * VM_WINDOW, 'another VM does not wait');
});

t.test('what ends at the glue has its pace too', async t => {
  const vm = new VmFirewall('work');
  const { client, pointer, compositor, surface } = await walled(t, vm);
  await settle(10);
  const { answer } = compositor;
  const held: Parameters<typeof answer>[0][] = [];
  compositor.answer = heard => held.push(heard);
  // Nobody has given it that serial: a cursor that is not told.
  for (let i = 0; i < 2 * ALONE * VM_WINDOW; i++) client.say(pointer, 'set_cursor', [12345, undefined, 0, 0]);
  surface();
  await settle(40);
  t.equal(count(compositor, 'wl_pointer.set_cursor'), 0);
  t.equal(count(compositor, 'wl_compositor.create_surface'), 0, 'the last of them waits for the compositor');
  t.ok(vm.pace.ahead <= ALONE * VM_WINDOW, `${vm.pace.ahead}`);
  compositor.answer = answer;
  for (const heard of held) answer(heard);
  await settle(80);
  t.equal(count(compositor, 'wl_compositor.create_surface'), 1);
});

t.test('the questions of the relay take few ids, and the same ones again', async t => {
  const { client, bound, compositor } = await walled(t);
  const asked = (): number[] => compositor.all('wl_display.sync').map(({ args }) => args[0] as number);
  // The ids of the block are asked for when the first object is made that others may need.
  client.make(bound.wl_compositor, 'create_surface');
  await client.roundtrip();
  const before = asked().length;
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < VM_WINDOW; j++) client.say(bound.xdg_wm_base, 'pong', [j]);
    await client.roundtrip();
  }
  const own = asked().slice(before);
  t.ok(own.length > 75, `${own.length} questions`);
  t.ok(new Set(own).size <= VM_WINDOW, `${new Set(own).size} ids`);
  t.same(compositor.faults, []);
});

t.test('what a client leaves is destroyed newest first', async t => {
  const { client, window, popup, show, compositor } = await walled(t);
  const first = window();
  await show(first);
  const menu = popup(first.xdg);
  await show(menu);
  await settle(10);
  const before = compositor.received.length;
  client.close();
  await settle(20);
  const said = compositor.received.slice(before).map(({ name }) => name);
  t.same(
    said.filter(name => /^(wl_surface|xdg_(surface|toplevel|popup))\.destroy$/.test(name)),
    [
      'xdg_popup.destroy',
      'xdg_surface.destroy',
      'wl_surface.destroy',
      'xdg_toplevel.destroy',
      'xdg_surface.destroy',
      'wl_surface.destroy',
    ],
  );
});
