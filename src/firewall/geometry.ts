/**
 * A window shows nothing outside of itself. By the protocol a window may draw beyond its window geometry, for a shadow, and
 * a compositor leaves room for the geometry alone: what is beyond covers title bars and the windows of others. Here each
 * window's geometry, as the compositor is told it, grows until no more than a shadow is outside, where a window may have one
 * at all. A window whose shadow is within the bound is told as its client says it. Layout, borders and the title with the VM's name then go around what is really drawn. The
 * client's own geometry stays what it thinks it is, and its popups stay where it wants them.
 *
 * In: sizes of buffers, scales, viewports, places of subsurfaces, commits. Out: `xdg_surface.set_window_geometry`.
 */
import { ProtocolError, Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Box } from '../wayland/region.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { XdgSurfaceError, XdgToplevelState } from '../wayland/protocols/xdg-shell.js';
import { CHECKS } from './checks.js';
import { iconRequests } from './icons.js';
import { knownLife } from './life.js';
import { pointerHints } from './pointer-hints.js';
import { DEFAULT_CURSOR, pointerImages } from './pointer-images.js';
import { PopupPlaces } from './popup-places.js';
import type { Size } from './surface-state.js';
import { checkSizes } from './surface-sizes.js';
import { ShellWindow, Surfaces, type Node } from './surfaces.js';
import { TitleBars } from './title-bars.js';

/**
 * The widest shadow on each side of a window, in surface units. libadwaita draws up to 67 (below; 61 beside and 55 above),
 * GTK 3 up to 51, GTK 4 by itself up to 50, libdecor 24, weston's toolkit 32; the rest is a margin. It holds for tiled sides
 * as well: GTK 3 keeps a transparent border of 20 there, and libadwaita all of its shadow.
 */
export const DEFAULT_SHADOW = 72;
/**
 * How far a window may reach on either axis when its geometry has to grow, in surface units: more than the largest
 * arrangement of screens. Nobody draws that by mistake.
 */
export const MAX_REACH = 32_768;

/** What a VM may show beside the insides of its windows. */
export interface PixelBounds {
  /** Of a window's shadow, on each side, in surface units. */
  readonly shadow: number;
  /** Width and height of a cursor or of what is dragged, in surface units. */
  readonly cursor: number;
}

export const DEFAULT_PIXEL_BOUNDS: PixelBounds = { shadow: DEFAULT_SHADOW, cursor: DEFAULT_CURSOR };

/**
 * The concern for one connection.
 * @param layers pixels that are painted of a tree of surfaces, as a multiple of what it covers
 */
export function geometryConcern(bounds: PixelBounds, layers: number): Concern {
  const surfaces = new Surfaces();
  const titleBars = new TitleBars(surfaces);
  const keeper = new GeometryKeeper(bounds, surfaces, titleBars);
  const images = pointerImages(bounds.cursor, surfaces);
  const hints = pointerHints(surfaces);
  const popups = new PopupPlaces(surfaces);
  const state = stateRequests(surfaces);
  return {
    name: 'geometry',
    after: [...CHECKS, 'lifetimes', 'construction', 'dismissals', 'roles', 'serials', 'regions'],
    made: {
      ...madeHandlers(surfaces),
      ...keeper.made,
      ...titleBars.made,
      ...hints.made,
      xdg_popup: (popup, call) => {
        keeper.becomes(call.object, popup);
        popups.made(popup, call);
      },
    },
    gone: {
      ...hints.gone,
      xdg_toplevel: toplevel => surfaces.windowOf(toplevel)?.lose(toplevel),
      xdg_popup: popup => surfaces.windowOf(popup)?.lose(popup),
      wl_surface: surface => surfaces.of(surface).destroy(),
      wl_subsurface: subsurface => nodeOfPart.get(subsurface)?.leave(),
      wp_viewport: viewport => {
        const state = nodeOfPart.get(viewport)?.state;
        if (state !== undefined) state.source = state.destination = state.viewport = undefined;
      },
      xdg_surface: xdgSurface => {
        const window = surfaces.windowOf(xdgSurface);
        if (window !== undefined) surfaces.of(window.surface).window = undefined;
      },
    },
    requests: {
      ...images.requests,
      ...hints.requests,
      ...iconRequests(surfaces),
      ...popups.requests,
      wl_surface: {
        ...state.wl_surface,
        ...images.surfaceRequests,
        commit: call => {
          const node = surfaces.of(call.object);
          node.state.settle();
          checkSizes(call.object, node.state);
          node.commit();
          checkLayers(node, layers);
          images.commit(call, node);
          hints.commit(call);
          return keeper.commit(call, node);
        },
      },
      ...titleBars.requests,
      wl_subsurface: { ...state.wl_subsurface, set_desync: call => keeper.setDesync(call) },
      wp_viewport: state.wp_viewport!,
      xdg_surface: {
        ...popups.requests.xdg_surface,
        set_window_geometry: ({ object, args }) => {
          surfaces.windowOf(object)?.setGeometry(args);
          return Verdict.Forward;
        },
        ack_configure: ({ object, args: { serial } }) => {
          surfaces.windowOf(object)?.layout.acknowledge(serial);
          return Verdict.Forward;
        },
      },
    },
    events: { ...keeper.events, ...titleBars.events, ...popups.events },
  };
}

/** The surfaces that subsurfaces and viewports are about. */
const nodeOfPart = new WeakMap<RelayObject, Node>();

function madeHandlers(surfaces: Surfaces): NonNullable<Concern['made']> {
  return {
    wl_buffer: (buffer, { args }) => {
      const { width, height } = args as Partial<Size>;
      // Others than those of pools have one pixel.
      if (width !== undefined && height !== undefined) surfaces.setBufferSize(buffer, { width, height });
    },
    wl_subsurface: (subsurface, { args }) => {
      const { surface, parent } = args as { surface: RelayObject; parent: RelayObject };
      const node = surfaces.of(surface);
      node.become(surfaces.of(parent));
      nodeOfPart.set(subsurface, node);
    },
    wp_viewport: (viewport, { args }) => {
      const node = surfaces.of((args as { surface: RelayObject }).surface);
      node.state.viewport = viewport;
      nodeOfPart.set(viewport, node);
    },
    xdg_surface: (xdgSurface, { args }) => {
      const { surface } = args as { surface: RelayObject<'wl_surface'> };
      const window = new ShellWindow(xdgSurface, surface);
      surfaces.of(surface).window = window;
      surfaces.setWindow(xdgSurface, window);
    },
  };
}

/** Requests that say something of a surface's size. */
function stateRequests(surfaces: Surfaces): RequestHandlers {
  return {
    wl_surface: {
      set_buffer_scale: ({ object, args: { scale } }) => {
        surfaces.of(object).state.scale = scale;
        return Verdict.Forward;
      },
      set_buffer_transform: ({ object, args: { transform } }) => {
        surfaces.of(object).state.transform = transform;
        return Verdict.Forward;
      },
    },
    wp_viewport: {
      set_source: ({ object, args: { x, y, width, height } }) => {
        const node = nodeOfPart.get(object);
        if (node !== undefined) node.state.source = width === -1 ? undefined : { x, y, width, height };
        return Verdict.Forward;
      },
      set_destination: ({ object, args: { width, height } }) => {
        const node = nodeOfPart.get(object);
        if (node !== undefined) node.state.destination = width === -1 ? undefined : { width, height };
        return Verdict.Forward;
      },
    },
    wl_subsurface: {
      set_position: ({ object, args: { x, y } }) => {
        nodeOfPart.get(object)?.move(x, y);
        return Verdict.Forward;
      },
      set_sync: ({ object }) => {
        const node = nodeOfPart.get(object);
        if (node?.parent !== undefined) node.synchronized = true;
        return Verdict.Forward;
      },
    },
  };
}

/** Tells the compositor the geometries. */
class GeometryKeeper {
  constructor(
    private readonly bounds: PixelBounds,
    private readonly surfaces: Surfaces,
    private readonly titleBars: TitleBars,
  ) {}

  readonly made: NonNullable<Concern['made']> = {
    xdg_toplevel: (toplevel, { object }) => this.becomes(object, toplevel),
  };

  readonly events: EventHandlers = {
    xdg_toplevel: {
      configure: ({ object, args: { width, height, states } }) => {
        const window = this.surfaces.windowOf(object);
        window?.layout.announce(isFull(states));
        if (window !== undefined) window.configured = { width, height };
        return Verdict.Forward;
      },
    },
    xdg_surface: {
      configure: ({ object, args: { serial } }) => {
        this.surfaces.windowOf(object)?.layout.send(serial);
        return Verdict.Forward;
      },
    },
  };

  /** A surface has been committed, and the compositor does not know it yet. */
  commit({ relay, object }: Call<'wl_surface'>, node: Node): Verdict {
    const { top } = node;
    if (node === top) {
      top.window?.layout.commit();
      this.#tell(relay, top);
      if (top.window !== undefined) top.window.settled = top.sure();
      return Verdict.Forward;
    }
    if (!node.immediate || !this.#isWrong(top)) return Verdict.Forward;
    // The compositor reads the geometry at a commit of the window itself: that has to come after this one.
    relay.request(object, 'commit', {});
    this.#mend(relay, top);
    return Verdict.Drop;
  }

  /** What has waited for the parent's commit is shown now. */
  setDesync({ relay, object }: Call<'wl_subsurface'>): Verdict {
    const node = nodeOfPart.get(object);
    if (node === undefined) return Verdict.Forward;
    node.desynchronize();
    if (!node.immediate || !this.#isWrong(node.top)) return Verdict.Forward;
    relay.request(object, 'set_desync', {});
    this.#mend(relay, node.top);
    return Verdict.Drop;
  }

  /** Whether something is seen outside of the geometry that the compositor has read, or it is a needless one. */
  #isWrong(top: Node): boolean {
    const { window } = top;
    const extents = top.extents();
    // A window without a picture of its own is not shown.
    if (window?.role === undefined || top.size.width === 0 || extents === undefined) return false;
    if (this.#wanted(top) !== undefined) return true;
    const { told, settled } = window;
    if (settled === undefined) return true;
    const seen = (told && intersection(told, settled)) ?? settled;
    return grown(seen, extents, this.#shadowOf(window)) !== seen;
  }

  /** Has the compositor look at the right geometry, without the client's having committed the window. */
  #mend(relay: Relay, top: Node): void {
    const window = top.window!;
    window.layout.commit();
    this.#tell(relay, top);
    if (knownLife(window.surface)?.withheld === true) {
      // What it draws is not shown before its own commit is, which takes the geometry with it.
      window.settled = undefined;
      return;
    }
    relay.request(window.surface, 'commit', {});
    top.commit();
    window.settled = top.sure();
    relay.charge(COMMIT_COST);
  }

  /** Tells the geometry that holds from the window's next commit on, if it is another one. */
  #tell(relay: Relay, top: Node): void {
    const { window } = top;
    if (window?.role === undefined || this.#isAsBefore(top, window)) return;
    const wanted = this.#wanted(top);
    if (wanted === undefined) return;
    window.told = wanted;
    const { x1, y1, x2, y2 } = wanted;
    relay.request(window.object, 'set_window_geometry', { x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
    relay.charge(1);
  }

  /** Whether nothing has changed, since this was asked last, on which the geometry depends: so with most frames. */
  #isAsBefore(top: Node, window: ShellWindow): boolean {
    const { geometry, told, checked } = window;
    const extents = top.extents();
    const shadow = this.#shadowOf(window);
    const isSameInside = checked.geometry === geometry && checked.told === told;
    if (isSameInside && checked.extents === extents && checked.shadow === shadow) return true;
    window.checked = { geometry, told, extents, shadow };
    return false;
  }

  /**
   * The geometry that the compositor has to be told; undefined where it knows it, or none is needed.
   * @throws ProtocolError (xdg_surface.invalid_size) for a window that reaches over {@link MAX_REACH}
   */
  #wanted(top: Node): Box | undefined {
    const { window } = top;
    // Without a geometry of the client's, the window is all that is drawn. Without a picture nothing is.
    if (window?.geometry === undefined || window.role === undefined || top.size.width === 0) return undefined;
    const { geometry, told, object, surface } = window;
    const extents = top.extents();
    const wanted = extents === undefined ? geometry : grown(geometry, extents, this.#shadowOf(window));
    if (told !== undefined && isSame(told, wanted)) return undefined;
    if (wanted !== geometry && Math.max(wanted.x2 - wanted.x1, wanted.y2 - wanted.y1) > MAX_REACH) {
      const text = `virtwl: ${String(surface)} draws outside of its window geometry, over ${MAX_REACH} units wide or high`;
      throw new ProtocolError(object.clientId, XdgSurfaceError.invalid_size, text);
    }
    return wanted;
  }

  /** How far the window may draw beyond its geometry, on each side. */
  #shadowOf({ role, surface, layout }: ShellWindow): number {
    const none = layout.full || this.titleBars.has(surface);
    return none && role!.is('xdg_toplevel') ? 0 : this.bounds.shadow;
  }

  /** An xdg_surface has become a toplevel or popup. */
  becomes(xdgSurface: RelayObject, role: RelayObject): void {
    const window = this.surfaces.windowOf(xdgSurface);
    if (window === undefined) return;
    window.role = role;
    this.surfaces.setWindow(role, window);
  }
}

/** A tree of fewer square units is painted at once, whatever lies above each other in it. */
const SMALL_TREE = 1 << 20;

/** @throws ProtocolError (no_memory) for a tree of which too much lies above each other */
function checkLayers({ top }: Node, most: number): void {
  const painted = top.painted();
  if (painted <= SMALL_TREE) return;
  const { x1, y1, x2, y2 } = top.extents()!;
  if (painted <= most * (x2 - x1) * (y2 - y1)) return;
  const text = `virtwl: a window's surfaces have over ${most} times its pixels (limit layers in its VM's policy)`;
  throw new ProtocolError(1, WlDisplayError.no_memory, text);
}

/** What a commit costs; see `pace.ts`. */
const COMMIT_COST = 4;

/** The geometry, with as much of the extents in it as leaves `shadow` outside. */
function grown(geometry: Box, extents: Box, shadow: number): Box {
  // A compositor takes what geometry and extents have in common.
  const inside = intersection(geometry, extents) ?? extents;
  const rect = {
    x1: Math.min(inside.x1, extents.x1 + shadow),
    y1: Math.min(inside.y1, extents.y1 + shadow),
    x2: Math.max(inside.x2, extents.x2 - shadow),
    y2: Math.max(inside.y2, extents.y2 - shadow),
  };
  return isSame(rect, inside) && inside !== extents ? geometry : rect;
}

function intersection(a: Box, b: Box): Box | undefined {
  const x1 = Math.max(a.x1, b.x1);
  const y1 = Math.max(a.y1, b.y1);
  const x2 = Math.min(a.x2, b.x2);
  const y2 = Math.min(a.y2, b.y2);
  return x1 < x2 && y1 < y2 ? { x1, y1, x2, y2 } : undefined;
}

function isSame(a: Box, b: Box): boolean {
  return a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2;
}

/**
 * Whether a window has no shadow at all, by the states of `xdg_toplevel.configure`: maximized or full screen. A client of
 * version 1 has no word for tiled sides; compositors that tile tell it that it is maximized.
 */
function isFull(states: Uint8Array): boolean {
  const view = new DataView(states.buffer, states.byteOffset, states.byteLength);
  for (let at = 0; at + 4 <= states.byteLength; at += 4) {
    const state = view.getUint32(at, true);
    if (state === XdgToplevelState.maximized || state === XdgToplevelState.fullscreen) return true;
  }
  return false;
}
