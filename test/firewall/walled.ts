/** A client behind a firewall, with what its windows are made of, and a compositor that is a stand-in. */
import type { Test } from 'tap';
import { FIREWALL, firewall, SharedFirewall, VmFirewall } from '../../src/firewall/firewall.js';
import { hidingsConcern } from '../../src/firewall/hidings.js';
import { framesConcern } from '../../compositor-glue/client-frames.js';
import { steadyConcern } from '../../src/firewall/steady-frames.js';
import { firstCommit, positionerOf } from '../relay/manners.js';
import { between, bindAll } from '../relay/relay-between.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['wl_subcompositor', 1],
  ['xdg_wm_base', 3],
  ['wl_seat', 7],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['zxdg_decoration_manager_v1', 1],
  ['zwp_relative_pointer_manager_v1', 1],
  ['zxdg_importer_v2', 1],
] as const;

/** A client of VM "work" behind a firewall, with a global of each of these interfaces. */
export async function behindWall<N extends string>(
  t: Test,
  globals: readonly (readonly [N, number])[],
  vm = new VmFirewall('work'),
  shared = new SharedFirewall(),
) {
  const wall = firewall(vm, shared);
  const concerns = [
    ...wall.first,
    ...wall.concerns,
    hidingsConcern(FIREWALL),
    framesConcern([...FIREWALL, 'hidings']),
    steadyConcern([...FIREWALL, 'hidings', 'frames']),
  ];
  const b = await between(t, { concerns, ...wall.rules, injected: 0 });
  wall.attach(b.relay);
  return { ...b, bound: bindAll(b, globals) };
}

/** The same with what windows are made of. */
export async function walled(t: Test, vm?: VmFirewall) {
  const b = await behindWall(t, GLOBALS, vm);
  const { client, bound } = b;
  const surface = (): number => client.make(bound.wl_compositor, 'create_surface');
  const buffer = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  const pointer = client.make(bound.wl_seat, 'get_pointer');
  const xdg = (of: number): number => client.make(bound.xdg_wm_base, 'get_xdg_surface', ['new', of]);
  const positioner = positionerOf(client, bound.xdg_wm_base);
  const show = async (of: { readonly surface: number; readonly xdg: number }): Promise<void> => {
    await firstCommit(client, of.surface, of.xdg);
    client.say(of.surface, 'attach', [buffer, 0, 0]);
    client.say(of.surface, 'commit');
  };
  const window = (): { surface: number; xdg: number; toplevel: number } => {
    const of = surface();
    const xdgSurface = xdg(of);
    return { surface: of, xdg: xdgSurface, toplevel: client.make(xdgSurface, 'get_toplevel') };
  };
  const popup = (parent: number): { surface: number; xdg: number; popup: number } => {
    const of = surface();
    const xdgSurface = xdg(of);
    return { surface: of, xdg: xdgSurface, popup: client.make(xdgSurface, 'get_popup', ['new', parent, positioner]) };
  };
  return { ...b, bound, surface, show, window, popup, pointer };
}
