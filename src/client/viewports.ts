/** `wp_viewport` of an application: what it crops and scales moves the damage of its surfaces. */
import { Verdict, type RequestHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { AppSurface } from './app-surface.js';

/** Handlers for one connection. */
export function viewportHandlers(surfaceOf: (object: RelayObject<'wl_surface'>) => AppSurface): RequestHandlers {
  const viewports = new Map<number, AppSurface>();
  return {
    wp_viewporter: {
      get_viewport: ({ args: { id, surface } }) => {
        viewports.set(id, surfaceOf(surface));
        return Verdict.Forward;
      },
    },
    wp_viewport: {
      set_source: ({ object, args: { x, y, width, height } }) => {
        const geometry = viewports.get(object.clientId)?.geometry;
        if (geometry !== undefined) geometry.source = width > 0 && height > 0 ? { x, y, width, height } : undefined;
        return Verdict.Forward;
      },
      set_destination: ({ object, args: { width, height } }) => {
        const geometry = viewports.get(object.clientId)?.geometry;
        if (geometry !== undefined) geometry.destination = width > 0 && height > 0 ? { width, height } : undefined;
        return Verdict.Forward;
      },
      destroy: ({ object }) => {
        const geometry = viewports.get(object.clientId)?.geometry;
        if (geometry !== undefined) geometry.source = geometry.destination = undefined;
        viewports.delete(object.clientId);
        return Verdict.Forward;
      },
    },
  };
}
