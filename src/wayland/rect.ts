/** Rectangles of pixels in a buffer, as damage and drawing use them. */

/** A rectangle in pixels, its origin at the top left. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
