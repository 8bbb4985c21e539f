/**
 * Objects that outlive what they stand on: a role object without its surface, a subsurface without its parent, an
 * extension of a surface that is gone. A client that goes on using them is sent an error, or ignored; no other
 * client, and not the compositor, may notice.
 */
import t from 'tap';
import type { Display } from '../../src/wayland-client/display.js';
import type { RequestArg, WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, Siege, VICTIM } from './siege.js';
import { colourBuffer, corner, newSurface, Window } from './window.js';

/** What a hostile client does; its requests may end its connection at any point. */
type Deed = (display: Display) => Promise<void> | void;

const TOPLEVEL_REQUESTS: readonly (readonly [request: string, args: (display: Display) => RequestArg[]])[] = [
  ['set_title', () => ['x']],
  ['set_app_id', () => ['x']],
  ['set_parent', () => [undefined]],
  ['show_window_menu', display => [display.bindOnce('wl_seat'), 0, 1, 1]],
  ['move', display => [display.bindOnce('wl_seat'), 0]],
  ['resize', display => [display.bindOnce('wl_seat'), 0, 1]],
  ['set_max_size', () => [10, 10]],
  ['set_min_size', () => [10, 10]],
  ['set_maximized', () => []],
  ['unset_maximized', () => []],
  ['set_fullscreen', () => [undefined]],
  ['unset_fullscreen', () => []],
  ['set_minimized', () => []],
];

async function windowWithoutSurface(display: Display): Promise<Window> {
  const window = await Window.open(display);
  window.follows = false;
  window.surface.request('destroy');
  return window;
}

/** A toplevel that never had a picture, and whose surface is gone. */
function roleWithoutSurface(display: Display): WaylandObject<'xdg_toplevel'> {
  const surface = newSurface(display);
  const toplevel = display.bindOnce('xdg_wm_base').create('get_xdg_surface', surface).create('get_toplevel');
  surface.request('destroy');
  return toplevel;
}

const positioner = (display: Display): WaylandObject<'xdg_positioner'> => corner(display, 60, 40);

function subsurface(display: Display): {
  parent: WaylandObject<'wl_surface'>;
  child: WaylandObject<'wl_surface'>;
  role: WaylandObject<'wl_subsurface'>;
} {
  const [parent, child] = [newSurface(display), newSurface(display)];
  return { parent, child, role: display.bindOnce('wl_subcompositor').create('get_subsurface', child, parent) };
}

const DEEDS: readonly (readonly [name: string, deed: Deed])[] = [
  ...TOPLEVEL_REQUESTS.flatMap(([request, args]): [string, Deed][] => [
    [
      `xdg_toplevel.${request} of a window without its surface`,
      async display =>
        (await windowWithoutSurface(display)).toplevel.request(request as never, ...(args(display) as never)),
    ],
    [
      `xdg_toplevel.${request} of a role without its surface`,
      display => roleWithoutSurface(display).request(request as never, ...(args(display) as never)),
    ],
  ]),
  [
    'a decoration for a window without its surface',
    async display => {
      const { toplevel } = await windowWithoutSurface(display);
      display.bindOnce('zxdg_decoration_manager_v1').create('get_toplevel_decoration', toplevel).request('set_mode', 2);
    },
  ],
  [
    'the window geometry of a window without its surface',
    async display => (await windowWithoutSurface(display)).xdg.request('set_window_geometry', 0, 0, 10, 10),
  ],
  [
    'a popup that is its own parent',
    display => {
      const xdg = display.bindOnce('xdg_wm_base').create('get_xdg_surface', newSurface(display));
      xdg.create('get_popup', xdg, positioner(display));
    },
  ],
  [
    'a popup of a window that is not there yet',
    display => {
      const base = display.bindOnce('xdg_wm_base');
      const [below, above] = [newSurface(display), newSurface(display)];
      const parent = base.create('get_xdg_surface', below);
      parent.create('get_toplevel');
      below.request('commit');
      base.create('get_xdg_surface', above).create('get_popup', parent, positioner(display));
      above.request('commit');
    },
  ],
  [
    'a popup of a window without its surface',
    async display => {
      const { xdg } = await windowWithoutSurface(display);
      const above = newSurface(display);
      display.bindOnce('xdg_wm_base').create('get_xdg_surface', above).create('get_popup', xdg, positioner(display));
      above.request('commit');
    },
  ],
  [
    'popups that are destroyed before their first commit, and their window after them',
    async display => {
      const { xdg, toplevel, surface } = await Window.open(display);
      const base = display.bindOnce('xdg_wm_base');
      for (let i = 0; i < 20; i++) {
        const above = newSurface(display);
        const role = base.create('get_xdg_surface', above);
        role.create('get_popup', xdg, positioner(display)).request('destroy');
        role.request('destroy');
        above.request('destroy');
      }
      await display.roundtrip();
      // What is freed is used for something else.
      for (let i = 0; i < 20; i++) base.create('get_xdg_surface', newSurface(display)).create('get_toplevel');
      await display.roundtrip();
      toplevel.request('destroy');
      xdg.request('destroy');
      surface.request('destroy');
    },
  ],
  ...(['place_above', 'place_below'] as const).map((request): [string, Deed] => [
    `wl_subsurface.${request} of itself, without its parent`,
    display => {
      const { parent, child, role } = subsurface(display);
      parent.request('destroy');
      role.request(request, child);
    },
  ]),
  [
    'a subsurface without its parent goes on',
    display => {
      const { parent, child, role } = subsurface(display);
      parent.request('destroy');
      role.request('set_position', 1, 1);
      role.request('set_desync');
      child.request('commit');
      role.request('set_sync');
      child.request('commit');
    },
  ],
  [
    'an idle inhibitor for a subsurface without its parent',
    display => {
      const { parent, child } = subsurface(display);
      parent.request('destroy');
      display.bindOnce('zwp_idle_inhibit_manager_v1').create('create_inhibitor', child);
    },
  ],
  [
    'idle inhibitors for surfaces that are no windows',
    display => {
      const { parent, child } = subsurface(display);
      const manager = display.bindOnce('zwp_idle_inhibit_manager_v1');
      manager.create('create_inhibitor', child);
      manager.create('create_inhibitor', parent);
    },
  ],
  [
    'a decoration of the older kind without its surface',
    display => {
      const surface = newSurface(display);
      const decoration = display.bindOnce('org_kde_kwin_server_decoration_manager').create('create', surface);
      surface.request('destroy');
      decoration.request('request_mode', 0);
    },
  ],
  [
    'a viewport without its surface',
    async display => {
      const surface = newSurface(display);
      const viewport = display.bindOnce('wp_viewporter').create('get_viewport', surface);
      surface.request('destroy');
      await display.roundtrip();
      viewport.request('set_destination', 5, 5);
    },
  ],
  [
    'a locked pointer without its surface, and without its pointer',
    async display => {
      const { surface } = await Window.open(display);
      const pointer = display.bindOnce('wl_seat').create('get_pointer');
      const lock = display
        .bindOnce('zwp_pointer_constraints_v1')
        .create('lock_pointer', surface, pointer, undefined, 2);
      surface.request('destroy');
      pointer.request('release');
      lock.request('set_cursor_position_hint', 1, 1);
      lock.request('set_region', undefined);
    },
  ],
  [
    'a text input without its seat',
    display => {
      const seat = display.bind('wl_seat');
      const input = display.bindOnce('zwp_text_input_manager_v3').create('get_text_input', seat);
      seat.request('release');
      input.request('enable');
      input.request('commit');
    },
  ],
  ...(['each its own parent', "each other's parents"] as const).map((how): [string, Deed] => [
    `windows that are ${how}, under one that fills the screen`,
    async display => {
      const base = display.bindOnce('xdg_wm_base');
      const windows = [0, 1].map(() => {
        const surface = newSurface(display);
        const xdg = base.create('get_xdg_surface', surface);
        xdg.on('configure', (serial: number) => {
          xdg.request('ack_configure', serial);
          surface.request('attach', colourBuffer(display, 50, 50, 0), 0, 0);
          surface.request('commit');
        });
        return { surface, toplevel: xdg.create('get_toplevel') };
      });
      const [first, second] = windows as [(typeof windows)[0], (typeof windows)[0]];
      first.toplevel.request('set_parent', how === 'each its own parent' ? first.toplevel : second.toplevel);
      second.toplevel.request('set_parent', how === 'each its own parent' ? second.toplevel : first.toplevel);
      for (const { surface } of windows) surface.request('commit');
      await display.roundtrip();
      await display.roundtrip();
      (await Window.open(display)).toplevel.request('set_fullscreen', undefined);
    },
  ]),
];

/** Does it as a client of its own, and lets the compositor come to it. Errors are that client's own affair. */
async function commit(siege: Siege, deed: Deed): Promise<void> {
  const display = await siege.connect(HOSTILE);
  try {
    await deed(display);
    await answered(display);
    await answered(display);
  } catch {
    // Told of its error, or refused what its compositor does not have.
  }
  display.close();
}

for (const compositor of ['sway', 'cage'] as const) {
  t.test(`lifetimes on ${compositor}`, SIEGE, async all => {
    let siege = await Siege.begin(all, { compositor });
    let lost = false;
    let victim: Display | undefined;
    for (const [name, deed] of DEEDS) {
      await all.test(name, async t => {
        if (lost) {
          await siege.end();
          siege = await Siege.begin(all, { compositor });
          victim = undefined;
          lost = false;
        }
        if (victim === undefined) {
          victim = await siege.connect(VICTIM);
          await Window.open(victim, 0x2040a0);
        }
        await commit(siege, deed);
        await siege.quiet();
        await answered(victim).catch(() => (lost = true));
        t.notOk(lost, 'the victim is answered');
        lost ||= !siege.stands;
        t.notOk(lost, 'the compositor is the one that it was');
        if (lost) return;
        await t.resolves(siege.connect(VICTIM), 'and so is a new client of its VM');
      });
    }
  });
}
