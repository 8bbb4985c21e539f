/** What the protocols for capturing an output have in common: `screencopy.ts` and `image-copy.ts` are two of them. */
import type { WaylandObject } from './wayland-object.js';

/** Kinds of buffers for one capture: wlroots names one or two. */
export const MAX_BUFFER_KINDS = 16;

/** What the compositor asks for, in its own words. */
export interface BufferKind {
  /** A code of `enum wl_shm.format`. */
  readonly format: number;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
}

/** One of the protocols, at work on one output. */
export interface CaptureProtocol {
  /**
   * Has the compositor fill a buffer.
   * @param bufferFor gives a buffer of a kind that this program can read, of those that the compositor takes
   * @returns whether the first row in memory is the bottom one
   * @throws Error when the compositor refuses, and what `bufferFor` throws
   */
  fill(bufferFor: (kinds: readonly BufferKind[]) => Promise<WaylandObject<'wl_buffer'>>): Promise<boolean>;
}
