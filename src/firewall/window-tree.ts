/**
 * Which window is another one's parent. In: parents as clients name them. Out: what has to be
 * said before a window is hidden or destroyed, so that nobody is its child then.
 *
 * A compositor gives the children of a window that goes to that one's parent. wlroots 0.15 does so only when a window is
 * hidden that was shown: of one that never was, its children keep what is freed, and the compositor ends when they go.
 */
import type { Relay } from '../relay/relay.js';
import type { RelayObject } from '../relay/object-map.js';
import { isShown, knownLife, lifeOf } from './life.js';

/** Toplevels by their parent. A handle that crosses VMs makes trees of several connections, so this is one table. */
const children = new WeakMap<RelayObject, Set<RelayObject>>();

/** Makes `parent` the parent of a toplevel; undefined: it has none. `byHandle`: it was named by one (xdg_foreign). */
export function setParent(toplevel: RelayObject, parent: RelayObject | undefined, byHandle = false): void {
  const life = lifeOf(toplevel);
  if (life.parent !== undefined) children.get(life.parent)?.delete(toplevel);
  life.parent = parent;
  life.parentByHandle = byHandle;
  if (parent === undefined) return;
  const set = children.get(parent) ?? new Set();
  children.set(parent, set.add(toplevel));
}

/** A toplevel is gone: its children are its parent's now. */
export function forgetWindow(toplevel: RelayObject): void {
  const parent = knownLife(toplevel)?.parent;
  for (const child of children.get(toplevel) ?? []) setParent(child, parent, knownLife(child)?.parentByHandle);
  setParent(toplevel, undefined);
}

/**
 * Before a toplevel is hidden or destroyed: tells the compositor whose its children are from now on. One that was named by a
 * handle, or is so named by its children, has no parent itself then: a compositor looks after such children when the handle
 * is withdrawn, and wlroots 0.15 takes what was destroyed before it was shown for a child still.
 */
export function leaveTree(relay: Relay, toplevel: RelayObject<'xdg_toplevel'>): void {
  const life = knownLife(toplevel);
  if (life === undefined || toplevel.serverId === 0) return;
  let { parentByHandle } = life;
  // Where its parent is another client's, there is no name for that here.
  const parent = parentByHandle ? undefined : life.parent;
  for (const child of children.get(toplevel) ?? []) {
    if (knownLife(child)?.parentByHandle === true) parentByHandle = true;
    else tellParent(relay, child, parent);
  }
  if (parentByHandle) tellParent(relay, toplevel, undefined);
}

function tellParent(relay: Relay, window: RelayObject, parent: RelayObject | undefined): void {
  setParent(window, parent);
  if (!window.is('xdg_toplevel') || window.serverId === 0 || window.destroyed) return;
  relay.charge(1);
  const told = parent?.is('xdg_toplevel') === true && isShown(parent);
  relay.request(window, 'set_parent', { parent: told ? parent : undefined });
}
