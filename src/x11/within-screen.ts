/**
 * The X screen has become another size: an output has gone, or has another mode or scale. What lies outside of the screen is
 * beyond the X server's pointer, so windows are moved into it, each with the menus on it: on the compositor nothing moves.
 */
import type { XConnection } from './connection.js';
import { within } from './places.js';
import type { Popups } from './popups.js';
import { configureWindow } from './requests.js';
import type { Size } from './surfaces.js';
import type { XWindow } from './window.js';

/** `shown`: those that the server shows; `size`: of the screen, in X pixels. */
export function moveWithin(
  size: Size,
  shown: Iterable<XWindow>,
  popups: Pick<Popups, 'allAbove'>,
  x: Pick<XConnection, 'send'>,
): void {
  for (const window of shown) {
    const { geometry: before, overrideRedirect, toplevel } = window;
    const place = within(before, size);
    const [right, down] = [place.x - before.x, place.y - before.y];
    const isMenu = overrideRedirect && toplevel === undefined;
    if (isMenu || (right === 0 && down === 0)) continue;
    for (const each of [window, ...popups.allAbove(window)]) {
      // At once: where a menu is to be on its window depends on both.
      each.geometry = { ...each.geometry, x: each.geometry.x + right, y: each.geometry.y + down };
      x.send(configureWindow(each.id, { x: each.geometry.x, y: each.geometry.y }));
    }
  }
}
