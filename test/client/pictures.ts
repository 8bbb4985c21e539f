/**
 * Pictures as the protocol defines them: how a client stores an upright picture under a transform, and which pixels lie
 * under a rectangle of the surface. Slow and plain, to compare the real thing with.
 */
import type { Box } from '../../src/wayland/region.js';
import type { SurfaceGeometry } from '../../src/client/surface-geometry.js';

/** A picture as rows of pixels. */
export type Picture = number[][];

/** One whose pixels are numbered. */
export function numbered(width: number, height: number): Picture {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => y * width + x));
}

/** wl_output.transform: "a 180 degree flip around a vertical axis". */
function flipped(picture: Picture): Picture {
  return picture.map(row => [...row].reverse());
}

/** "90 degrees counter-clockwise": what was the right edge is the top. */
function turnedLeft(picture: Picture): Picture {
  const width = picture[0]!.length;
  return Array.from({ length: width }, (_, i) => picture.map(row => row[width - 1 - i]!));
}

/**
 * wl_surface.set_buffer_transform: the transform that the client has applied to the contents. So this is what a client
 * stores of an upright picture: flipped for 4 to 7, and turned by as many quarters as the rest says.
 */
export function stored(picture: Picture, transform: number): Picture {
  let result = transform >= 4 ? flipped(picture) : picture;
  for (let quarters = transform & 3; quarters > 0; quarters--) result = turnedLeft(result);
  return result;
}

/**
 * Pixels of the upright picture, in buffer resolution, that lie under a rectangle of the surface: their numbers in a
 * {@link numbered} picture of `width` x `height`. `grow` makes the rectangle larger by as many of these pixels.
 */
export function uprightPixels(r: Box, geometry: SurfaceGeometry, width: number, height: number, grow = 0): Set<number> {
  const { scale, source, destination } = geometry;
  const from = source ?? { x: 0, y: 0, width: width / scale, height: height / scale };
  const to = destination ?? { width: from.width, height: from.height };
  const left = (from.x + (r.x1 * from.width) / to.width) * scale - grow;
  const right = (from.x + (r.x2 * from.width) / to.width) * scale + grow;
  const top = (from.y + (r.y1 * from.height) / to.height) * scale - grow;
  const bottom = (from.y + (r.y2 * from.height) / to.height) * scale + grow;
  const touched = new Set<number>();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (x < right - 1e-9 && x + 1 > left + 1e-9 && y < bottom - 1e-9 && y + 1 > top + 1e-9)
        touched.add(y * width + x);
    }
  }
  return touched;
}
