/**
 * Which role a surface gets, and whose child it becomes. A role is given once, by the rules of each protocol; a popup has a
 * living parent; toplevels and subsurfaces make trees, of bounded depth and without a loop, also where a handle of
 * another VM's window (xdg_foreign) would close one.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { ConnectionNote } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { ZwpTabletToolV2Error } from '../wayland/protocols/tablet-v2.js';
import {
  WlDataDeviceError,
  WlDisplayError,
  WlPointerError,
  WlSubcompositorError,
} from '../wayland/protocols/wayland.js';
import { ZxdgExporterV2Error, ZxdgImportedV2Error } from '../wayland/protocols/xdg-foreign-unstable-v2.js';
import { XdgSurfaceError, XdgToplevelError, XdgWmBaseError } from '../wayland/protocols/xdg-shell.js';
import type { Relay } from '../relay/relay.js';
import type { BoundName, Bounds } from './bounds.js';
import { CHECKS } from './checks.js';
import { dismiss, dismissAbove, dismissedByCompositor } from './lifetimes.js';
import {
  depth,
  isShown,
  knownLife,
  lifeOf,
  parentIsShown,
  popupLives,
  tie,
  toplevelOf,
  wmBaseOf,
  type Life,
  type Role,
} from './life.js';
import { forgetWindow, leaveTree, setParent } from './window-tree.js';

/** Windows that were exported, by handle, of all VMs: a handle is made to be passed on. */
export type Exports = Map<string, RelayObject<'xdg_toplevel'>>;

/** Windows of a connection: what is known of them across connections would keep a closed one in memory. */
const windows = new ConnectionNote<Set<RelayObject>>();

/**
 * The concern for all connections of a VM, `exports` being of the whole compositor; `close` forgets what a connection has
 * left.
 */
export function rolesConcern(
  exports: Exports,
  bounds: Bounds,
): { readonly concern: Concern; close(relay: Relay): void } {
  const forget = (toplevel: RelayObject, relay: Relay): void => {
    windows.get(relay)?.delete(toplevel);
    forgetWindow(toplevel);
    for (const [handle, exported] of exports) if (exported === toplevel) exports.delete(handle);
  };
  const concern: Concern = {
    name: 'roles',
    after: [...CHECKS, 'lifetimes', 'construction', 'dismissals'],
    requests: { ...roleRequests(bounds), ...foreignRequests(exports, bounds['parent-depth']) },
    made: {
      xdg_surface: (xdgSurface, { args }) => {
        const { surface } = args as { surface: RelayObject };
        lifeOf(xdgSurface).surface = surface;
        lifeOf(surface).roleObject = xdgSurface;
      },
      xdg_toplevel: (toplevel, { relay, object: xdgSurface }) => {
        becomes(xdgSurface, toplevel);
        (windows.get(relay) ?? windows.set(relay, new Set())).add(toplevel);
      },
      xdg_popup: (popup, call) => {
        becomes(call.object, popup);
        const parent = knownLife((call.args as { parent: RelayObject }).parent)!.roleObject!;
        lifeOf(popup).parent = parent;
        tie(
          popup,
          parent,
          parent.is('xdg_popup')
            ? {
                then: 'refuse',
                code: XdgWmBaseError.not_the_topmost_popup,
                text: `${String(parent)} was destroyed before ${String(popup)}, which is above it`,
                about: wmBaseOf(call.object),
              }
            : { then: 'dismiss' },
        );
      },
      wl_subsurface: (subsurface, { args }) => {
        const { surface, parent } = args as { surface: RelayObject; parent: RelayObject };
        lifeOf(subsurface).surface = surface;
        lifeOf(surface).roleObject = subsurface;
        lifeOf(surface).parent = parent;
      },
      zwp_idle_inhibitor_v1: untilWindowGoes,
      // wlroots 0.15 takes the exported surface for a window as long as it is exported.
      zxdg_exported_v1: untilWindowGoes,
      zxdg_exported_v2: untilWindowGoes,
      zxdg_imported_v1: imported,
      zxdg_imported_v2: imported,
    },
    gone: {
      xdg_toplevel: forget,
      zxdg_exported_v1: exported => withdraw(exports, exported),
      zxdg_exported_v2: exported => withdraw(exports, exported),
    },
    events: {
      xdg_popup: {
        configure: ({ object }) => {
          lifeOf(object).configured = true;
          return Verdict.Forward;
        },
        popup_done: ({ relay, object }) => {
          // wlroots forgets a popup as it dismisses it, and takes what its client says meanwhile for a mistake.
          dismissedByCompositor(relay, object);
          return Verdict.Forward;
        },
      },
      zxdg_exported_v1: { handle: ({ object, args }) => remember(exports, args.handle, object) },
      zxdg_exported_v2: { handle: ({ object, args }) => remember(exports, args.handle, object) },
    },
  };
  return {
    concern,
    close: relay => {
      for (const toplevel of windows.get(relay) ?? []) forget(toplevel, relay);
    },
  };
}

/** What was made for a surface's window goes with the window, which may be before the surface. */
function untilWindowGoes(object: RelayObject, { args }: Call<string, never>): void {
  const toplevel = toplevelOf((args as { surface: RelayObject }).surface);
  if (toplevel !== undefined) tie(object, toplevel, { then: 'inert' });
}

// ---- surfaces --------------------------------------------------------------------------------------------------

/** Gives a surface a role, which it keeps. `blamed` and `code` say whose error it is when it has another one. */
function giveRole(surface: RelayObject, role: Role, blamed: RelayObject, code: number): void {
  const life = lifeOf(surface);
  if (life.role !== undefined && life.role !== role) {
    throw new ProtocolError(blamed.clientId, code, `${String(surface)} has the role "${life.role}" already`);
  }
  life.role = role;
}

function becomes(xdgSurface: RelayObject, roleObject: RelayObject): void {
  const life = lifeOf(xdgSurface);
  life.roleObject = roleObject;
  lifeOf(roleObject).surface = life.surface;
}

/** Proves that an xdg_surface may get a toplevel or popup. */
function construct(xdgSurface: RelayObject, role: Role): void {
  const { roleObject, surface } = lifeOf(xdgSurface);
  if (roleObject !== undefined) {
    const text = `${String(xdgSurface)} has ${String(roleObject)} already`;
    throw new ProtocolError(xdgSurface.clientId, XdgSurfaceError.already_constructed, text);
  }
  giveRole(surface!, role, wmBaseOf(xdgSurface), XdgWmBaseError.role);
}

/**
 * A commit of a popup's surface. One that was dismissed shows nothing any more, and its client may not know yet; one that
 * comes before its parent is shown is dismissed. Without its xdg_surface it is any surface's: toolkits take the buffer away
 * that way before they show the popup again.
 */
function commitPopup(relay: Relay, { roleObject: xdgSurface }: Life): Verdict {
  if (xdgSurface === undefined) return Verdict.Forward;
  const popup = knownLife(xdgSurface)?.roleObject;
  if (popup?.is('xdg_popup') !== true || !popupLives(popup)) return Verdict.Drop;
  if (parentIsShown(popup)) {
    lifeOf(popup).committed = true;
    return Verdict.Forward;
  }
  dismiss(relay, popup);
  return Verdict.Drop;
}

/** A request to an xdg_surface whose popup was dismissed says nothing any more. */
function unlessDismissed({ object }: { readonly object: RelayObject }): Verdict {
  const life = knownLife(object);
  const wasPopup = life?.surface !== undefined && knownLife(life.surface)?.role === 'xdg_popup';
  return wasPopup && !popupLives(life.roleObject) ? Verdict.Drop : Verdict.Forward;
}

/** A request to a popup that was dismissed says nothing any more. */
function ifItLives({ object }: { readonly object: RelayObject }): Verdict {
  return popupLives(object) ? Verdict.Forward : Verdict.Drop;
}

/** Tells the compositor that a dismissed popup's surface has no buffer, when it becomes another window. */
function empty(relay: Relay, surface: RelayObject<'wl_surface'>): void {
  const life = knownLife(surface);
  if (life?.emptied !== true) return;
  life.emptied = life.shown = false;
  relay.request(surface, 'attach', { buffer: undefined, x: 0, y: 0 });
  relay.request(surface, 'commit', {});
}

function tooDeep(bound: BoundName, bounds: Bounds): ProtocolError {
  const text = `virtwl: over ${bounds[bound]} above one another (limit ${bound} in its VM's policy)`;
  return new ProtocolError(1, WlDisplayError.no_memory, text);
}

/** Levels of subsurfaces from a surface down, itself counted. */
function height(surface: RelayObject): number {
  let most = 0;
  for (const dependent of knownLife(surface)?.dependents ?? []) {
    const child = dependent.is('wl_subsurface') ? knownLife(dependent)?.surface : undefined;
    if (child !== undefined && child !== surface) most = Math.max(most, height(child));
  }
  return most + 1;
}

const roleRequests = (bounds: Bounds): RequestHandlers => ({
  wl_surface: {
    attach: ({ object, args: { buffer } }) => {
      lifeOf(object).attached = buffer !== undefined;
      return Verdict.Forward;
    },
    commit: ({ relay, object }) => {
      const life = lifeOf(object);
      const verdict = life.role === 'xdg_popup' ? commitPopup(relay, life) : Verdict.Forward;
      if (life.attached !== undefined) {
        const window = life.roleObject && knownLife(life.roleObject)?.roleObject;
        if (!life.attached && life.shown && window !== undefined) {
          dismissAbove(relay, window);
          if (window.is('xdg_toplevel')) leaveTree(relay, window);
        }
        if (verdict === Verdict.Forward) life.shown = life.attached;
        life.emptied = verdict !== Verdict.Forward && !life.attached;
      }
      life.attached = undefined;
      return verdict;
    },
  },
  zwp_idle_inhibit_manager_v1: {
    create_inhibitor: ({ relay, object, args: { id, surface } }) => {
      if (toplevelOf(surface) !== undefined) return Verdict.Forward;
      // A surface that is no window is not shown, so it must not keep the screen on; sway searches for its window all
      // the same.
      relay.adopt('zwp_idle_inhibitor_v1', object.version, id, true).inert = { text: 'its surface is no window' };
      return Verdict.Drop;
    },
  },
  wl_subcompositor: {
    get_subsurface: ({ object, args: { surface, parent } }) => {
      if (depth(parent, surface) === Infinity) {
        const text = `${String(parent)} is ${String(surface)} itself, or below it`;
        throw new ProtocolError(object.clientId, WlSubcompositorError.bad_parent, text);
      }
      if (depth(parent) + height(surface) > bounds['subsurface-depth']) throw tooDeep('subsurface-depth', bounds);
      giveRole(surface, 'subsurface', object, WlSubcompositorError.bad_surface);
      return Verdict.Forward;
    },
  },
  xdg_wm_base: {
    get_xdg_surface: ({ relay, object, args: { surface } }) => {
      const role = knownLife(surface)?.role;
      if (role === undefined || role.startsWith('xdg_')) {
        empty(relay, surface);
        return Verdict.Forward;
      }
      throw new ProtocolError(
        object.clientId,
        XdgWmBaseError.role,
        `${String(surface)} has the role "${role}" already`,
      );
    },
  },
  xdg_surface: {
    ack_configure: unlessDismissed,
    set_window_geometry: unlessDismissed,
    get_toplevel: ({ object }) => {
      construct(object, 'xdg_toplevel');
      return Verdict.Forward;
    },
    get_popup: ({ relay, object, args: { id, parent } }) => {
      const above = parent && knownLife(parent)?.roleObject;
      if (parent === undefined || above === undefined) {
        // A parent may be named later by protocols that remote clients do not have.
        const text =
          parent === undefined ? 'a popup without a parent' : `${String(parent)} is no window or popup (yet)`;
        throw new ProtocolError(wmBaseOf(object).clientId, XdgWmBaseError.invalid_popup_parent, text);
      }
      construct(object, 'xdg_popup');
      if (depth(above) >= bounds['popup-depth']) throw tooDeep('popup-depth', bounds);
      if (isShown(above) && knownLife(above)?.dismissed !== true) return Verdict.Forward;
      // What is above nothing is dismissed at once. wlroots 0.15 reads what a window has only when it is shown.
      const popup = relay.adopt('xdg_popup', object.version, id, true);
      popup.inert = { text: 'its parent is not shown' };
      relay.emitEvent(popup, 'popup_done', {});
      return Verdict.Drop;
    },
  },
  // wlroots keeps a popup that it has dismissed among those that grab, and a second time it loses count of them.
  xdg_popup: {
    grab: ifItLives,
    reposition: ifItLives,
  },
  xdg_toplevel: {
    set_parent: ({ object, args: { parent } }) => {
      if (depth(parent, object) === Infinity) {
        const text = `${String(parent)} is ${String(object)} itself, or a child of it`;
        throw new ProtocolError(object.clientId, XdgToplevelError.invalid_parent, text);
      }
      if (depth(parent) >= bounds['parent-depth']) throw tooDeep('parent-depth', bounds);
      setParent(object, parent);
      return Verdict.Forward;
    },
  },
  wl_pointer: {
    set_cursor: ({ object, args: { surface } }) => {
      if (surface !== undefined) giveRole(surface, 'cursor', object, WlPointerError.role);
      return Verdict.Forward;
    },
  },
  zwp_tablet_tool_v2: {
    set_cursor: ({ object, args: { surface } }) => {
      if (surface !== undefined) giveRole(surface, 'cursor', object, ZwpTabletToolV2Error.role);
      return Verdict.Forward;
    },
  },
  wl_data_device: {
    start_drag: ({ object, args: { icon } }) => {
      if (icon !== undefined) giveRole(icon, 'drag icon', object, WlDataDeviceError.role);
      return Verdict.Forward;
    },
  },
});

// ---- handles ---------------------------------------------------------------------------------------------------

/** The exported window's handle, as the compositor tells it. */
function remember(exports: Exports, handle: string, exported: RelayObject): Verdict {
  const surface = knownLife(exported)?.needs.find(({ object }) => object.is('wl_surface'))?.object;
  const toplevel = surface && toplevelOf(surface);
  if (toplevel !== undefined && !exported.destroyed) {
    exports.set(handle, toplevel);
    handles.set(exported, handle);
  }
  return Verdict.Forward;
}

/** Its handle is good for nothing any more. */
function withdraw(exports: Exports, exported: RelayObject): void {
  exports.delete(handles.get(exported) ?? '');
}

/** Which handle an export has, or an import is of. */
const handles = new WeakMap<RelayObject, string>();

function imported(object: RelayObject, { args }: Call<string, never>): void {
  handles.set(object, (args as { handle: string }).handle);
}

function foreignRequests(exports: Exports, mostParents: number): RequestHandlers {
  const exportOf = (blamed: RelayObject, surface: RelayObject): Verdict => {
    if (toplevelOf(surface) !== undefined) return Verdict.Forward;
    throw new ProtocolError(blamed.clientId, ZxdgExporterV2Error.invalid_surface, `${String(surface)} is no window`);
  };
  const parentOf = (window: RelayObject, surface: RelayObject): Verdict => {
    const toplevel = toplevelOf(surface);
    if (toplevel === undefined) {
      const text = `${String(surface)} is no window`;
      throw new ProtocolError(window.clientId, ZxdgImportedV2Error.invalid_surface, text);
    }
    // Should the connection end, the window would go before the import, which wlroots 0.15 does not survive. It comes to that
    // only where most ids for such objects are in use, and costs the window its place above a parent.
    if (window.serverId > toplevel.serverId) return Verdict.Drop;
    // Where the handle is of a client inside of this VM, the tree above is the compositor's own and has none of ours.
    const parent = exports.get(handles.get(window) ?? '');
    if (parent !== undefined && depth(parent, toplevel) >= mostParents) {
      const text = `${String(surface)} would be a parent of itself, or over ${mostParents} windows deep`;
      throw new ProtocolError(window.clientId, ZxdgImportedV2Error.invalid_surface, text);
    }
    setParent(toplevel, parent, true);
    return Verdict.Forward;
  };
  return {
    zxdg_exporter_v1: { export: ({ object, args }) => exportOf(object, args.surface) },
    zxdg_exporter_v2: { export_toplevel: ({ object, args }) => exportOf(object, args.surface) },
    zxdg_imported_v1: { set_parent_of: ({ object, args }) => parentOf(object, args.surface) },
    zxdg_imported_v2: { set_parent_of: ({ object, args }) => parentOf(object, args.surface) },
  };
}
