/**
 * What a surface's picture has to agree with when it is committed: a buffer holds a whole number of surface units, what a
 * viewport shows of it is inside of it, and without a size of its own is whole. Newer compositors of wlroots end the client
 * for each of these; older ones (sway 1.7) show what they can make of it.
 */
import { ProtocolError } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import { WpViewportError } from '../wayland/protocols/viewporter.js';
import { WlSurfaceError } from '../wayland/protocols/wayland.js';
import { knownLife } from './life.js';
import type { SurfaceState } from './surface-state.js';

/** @throws ProtocolError for a commit of `surface` whose `state` does not agree with itself */
export function checkSizes(surface: RelayObject, state: SurfaceState): void {
  const { buffer, scale, source, destination, viewport } = state;
  if (viewport !== undefined && source !== undefined) {
    if (destination === undefined && !(Number.isInteger(source.width) && Number.isInteger(source.height))) {
      const text = `a source of ${source.width}x${source.height} is to be shown without a destination`;
      throw new ProtocolError(viewport.clientId, WpViewportError.bad_size, `${String(viewport)}: ${text}`);
    }
    const whole = state.unitsOfBuffer;
    if (buffer === undefined || whole === undefined) return;
    if (source.x + source.width <= whole.width && source.y + source.height <= whole.height) return;
    const text = `a source of ${source.width}x${source.height} at ${source.x}, ${source.y} of ${whole.width}x${whole.height}`;
    throw new ProtocolError(viewport.clientId, WpViewportError.out_of_buffer, `${String(viewport)}: ${text}`);
  }
  if (buffer === undefined || scale === 1 || (buffer.width % scale === 0 && buffer.height % scale === 0)) return;
  // Themes have cursors of odd sizes, which programs show at any scale: compositors of wlroots let those be.
  const role = knownLife(surface)?.role;
  if (role === undefined || role === 'cursor') return;
  const text = `a buffer of ${buffer.width}x${buffer.height} pixels, ${scale} to a unit`;
  throw new ProtocolError(surface.clientId, WlSurfaceError.invalid_size, `${String(surface)}: ${text}`);
}
