/** A rectangle of pixels: of a buffer, a window or an output. */

/** A rectangle in pixels, its origin at the top left. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
