/**
 * The offset of `wl_surface.attach`, which both ends of the link check: the client's for an attach that it keeps until the
 * commit, the compositor's for clients that come by no proxy.
 */
import { WlSurfaceError } from '../wayland/protocols/wayland.js';
import { ProtocolError } from './call.js';
import type { RelayObject } from './object-map.js';

/** The version of wl_surface that has `offset`, and takes no other than 0, 0 with `attach` any more. */
const OFFSET_SINCE = 5;

/** @throws ProtocolError for an offset that the surface's version does not take with `attach` */
export function checkAttachOffset(surface: RelayObject, x: number, y: number): void {
  if (surface.version < OFFSET_SINCE || (x === 0 && y === 0)) return;
  throw new ProtocolError(
    surface.clientId,
    WlSurfaceError.invalid_offset,
    `wl_surface.attach at ${x}, ${y}: from version ${OFFSET_SINCE} on the offset is wl_surface.offset's to say`,
  );
}
