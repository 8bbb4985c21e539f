/**
 * A client that has a window and draws it, and a compositor that answers it. Most of what the client says are frames, whole
 * or cut by the batches, some of them odd; a few requests in between change what a frame means, and now and then it says
 * anything.
 */
import type { Interface, Message } from '../../../src/wayland/interface.js';
import type { MessageWriter } from '../../../src/wayland/message-writer.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';
import type { WireValue } from '../../../src/wayland/wire.js';
import type { OwnedFd } from '../../../src/system/fd.js';
import { Talker } from './talk.js';

/** Buffers in each of two sizes, and their sides. */
const ALIKE = 3;
const SIDES = [256, 128] as const;
const WIDTH_BYTES = 4;
const XRGB8888 = 1;
/** Of the surface: the last in which a buffer may be moved as it is attached. */
const VERSION = 4;

const of = (name: string): Interface => interfaces.get(name)!;

export class FrameTalker extends Talker {
  #begun = false;
  #surface = 0;
  #xdgSurface = 0;
  readonly #buffers: number[] = [];
  /** Configures to be acknowledged. */
  readonly #serials: number[] = [];
  /** Of a compositor: xdg_surfaces, and commits that were not answered by a configure. */
  readonly #windows: number[] = [];
  #commits = 0;
  #configured = 0;

  /** What belongs to a window waits for every confirmation. */
  protected override forgetful = false;

  override say(writer: MessageWriter, quiet: boolean, fd: () => OwnedFd): void {
    const { random } = this;
    if (this.role === 'compositor') {
      // Ids for what belongs to a window are asked for by some hundred syncs.
      this.answerUntil(writer, 16);
      if (this.#windows.length === 0 || (this.#commits !== 1 && random.below(60) > 0))
        return super.say(writer, quiet, fd);
      this.#commits += 1;
      this.#say(writer, this.#windows[0]!, 'xdg_surface', 'configure', [++this.#configured]);
      return;
    }
    if (!this.#begun) return this.#begin(writer, fd);
    const serial = this.#serials.shift();
    if (serial !== undefined) this.#say(writer, this.#xdgSurface, 'xdg_surface', 'ack_configure', [serial]);
    else if (random.below(400) === 0) super.say(writer, quiet, fd);
    else if (random.below(30) === 0) this.#change(writer);
    else this.#frame(writer);
  }

  #say(writer: MessageWriter, id: number, iface: string, name: string, args: readonly WireValue[] = []): void {
    const { requests, events } = of(iface);
    const message = [...(this.role === 'client' ? requests : events)].find(each => each.name === name)!;
    writer.write(id, message, args);
  }

  #make(iface: string, version: number): number {
    return this.newId(of(iface), version);
  }

  /** A window, and buffers. */
  #begin(writer: MessageWriter, fd: () => OwnedFd): void {
    this.#begun = true;
    const registry = this.#make('wl_registry', 1);
    this.#say(writer, 1, 'wl_display', 'get_registry', [registry]);
    let name = 0;
    const bind = (iface: string, version: number): number => {
      const id = this.#make(iface, version);
      this.#say(writer, registry, 'wl_registry', 'bind', [++name, { interface: iface, version, id }]);
      return id;
    };
    const compositor = bind('wl_compositor', VERSION);
    const shm = bind('wl_shm', 1);
    const shell = bind('xdg_wm_base', 3);
    const pool = this.#make('wl_shm_pool', 1);
    this.#say(writer, shm, 'wl_shm', 'create_pool', [pool, fd(), 1 << 20]);
    for (const side of SIDES) {
      for (let i = 0; i < ALIKE; i++) {
        const id = this.#make('wl_buffer', 1);
        this.#buffers.push(id);
        const args = [id, 0, side, side, side * WIDTH_BYTES, XRGB8888];
        this.#say(writer, pool, 'wl_shm_pool', 'create_buffer', args);
      }
    }
    this.#surface = this.#make('wl_surface', VERSION);
    this.#say(writer, compositor, 'wl_compositor', 'create_surface', [this.#surface]);
    this.#xdgSurface = this.#make('xdg_surface', 3);
    this.#say(writer, shell, 'xdg_wm_base', 'get_xdg_surface', [this.#xdgSurface, this.#surface]);
    this.#say(writer, this.#xdgSurface, 'xdg_surface', 'get_toplevel', [this.#make('xdg_toplevel', 3)]);
    this.#say(writer, this.#surface, 'wl_surface', 'commit');
  }

  #frame(writer: MessageWriter): void {
    const { random } = this;
    const surface = this.#surface;
    const odd = random.below(12) === 0;
    const place = odd && random.below(4) === 0 ? random.below(3) - 1 : 0;
    const any = odd && random.below(3) === 0;
    const hides = any && random.below(20) === 0;
    if (hides) this.#acknowledged = false;
    const buffer = hides ? undefined : any ? random.pick(this.#buffers) : this.#buffers[random.below(ALIKE)];
    // Before it is configured a window shows nothing.
    if (hides || (this.#acknowledged && random.below(8) > 0))
      this.#say(writer, surface, 'wl_surface', 'attach', [buffer, place, 0]);
    for (let n = random.below(odd && random.below(8) === 0 ? 90 : 3); n > 0; n--) {
      const [x, y] = odd ? [random.below(100) - 50, -1] : [random.below(30), random.below(30)];
      const request = random.below(4) === 0 ? 'damage' : 'damage_buffer';
      this.#say(writer, surface, 'wl_surface', request, [x, y, random.below(30) + (odd ? 0 : 1), 30]);
    }
    if (random.below(3) > 0) this.#say(writer, surface, 'wl_surface', 'frame', [this.#make('wl_callback', VERSION)]);
    if (!odd || random.below(2) === 0) this.#say(writer, surface, 'wl_surface', 'commit');
    if (random.below(3) === 0) this.#say(writer, 1, 'wl_display', 'sync', [this.#make('wl_callback', 1)]);
  }

  #acknowledged = false;

  /** What changes what a frame means, or could. */
  #change(writer: MessageWriter): void {
    const { random } = this;
    switch (random.below(5)) {
      case 0:
        return this.#say(writer, this.#surface, 'wl_surface', 'set_buffer_scale', [1 + random.below(2)]);
      case 1:
        return this.#say(writer, this.#surface, 'wl_surface', 'set_buffer_transform', [random.below(8)]);
      case 2: {
        // With less than a shadow around it, or more.
        const side = 16 + random.below(200);
        return this.#say(writer, this.#xdgSurface, 'xdg_surface', 'set_window_geometry', [0, 0, side, 16]);
      }
      case 3:
        return this.#say(writer, this.#surface, 'wl_surface', 'set_opaque_region', [undefined]);
      default:
        return this.#say(writer, 1, 'wl_display', 'sync', [this.#make('wl_callback', 1)]);
    }
  }

  protected override told(id: number, { name }: Interface, message: Message, args: readonly WireValue[]): void {
    if (this.role === 'client') {
      if (name !== 'xdg_surface' || message.name !== 'configure') return;
      this.#serials.push(args[0] as number);
      this.#acknowledged = true;
    } else if (name === 'xdg_wm_base' && message.name === 'get_xdg_surface') this.#windows.push(args[0] as number);
    else if (name === 'wl_surface' && message.name === 'commit' && this.#commits === 0) this.#commits = 1;
    void id;
  }
}
