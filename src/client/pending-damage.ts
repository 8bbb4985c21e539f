/** What an application has said to be damaged since its last commit, and which pixels of a buffer that is. */
import { Region, type Box } from '../wayland/region.js';
import type { AppBuffer } from './app-pool.js';
import { surfaceToBuffer, type SurfaceGeometry } from './surface-geometry.js';

/** Damage rectangles in surface coordinates that wait for a commit; past it, everything counts as damaged. */
const MAX_PENDING_RECTS = 256;

export const EVERYTHING: Box = { x1: 0, y1: 0, x2: 0x7fffffff, y2: 0x7fffffff };
const ALL = new Region();
ALL.add(EVERYTHING);

export class PendingDamage {
  readonly #ofSurface: Box[] = [];
  readonly #ofBuffer = new Region();

  /** wl_surface.damage */
  addOfSurface(x: number, y: number, width: number, height: number): void {
    if (this.#ofSurface.length < MAX_PENDING_RECTS) {
      this.#ofSurface.push({ x1: x, y1: y, x2: x + width, y2: y + height });
    } else {
      this.#ofBuffer.add(EVERYTHING);
    }
  }

  /** wl_surface.damage_buffer */
  addOfBuffer(x: number, y: number, width: number, height: number): void {
    this.#ofBuffer.add({ x1: x, y1: y, x2: x + width, y2: y + height });
  }

  /** What of `buffer` is damaged. */
  of(buffer: AppBuffer, geometry: SurfaceGeometry): Region {
    const damage = new Region();
    damage.addRegion(this.#ofBuffer);
    for (const rect of this.#ofSurface) damage.add(surfaceToBuffer(rect, geometry, buffer.width, buffer.height));
    damage.clip(buffer.width, buffer.height);
    return damage;
  }

  /**
   * Makes damage in surface units, as they are now, damage of `buffer`: what the next commit makes of them is another
   * thing. Undefined: of whatever will be attached. Returns whether there was any.
   */
  settle(buffer: AppBuffer | undefined, geometry: SurfaceGeometry): boolean {
    if (this.#ofSurface.length === 0) return false;
    this.#ofBuffer.addRegion(buffer === undefined ? ALL : this.of(buffer, geometry));
    this.#ofSurface.length = 0;
    return true;
  }

  clear(): void {
    this.#ofSurface.length = 0;
    this.#ofBuffer.clear();
  }
}
