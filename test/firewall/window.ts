/** Windows of one colour, as large as the compositor wants them, and what their clients are told about the seat. */
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { XRGB8888 } from '../../src/wayland/shm-formats.js';

/** A buffer of one colour in memory of its own. */
export function colourBuffer(
  display: Display,
  width: number,
  height: number,
  colour: number,
): WaylandObject<'wl_buffer'> {
  const bytes = width * height * 4;
  const fd = new OwnedFd(native.memfd('window', bytes, 0));
  const mapping = native.map(fd.fd, 0, bytes, true);
  new Uint32Array(mapping.buffer).fill(colour);
  mapping.unmap();
  const pool = display.bindOnce('wl_shm', 1).create('create_pool', fd, bytes);
  const buffer = pool.create('create_buffer', 0, width, height, width * 4, XRGB8888);
  pool.request('destroy');
  return buffer;
}

export function newSurface(display: Display): WaylandObject<'wl_surface'> {
  return display.bindOnce('wl_compositor', 4).create('create_surface');
}

/** A positioner for popups of that size at the upper left corner of what they are above. */
export function corner(display: Display, width: number, height: number): WaylandObject<'xdg_positioner'> {
  const place = display.bindOnce('xdg_wm_base').create('create_positioner');
  place.request('set_size', width, height);
  place.request('set_anchor_rect', 0, 0, 10, 10);
  return place;
}

/** A popup of that size, not committed yet. */
export function newPopup(display: Display, parent: WaylandObject<'xdg_surface'>, width: number, height: number) {
  const place = corner(display, width, height);
  const surface = newSurface(display);
  const xdg = display.bindOnce('xdg_wm_base').create('get_xdg_surface', surface);
  return { surface, xdg, popup: xdg.create('get_popup', parent, place) };
}

export class Window {
  width = 200;
  height = 150;
  /** Whether it follows what the compositor wants. */
  follows = true;

  private constructor(
    readonly display: Display,
    readonly surface: WaylandObject<'wl_surface'>,
    readonly xdg: WaylandObject<'xdg_surface'>,
    readonly toplevel: WaylandObject<'xdg_toplevel'>,
  ) {}

  /** Shows a window; resolves when the compositor has it. */
  static async open(display: Display, colour = 0x808080, title = 'window'): Promise<Window> {
    const base = display.bindOnce('xdg_wm_base', 1);
    base.on('ping', (serial: number) => base.request('pong', serial));
    const surface = newSurface(display);
    const xdg = base.create('get_xdg_surface', surface);
    const toplevel = xdg.create('get_toplevel');
    const window = new Window(display, surface, xdg, toplevel);
    toplevel.request('set_title', title);
    toplevel.request('set_app_id', title);
    toplevel.on('configure', (width: number, height: number) => {
      if (width > 0 && height > 0) Object.assign(window, { width, height });
    });
    const first = display.until<void>(resolve => xdg.once('configure', () => resolve()));
    xdg.on('configure', (serial: number) => {
      if (!window.follows) return;
      xdg.request('ack_configure', serial);
      window.show(colourBuffer(display, window.width, window.height, colour), window.width, window.height);
    });
    surface.request('commit');
    await first;
    await display.roundtrip();
    await display.roundtrip();
    return window;
  }

  /** Attaches and commits a buffer, all of it damaged. */
  show(buffer: WaylandObject<'wl_buffer'>, width: number, height: number): void {
    this.surface.request('attach', buffer, 0, 0);
    this.surface.request('damage', 0, 0, width, height);
    this.surface.request('commit');
  }
}

/** The events that a client receives about the seat, counted. */
export class Senses {
  buttons = 0;
  /** Serial of the last button event, key or enter of the keyboard. */
  buttonSerial = 0;
  keyboardSerial = 0;
  enterSerial = 0;
  readonly seat: WaylandObject<'wl_seat'>;

  constructor(display: Display) {
    this.seat = display.bindOnce('wl_seat', 5);
    const pointer = this.seat.create('get_pointer');
    pointer.on('enter', (serial: number) => (this.enterSerial = serial));
    pointer.on('button', (serial: number) => {
      this.buttons += 1;
      this.buttonSerial = serial;
    });
    const keyboard = this.seat.create('get_keyboard');
    keyboard.on('enter', (serial: number) => (this.keyboardSerial = serial));
    keyboard.on('key', (serial: number) => (this.keyboardSerial = serial));
  }
}
