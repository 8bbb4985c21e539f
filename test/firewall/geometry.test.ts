/** Windows show nothing outside of themselves: what a compositor is told of their geometry, whatever their client says. */
import t, { type Test } from 'tap';
import { DEFAULT_SHADOW, MAX_REACH } from '../../src/firewall/geometry.js';
import { ZxdgToplevelDecorationV1Mode } from '../../src/wayland/protocols/xdg-decoration-unstable-v1.js';
import { XdgSurfaceError, XdgToplevelState } from '../../src/wayland/protocols/xdg-shell.js';
import { eventually } from '../eventually.js';
import { firstCommit } from '../relay/manners.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { Desk } from './desk.js';

t.test('a shadow of the width that is allowed is none of our business', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, DEFAULT_SHADOW, DEFAULT_SHADOW, 600, 400);
  desk.show(surface, 600 + 2 * DEFAULT_SHADOW, 400 + 2 * DEFAULT_SHADOW);
  t.same(await desk.told(), [DEFAULT_SHADOW, DEFAULT_SHADOW, 600, 400]);
  t.equal(desk.compositor.all('xdg_surface.set_window_geometry').length, 1, 'said once, by the client');
});

t.test('a wider one is inside of the window', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, DEFAULT_SHADOW + 1, DEFAULT_SHADOW, 600, 400);
  desk.show(surface, 601 + 2 * DEFAULT_SHADOW, 402 + 2 * DEFAULT_SHADOW);
  t.same(await desk.told(), [DEFAULT_SHADOW, DEFAULT_SHADOW, 601, 402]);
  t.same((await desk.order()).slice(-2), ['xdg_surface.set_window_geometry', 'wl_surface.commit'], 'with that commit');

  desk.client.say(surface, 'commit');
  t.same(await desk.order(), ['wl_surface.commit'], 'it is not said again');

  desk.show(surface, 600 + 2 * DEFAULT_SHADOW, 400 + 2 * DEFAULT_SHADOW);
  t.same(await desk.told(), [DEFAULT_SHADOW, DEFAULT_SHADOW, 601, 400], 'what it says is what it draws again');
});

t.test('the policy says how wide', async t => {
  const desk = await Desk.open(t, { shadow: 10 });
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, 250, 60, 600, 600);
  desk.show(surface, 900, 760);
  t.same(await desk.told(), [10, 10, 880, 740]);
});

t.test('a window without a geometry of its own is what it draws', async t => {
  const desk = await Desk.open(t);
  const { surface } = await desk.window();
  desk.show(surface, 900, 760);
  t.equal(await desk.told(), undefined);
});

t.test('a tiled window has the shadow that it draws, and is where it says that it is', async t => {
  const { tiled_left, tiled_right, tiled_top, tiled_bottom } = XdgToplevelState;
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  const serial = await desk.configure(tiled_left, tiled_right, tiled_top, tiled_bottom);
  desk.client.say(xdgSurface, 'ack_configure', [serial]);
  // As libadwaita has it on sway 1.7, which tells of tiled sides.
  desk.geometry(xdgSurface, 61, 55, 1280, 800);
  desk.show(surface, 61 + 1280 + 61, 55 + 800 + 67);
  t.same(await desk.told(), [61, 55, 1280, 800]);
  t.equal(desk.compositor.all('xdg_surface.set_window_geometry').length, 1, 'said once, by the client');
  desk.geometry(xdgSurface, 200, 55, 1280, 800);
  desk.show(surface, 200 + 1280, 55 + 800);
  t.same(await desk.told(), [DEFAULT_SHADOW, 55, 1408, 800], 'no more than any other');
});

t.test('windows without a shadow', async t => {
  const { maximized, fullscreen, activated } = XdgToplevelState;
  for (const [name, state] of [
    ['maximized', maximized],
    ['full screen', fullscreen],
  ] as const) {
    t.test(name, async t => {
      const desk = await Desk.open(t);
      const { surface, xdgSurface } = await desk.window();
      desk.client.say(xdgSurface, 'ack_configure', [await desk.configure(state)]);
      desk.geometry(xdgSurface, 20, 20, 600, 400);
      desk.show(surface, 640, 440);
      t.same(await desk.told(), [0, 0, 640, 440]);
    });
  }
  t.test('from the commit on that knows it, and until one that knows better', async t => {
    const desk = await Desk.open(t);
    const { surface, xdgSurface } = await desk.window();
    desk.geometry(xdgSurface, 20, 20, 600, 400);
    desk.show(surface, 640, 440);
    const filled = await desk.configure(maximized);
    const active = await desk.configure(maximized, activated);
    const small = await desk.configure();
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [20, 20, 600, 400], 'what it draws before it knows is not wrong');
    desk.client.say(xdgSurface, 'ack_configure', [filled]);
    t.same(await desk.told(), [20, 20, 600, 400], 'nor before it is committed');
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 640, 440], 'then it is');
    desk.client.say(xdgSurface, 'ack_configure', [active]);
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 640, 440], 'a later word on something else is none on this');
    desk.client.say(xdgSurface, 'ack_configure', [small]);
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [20, 20, 600, 400]);
  });
  t.test('as the last word has it that is acknowledged, whatever was passed over', async t => {
    const desk = await Desk.open(t);
    const { surface, xdgSurface } = await desk.window();
    desk.geometry(xdgSurface, 20, 20, 600, 400);
    await desk.configure(maximized);
    const small = await desk.configure();
    await desk.configure(maximized);
    desk.client.say(xdgSurface, 'ack_configure', [small]);
    desk.show(surface, 640, 440);
    t.same(await desk.told(), [20, 20, 600, 400]);
  });
  t.test('those that the compositor draws the title bar of', async t => {
    const desk = await Desk.open(t);
    const { surface, xdgSurface, toplevel } = await desk.window();
    const decoration = await decorated(desk, toplevel);
    // Without it, the title bar may stay.
    desk.client.say(decoration, 'destroy');
    desk.geometry(xdgSurface, 20, 20, 600, 400);
    desk.show(surface, 640, 440);
    t.same(await desk.told(), [0, 0, 640, 440]);
  });
  t.test('but for those that have asked to draw it themselves, whatever they are told', async t => {
    const { client_side, server_side } = ZxdgToplevelDecorationV1Mode;
    const desk = await Desk.open(t);
    const { surface, xdgSurface, toplevel } = await desk.window();
    const decoration = await decorated(desk, toplevel);
    desk.client.say(decoration, 'set_mode', [client_side]);
    // As Chromium has it, tiled on sway.
    desk.geometry(xdgSurface, 10, 10, 640, 800);
    desk.show(surface, 660, 820);
    t.same(await desk.told(), [10, 10, 640, 800]);
    desk.client.say(decoration, 'set_mode', [server_side]);
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 660, 820]);
    desk.client.say(decoration, 'set_mode', [client_side]);
    desk.client.say(decoration, 'unset_mode');
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 660, 820], 'as little as those that leave it to the compositor');
  });
});

/** The compositor says that it draws a window's title bar. */
async function decorated(desk: Desk, toplevel: number): Promise<number> {
  const manager = desk.global('zxdg_decoration_manager_v1');
  const decoration = desk.client.make(manager, 'get_toplevel_decoration', ['new', toplevel]);
  await settle(24);
  const theirs = madeBy(desk.compositor, 'zxdg_decoration_manager_v1.get_toplevel_decoration');
  desk.compositor.say(theirs, 'configure', [ZxdgToplevelDecorationV1Mode.server_side]);
  await settle(24);
  return decoration;
}

t.test('how large a surface is', async t => {
  const cases: readonly [name: string, say: (desk: Desk, surface: number) => void, told: readonly number[]][] = [
    [
      'by its scale',
      (desk, surface) => {
        desk.client.say(surface, 'set_buffer_scale', [2]);
        desk.show(surface, 1000, 800);
      },
      [72, 72, 356, 256],
    ],
    [
      'turned',
      (desk, surface) => {
        desk.client.say(surface, 'set_buffer_transform', [5]);
        desk.show(surface, 400, 1000);
      },
      [72, 72, 856, 256],
    ],
    [
      'by what a viewport makes of one pixel',
      (desk, surface) => {
        const viewport = desk.client.make(desk.global('wp_viewporter'), 'get_viewport', ['new', surface]);
        desk.client.say(viewport, 'set_destination', [1000, 800]);
        const manager = desk.global('wp_single_pixel_buffer_manager_v1');
        const buffer = desk.client.make(manager, 'create_u32_rgba_buffer', ['new', 1, 2, 3, 4]);
        desk.client.say(surface, 'attach', [buffer, 0, 0]);
        desk.client.say(surface, 'commit');
      },
      [72, 72, 856, 656],
    ],
    [
      'by what a viewport takes',
      (desk, surface) => {
        const viewport = desk.client.make(desk.global('wp_viewporter'), 'get_viewport', ['new', surface]);
        desk.client.say(viewport, 'set_source', [0, 0, 500, 300]);
        desk.show(surface, 1000, 800);
      },
      [72, 72, 356, 156],
    ],
  ];
  for (const [name, say, told] of cases) {
    t.test(name, async t => {
      const desk = await Desk.open(t);
      const { surface, xdgSurface } = await desk.window();
      desk.geometry(xdgSurface, 200, 100, 10, 10);
      say(desk, surface);
      t.same(await desk.told(), told);
    });
  }
});

t.test('subsurfaces', async t => {
  /** A window of 600 by 400 with a subsurface. */
  const withChild = async (t: Test) => {
    const desk = await Desk.open(t);
    const window = await desk.window();
    desk.geometry(window.xdgSurface, 0, 0, 600, 400);
    desk.show(window.surface, 600, 400);
    const child = desk.surface();
    const subsurface = desk.subsurface(child, window.surface);
    return { desk, ...window, child, subsurface };
  };

  t.test('count with their places', async t => {
    const { desk, surface, child, subsurface } = await withChild(t);
    desk.client.say(subsurface, 'set_position', [-250, -160]);
    desk.show(child, 900, 660);
    t.same(await desk.told(), [0, 0, 600, 400], 'nothing of it is seen before the window is committed');
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [-178, -88, 778, 516]);
    desk.client.say(subsurface, 'destroy');
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 600, 400], 'until they are gone');
  });

  t.test('that are shown without the window have it checked again', async t => {
    const { desk, surface, child, subsurface } = await withChild(t);
    desk.client.say(subsurface, 'set_desync');
    desk.client.say(subsurface, 'set_position', [-250, -160]);
    desk.client.say(surface, 'commit');
    await desk.order();
    desk.show(child, 900, 660);
    t.same(await desk.order(), ['wl_surface.commit', 'xdg_surface.set_window_geometry', 'wl_surface.commit']);
    t.same(await desk.told(), [-178, -88, 778, 516]);
    desk.client.say(child, 'commit');
    t.same(await desk.order(), ['wl_surface.commit'], 'once');
  });

  t.test('also where the window has no geometry, and where it has a larger one than it draws', async t => {
    for (const large of [false, true]) {
      const desk = await Desk.open(t);
      const { surface, xdgSurface } = await desk.window();
      if (large) desk.geometry(xdgSurface, -1000, -1000, 4000, 4000);
      desk.show(surface, 600, 400);
      const child = desk.surface();
      const subsurface = desk.subsurface(child, surface);
      desk.client.say(subsurface, 'set_desync');
      desk.client.say(subsurface, 'set_position', [-250, -160]);
      desk.client.say(surface, 'commit');
      await desk.order();
      desk.show(child, 900, 660);
      t.same(await desk.order(), ['wl_surface.commit', 'wl_surface.commit'], large ? 'larger' : 'none');
    }
  });

  t.test('that have waited are shown when they stop to be synchronized', async t => {
    const { desk, surface, child, subsurface } = await withChild(t);
    desk.client.say(subsurface, 'set_position', [-250, -160]);
    desk.client.say(surface, 'commit');
    desk.show(child, 900, 660);
    await desk.order();
    desk.client.say(subsurface, 'set_desync');
    t.same(await desk.order(), ['wl_subsurface.set_desync', 'xdg_surface.set_window_geometry', 'wl_surface.commit']);
  });

  t.test('of subsurfaces, whatever waits for whom', async t => {
    const { desk, surface, child } = await withChild(t);
    const grandchild = desk.surface();
    const below = desk.subsurface(grandchild, child);
    desk.client.say(below, 'set_position', [-500, 0]);
    desk.show(grandchild, 100, 100);
    desk.show(child, 100, 100);
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [-428, 0, 1028, 400]);
    // What is smaller is not seen before both above have been committed.
    desk.client.say(below, 'set_position', [0, 0]);
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [-428, 0, 1028, 400], 'not yet');
    desk.client.say(child, 'commit');
    t.same(await desk.told(), [-428, 0, 1028, 400], 'nor yet');
    desk.client.say(surface, 'commit');
    t.same(await desk.told(), [0, 0, 600, 400]);
  });
});

t.test('popups are where their client wants them, whatever the compositor takes for their window', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, 100, 90, 600, 400);
  desk.show(surface, 700, 490);
  t.same(await desk.told(), [72, 72, 628, 418]);
  const positioner = desk.client.make(desk.global('xdg_wm_base'), 'create_positioner');
  desk.client.say(positioner, 'set_size', [50, 50]);
  desk.client.say(positioner, 'set_anchor_rect', [5, 6, 1, 1]);
  const popupSurface = desk.surface();
  const popupXdg = desk.client.make(desk.global('xdg_wm_base'), 'get_xdg_surface', ['new', popupSurface]);
  const popup = desk.client.make(popupXdg, 'get_popup', ['new', xdgSurface, positioner]);
  await settle(24);
  const received = desk.compositor.received.map(({ name, args }) => ({ name, args }));
  const at = received.findIndex(({ name }) => name === 'xdg_surface.get_popup');
  t.match(received[at - 1], { name: 'xdg_positioner.set_anchor_rect', args: [5 + 28, 6 + 18, 1, 1] });
  const theirs = madeBy(desk.compositor, 'xdg_surface.get_popup');
  desk.compositor.say(theirs, 'configure', [33, 24, 50, 50]);
  t.match(await desk.client.receives('xdg_popup.configure'), { id: popup, args: [5, 6, 50, 50] });
  // A popup's own shadow has the same bound.
  await firstCommit(desk.client, popupSurface, popupXdg);
  desk.geometry(popupXdg, 100, 10, 50, 50);
  desk.show(popupSurface, 160, 70);
  t.same(await desk.told(), [72, 10, 78, 50]);
});

t.test('a window that reaches further than any screen ends its client', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, 0, 0, 10, 10);
  const viewport = desk.client.make(desk.global('wp_viewporter'), 'get_viewport', ['new', surface]);
  desk.client.say(viewport, 'set_destination', [MAX_REACH + DEFAULT_SHADOW, 10]);
  desk.show(surface, 10, 10);
  t.same(await desk.told(), [0, 0, MAX_REACH, 10], 'as far as that');
  desk.client.say(viewport, 'set_destination', [MAX_REACH + DEFAULT_SHADOW + 1, 10]);
  desk.client.say(surface, 'commit');
  await desk.client.isEnded();
  t.match(desk.client.last('wl_display.error').args, [
    xdgSurface,
    XdgSurfaceError.invalid_size,
    /outside of its window/,
  ]);
});

t.test('a surface that is no window any more is committed by its client alone', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface, toplevel } = await desk.window();
  desk.geometry(xdgSurface, 0, 0, 600, 400);
  desk.show(surface, 600, 400);
  const child = desk.surface();
  desk.client.say(desk.subsurface(child, surface), 'set_desync');
  desk.client.say(surface, 'commit');
  desk.show(child, 100, 100);
  await desk.order();
  desk.client.say(toplevel, 'destroy');
  desk.show(child, 1200, 960);
  const order = (await desk.order()).filter(name => name !== 'xdg_toplevel.destroy');
  t.same(order, ['wl_surface.commit'], 'for its child no other is made');
});

t.test('a window is hidden by its own commit, whatever its subsurfaces do before', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, 0, 0, 600, 400);
  desk.show(surface, 600, 400);
  const child = desk.surface();
  const subsurface = desk.subsurface(child, surface);
  desk.client.say(subsurface, 'set_desync');
  desk.client.say(subsurface, 'set_position', [-250, -160]);
  desk.client.say(surface, 'commit');
  await desk.order();
  const taken = () => desk.compositor.all('wl_surface.attach').filter(({ args }) => args[0] === undefined).length;
  desk.client.say(surface, 'attach', [undefined, 0, 0]);
  desk.show(child, 900, 660);
  t.same(await desk.order(), ['wl_surface.commit', 'xdg_surface.set_window_geometry', 'wl_surface.commit']);
  t.equal(taken(), 0, 'a commit of the glue’s own does not hide it');
  desk.show(child, 1200, 960);
  t.same(await desk.order(), ['wl_surface.commit', 'xdg_surface.set_window_geometry', 'wl_surface.commit']);
  t.equal(taken(), 0, 'and what it shows is looked at as before');
  desk.client.say(surface, 'commit');
  t.same(await desk.order(), ['wl_surface.commit']);
  t.equal(taken(), 1, 'but the commit that means it');
});

t.test('a window whose first frame waits is not shown by what its subsurfaces do', async t => {
  const desk = await Desk.open(t);
  const { surface, xdgSurface } = await desk.window();
  const child = desk.surface();
  const subsurface = desk.subsurface(child, surface);
  desk.client.say(subsurface, 'set_desync');
  desk.client.say(subsurface, 'set_position', [-250, -160]);
  desk.client.say(surface, 'commit');
  desk.geometry(xdgSurface, 0, 0, 600, 400);
  await desk.order();
  // As late as can be: it waits for half a second after that.
  await desk.typeElsewhere();
  desk.show(surface, 600, 400);
  t.same(await desk.order(), [], 'it waits');
  desk.show(child, 900, 660);
  t.same(await desk.order(), ['wl_surface.commit', 'xdg_surface.set_window_geometry'], 'and goes on to');
  const toplevel = desk.compositor.all('wl_surface.commit').at(-1)!.id;
  t.not(toplevel, madeFirst(desk), 'what was committed is the subsurface');
  await eventually('it is shown', () => desk.compositor.last('wl_surface.commit').id === madeFirst(desk));
  t.same(await desk.told(), [-178, -88, 778, 516], 'with the geometry that holds by then');
});

/** What the compositor calls the client's first surface. */
function madeFirst(desk: Desk): number {
  return desk.compositor.all('wl_compositor.create_surface')[0]!.args[0] as number;
}
