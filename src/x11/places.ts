/**
 * Where windows are on the X screen and how large, as clients ask for it and as we give it. Places there mean little, since the
 * compositor has its own: they only have to leave the pointer, and menus, within the screen, and on one monitor of it.
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

/** The X screen, for windows. In X pixels. */
export interface Room {
  readonly size: Size;
  /** At least one. */
  readonly monitors: readonly Geometry[];
}

/** Another size for a managed window, in X pixels. It stays on the monitor on which its middle was. */
export function sized(geometry: Geometry, { width, height }: Size, { size, monitors }: Room): Geometry {
  const side = (length: number): number => Math.min(Math.max(length, 1), MAX_SIDE);
  const [x, y] = [geometry.x + geometry.width / 2, geometry.y + geometry.height / 2];
  const monitor =
    monitors.find(at => x >= at.x && x < at.x + at.width && y >= at.y && y < at.y + at.height) ?? largest(monitors);
  return within(between({ ...geometry, width: side(width), height: side(height) }, monitor), size);
}

/** The same size, at a place where as much as possible of it is on the screen. */
export function within(geometry: Geometry, { width, height }: Size): Geometry {
  return between(geometry, { x: 0, y: 0, width, height });
}

/**
 * The same size in the middle of the largest monitor, so that menus have room on all sides: the server keeps the pointer
 * within the screen, and toolkits keep them on the monitor.
 */
export function inMiddle({ width, height }: Size, { size, monitors }: Room): Geometry {
  const monitor = largest(monitors);
  const middle = (start: number, whole: number, side: number): number => start + Math.floor((whole - side) / 2);
  const place = {
    x: middle(monitor.x, monitor.width, width),
    y: middle(monitor.y, monitor.height, height),
    width,
    height,
  };
  return within(between(place, monitor), size);
}

/** One that is larger begins where the room begins. */
function between({ x, y, width, height }: Geometry, room: Geometry): Geometry {
  const at = (place: number, side: number, start: number, whole: number): number =>
    Math.max(start, Math.min(place, start + whole - side));
  return { x: at(x, width, room.x, room.width), y: at(y, height, room.y, room.height), width, height };
}

function largest(monitors: readonly Geometry[]): Geometry {
  return monitors.reduce((most, each) => (each.width * each.height > most.width * most.height ? each : most));
}
