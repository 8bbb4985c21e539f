/**
 * What a request costs, where a simple one is 1: the compositor, some microseconds, and ourselves. `pace.ts` counts by it.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Message } from '../wayland/interface.js';

/** What costs the compositor more than a request, by interface and message. @internal */
export const COSTS: Readonly<Record<string, number>> = {
  // Pixels are read, damage is worked out for each output.
  'wl_surface.commit': 4,
  // A mapping is made, made anew, or ended.
  'wl_shm.create_pool': 16,
  'wl_shm_pool.resize': 16,
  'wl_shm_pool.destroy': 8,
  // Every global is told.
  'wl_display.get_registry': 16,
  'wl_registry.bind': 4,
  // A title is drawn anew, and whatever reads the compositor's IPC is told.
  'xdg_toplevel.set_title': 16,
  'xdg_toplevel.set_app_id': 8,
  // A compositor that tiles arranges all windows anew, and draws whole screens.
  'xdg_toplevel.set_fullscreen': 16,
  'xdg_toplevel.unset_fullscreen': 16,
  'xdg_toplevel.set_maximized': 8,
  'xdg_toplevel.unset_maximized': 8,
  'xdg_toplevel.set_minimized': 8,
  'xdg_toplevel.set_parent': 8,
  'xdg_activation_v1.activate': 16,
  // The window's next frame has another size, so that all of it is drawn, and what was around it.
  'wp_viewport.set_source': 4,
  'wp_viewport.set_destination': 4,
  // A screen is copied.
  'zwlr_screencopy_frame_v1.copy': 32,
  'zwlr_screencopy_frame_v1.copy_with_damage': 32,
};

/** What costs us more than the compositor. @internal */
export const OWN_COSTS: Readonly<Record<string, number>> = {
  // Some forty globals are told, each by a message of its own.
  'wl_display.get_registry': 200,
  // A keymap is copied.
  'wl_seat.get_keyboard': 30,
  // Each character is looked at.
  'xdg_toplevel.set_title': 40,
};
/** A request that makes an object, or ends one: it has a place in tables of ours. */
const OBJECT_COST = 4;

/** What a message costs the compositor, and us, in simple requests. */
export interface Cost {
  readonly cost: number;
  readonly own: number;
}
const costs = new WeakMap<Message, Cost>();

export function costOf(object: RelayObject, message: Message): Cost {
  return costOfMessage(object.interface.name, message);
}

export function costOfMessage(interfaceName: string, message: Message): Cost {
  let known = costs.get(message);
  if (known === undefined) {
    const name = `${interfaceName}.${message.name}`;
    const cost = COSTS[name] ?? 1;
    const about = message.destructor || message.args.some(({ kind }) => kind === 'new_id');
    costs.set(message, (known = { cost, own: OWN_COSTS[name] ?? Math.max(cost, about ? OBJECT_COST : 1) }));
  }
  return known;
}
