/**
 * Edges to resize a window by that has a title bar of ours: one surface below the window, which reaches some pixels beyond it
 * on all sides, and takes the pointer there. It shows nothing, and is no part of the window as the compositor places it: a
 * shadow that has no colour.
 */
import type { RelayObject } from '../relay/object-map.js';
import { XdgToplevelResizeEdge as Edge } from '../wayland/protocols/xdg-shell.js';
import { bufferOf } from './shm-picture.js';
import type { Shell } from './shell.js';
import type { Size } from './surfaces.js';
import type { Press } from './user-input.js';

/** How far it reaches beyond the window, in the compositor's pixels: enough for a hand, and few for windows beside it. */
export const EDGE_WIDTH = 8;

/** From a corner of the window, along its side: there two sides are resized. */
const CORNER = 16;

/** Sides as `xdg_toplevel.resize` has them, which may be added up: both of an axis can be moved, or none. */
const [ACROSS, DOWN] = [Edge.left | Edge.right, Edge.top | Edge.bottom];

/** Those of a window that has at least the one size and at most the other, where 0 is any. */
export function movableSides(min: Size, max: Size): number {
  const moves = (least: number, most: number): boolean => most === 0 || most > least;
  return (moves(min.width, max.width) ? ACROSS : 0) | (moves(min.height, max.height) ? DOWN : 0);
}

/** One pixel, of nothing. */
const NOTHING = { width: 1, height: 1, pixels: new Uint8Array(4) };

export interface EdgesOwner {
  /** The user has pressed at these sides. */
  resize(press: Press, edges: number): void;
}

/** What has to be there for one. */
interface Made {
  readonly compositor: RelayObject<'wl_compositor'>;
  readonly subcompositor: RelayObject<'wl_subcompositor'>;
  readonly parent: RelayObject<'wl_surface'>;
  /** Of the window above `parent`, in the compositor's pixels. */
  readonly top: number;
}

export class TitleEdges {
  readonly surface: RelayObject<'wl_surface'>;
  readonly #subsurface: RelayObject<'wl_subsurface'>;
  readonly #viewport: RelayObject<'wp_viewport'>;
  readonly #buffer: RelayObject<'wl_buffer'>;
  /** As it is shown: the window, and the sides that can be moved. Undefined: it is not. */
  #shown: (Size & { readonly sides: number }) | undefined;

  private constructor(
    private readonly shell: Shell,
    { compositor, subcompositor, parent, top }: Made,
    viewporter: RelayObject<'wp_viewporter'>,
    readonly owner: EdgesOwner,
  ) {
    const { relay } = shell;
    this.surface = relay.inject('wl_surface', compositor.version, this);
    relay.request(compositor, 'create_surface', { id: this.surface });
    this.#subsurface = relay.inject('wl_subsurface', 1);
    relay.request(subcompositor, 'get_subsurface', { id: this.#subsurface, surface: this.surface, parent });
    relay.request(this.#subsurface, 'place_below', { sibling: parent });
    relay.request(this.#subsurface, 'set_position', { x: -EDGE_WIDTH, y: -top - EDGE_WIDTH });
    this.#viewport = relay.inject('wp_viewport', viewporter.version);
    relay.request(viewporter, 'get_viewport', { id: this.#viewport, surface: this.surface });
    this.#buffer = bufferOf(shell, NOTHING);
  }

  /** Undefined: the compositor has no `wp_viewporter`, and a picture of that size for nothing would cost too much. */
  static around(shell: Shell, made: Made, owner: EdgesOwner): TitleEdges | undefined {
    const viewporter = shell.global('wp_viewporter');
    return viewporter && new TitleEdges(shell, made, viewporter, owner);
  }

  /**
   * From the window's next commit on. `width`, `height`: of the window with its title bar, in the compositor's pixels.
   * `sides`: those that can be moved; 0: none.
   */
  show({ width, height }: Size, sides: number): void {
    if (sides === 0) {
      this.hide();
      return;
    }
    const shown = this.#shown;
    if (shown?.width === width && shown.height === height && shown.sides === sides) return;
    this.#shown = { width, height, sides };
    const { relay } = this.shell;
    const size = { width: width + 2 * EDGE_WIDTH, height: height + 2 * EDGE_WIDTH };
    relay.request(this.#viewport, 'set_destination', size);
    // What lies below a window of a shape is not ours.
    const region = relay.inject('wl_region', 1);
    relay.request(this.shell.global('wl_compositor')!, 'create_region', { id: region });
    const [across, down] = [sides & ACROSS, sides & DOWN].map(axis => (axis === 0 ? 0 : EDGE_WIDTH));
    const outer = { x: EDGE_WIDTH - across!, y: EDGE_WIDTH - down! };
    relay.request(region, 'add', { ...outer, width: width + 2 * across!, height: height + 2 * down! });
    relay.request(region, 'subtract', { x: EDGE_WIDTH, y: EDGE_WIDTH, width, height });
    relay.request(this.surface, 'set_input_region', { region });
    relay.request(region, 'destroy', {});
    relay.request(this.surface, 'attach', { buffer: this.#buffer, x: 0, y: 0 });
    relay.request(this.surface, 'damage', { x: 0, y: 0, ...size });
    relay.request(this.surface, 'commit', {});
  }

  /** From the window's next commit on there are none. */
  hide(): void {
    if (this.#shown === undefined) return;
    this.#shown = undefined;
    const { relay } = this.shell;
    relay.request(this.surface, 'attach', { buffer: undefined, x: 0, y: 0 });
    relay.request(this.surface, 'commit', {});
  }

  /** Once, before the window's own objects go. */
  close(): void {
    const { relay } = this.shell;
    for (const object of [this.#viewport, this.#subsurface, this.surface, this.#buffer])
      relay.request(object, 'destroy', {});
  }

  /** The sides that are resized from a place of it; 0: none. */
  sidesAt(x: number, y: number): number {
    if (this.#shown === undefined) return 0;
    const { width, height, sides } = this.#shown;
    const near = (at: number, length: number, [low, high]: readonly [number, number]): number => {
      const reach = Math.min(CORNER, length / 3);
      if (at < EDGE_WIDTH + reach) return low;
      return at >= EDGE_WIDTH + length - reach ? high : 0;
    };
    return (near(x, width, [Edge.left, Edge.right]) | near(y, height, [Edge.top, Edge.bottom])) & sides;
  }
}
