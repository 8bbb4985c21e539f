/**
 * Which surface is the picture of which window. Xwayland says it by the surface's number on the Wayland connection
 * (`WL_SURFACE_ID`), in a message on the X connection, which may come before the surface, and after its end. A surface is
 * one window's, for good.
 */
import type { Relay } from '../relay/relay.js';
import type { Surface } from './surfaces.js';
import type { XWindow } from './window.js';

export class SurfaceIds {
  readonly #windows = new Map<Surface, XWindow>();
  /** Windows whose surface has not come, by its number. */
  readonly #awaited = new Map<number, XWindow>();

  /** `known`: a window has its surface. */
  constructor(private readonly known: (window: XWindow) => void) {}

  windowOf(surface: Surface): XWindow | undefined {
    return this.#windows.get(surface);
  }

  /** Whether Xwayland has named a surface of the window that has not come. */
  awaits(window: XWindow): boolean {
    return window.surface === undefined && [...this.#awaited.values()].includes(window);
  }

  /** Xwayland has named the surface of a window. */
  told(window: XWindow, id: number, relay: Relay): void {
    const object = relay.clientObject(id);
    const surface = object?.is('wl_surface') === true && !object.destroyed ? (object.data as Surface) : undefined;
    if (surface === undefined || this.#windows.has(surface)) this.#awaited.set(id, window);
    else this.#join(window, surface);
  }

  made(surface: Surface): void {
    const id = surface.object.clientId;
    const window = this.#awaited.get(id);
    if (window === undefined) return;
    this.#awaited.delete(id);
    this.#join(window, surface);
  }

  /** The window that it was the picture of. */
  gone(surface: Surface): XWindow | undefined {
    const window = this.#windows.get(surface);
    this.#windows.delete(surface);
    if (window?.surface !== surface) return undefined;
    window.surface = undefined;
    return window;
  }

  /** The window is gone, or is not mapped any more: its surface ends, and the number is another window's then. */
  forget(window: XWindow): void {
    if (window.surface !== undefined) this.#windows.delete(window.surface);
    window.surface = undefined;
    for (const [id, awaiting] of this.#awaited) if (awaiting === window) this.#awaited.delete(id);
  }

  #join(window: XWindow, surface: Surface): void {
    // Its former one, if any, is about to be destroyed.
    window.surface = surface;
    this.#windows.set(surface, window);
    this.known(window);
  }
}
