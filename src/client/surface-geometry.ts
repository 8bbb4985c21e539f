/**
 * From surface coordinates to buffer pixels. `wl_surface.damage` speaks in surface coordinates, the pixels to copy are
 * in the buffer, and between them stand the viewport, the buffer transform and the buffer scale, in this order. Results
 * are rounded outwards: copying a pixel too many costs little, one too few shows.
 */
import type { Box } from '../wayland/region.js';

/** The double-buffered state of a wl_surface that decides where a surface pixel lies in the buffer. */
export interface SurfaceGeometry {
  /** wl_surface.set_buffer_scale; at least 1. */
  scale: number;
  /** wl_surface.set_buffer_transform: wl_output.transform, 0 to 7. */
  transform: number;
  /** wp_viewport.set_source, in surface units before the viewport, or null when unset. */
  source: { readonly x: number; readonly y: number; readonly width: number; readonly height: number } | undefined;
  /** wp_viewport.set_destination in surface units, or null when unset. */
  destination: { readonly width: number; readonly height: number } | undefined;
}

export function initialGeometry(): SurfaceGeometry {
  return { scale: 1, transform: 0, source: undefined, destination: undefined };
}

/** Whether a pixel of the surface is the same one of the buffer. */
export function isPlain({ scale, transform, source, destination }: SurfaceGeometry): boolean {
  return scale === 1 && transform === 0 && source === undefined && destination === undefined;
}

/** Largest coordinate that damage is taken seriously for; clients send INT32_MAX to mean "everything". */
const FAR = 0x7fffffff;

/** The buffer pixels under a rectangle of the surface. The result may lie outside the buffer: clip it. */
export function surfaceToBuffer(rect: Box, geometry: SurfaceGeometry, bufferWidth: number, bufferHeight: number): Box {
  const { scale, transform, source, destination } = geometry;
  const turned = (transform & 1) === 1;
  // Size of the buffer as the viewport sees it: turned upright and divided by the scale.
  const width = (turned ? bufferHeight : bufferWidth) / scale;
  const height = (turned ? bufferWidth : bufferHeight) / scale;
  let { x1, y1, x2, y2 } = rect;
  if (source !== undefined || destination !== undefined) {
    const from = source ?? { x: 0, y: 0, width, height };
    const to = destination ?? { width: from.width, height: from.height };
    const fx = from.width / to.width;
    const fy = from.height / to.height;
    // Scaling filters read neighbours: one pixel more on every side.
    x1 = x1 * fx + from.x - 1;
    x2 = x2 * fx + from.x + 1;
    y1 = y1 * fy + from.y - 1;
    y2 = y2 * fy + from.y + 1;
  }
  const moved = untransform({ x1, y1, x2, y2 }, transform, width, height);
  return {
    x1: near(Math.floor(moved.x1 * scale)),
    y1: near(Math.floor(moved.y1 * scale)),
    x2: near(Math.ceil(moved.x2 * scale)),
    y2: near(Math.ceil(moved.y2 * scale)),
  };
}

function near(coordinate: number): number {
  return Math.min(Math.max(coordinate, -FAR), FAR);
}

/** Where a rectangle of the upright picture (width x height) lies in the picture as the client stored it. */
function untransform(r: Box, transform: number, width: number, height: number): Box {
  switch (transform) {
    case 1: // 90
      return { x1: r.y1, y1: width - r.x2, x2: r.y2, y2: width - r.x1 };
    case 2: // 180
      return { x1: width - r.x2, y1: height - r.y2, x2: width - r.x1, y2: height - r.y1 };
    case 3: // 270
      return { x1: height - r.y2, y1: r.x1, x2: height - r.y1, y2: r.x2 };
    case 4: // flipped
      return { x1: width - r.x2, y1: r.y1, x2: width - r.x1, y2: r.y2 };
    case 5: // flipped 90
      return { x1: r.y1, y1: r.x1, x2: r.y2, y2: r.x2 };
    case 6: // flipped 180
      return { x1: r.x1, y1: height - r.y2, x2: r.x2, y2: height - r.y1 };
    case 7: // flipped 270
      return { x1: height - r.y2, y1: width - r.x2, x2: height - r.y1, y2: width - r.x1 };
    default:
      return r;
  }
}
