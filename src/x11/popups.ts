/**
 * Menus, tooltips and what is dragged, among each other: which window each lies on, and in which order they are made and taken
 * away. X11 has only a stack of windows; the compositor wants to know what belongs to what. A popup that names another one,
 * or overlaps or touches one of the same program, lies on that: popups beside each other have no order that is certain, and
 * wlroots 0.15 draws the newest lowest. When the lower one goes, those above it are taken away before, and made anew.
 */
import type { Atoms } from './atoms.js';
import type { Setup } from './connection.js';
import type { Geometry } from './events.js';
import type { Focus } from './focus.js';
import { Popup } from './popup.js';
import type { Shell } from './shell.js';
import type { Surface } from './surfaces.js';
import type { XWindow } from './window.js';

/**
 * Popups that lie on each other, all together, of one that lies on a toplevel. Menus of menus are four or five, with a tooltip;
 * all of them are made anew when the lowest goes, and compositors walk them by recursion. One more lies on the toplevel.
 */
export const MAX_STACKED = 16;

export interface PopupsOptions {
  readonly shell: Shell;
  readonly atoms: Pick<Atoms, '_NET_WM_WINDOW_TYPE_TOOLTIP' | '_NET_WM_WINDOW_TYPE_DND'>;
  readonly setup: Pick<Setup, 'idMask'>;
  /** X pixels of a pixel of the compositor's. */
  readonly scale: number;
  readonly focus: Pick<Focus, 'pointed'>;
  readonly windows: ReadonlyMap<number, XWindow>;
  /** Of these, those that the server shows. */
  readonly shown: ReadonlySet<XWindow>;
  /** Shows a window that could not be shown before, if it can be now. */
  readonly update: (window: XWindow) => void;
}

export class Popups {
  readonly #options: PopupsOptions;
  /** Those that are shown, or wait for what they are to lie on; the newest last. */
  readonly #all = new Set<XWindow>();
  /** To be made anew at the end of the turn. */
  readonly #again = new Set<XWindow>();
  #deeds = 0;

  constructor(options: PopupsOptions) {
    this.#options = options;
  }

  /** The user has done something in the window: a popup that names none belongs to the one that was used last. */
  used(window: XWindow | undefined): void {
    if (window !== undefined) toplevelOf(window).used = ++this.#deeds;
  }

  // ---- showing -----------------------------------------------------------------------------------------------------

  /** False: there is no window that it could lie on, and it is to be one itself. */
  show(window: XWindow, surface: Surface): boolean {
    window.below = undefined;
    this.#all.delete(window);
    const below = this.#belowOf(window);
    window.below = below;
    if (below === undefined && !surface.wasPopup) return false;
    this.#all.add(window);
    // It is tried again when that one, or another, has a picture.
    if (below === undefined || !isMapped(below)) return true;
    const { shell, scale } = this.#options;
    const owner = {
      closing: () => this.#above(window).forEach(({ popup }) => popup?.close()),
      drawn: () => this.showWaiting(),
    };
    window.popup = new Popup(shell, surface, owner, (below.popup ?? below.toplevel)!, scale, placesOf(window, below));
    return true;
  }

  /** A window has its first picture, which others may have waited for. */
  showWaiting(): void {
    this.#showAll(this.#all);
  }

  /** The window has another place on the X screen. */
  moved(window: XWindow): void {
    const { popup, below } = window;
    if (popup === undefined || below === undefined || popup.closed) return;
    const above = this.#above(window);
    if (popup.move(placesOf(window, below))) for (const each of above) this.moved(each);
    else {
      const all = [window, ...this.allAbove(window)];
      popup.close();
      this.#makeAgain(all);
    }
  }

  /** All that lies on the window, each before what lies on it. */
  allAbove(window: XWindow): XWindow[] {
    return this.#above(window).flatMap(each => [each, ...this.allAbove(each)]);
  }

  /** The window is not shown any more: what lies on it goes before it does. */
  hide(window: XWindow): void {
    const above = this.allAbove(window);
    for (const each of this.#above(window)) each.popup?.close();
    for (const each of above) each.below = undefined;
    window.popup?.close();
    window.popup = undefined;
    window.below = undefined;
    // Those of a window that is managed wait for the next one that is shown: mostly they are about to go as well.
    if (this.#all.delete(window) || window.overrideRedirect) this.#makeAgain(above);
    this.#again.delete(window);
  }

  /** Once for all that comes in a turn: menus mostly go together, the lowest first. */
  #makeAgain(windows: readonly XWindow[]): void {
    if (this.#again.size === 0 && windows.length > 0) {
      const show = this.#options.shell.guarded(() => {
        const again = [...this.#again];
        this.#again.clear();
        this.#showAll(again);
      });
      queueMicrotask(show);
    }
    for (const window of windows) this.#again.add(window);
  }

  /** Those of them that are not. */
  #showAll(windows: Iterable<XWindow>): void {
    const hidden = [...windows].filter(({ popup }) => popup?.closed !== false);
    for (const window of hidden) {
      window.popup = undefined;
      window.below = undefined;
    }
    for (const window of hidden) this.#options.update(window);
  }

  // ---- what lies on what -------------------------------------------------------------------------------------------

  /** Those that lie on it, without those that lie on them. */
  #above(window: XWindow): XWindow[] {
    return [...this.#all].filter(({ below }) => below === window);
  }

  #belowOf(window: XWindow): XWindow | undefined {
    const named = this.#options.windows.get(window.properties.transientFor);
    if (named !== undefined && this.#mayLieOn(window, named)) return this.#unlessTooMany(named);
    const owner = named?.toplevel?.closed === false && named !== window ? named : undefined;
    const popup = this.#overlapped(window, owner);
    return popup === undefined ? (owner ?? this.#likeliest(window)) : this.#unlessTooMany(popup);
  }

  /** Whether `popup` is one that has its place, and none that lies on the window itself. */
  #mayLieOn(window: XWindow, popup: XWindow): boolean {
    if (popup.below === undefined || popup.popup?.closed === true) return false;
    for (let each: XWindow | undefined = popup; each !== undefined; each = each.below) {
      if (each === window) return false;
    }
    return true;
  }

  /** The popup, or the toplevel that it lies on. */
  #unlessTooMany(popup: XWindow): XWindow {
    let lowest = popup;
    while (lowest.below?.below !== undefined) lowest = lowest.below;
    return this.allAbove(lowest).length < MAX_STACKED - 1 ? popup : lowest.below!;
  }

  /** The newest popup of the same program that it overlaps or touches. `owner`: the toplevel that it has to belong to. */
  #overlapped(window: XWindow, owner: XWindow | undefined): XWindow | undefined {
    return [...this.#all].findLast(
      each =>
        this.#mayLieOn(window, each) &&
        !this.#followsPointer(each) &&
        this.#ofOneClient(each, window) &&
        touch(each.geometry, window.geometry) &&
        (owner === undefined || toplevelOf(each) === owner),
    );
  }

  /**
   * Of all toplevels, the one that it belongs to where it says nothing. Also one that has no picture yet: of many that come at
   * once one is a window, and all others lie on it.
   */
  #likeliest(window: XWindow): XWindow | undefined {
    const { pointed } = this.#options.focus;
    const under = this.#followsPointer(window) && pointed && toplevelOf(pointed);
    const rank = (each: XWindow): readonly number[] => [
      Number(this.#ofOneClient(each, window)),
      Number(each === under),
      each.used,
      Number(isMapped(each)),
    ];
    let best: XWindow | undefined;
    for (const each of this.#options.shown) {
      if (each === window || each.toplevel?.closed !== false) continue;
      if (best === undefined || isLess(rank(best), rank(each))) best = each;
    }
    return best;
  }

  /** It is there for a moment, at the pointer: nothing lies on it. */
  #followsPointer({ properties: { types } }: XWindow): boolean {
    const { atoms } = this.#options;
    return types.includes(atoms._NET_WM_WINDOW_TYPE_TOOLTIP) || types.includes(atoms._NET_WM_WINDOW_TYPE_DND);
  }

  #ofOneClient(one: XWindow, other: XWindow): boolean {
    return ((one.id ^ other.id) & ~this.#options.setup.idMask) === 0;
  }
}

function isMapped({ popup, toplevel }: XWindow): boolean {
  return (popup ?? toplevel)?.mapped === true;
}

/** The toplevel that it lies on, by way of others perhaps; or itself. */
function toplevelOf(window: XWindow): XWindow {
  let lowest = window;
  while (lowest.below !== undefined) lowest = lowest.below;
  return lowest;
}

function placesOf({ geometry: self }: XWindow, { geometry: below }: XWindow): { self: Geometry; below: Geometry } {
  return { self, below };
}

/** Whether they overlap, or lie side by side. */
function touch(one: Geometry, other: Geometry): boolean {
  const meet = (at: 'x' | 'y', side: 'width' | 'height'): boolean =>
    one[at] <= other[at] + other[side] && other[at] <= one[at] + one[side];
  return meet('x', 'width') && meet('y', 'height');
}

/** By the first in which they differ; of equals, the later is the larger. */
function isLess(one: readonly number[], other: readonly number[]): boolean {
  const place = one.findIndex((value, i) => value !== other[i]);
  return place < 0 || one[place]! < other[place]!;
}
