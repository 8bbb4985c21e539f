/**
 * How far a window reaches: the sizes of its surfaces and the places of its subsurfaces, as the compositor has them or
 * may have them at any moment. In: what `geometry.ts` passes on. Out: the extents of a tree, in units of its top
 * surface.
 *
 * What a commit of a synchronized subsurface says is shown later, when its parent's commit is; until then what is shown and
 * what is about to be both count. So do all places that a subsurface has had since they were last settled. The extents
 * are therefore never smaller than what is seen.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Box } from '../wayland/region.js';
import { SurfaceState, type Size } from './surface-state.js';

interface Place {
  readonly x: number;
  readonly y: number;
}

type Growing = { -readonly [K in keyof Box]: Box[K] };

const ORIGIN: Place = { x: 0, y: 0 };
const NOTHING: Size = { width: 0, height: 0 };

/** One surface and what is below it. */
export class SurfaceNode<Window = unknown> {
  /** What the client says, for the next commit. */
  readonly state = new SurfaceState();
  /** What it is the surface of, at the top of a tree. */
  window: Window | undefined;
  /** The surface that it is a subsurface of. */
  parent: SurfaceNode<Window> | undefined;
  /** Whether it is a synchronized subsurface. */
  synchronized = false;

  readonly #children = new Set<SurfaceNode<Window>>();
  /** Size by the last commit. */
  #latest: Size = NOTHING;
  /** The largest and the smallest that the compositor may show. */
  #largest: Size = NOTHING;
  #smallest: Size = NOTHING;
  /** Its commit waits for the parent's. */
  #waits = false;
  /** Place in the parent, as the client has said it, and as the parent's last commit has taken it. */
  #place: Place = ORIGIN;
  #committedPlace: Place = ORIGIN;
  /** Around the places where it may be. */
  #places: Box = { x1: 0, y1: 0, x2: 0, y2: 0 };
  /** Children that wait, and those that have been moved: what a commit of this one has to look at. */
  readonly #waiting = new Set<SurfaceNode<Window>>();
  readonly #moved = new Set<SurfaceNode<Window>>();
  /** What was worked out last; undefined: something has changed. */
  #extents: Box | undefined;
  #sure: Box | undefined;
  #painted: number | undefined;

  constructor(readonly surface: RelayObject) {}

  /** Size by the last commit. */
  get size(): Size {
    return this.#latest;
  }

  get hasChildren(): boolean {
    return this.#children.size > 0;
  }

  /** The top surface of its tree. */
  get top(): SurfaceNode<Window> {
    return this.parent?.top ?? this;
  }

  /** Whether its commits are shown at once: neither it nor one above it is synchronized. */
  get immediate(): boolean {
    return !this.synchronized && (this.parent?.immediate ?? true);
  }

  /** It becomes a subsurface of `parent`, at its upper left corner, synchronized. */
  become(parent: SurfaceNode<Window>): void {
    this.parent = parent;
    this.synchronized = true;
    this.#place = this.#committedPlace = ORIGIN;
    this.#places = { x1: 0, y1: 0, x2: 0, y2: 0 };
    parent.#children.add(this);
    parent.#changed();
  }

  /** It is no subsurface any more. */
  leave(): void {
    const { parent } = this;
    if (parent === undefined) return;
    parent.#children.delete(this);
    parent.#waiting.delete(this);
    parent.#moved.delete(this);
    parent.#changed();
    this.parent = undefined;
    this.synchronized = false;
  }

  /** It is gone. */
  destroy(): void {
    this.leave();
    for (const child of [...this.#children]) child.leave();
  }

  /** `wl_subsurface.set_position` */
  move(x: number, y: number): void {
    this.#place = { x, y };
    this.#places = around(this.#places, this.#place);
    const { parent } = this;
    if (parent === undefined) return;
    parent.#moved.add(this);
    parent.#changed();
  }

  /** `wl_subsurface.set_desync`: what has waited is shown now, or with its next commit. */
  desynchronize(): void {
    this.synchronized = false;
    if (this.immediate) this.#shownSometime();
  }

  /** It waits no more, and what is shown of it is not known before its next commit. */
  #shownSometime(): void {
    this.#waits = false;
    for (const child of this.#waiting) {
      this.#waiting.delete(child);
      if (child.synchronized) child.#shownSometime();
    }
  }

  /** `wl_surface.commit` */
  commit(): void {
    const size = this.state.size;
    const { width, height } = this.#latest;
    if (size.width !== width || size.height !== height) {
      this.#latest = size;
      const { width: w, height: h } = size;
      this.#largest = { width: Math.max(this.#largest.width, w), height: Math.max(this.#largest.height, h) };
      this.#smallest = { width: Math.min(this.#smallest.width, w), height: Math.min(this.#smallest.height, h) };
      this.#changed();
    }
    for (const child of this.#moved) child.#committedPlace = child.#place;
    this.#waits = !this.immediate;
    if (this.#waits) this.parent!.#waiting.add(this);
    else this.#apply();
  }

  /** The last commit is what is shown. */
  #apply(): void {
    this.#waits = false;
    if (this.#largest !== this.#latest || this.#smallest !== this.#latest) {
      this.#largest = this.#smallest = this.#latest;
      this.#changed();
    }
    if (this.#moved.size > 0) this.#changed();
    for (const child of this.#moved) {
      const { x, y } = child.#committedPlace;
      // A compositor may have taken the newer place already.
      child.#places = around({ x1: x, y1: y, x2: x, y2: y }, child.#place);
      if (x === child.#place.x && y === child.#place.y) this.#moved.delete(child);
    }
    for (const child of this.#waiting) {
      this.#waiting.delete(child);
      // One that is not synchronized itself waits for its own next commit.
      if (child.#waits && child.synchronized) child.#apply();
    }
  }

  /** Around everything that it and those below it may show, in its own units; undefined where they show nothing. */
  extents(): Box | undefined {
    this.#extents ??= this.#reach(this.#largest, (child, reach) => {
      const below = child.extents();
      const { x1, y1, x2, y2 } = child.#places;
      if (below !== undefined) grow(reach, below.x1 + x1, below.y1 + y1, below.x2 + x2, below.y2 + y2);
    });
    return hasInside(this.#extents) ? this.#extents : undefined;
  }

  /** Around what they show in any case. */
  sure(): Box | undefined {
    this.#sure ??= this.#reach(this.#smallest, (child, reach) => {
      const below = child.sure();
      const { x1, y1, x2, y2 } = child.#places;
      if (below === undefined) return;
      const rect = { x1: below.x1 + x2, y1: below.y1 + y2, x2: below.x2 + x1, y2: below.y2 + y1 };
      if (hasInside(rect)) grow(reach, rect.x1, rect.y1, rect.x2, rect.y2);
    });
    return hasInside(this.#sure) ? this.#sure : undefined;
  }

  /** Square units of it and those below it together, however they lie. */
  painted(): number {
    if (this.#painted === undefined) {
      this.#painted = this.#largest.width * this.#largest.height;
      for (const child of this.#children) this.#painted += child.painted();
    }
    return this.#painted;
  }

  #reach({ width, height }: Size, add: (child: SurfaceNode<Window>, reach: Growing) => void): Box {
    const reach: Growing = { x1: Infinity, y1: Infinity, x2: -Infinity, y2: -Infinity };
    if (width > 0 && height > 0) grow(reach, 0, 0, width, height);
    for (const child of this.#children) add(child, reach);
    return reach;
  }

  /** What was worked out for it and those above is not valid any more. */
  #changed(): void {
    this.#extents = this.#sure = this.#painted = undefined;
    const { parent } = this;
    if (parent !== undefined) parent.#changed();
  }
}

function around(rect: Box, { x, y }: Place): Box {
  return {
    x1: Math.min(rect.x1, x),
    y1: Math.min(rect.y1, y),
    x2: Math.max(rect.x2, x),
    y2: Math.max(rect.y2, y),
  };
}

function hasInside({ x1, y1, x2, y2 }: Box): boolean {
  return x1 < x2 && y1 < y2;
}

function grow(rect: Growing, x1: number, y1: number, x2: number, y2: number): void {
  rect.x1 = Math.min(rect.x1, x1);
  rect.y1 = Math.min(rect.y1, y1);
  rect.x2 = Math.max(rect.x2, x2);
  rect.y2 = Math.max(rect.y2, y2);
}
