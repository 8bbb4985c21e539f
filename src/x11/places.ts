/**
 * Where windows are on the X screen and how large, as clients ask for it and as we give it. Places there mean little, since the
 * compositor has its own: they only have to leave the pointer, and menus, within the screen.
 */
import { ConfigureMask, type Geometry } from './events.js';
import { MAX_SIDE } from './properties.js';
import type { Size } from './surfaces.js';

/** What a ConfigureRequest asks for. */
export function askedFor({ x, y, width, height }: Geometry, mask: number): Partial<Geometry> {
  return {
    ...(mask & ConfigureMask.x && { x }),
    ...(mask & ConfigureMask.y && { y }),
    ...(mask & ConfigureMask.width && { width }),
    ...(mask & ConfigureMask.height && { height }),
  };
}

/** Another size for a managed window, in X pixels. */
export function sized(geometry: Geometry, { width, height }: Size, screen: Size): Geometry {
  const side = (length: number): number => Math.min(Math.max(length, 1), MAX_SIDE);
  return within({ ...geometry, width: side(width), height: side(height) }, screen);
}

/** The same size, at a place where as much as possible of it is on the screen. */
export function within({ x, y, width, height }: Geometry, screen: Size): Geometry {
  const at = (place: number, side: number, whole: number): number => Math.max(0, Math.min(place, whole - side));
  return { x: at(x, width, screen.width), y: at(y, height, screen.height), width, height };
}

/** The same size in the middle of the screen, so that menus have room on all sides: the server keeps the pointer within it. */
export function inMiddle({ width, height }: Size, screen: Size): Geometry {
  const middle = (whole: number, side: number): number => Math.max(0, Math.floor((whole - side) / 2));
  return { x: middle(screen.width, width), y: middle(screen.height, height), width, height };
}
