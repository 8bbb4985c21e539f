/**
 * The model of one object's life: what it needs, what needs it, and for surfaces the role and the place in the tree. Kept
 * by `lifetimes.ts`, read by the other rooms of the firewall. An object that nothing needs and that needs nothing has none.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Gone } from './lives.js';

/** Roles that a surface can have, by what gives them. */
export type Role = 'xdg_toplevel' | 'xdg_popup' | 'subsurface' | 'cursor' | 'drag icon';

/** One need of a living object. */
export interface Tie {
  readonly object: RelayObject;
  readonly gone: Gone;
}

let made = 0;

export class Life {
  /** Grows with each life: what was made later may need what was made before, never the other way. */
  readonly number = ++made;
  readonly needs: Tie[] = [];
  /** What needs this object, in the order of its making. */
  readonly dependents = new Set<RelayObject>();
  /** A surface's role: given once, kept for good. */
  role: Role | undefined;
  /** A surface's xdg_surface, an xdg_surface's toplevel or popup, a surface's subsurface: while that lives. */
  roleObject: RelayObject | undefined;
  /** A surface's commit is kept back for now: no other may be said for it. */
  withheld = false;
  /** The surface of an xdg_surface, toplevel, popup or subsurface. */
  surface: RelayObject | undefined;
  /** A surface: whether the next commit brings a buffer (false: takes it away); undefined when it leaves it as it is. */
  attached: boolean | undefined;
  /** A surface: whether a buffer was committed. */
  shown = false;
  /** A surface of a dismissed popup: its client has taken the buffer away, which the compositor has not been told. */
  emptied = false;
  /** A popup: whether its surface was committed since it was made. */
  committed = false;
  /** A popup: the compositor has configured it, so it has seen that commit. */
  configured = false;
  /** A popup: the compositor has said that it is done, and may have forgotten it. */
  dismissed = false;
  /** A toplevel: its parent was named by a handle (xdg_foreign). */
  parentByHandle = false;
  /** The parent of a toplevel, a popup (its parent's role object) or a subsurface (the parent's surface). */
  parent: RelayObject | undefined;

  constructor(readonly object: RelayObject) {}
}

/** The life of an object; it begins with the first question. */
export function lifeOf(object: RelayObject): Life {
  return (object.life ??= new Life(object)) as Life;
}

/** The life of an object, where it has one. */
export function knownLife(object: RelayObject): Life | undefined {
  return object.life as Life | undefined;
}

/** Ties `object` to what it needs. */
export function tie(object: RelayObject, need: RelayObject, gone: Gone): void {
  // In this order: what is needed was there before.
  lifeOf(need).dependents.add(object);
  lifeOf(object).needs.push({ object: need, gone });
}

/** The object is gone, or is not the compositor's any more: it needs nothing, and counts for nobody. */
export function untie(object: RelayObject): void {
  const life = knownLife(object);
  if (life === undefined) return;
  for (const { object: need } of life.needs) {
    const other = knownLife(need);
    other?.dependents.delete(object);
    if (other?.roleObject === object) other.roleObject = undefined;
  }
  life.needs.length = 0;
  // A surface that is no subsurface any more is the top of its own tree.
  if (object.is('wl_subsurface') && life.surface !== undefined) lifeOf(life.surface).parent = undefined;
}

/** The xdg_surface of a toplevel or popup, while there is one. */
export function xdgSurfaceOf(roleObject: RelayObject): RelayObject<'xdg_surface'> | undefined {
  const surface = knownLife(roleObject)?.surface;
  const xdgSurface = surface && knownLife(surface)?.roleObject;
  return xdgSurface?.is('xdg_surface') === true ? xdgSurface : undefined;
}

/** The xdg_wm_base that an xdg_surface was made by: errors of popups are told by it. */
export function wmBaseOf(xdgSurface: RelayObject): RelayObject {
  return knownLife(xdgSurface)?.needs.find(({ object }) => object.is('xdg_wm_base'))?.object ?? xdgSurface;
}

/** The toplevel of a surface, while there is one. */
export function toplevelOf(surface: RelayObject): RelayObject<'xdg_toplevel'> | undefined {
  const xdgSurface = knownLife(surface)?.roleObject;
  const toplevel = xdgSurface && knownLife(xdgSurface)?.roleObject;
  return toplevel?.is('xdg_toplevel') === true ? toplevel : undefined;
}

/** Whether a popup is there: neither its client nor the compositor nor the firewall has ended it. */
export function popupLives(popup: RelayObject | undefined): boolean {
  return popup?.is('xdg_popup') === true && popup.inert === undefined && knownLife(popup)?.dismissed !== true;
}

/** How many there are from `object` up to the top of its tree; `Infinity` where `without` is one of them. */
export function depth(object: RelayObject | undefined, without?: RelayObject): number {
  let count = 0;
  for (let at = object; at !== undefined; at = knownLife(at)?.parent) {
    if (at === without) return Infinity;
    count += 1;
  }
  return count;
}

/** Whether a toplevel or popup has a buffer to show. */
export function isShown(roleObject: RelayObject): boolean {
  const surface = knownLife(roleObject)?.surface;
  return surface !== undefined && knownLife(surface)?.shown === true;
}

/** Whether what a popup is above was shown: nothing of a popup may come before. */
export function parentIsShown(popup: RelayObject): boolean {
  const parent = knownLife(popup)?.parent;
  return parent !== undefined && isShown(parent);
}
