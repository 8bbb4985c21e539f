/**
 * Windows that are to lie above others, and not beside them: dialogs, palettes, splash screens, and what blocks others. X says
 * so by a type or a state; Wayland has no word for it but a parent, which such a window need not have. Compositors that tile
 * know windows by one more thing, a size that cannot be changed. They look once, when a window gets its first picture, and so
 * a window like this has one size until then. Its own bounds are said right after that.
 */
import type { Atoms } from './atoms.js';
import type { SizeBound } from './properties.js';
import { REMOVE } from './window-messages.js';
import type { XWindow } from './window.js';

/** Bounds of a window's size, as the compositor is to know them now. */
export function boundsOf(window: XWindow, atoms: Atoms): { readonly min: SizeBound; readonly max: SizeBound } {
  const { geometry, properties, toplevel } = window;
  if (toplevel?.mapped === true || !floats(window, atoms)) return properties;
  return { min: geometry, max: geometry };
}

/** By the same signs by which sway knows windows of an Xwayland of its own. A size that is fixed anyway says it by itself. */
export function floats(window: XWindow, atoms: Atoms): boolean {
  const wished = (state: number): boolean => {
    const change = window.wishes.get(state);
    return change === undefined ? window.properties.states.includes(state) : change !== REMOVE;
  };
  // Some compositors make no window as large as the screen that cannot have another size.
  const large = [
    atoms._NET_WM_STATE_FULLSCREEN,
    atoms._NET_WM_STATE_MAXIMIZED_HORZ,
    atoms._NET_WM_STATE_MAXIMIZED_VERT,
  ];
  if (large.some(wished)) return false;
  const above = [
    atoms._NET_WM_WINDOW_TYPE_DIALOG,
    atoms._NET_WM_WINDOW_TYPE_UTILITY,
    atoms._NET_WM_WINDOW_TYPE_TOOLBAR,
    atoms._NET_WM_WINDOW_TYPE_SPLASH,
  ];
  return window.properties.types.some(type => above.includes(type)) || wished(atoms._NET_WM_STATE_MODAL);
}
