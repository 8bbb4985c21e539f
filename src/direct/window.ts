/**
 * A toplevel window that is drawn straight into shared memory: a {@link SharedSurface} with the role of an xdg_toplevel.
 * It follows the size that the compositor gives it, unless it has one of its own. Keyboard, pointer and scale are its own
 * business only where it asks for them: what only draws makes no objects for them.
 */
import { EventEmitter } from 'eventemitter3';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import type { DirectClient } from './direct.js';
import type { Rect } from '../wayland/rect.js';
import type { InputEvents } from './seat.js';
import { SurfaceScale } from './surface-scale.js';
import { DEFAULT_BUFFERS, MAX_BUFFER_SIDE, SharedSurface, type SharedBuffer } from './shared-surface.js';

/** The size of a window for which neither program nor compositor has a wish, in pixels. */
export const DEFAULT_SIZE = { width: 640, height: 480 };

/** How a window begins. */
export interface WindowOptions {
  readonly title?: string;
  readonly appId?: string;
  /** Size until the compositor gives another one, in surface coordinates: pixels at scale 1; default {@link DEFAULT_SIZE}. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Keep `size`, whatever the compositor says. Tiling compositors let such a window float. */
  readonly fixedSize?: boolean;
  /** Ask to cover the whole output. */
  readonly fullscreen?: boolean;
  /** Buffers at most; default {@link DEFAULT_BUFFERS}. They are made as they are needed. */
  readonly buffers?: number;
  /** Be told of keyboard and pointer ({@link InputEvents}). Needs a compositor with a seat. */
  readonly input?: boolean;
  /**
   * Draw as many pixels as the output has: buffers grow and shrink with the scale that the compositor wants, a fraction where
   * it offers that. Without it a buffer has scale 1, and the compositor enlarges it.
   */
  readonly followScale?: boolean;
}

export interface WindowEvents extends InputEvents {
  /** The next buffer has another size, in pixels. */
  resize: (width: number, height: number) => void;
  /** With `followScale`: a unit of the surface's coordinates has so many pixels from the next buffer on. `resize` follows. */
  scale: (scale: number) => void;
  /** The user wants the window closed; it is the program's decision. */
  close: () => void;
}

/** One window. Made by {@link DirectClient.createWindow}, which resolves when the compositor has configured it. */
export class Window extends EventEmitter<WindowEvents> {
  /** What is drawn. Commit through the window, not through it. */
  readonly surface: SharedSurface;
  readonly #client: DirectClient;
  readonly #xdgSurface: WaylandObject<'xdg_surface'>;
  readonly #toplevel: WaylandObject<'xdg_toplevel'>;
  readonly #scale: SurfaceScale | undefined;
  readonly #fixed: boolean;
  readonly #input: boolean;
  readonly #ownSize: { readonly width: number; readonly height: number };
  /** What the toplevel was last told, to be taken with the xdg_surface's configure that follows. */
  #told = { width: 0, height: 0 };
  /** Size in the surface's coordinates. */
  #size: { readonly width: number; readonly height: number };
  /** The last configure, until a frame of its size answers it. */
  #unanswered: number | undefined;

  /** @internal */
  static async open(client: DirectClient, options: WindowOptions): Promise<Window> {
    const window = new Window(client, options);
    try {
      await client.display.until<void>(resolve => {
        window.#xdgSurface.once('configure', () => resolve());
        window.surface.wl.request('commit');
      });
    } catch (error) {
      window.destroy();
      throw error;
    }
    return window;
  }

  private constructor(client: DirectClient, options: WindowOptions) {
    super();
    this.#client = client;
    this.#ownSize = options.size ?? DEFAULT_SIZE;
    this.#size = this.#ownSize;
    this.#fixed = options.fixedSize ?? false;
    const { width, height } = this.#ownSize;
    this.surface = client.createSurface(width, height, options.buffers ?? DEFAULT_BUFFERS);
    if (options.followScale === true) {
      this.#scale = new SurfaceScale(
        client.display,
        this.surface.wl,
        () => client.outputScales,
        () => this.#rescale(),
      );
    }
    this.#input = options.input ?? false;
    if (this.#input) {
      // What the table of events says of each is what `args` holds; the compiler cannot know that here.
      const emit = this.emit as (event: string, ...args: readonly unknown[]) => boolean;
      client.seat.add(this.surface.wl, (event, ...args) => void emit.call(this, event, ...args));
    }
    this.#xdgSurface = client.wmBase.create('get_xdg_surface', this.surface.wl);
    this.#toplevel = this.#xdgSurface.create('get_toplevel');
    this.#toplevel.on('configure', (w: number, h: number) => (this.#told = { width: w, height: h }));
    this.#toplevel.on('close', () => this.emit('close'));
    this.#xdgSurface.on('configure', (serial: number) => this.#configure(serial));
    if (options.title !== undefined) this.setTitle(options.title);
    if (options.appId !== undefined) this.setAppId(options.appId);
    if (options.fullscreen === true) this.setFullscreen(true);
    if (this.#fixed) {
      this.#toplevel.request('set_min_size', width, height);
      this.#toplevel.request('set_max_size', width, height);
    }
  }

  /** The xdg_toplevel, for requests that this class does not know. */
  get toplevel(): WaylandObject<'xdg_toplevel'> {
    return this.#toplevel;
  }

  /** Size of the next buffer in pixels. */
  get width(): number {
    return this.surface.width;
  }

  get height(): number {
    return this.surface.height;
  }

  /** Size in the surface's coordinates, which events of the pointer are in. */
  get size(): { readonly width: number; readonly height: number } {
    return this.#size;
  }

  /** Pixels for each unit of the surface's coordinates; 1 without `followScale`. */
  get scale(): number {
    return this.#scale?.preferred ?? 1;
  }

  /** The text of the xkb keymap that holds now; undefined without `input`, and while the seat has no keyboard with one. */
  get keymap(): string | undefined {
    return this.#input ? this.#client.seat.keymap : undefined;
  }

  setTitle(title: string): void {
    this.#toplevel.request('set_title', title);
  }

  setAppId(appId: string): void {
    this.#toplevel.request('set_app_id', appId);
  }

  /** Asks for the whole output, or for an ordinary place again. The answer is a `resize`. */
  setFullscreen(fullscreen: boolean): void {
    if (fullscreen) this.#toplevel.request('set_fullscreen', undefined);
    else this.#toplevel.request('unset_fullscreen');
  }

  /** See {@link SharedSurface.nextBuffer}. */
  nextBuffer(): Promise<SharedBuffer> {
    return this.surface.nextBuffer();
  }

  /** See {@link SharedSurface.freeBuffer}. */
  freeBuffer(): SharedBuffer | undefined {
    return this.surface.freeBuffer();
  }

  /** See {@link SharedSurface.discard}. */
  discard(buffer: SharedBuffer): void {
    this.surface.discard(buffer);
  }

  /** See {@link SharedSurface.nextFrame}. */
  nextFrame(): Promise<number> {
    return this.surface.nextFrame();
  }

  /** See {@link SharedSurface.commit}. A buffer of the configured size also answers the compositor's configure. */
  commit(buffer: SharedBuffer, damage?: readonly Rect[]): void {
    const answers = buffer.width === this.width && buffer.height === this.height;
    if (this.#unanswered !== undefined && answers && !this.surface.destroyed) {
      this.#xdgSurface.request('ack_configure', this.#unanswered);
      this.#unanswered = undefined;
    }
    if (answers && !this.surface.destroyed) this.#scale?.say(this.#size.width, this.#size.height);
    this.surface.commit(buffer, damage);
  }

  /** Takes the window down. Idempotent. */
  destroy(): void {
    if (this.surface.destroyed) return;
    this.removeAllListeners();
    if (this.#input) this.#client.seat.remove(this.surface.wl);
    this.#scale?.destroy();
    if (this.#client.display.ended === undefined) {
      this.#toplevel.request('destroy');
      this.#xdgSurface.request('destroy');
    }
    this.surface.destroy();
  }

  #configure(serial: number): void {
    this.#unanswered = serial;
    if (this.#fixed) return;
    const side = (told: number, own: number): number => Math.min(told > 0 ? told : own, MAX_BUFFER_SIDE);
    this.#size = {
      width: side(this.#told.width, this.#ownSize.width),
      height: side(this.#told.height, this.#ownSize.height),
    };
    this.#resize();
  }

  #rescale(): void {
    if (this.surface.destroyed) return;
    this.emit('scale', this.scale);
    this.#resize();
  }

  /** Has buffers of the size that holds now. */
  #resize(): void {
    const pixels = (units: number): number => Math.min(this.#scale?.pixels(units) ?? units, MAX_BUFFER_SIDE);
    const width = pixels(this.#size.width);
    const height = pixels(this.#size.height);
    if (width === this.width && height === this.height) return;
    this.surface.resize(width, height);
    this.emit('resize', width, height);
  }
}
