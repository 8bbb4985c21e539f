/**
 * Regions of pixels: what is damaged, and what of a link buffer is out of date. A region is a set of rectangles that
 * never overlap, so that a copy of a region copies no byte twice. It is kept small on purpose: a client may send
 * thousands of damage rectangles, and past {@link MAX_RECTS} they are merged into their bounding box, which copies more
 * but costs a fixed amount of book-keeping.
 */

/** Rectangles that a region holds before it falls back to its bounding box: more cost more to keep than to copy. */
export const MAX_RECTS = 32;

/** A rectangle by its edges, where a `Rect` (rect.ts) has a size: x1 and y1 inside, x2 and y2 just outside. */
export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** A set of pixels. */
export class Region {
  #rects: Box[] = [];

  get rects(): readonly Box[] {
    return this.#rects;
  }

  get empty(): boolean {
    return this.#rects.length === 0;
  }

  /** Pixels inside. */
  get area(): number {
    let area = 0;
    for (const r of this.#rects) area += (r.x2 - r.x1) * (r.y2 - r.y1);
    return area;
  }

  clear(): void {
    if (this.#rects.length > 0) this.#rects = [];
  }

  /** Adds a rectangle. Empty ones change nothing. */
  add(rect: Box): void {
    if (rect.x1 >= rect.x2 || rect.y1 >= rect.y2) return;
    const rects = this.#rects;
    if (rects.length === 0) {
      rects.push(rect);
      return;
    }
    for (let i = 0; i < rects.length; i++) {
      const have = rects[i]!;
      if (contains(have, rect)) return;
      if (contains(rect, have)) {
        // The new one swallows this one, and may swallow others.
        const last = rects.pop()!;
        if (i < rects.length) rects[i] = last;
        i--;
      }
    }
    let left: Box[] = [rect];
    for (const have of rects) {
      if (left.length === 0) return;
      left = subtractFromAll(left, have);
    }
    if (rects.length + left.length > MAX_RECTS) {
      let box = rect;
      for (const have of rects) box = boundingBox(box, have);
      this.#rects = [box];
    } else {
      rects.push(...left);
    }
  }

  addRegion(other: Region): void {
    for (const rect of other.#rects) this.add(rect);
  }

  /** Cuts everything outside 0,0 to width,height away. */
  clip(width: number, height: number): void {
    let clean = true;
    for (const r of this.#rects) {
      if (r.x1 < 0 || r.y1 < 0 || r.x2 > width || r.y2 > height) {
        clean = false;
        break;
      }
    }
    if (clean) return;
    const kept: Box[] = [];
    for (const r of this.#rects) {
      const cut = {
        x1: Math.max(r.x1, 0),
        y1: Math.max(r.y1, 0),
        x2: Math.min(r.x2, width),
        y2: Math.min(r.y2, height),
      };
      if (cut.x1 < cut.x2 && cut.y1 < cut.y2) kept.push(cut);
    }
    this.#rects = kept;
  }
}

function contains(outer: Box, inner: Box): boolean {
  return outer.x1 <= inner.x1 && outer.y1 <= inner.y1 && outer.x2 >= inner.x2 && outer.y2 >= inner.y2;
}

function boundingBox(a: Box, b: Box): Box {
  return {
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
    x2: Math.max(a.x2, b.x2),
    y2: Math.max(a.y2, b.y2),
  };
}

/** What is left of `rects` outside `hole`: each falls into at most four. */
function subtractFromAll(rects: readonly Box[], hole: Box): Box[] {
  const left: Box[] = [];
  for (const r of rects) {
    if (r.x2 <= hole.x1 || r.x1 >= hole.x2 || r.y2 <= hole.y1 || r.y1 >= hole.y2) {
      left.push(r);
      continue;
    }
    const top = Math.max(r.y1, hole.y1);
    const bottom = Math.min(r.y2, hole.y2);
    if (r.y1 < top) left.push({ x1: r.x1, y1: r.y1, x2: r.x2, y2: top });
    if (r.x1 < hole.x1) left.push({ x1: r.x1, y1: top, x2: hole.x1, y2: bottom });
    if (r.x2 > hole.x2) left.push({ x1: hole.x2, y1: top, x2: r.x2, y2: bottom });
    if (bottom < r.y2) left.push({ x1: r.x1, y1: bottom, x2: r.x2, y2: r.y2 });
  }
  return left;
}
