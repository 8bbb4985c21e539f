/**
 * An innocent client beside the hostile one: a window that is as large as the compositor wants it, filled with a pattern
 * that tells every place in it apart. Whatever the other clients do, it must get answers, and see its own pixels on the
 * screen once the others' windows are gone.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { COLOUR_MASK, encodePng, type Picture } from '../../../src/frames/picture.js';
import { Display } from '../../../src/wayland-client/display.js';
import type { WaylandObject } from '../../../src/wayland-client/wayland-object.js';
import { XRGB8888 } from '../../../src/wayland/shm-formats.js';
import { WlSeatCapability } from '../../../src/wayland/protocols/wayland.js';

/** How often the screen is captured while it is not yet what it should be, in milliseconds. */
const LOOK_MS = 5;
/** Looks in vain after which the bystander draws its picture once more. */
const LOOKS_A_FRAME = 10;

export class Bystander {
  #size = { width: 320, height: 240 };
  #serial: number | undefined;
  #buffer: WaylandObject<'wl_buffer'> | undefined;

  private constructor(
    readonly display: Display,
    private readonly surface: WaylandObject<'wl_surface'>,
    private readonly xdg: WaylandObject<'xdg_surface'>,
  ) {}

  /** Connects to the socket at `path` and shows its window. */
  static async open(path: string): Promise<Bystander> {
    const display = await Display.connect(path);
    const base = display.bindOnce('xdg_wm_base', 1);
    base.on('ping', (serial: number) => base.request('pong', serial));
    const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
    const xdg = base.create('get_xdg_surface', surface);
    const toplevel = xdg.create('get_toplevel');
    toplevel.request('set_app_id', 'bystander');
    const bystander = new Bystander(display, surface, xdg);
    toplevel.on('configure', (width: number, height: number) => {
      if (width > 0 && height > 0) bystander.#size = { width, height };
    });
    xdg.on('configure', (serial: number) => {
      bystander.#serial = serial;
      bystander.#draw();
    });
    surface.request('commit');
    bystander.#hideCursor();
    await display.roundtrip();
    await display.roundtrip();
    return bystander;
  }

  /** Whether a picture of the whole output is what was drawn, and nothing else. */
  fills({ width, height, pixels }: Picture): boolean {
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) if ((pixels[i]! & COLOUR_MASK) !== colourAt(x, y)) return false;
    return true;
  }

  /** Rejects when the compositor does not answer within `timeoutMs` milliseconds. */
  async answered(timeoutMs: number): Promise<void> {
    await within(timeoutMs, 'the bystander waits in vain for the answer to a roundtrip', this.display.roundtrip());
  }

  /**
   * Rejects when the screen does not show the bystander's window, all of it, within `timeoutMs` milliseconds. The person
   * at the seat goes on meanwhile, as `fidget` says.
   */
  async shown(capture: () => Promise<Picture>, fidget: () => void, timeoutMs: number): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (let looks = 1; ; looks++) {
      const picture = await within(timeoutMs, 'no picture of the screen can be had', capture());
      if (this.fills(picture)) return;
      if (Date.now() > end)
        throw new Error(`the screen does not show the bystander's window as it was drawn; it is ${leave(picture)}`);
      await pause(LOOK_MS);
      // As a program that goes on drawing: cage, captured while it lays out a window, loses the damage of a frame.
      // And sway, where a window grows under the pointer after its layout is done, does not tell it of the pointer, for
      // which its own arrow is there, until that moves.
      if (looks % LOOKS_A_FRAME !== 0) continue;
      this.#commit();
      fidget();
    }
  }

  close(): void {
    this.display.close();
  }

  /** Over its window there is none, or it would be in the picture: not every compositor can leave it out. */
  #hideCursor(): void {
    const seat = this.display.bindOnce('wl_seat', 1);
    seat.once('capabilities', (capabilities: number) => {
      if ((capabilities & WlSeatCapability.pointer) === 0) return;
      const pointer = seat.create('get_pointer');
      pointer.on('enter', (serial: number) => pointer.request('set_cursor', serial, undefined, 0, 0));
    });
  }

  #draw(): void {
    const { width, height } = this.#size;
    const bytes = width * height * 4;
    const fd = new OwnedFd(native.memfd('bystander', bytes, 0));
    const mapping = native.map(fd.fd, 0, bytes, true);
    const pixels = new Uint32Array(mapping.buffer);
    for (let y = 0, i = 0; y < height; y++) for (let x = 0; x < width; x++) pixels[i++] = colourAt(x, y);
    mapping.unmap();
    const pool = this.display.bindOnce('wl_shm', 1).create('create_pool', fd, bytes);
    const buffer = pool.create('create_buffer', 0, width, height, width * 4, XRGB8888);
    pool.request('destroy');
    this.xdg.request('ack_configure', this.#serial!);
    const last = this.#buffer;
    this.#buffer = buffer;
    this.#commit();
    last?.request('destroy');
  }

  #commit(): void {
    if (this.#buffer === undefined || this.display.ended !== undefined) return;
    this.surface.request('attach', this.#buffer, 0, 0);
    this.surface.request('damage', 0, 0, this.#size.width, this.#size.height);
    this.surface.request('commit');
  }
}

/** Leaves a picture for the developer who looks into the failure; returns the file's path. */
function leave(picture: Picture): string {
  const path = join(mkdtempSync(join(tmpdir(), 'virtwl-failed-')), 'output.png');
  writeFileSync(path, encodePng(picture));
  return path;
}

function colourAt(x: number, y: number): number {
  return ((x & 0xff) << 16) | ((y & 0xff) << 8) | (0x40 + ((x >> 8) << 4) + (y >> 8));
}

/** Rejects with `what` when the promise takes longer. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} (${timeoutMs} ms)`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
