/**
 * How large a surface is. In: what a client says of its buffer, its scale, its transform and its viewport, in the order in
 * which it says it. Out, at each commit: width and height in surface units. What this model cannot know exactly it takes
 * for larger, never for smaller.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Rect } from '../wayland/rect.js';

/** Width and height; in pixels for a buffer, in surface units for a surface. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

const NOTHING: Size = { width: 0, height: 0 };

/** The state of a surface that decides on its size, as the client has said it up to now. */
export class SurfaceState {
  /** Undefined: without a buffer, it shows nothing. */
  buffer: Size | undefined;
  /** The client's next commit takes the buffer away: not one of the glue's own, see `hidings.ts`. */
  hides = false;
  /** `wl_surface.set_buffer_scale` */
  scale = 1;
  /** `wl_surface.set_buffer_transform`: wl_output.transform. Odd ones turn it by a quarter. */
  transform = 0;
  /** `wp_viewport.set_source`, in surface units before the viewport; undefined: all of the buffer. */
  source: Rect | undefined;
  /** `wp_viewport.set_destination`, in surface units; undefined: as large as the source. */
  destination: Size | undefined;

  /** The viewport that says so. */
  viewport: RelayObject | undefined;

  /** `wl_surface.attach` */
  attach(buffer: Size | undefined): void {
    this.hides = buffer === undefined;
    if (buffer !== undefined) this.buffer = buffer;
  }

  /** The client commits it. */
  settle(): void {
    if (this.hides) this.buffer = undefined;
    this.hides = false;
  }

  /** What the buffer has to show, in whole surface units before the viewport. */
  get unitsOfBuffer(): Size | undefined {
    const { buffer, scale } = this;
    if (buffer === undefined) return undefined;
    const { width, height } = this.#turned(buffer);
    return { width: Math.floor(width / scale), height: Math.floor(height / scale) };
  }

  /** The size that a commit gives to the surface. */
  get size(): Size {
    const { buffer, scale, source, destination } = this;
    if (buffer === undefined) return NOTHING;
    if (destination !== undefined) return destination;
    if (source !== undefined) return roundedUp(source);
    if (scale === 1 && (this.transform & 1) === 0) return buffer;
    const { width, height } = this.#turned(buffer);
    return roundedUp({ width: width / scale, height: height / scale });
  }

  #turned({ width, height }: Size): Size {
    return (this.transform & 1) === 1 ? { width: height, height: width } : { width, height };
  }
}

function roundedUp({ width, height }: Size): Size {
  return { width: Math.ceil(width), height: Math.ceil(height) };
}
