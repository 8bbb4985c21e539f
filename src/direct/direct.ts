/**
 * The client library: a Wayland connection for a program that draws straight into memory which the compositor reads.
 *
 *     const client = await DirectClient.overDevice(openDevice());
 *     const window = await client.createWindow({ title: 'hello' });
 *     for (;;) {
 *       const buffer = await window.nextBuffer();
 *       draw(buffer.pixels, buffer.stride / 4, buffer.age);
 *       const frame = window.nextFrame();
 *       window.commit(buffer);
 *       await frame;
 *     }
 *
 * Over a virtio_wl context the memory is the compositor VM's, handed over by its glue; over a plain Unix socket to any
 * compositor it is a memfd. The program need not know.
 */
import { EventEmitter } from 'eventemitter3';
import { UnixSocket } from '../system/unix-socket.js';
import type { Device } from '../virtwl/device.js';
import { connectDisplay, DEFAULT_CONNECT_TIMEOUT_MS } from '../wayland-client/connect.js';
import type { Display, MessageTrace } from '../wayland-client/display.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import { GlueSlabs, memfdMemory, OwnSlabs, type DrawingMemory } from './drawing-memory.js';
import { LinkMemory } from '../slabs/link-memory.js';
import { Seat } from './seat.js';
import { OutputScales } from './surface-scale.js';
import { DEFAULT_BUFFERS, SharedSurface } from './shared-surface.js';
import { Window, type WindowOptions } from './window.js';

export { SharedBuffer, SharedSurface } from './shared-surface.js';
export { Window, type WindowEvents, type WindowOptions } from './window.js';
export { Seat, type InputEvents, type Modifiers, type PointerAxis } from './seat.js';
export type { DrawingMemory } from './drawing-memory.js';
export type { Rect } from '../wayland/rect.js';

/** The server under which a VM's host offers the way to the compositor. */
export const DEFAULT_SERVER = 'wayland';

/** The newest wl_compositor that is spoken here: surfaces are told their scale from it on. 4 is needed. */
const COMPOSITOR_VERSION = 6;

export interface DirectClientEvents {
  /** The connection has ended, not by this program's `close()`. */
  end: (reason: Error) => void;
}

/** One connection, its memory and its surfaces. */
export class DirectClient extends EventEmitter<DirectClientEvents> {
  /** The connection itself, for everything that this class does not know. */
  readonly display: Display;
  /** Where the memory comes from. */
  readonly source: DrawingMemory;
  /** @internal */
  readonly memory: LinkMemory<WaylandObject<'wl_shm_pool'>>;
  /** The wl_compositor, version 4 or newer. */
  readonly compositor: WaylandObject<'wl_compositor'>;
  /** The xdg_wm_base; pings are answered. */
  readonly wmBase: WaylandObject<'xdg_wm_base'>;
  #seat: Seat | undefined;
  #outputScales: OutputScales | undefined;
  readonly #surfaces = new Set<SharedSurface>();

  /**
   * Connects through a virtio_wl device (or loopback), which is only needed for the call.
   * @param server the host's name for the way to the compositor
   * @param timeoutMs how long the compositor may take to answer, in milliseconds
   * @param trace is told every message
   * @throws Error when the host offers no such server, or the compositor lacks what is needed or does not answer
   */
  static async overDevice(
    device: Device,
    server = DEFAULT_SERVER,
    timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS,
    trace?: MessageTrace,
  ): Promise<DirectClient> {
    const display = await connectDisplay(device.connect(server), timeoutMs, trace);
    return DirectClient.#open(display, () =>
      display.find('virtwl_memory_v1') !== undefined
        ? new GlueSlabs(display)
        : new OwnSlabs(display, 'own allocation', size => device.allocate(size)),
    );
  }

  /**
   * Connects to a compositor's Unix socket.
   * @param timeoutMs how long the compositor may take to answer, in milliseconds
   * @param trace is told every message
   * @throws Error of connect(2), or when the compositor lacks what is needed or does not answer
   */
  static async overSocket(
    path: string,
    timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS,
    trace?: MessageTrace,
  ): Promise<DirectClient> {
    const display = await connectDisplay(UnixSocket.connect(path), timeoutMs, trace);
    return DirectClient.#open(display, () => new OwnSlabs(display, 'memfd', memfdMemory));
  }

  static #open(display: Display, source: () => DrawingMemory): DirectClient {
    try {
      return new DirectClient(display, source());
    } catch (error) {
      display.close();
      throw error;
    }
  }

  private constructor(display: Display, source: DrawingMemory) {
    super();
    this.display = display;
    this.source = source;
    this.compositor = display.bind('wl_compositor', COMPOSITOR_VERSION);
    if (this.compositor.version < 4) {
      throw new Error(`the compositor's wl_compositor has version ${this.compositor.version}; damage_buffer needs 4`);
    }
    this.wmBase = display.bind('xdg_wm_base', 1);
    this.wmBase.on('ping', (serial: number) => this.wmBase.request('pong', serial));
    this.memory = new LinkMemory(source, () => {
      for (const surface of this.#surfaces) surface.wake();
    });
    display.once('end', reason => {
      this.memory.close();
      this.emit('end', reason);
    });
  }

  /** Opens a window and resolves when the compositor has told its size. The window is the caller's to destroy. */
  createWindow(options: WindowOptions = {}): Promise<Window> {
    return Window.open(this, options);
  }

  /** A surface without a role: for a subsurface, a cursor, or a role that this library does not know. */
  createSurface(width: number, height: number, buffers = DEFAULT_BUFFERS): SharedSurface {
    const surface = new SharedSurface(this, width, height, buffers);
    this.#surfaces.add(surface);
    return surface;
  }

  /**
   * The compositor's first seat, bound when it is first asked for.
   * @throws Error when the compositor has none
   */
  get seat(): Seat {
    return (this.#seat ??= new Seat(this.display));
  }

  /** @internal */
  get outputScales(): OutputScales {
    return (this.#outputScales ??= new OutputScales(this.display));
  }

  /** The surface is destroyed. @internal */
  forget(surface: SharedSurface): void {
    this.#surfaces.delete(surface);
  }

  /** Slabs mapped at the moment. */
  get slabCount(): number {
    return this.memory.slabCount;
  }

  /** Resolves when the compositor has handled everything sent so far. */
  roundtrip(): Promise<void> {
    return this.display.roundtrip();
  }

  /** Ends the connection and unmaps its memory: the pixels of all buffers are gone. Idempotent. */
  close(): void {
    this.removeAllListeners();
    this.display.close();
    this.memory.close();
  }
}
