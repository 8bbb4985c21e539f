/**
 * A pointer that nobody moves, on each seat of a compositor that cannot be without one. When the user unplugs the last
 * mouse, or a wireless one falls asleep, a seat loses its pointer, and wlroots 0.15 reads through what is gone when a client
 * asks to lock it, or how it moves. A request that is on its way in that moment nobody can call back, and a hostile client
 * has one on its way at all times. So the seat keeps a pointer: a virtual one of the glue's own, made once there is
 * another, so that a seat that never had one is as it was.
 *
 * Newer compositors of wlroots do without, and are left alone; so are those that have no virtual pointers.
 */
import { UnixSocket } from '../src/system/unix-socket.js';
import { connectDisplay } from '../src/wayland-client/connect.js';
import type { Display } from '../src/wayland-client/display.js';
import type { WaylandObject } from '../src/wayland-client/wayland-object.js';
import type { Global } from '../src/wayland/global-table.js';
import { WlSeatCapability } from '../src/wayland/protocols/wayland.js';
import { ANSWER_TIMEOUT_MS } from './security-context.js';

const MANAGER = 'zwlr_virtual_pointer_manager_v1';
/** The first version of wl_compositor that a wlroots has which takes a pointer that is gone for nothing (0.16). */
const FIRST_SAFE_COMPOSITOR = 5;

/** Keeps them, on a connection of its own. */
export class SparePointers {
  #display: Display | undefined;
  #connecting: Promise<void> | undefined;
  #closed = false;
  #count = 0;

  /** `path` is the compositor's socket, which may take `timeoutMs` for its answer. */
  constructor(
    private readonly path: string,
    private readonly timeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  /** Pointers that were made so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Sees to it that the compositor has them, also one that was started anew. Resolves when the compositor is connected to.
   * @throws Error where it cannot be
   */
  ensure(): Promise<void> {
    if (this.#closed || (this.#display !== undefined && this.#display.ended === undefined)) return Promise.resolve();
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  /** Takes them away. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#display?.close();
  }

  async #connect(): Promise<void> {
    const display = await connectDisplay(UnixSocket.connect(this.path), this.timeoutMs);
    if (this.#closed) {
      display.close();
      return;
    }
    this.#display = display;
    if (display.find(MANAGER) === undefined || display.find('wl_compositor')!.version >= FIRST_SAFE_COMPOSITOR) return;
    const manager = display.bind(MANAGER, 1);
    for (const global of display.globals) this.#keepOne(display, manager, global);
    display.on('global', global => this.#keepOne(display, manager, global));
    await display.roundtrip();
  }

  /** Keeps one on a seat. With the seat, it goes. */
  #keepOne(display: Display, manager: WaylandObject<typeof MANAGER>, global: Global): void {
    if (global.interface !== 'wl_seat') return;
    const seat = display.bind(global, 1) as WaylandObject<'wl_seat'>;
    let made = false;
    seat.on('capabilities', (capabilities: number) => {
      if (made || (capabilities & WlSeatCapability.pointer) === 0) return;
      made = true;
      manager.create('create_virtual_pointer', seat);
      this.#count += 1;
    });
  }
}
