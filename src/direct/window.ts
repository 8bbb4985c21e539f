/**
 * A toplevel window that is drawn straight into shared memory: a {@link SharedSurface} with the role of an xdg_toplevel.
 * It follows the size that the compositor gives it, unless it has one of its own.
 */
import { EventEmitter } from 'eventemitter3';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import type { DirectClient } from './direct.js';
import type { Rect } from '../wayland/rect.js';
import { DEFAULT_BUFFERS, MAX_BUFFER_SIDE, SharedSurface, type SharedBuffer } from './shared-surface.js';

/** The size of a window for which neither program nor compositor has a wish, in pixels. */
export const DEFAULT_SIZE = { width: 640, height: 480 };

/** How a window begins. */
export interface WindowOptions {
  readonly title?: string;
  readonly appId?: string;
  /** Size in pixels until the compositor gives another one; default {@link DEFAULT_SIZE}. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Keep `size`, whatever the compositor says. Tiling compositors let such a window float. */
  readonly fixedSize?: boolean;
  /** Ask to cover the whole output. */
  readonly fullscreen?: boolean;
  /** Buffers at most; default {@link DEFAULT_BUFFERS}. They are made as they are needed. */
  readonly buffers?: number;
}

export interface WindowEvents {
  /** The next buffer has another size, in pixels. */
  resize: (width: number, height: number) => void;
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
  readonly #fixed: boolean;
  readonly #ownSize: { readonly width: number; readonly height: number };
  /** What the toplevel was last told, to be taken with the xdg_surface's configure that follows. */
  #told = { width: 0, height: 0 };
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
    this.#fixed = options.fixedSize ?? false;
    const { width, height } = this.#ownSize;
    this.surface = client.createSurface(width, height, options.buffers ?? DEFAULT_BUFFERS);
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
    this.surface.commit(buffer, damage);
  }

  /** Takes the window down. Idempotent. */
  destroy(): void {
    if (this.surface.destroyed) return;
    this.removeAllListeners();
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
    const width = side(this.#told.width, this.#ownSize.width);
    const height = side(this.#told.height, this.#ownSize.height);
    if (width === this.width && height === this.height) return;
    this.surface.resize(width, height);
    this.emit('resize', width, height);
  }
}
