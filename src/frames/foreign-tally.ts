/** What others showed above the window during a run: each cursor or overlay once, with how often and where. */
import type { Rect } from '../wayland/rect.js';
import type { Foreign } from './foreign.js';

/** How many things of others' a report lists. */
export const MAX_FOREIGN_LISTED = 16;

/** One of them, as `--json` prints it. */
export interface ForeignJson {
  /** Pixels that it changed of the window, at most. */
  readonly pixels: number;
  /** Where it was last: smallest rectangle around these, in the window's coordinates. */
  readonly box: Rect;
  /** In how many of the captured frames. */
  readonly frames: number;
  /** Whether it was in several places. */
  readonly moved: boolean;
}

/** Counts them. What is about where another was, or is as large, is that one. */
export class ForeignTally {
  readonly #list: { pixels: number; box: Rect; frames: number; moved: boolean }[] = [];

  /** What was seen in one frame. */
  add(foreign: readonly Foreign[]): void {
    for (const { pixels, box } of foreign) {
      const known = this.#list.find(item => overlap(item.box, box)) ?? this.#list.find(item => likeSize(item.box, box));
      if (known === undefined) {
        if (this.#list.length < MAX_FOREIGN_LISTED) this.#list.push({ pixels, box, frames: 1, moved: false });
        continue;
      }
      known.frames++;
      known.pixels = Math.max(known.pixels, pixels);
      known.moved ||= !overlap(known.box, box);
      known.box = box;
    }
  }

  toJSON(): readonly ForeignJson[] {
    return this.#list.map(item => ({ ...item }));
  }
}

/** `228 pixels in 15x21 at (312, 190)` */
export function describeForeign({ pixels, box }: Foreign): string {
  return `${pixels} pixels in ${box.width}x${box.height} at (${box.x}, ${box.y})`;
}

/** One of them in a line of English. */
export function describeTally(item: ForeignJson): string {
  const { frames, moved } = item;
  const over = `over ${frames} frame${frames === 1 ? '' : 's'}${moved ? ', moving' : ''}`;
  return `${describeForeign(item)}, ${over}: a cursor or an overlay, below which nothing was checked`;
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** Its edge may be lost where the window has its colour by chance. */
function likeSize(a: Rect, b: Rect): boolean {
  return Math.abs(a.width - b.width) <= 2 && Math.abs(a.height - b.height) <= 2;
}
