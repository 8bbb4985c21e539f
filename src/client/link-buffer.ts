/** A buffer on the link: a copy of pixels of the application, in host memory, that the compositor reads. */
import type { RelayObject } from '../relay/object-map.js';
import type { SlabPart } from '../slabs/link-memory.js';
import { Region } from '../wayland/region.js';
import { bytesPerPixel } from '../wayland/shm-formats.js';
import type { AppBuffer } from './app-pool.js';
import type { AppSurface } from './app-surface.js';

/** A buffer on the link, in host memory. */
export class LinkBuffer {
  /** Attached or committed, and not released by the compositor. */
  busy = false;
  /** What the surface has changed since this buffer was written. */
  readonly stale = new Region();
  /** Not wanted any more: to be destroyed as soon as the compositor lets go. */
  retired = false;
  /** Which use of all link buffers its last one was: those that were not used for longer have lower numbers. */
  used = 0;
  /** When the compositor was given it, in milliseconds, as long as it has not released it; else 0. */
  given = 0;

  constructor(
    readonly object: RelayObject<'wl_buffer'>,
    readonly part: SlabPart,
    readonly width: number,
    readonly height: number,
    readonly stride: number,
    readonly format: number,
  ) {}

  /** Bytes of its pixels, without what fills up its rows. */
  get pixelBytes(): number {
    return this.width * this.height * (bytesPerPixel(this.format) ?? 0);
  }
}

/** `data` of a link buffer's `wl_buffer`. */
export interface LinkBufferOwner {
  readonly surface: AppSurface;
  readonly buffer: LinkBuffer;
}

/** Whether it can hold what an application's buffer does. */
export function fits(link: LinkBuffer, app: AppBuffer): boolean {
  return link.width === app.width && link.height === app.height && link.format === app.format;
}
