/**
 * The surfaces of one connection as the rooms about pixels know them: their trees (`surface-tree.ts`), the windows and
 * popups that they are, and the sizes of buffers.
 */
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Rect } from '../wayland/rect.js';
import type { Box } from '../wayland/region.js';
import type { Size } from './surface-state.js';
import { SurfaceNode } from './surface-tree.js';
import { Layout } from './window-layout.js';

/** What is known of an xdg_surface. */
export class ShellWindow {
  /** By the client; undefined where it has never said any: all of the surfaces is the window. */
  geometry: Box | undefined;
  /** As the compositor was told. */
  told: Box | undefined;
  /** What of the surfaces was surely there at the last commit of the window: a compositor reads its geometry then. */
  settled: Box | undefined;
  /** What of this the geometry was last worked out from, and the shadow that it may have. */
  checked: Readonly<Record<'geometry' | 'told' | 'extents', Box | undefined>> & { readonly shadow: number } = {
    geometry: undefined,
    told: undefined,
    extents: undefined,
    shadow: -1,
  };
  /** By the compositor's last word to a toplevel; a side of 0 is as large as the client likes. */
  configured: Size | undefined;
  /** The toplevel or popup. */
  role: RelayObject | undefined;
  readonly layout = new Layout();

  constructor(
    readonly object: RelayObject<'xdg_surface'>,
    readonly surface: RelayObject<'wl_surface'>,
  ) {}

  /** `xdg_surface.set_window_geometry`, which goes on to the compositor. */
  setGeometry({ x, y, width, height }: Rect): void {
    this.told = this.geometry = { x1: x, y1: y, x2: x + width, y2: y + height };
  }

  /** A toplevel or popup is gone: what is left is no window, which a commit of the glue's own would be an error for. */
  lose(role: RelayObject): void {
    if (this.role !== role) return;
    this.role = this.configured = this.settled = undefined;
  }

  /** How far the client's geometry begins inside of what the compositor was told. */
  get shift(): { readonly x: number; readonly y: number } {
    const { geometry, told } = this;
    if (geometry === undefined || told === undefined) return { x: 0, y: 0 };
    return { x: geometry.x1 - told.x1, y: geometry.y1 - told.y1 };
  }
}

export type Node = SurfaceNode<ShellWindow>;

const nodes = new Note<Node>();
const windows = new Note<ShellWindow>();
const buffers = new Note<Size>();

/** What is known of the surfaces of one connection. */
export class Surfaces {
  of(surface: RelayObject): Node {
    let node = nodes.get(surface);
    if (node === undefined) nodes.set(surface, (node = new SurfaceNode(surface)));
    return node;
  }

  /** The window that a toplevel, a popup or an xdg_surface is of. */
  windowOf(object: RelayObject): ShellWindow | undefined {
    return windows.get(object);
  }

  setWindow(object: RelayObject, window: ShellWindow): void {
    windows.set(object, window);
  }

  bufferSize(buffer: RelayObject): Size {
    return buffers.get(buffer) ?? { width: 1, height: 1 };
  }

  setBufferSize(buffer: RelayObject, size: Size): void {
    buffers.set(buffer, size);
  }
}
