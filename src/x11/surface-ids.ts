/**
 * Which surface is the picture of which window. Xwayland says it by the surface's number on the Wayland connection
 * (`WL_SURFACE_ID`), in a message on the X connection. Neither connection waits for the other: the message may come before the
 * surface is made, after it is destroyed, and when its number is another surface's already. What the X connection says
 * comes in order, and a window has a new surface each time it is mapped. So the newest message about a number counts, until its
 * window is unmapped; and before a window gets a surface that was made later, the server is asked whether it still is mapped.
 * A surface that has been shown as one kind of window cannot become another: a mistake would end all X11 programs.
 */
import type { Relay } from '../relay/relay.js';
import type { Surface } from './surfaces.js';
import type { XWindow } from './window.js';

export class SurfaceIds {
  readonly #windows = new Map<Surface, XWindow>();
  /** Windows whose surface has not come, by its number; and the other way round. */
  readonly #awaited = new Map<number, XWindow>();
  readonly #ids = new Map<XWindow, number>();

  /**
   * `known`: a window has its surface. `settled`: calls back when all that the X server has said until now, and until it is asked,
   * has been told here.
   */
  constructor(
    private readonly known: (window: XWindow) => void,
    private readonly settled: (then: () => void) => void,
  ) {}

  windowOf(surface: Surface): XWindow | undefined {
    return this.#windows.get(surface);
  }

  /** Whether Xwayland has named a surface of the window that has not come. */
  awaits(window: XWindow): boolean {
    return window.surface === undefined && this.#ids.has(window);
  }

  /** Xwayland has named the surface of a window. */
  told(window: XWindow, id: number, relay: Relay): void {
    const object = relay.clientObject(id);
    const surface = object?.is('wl_surface') === true && !object.destroyed ? (object.data as Surface) : undefined;
    this.#await(window, id);
    if (surface !== undefined && !this.#windows.has(surface)) this.#join(window, surface);
  }

  made(surface: Surface): void {
    const id = surface.object.clientId;
    const window = this.#awaited.get(id);
    if (window === undefined) return;
    this.settled(() => {
      const isFree = !surface.object.destroyed && !this.#windows.has(surface);
      if (isFree && this.#awaited.get(id) === window) this.#join(window, surface);
    });
  }

  /** The window that it was the picture of. That is about to be unmapped; or else its own surface, of the same number, comes. */
  gone(surface: Surface): XWindow | undefined {
    const window = this.#windows.get(surface);
    this.#windows.delete(surface);
    if (window?.surface !== surface) return undefined;
    window.surface = undefined;
    const id = surface.object.clientId;
    if (!this.#awaited.has(id)) this.#await(window, id);
    return window;
  }

  /** The window is gone, or is not mapped any more: its surface ends, and the number is another window's then. */
  forget(window: XWindow): void {
    if (window.surface !== undefined) this.#windows.delete(window.surface);
    window.surface = undefined;
    this.#notAwaited(window);
  }

  #await(window: XWindow, id: number): void {
    this.#notAwaited(window);
    const other = this.#awaited.get(id);
    if (other !== undefined) this.#ids.delete(other);
    this.#awaited.set(id, window);
    this.#ids.set(window, id);
  }

  #notAwaited(window: XWindow): void {
    const id = this.#ids.get(window);
    if (id === undefined) return;
    this.#ids.delete(window);
    this.#awaited.delete(id);
  }

  #join(window: XWindow, surface: Surface): void {
    this.#notAwaited(window);
    // Its former one, if any, is about to be destroyed.
    window.surface = surface;
    this.#windows.set(surface, window);
    this.known(window);
  }
}
