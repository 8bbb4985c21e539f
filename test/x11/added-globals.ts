/**
 * Between `virtwl x11` and sway, for what Debian's sway does not have: a relay that adds it, or takes something away. It stands in
 * for a newer compositor with icons of windows and dialogs, for one with a touch screen, for one that draws no title bars, and for
 * KWin, which tells a window its size again when that says something of itself; all else that is seen is sway's. What is said to what it adds, the trace of `virtwl x11` has as well.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { Verdict } from '../../src/relay/call.js';
import type { Concern } from '../../src/relay/chain.js';
import { allowOnly, globalsConcern, REMOTE_GLOBALS } from '../../src/relay/globals.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { Relay } from '../../src/relay/relay.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { native, type Mapping } from '../../src/system/native.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import { AS_IT_IS } from '../relay/relay-between.js';
import type { Sway } from '../compositors.js';

const ICONS = { name: 0xfe000001, interface: 'xdg_toplevel_icon_manager_v1', version: 1 } as const;
const DIALOGS = { name: 0xfe000002, interface: 'xdg_wm_dialog_v1', version: 1 } as const;

/** A picture of an icon that was given. */
export interface AddedPicture {
  readonly width: number;
  readonly height: number;
  /** As they were when it was added: words of alpha, red, green and blue. */
  readonly pixels: Uint32Array;
}

interface Buffer {
  readonly mapping: Mapping;
  readonly offset: number;
  readonly width: number;
  readonly height: number;
}

export class AddedGlobals {
  readonly display: string;
  /** Icons that windows were given, by the number of pictures; undefined: none any more. In order. */
  readonly icons: (readonly AddedPicture[] | undefined)[] = [];
  /** Surfaces that lie on others: title bars, and the edges around their windows. */
  readonly bars: RelayObject<'wl_surface'>[] = [];
  readonly #pictures = new Map<RelayObject, boolean>();
  /** Those of toplevels. */
  readonly windows: RelayObject<'wl_surface'>[] = [];
  readonly #touches: RelayObject<'wl_touch'>[] = [];
  readonly #relays: Relay[] = [];
  #serial = 0x70000000;

  constructor(
    t: Pick<Test, 'teardown'>,
    private readonly sway: Sway,
    private readonly without: readonly string[] = [],
    /** Each title is answered with the size that the window has. */
    private readonly repeatsSizes = false,
  ) {
    this.display = join(sway.runtimeDir, 'added');
    const listener = UnixListener.listen(this.display);
    listener.on('connection', socket => this.#serve(socket));
    t.teardown(() => {
      listener.close();
      for (const relay of this.#relays) relay.close(undefined);
    });
  }

  /** A finger on a surface, at a place in the compositor's units. Returns the serial. */
  touch(surface: RelayObject<'wl_surface'>, x: number, y: number, time = 0): number {
    const serial = (this.#serial += 1);
    for (const touch of this.#touches) {
      this.#emit(touch, relay => {
        relay.emitEvent(touch, 'down', { serial, time, surface, id: 0, x, y });
        relay.emitEvent(touch, 'frame', {});
      });
    }
    return serial;
  }

  /** Whether a surface has a picture; undefined: it never had. */
  shown(surface: RelayObject<'wl_surface'>): boolean | undefined {
    return this.#pictures.get(surface);
  }

  lift(time = 0): void {
    const serial = (this.#serial += 1);
    for (const touch of this.#touches) {
      this.#emit(touch, relay => {
        relay.emitEvent(touch, 'up', { serial, time, id: 0 });
        relay.emitEvent(touch, 'frame', {});
      });
    }
  }

  #emit(touch: RelayObject<'wl_touch'>, say: (relay: Relay) => void): void {
    for (const relay of this.#relays) {
      if (relay.closed || relay.clientObject(touch.clientId) !== touch) continue;
      say(relay);
      relay.flush();
    }
  }

  #serve(socket: UnixSocket): void {
    const options = { maxQueuedFds: 16_384 };
    const relay: Relay = new Relay(socket, UnixSocket.connect(this.sway.display, options), {
      concerns: [this.#globals(), this.#icons(), this.#input(), ...(this.repeatsSizes ? [this.#sizes()] : [])],
      toServer: AS_IT_IS,
      toClient: AS_IT_IS,
    });
    this.#relays.push(relay);
    relay.start();
  }

  #globals(): Concern {
    const allowed = new Map([...REMOTE_GLOBALS].filter(([name]) => !this.without.includes(name)));
    const globals = globalsConcern(allowOnly(allowed), () => {}, [ICONS, DIALOGS]);
    const { bind } = globals.requests!.wl_registry!;
    return {
      ...globals,
      requests: {
        ...globals.requests,
        wl_display: {
          get_registry: ({ relay, args }) => {
            const registry = relay.adopt('wl_registry', 1, args.registry, false);
            relay.request(relay.display, 'get_registry', { registry });
            for (const global of [ICONS, DIALOGS]) relay.emitEvent(registry, 'global', global);
            return Verdict.Drop;
          },
        },
        wl_registry: {
          bind: call => {
            const { name, id } = call.args;
            const own = [ICONS, DIALOGS].find(global => global.name === name);
            if (own === undefined) return bind!(call);
            call.relay.adopt(own.interface, id.version, id.id, true);
            return Verdict.Drop;
          },
        },
      },
    };
  }

  #icons(): Concern {
    let pool: Mapping | undefined;
    const dropped = { destroy: () => Verdict.Drop };
    return {
      name: 'added icons',
      made: {
        wl_shm_pool: object => void (object.data = pool),
      },
      requests: {
        wl_shm: {
          create_pool: call => {
            pool = native.map(call.peekFd().fd, 0, call.args.size, false);
            return Verdict.Forward;
          },
        },
        wl_shm_pool: {
          create_buffer: ({ relay, object, args }) => {
            const buffer = relay.adopt('wl_buffer', 1, args.id, false);
            relay.request(object, 'create_buffer', { ...args, id: buffer });
            const { offset, width, height } = args;
            buffer.data = { mapping: object.data as Mapping, offset, width, height } satisfies Buffer;
            return Verdict.Drop;
          },
        },
        xdg_toplevel_icon_manager_v1: {
          ...dropped,
          create_icon: ({ relay, args }) => {
            relay.adopt('xdg_toplevel_icon_v1', 1, args.id, true, []);
            return Verdict.Drop;
          },
          set_icon: ({ args: { icon } }) => {
            this.icons.push(icon?.data as AddedPicture[] | undefined);
            return Verdict.Drop;
          },
        },
        xdg_toplevel_icon_v1: {
          ...dropped,
          add_buffer: ({ object, args: { buffer } }) => {
            const { mapping, offset, width, height } = buffer.data as Buffer;
            const bytes = new Uint8Array(mapping.buffer).slice(offset, offset + width * height * 4);
            (object.data as AddedPicture[]).push({ width, height, pixels: new Uint32Array(bytes.buffer) });
            return Verdict.Drop;
          },
        },
        xdg_wm_dialog_v1: {
          ...dropped,
          get_xdg_dialog: ({ relay, args }) => {
            relay.adopt('xdg_dialog_v1', 1, args.id, true);
            return Verdict.Drop;
          },
        },
        xdg_dialog_v1: { ...dropped, set_modal: () => Verdict.Drop, unset_modal: () => Verdict.Drop },
      },
    };
  }

  /** The size that a window has: that of the picture which it has committed. */
  #sizes(): Concern {
    const attached = new Map<RelayObject, Buffer | undefined>();
    const shown = new Map<RelayObject, Buffer | undefined>();
    const surfaceOf = new Map<RelayObject, RelayObject>();
    const toplevels = new Map<RelayObject, { xdgSurface: RelayObject<'xdg_surface'>; states: Uint8Array }>();
    return {
      name: 'added sizes',
      after: ['added icons', 'added touch'],
      made: {
        xdg_surface: (xdgSurface, { args }) =>
          void surfaceOf.set(xdgSurface, (args as { readonly surface: RelayObject }).surface),
        xdg_toplevel: (toplevel, { object }) =>
          void toplevels.set(toplevel, { xdgSurface: object as RelayObject<'xdg_surface'>, states: new Uint8Array(0) }),
      },
      events: {
        xdg_toplevel: {
          configure: ({ object, args: { states } }) => {
            toplevels.get(object)!.states = states.slice();
            return Verdict.Forward;
          },
        },
      },
      requests: {
        wl_surface: {
          attach: ({ object, args: { buffer } }) => {
            attached.set(object, buffer?.data as Buffer | undefined);
            return Verdict.Forward;
          },
          commit: ({ object }) => {
            shown.set(object, attached.get(object));
            return Verdict.Forward;
          },
        },
        xdg_toplevel: {
          set_title: ({ relay, object }) => {
            const { xdgSurface, states } = toplevels.get(object)!;
            const size = shown.get(surfaceOf.get(xdgSurface)!);
            if (size === undefined) return Verdict.Forward;
            relay.emitEvent(object, 'configure', { width: size.width, height: size.height, states });
            relay.emitEvent(xdgSurface, 'configure', { serial: (this.#serial += 1) });
            return Verdict.Forward;
          },
        },
        xdg_surface: {
          ack_configure: ({ args }) => (args.serial > 0x70000000 ? Verdict.Drop : Verdict.Forward),
        },
      },
    };
  }

  #input(): Concern {
    return {
      name: 'added touch',
      requests: {
        wl_seat: {
          get_touch: ({ relay, object, args }) => {
            this.#touches.push(relay.adopt('wl_touch', object.version, args.id, true));
            return Verdict.Drop;
          },
        },
        wl_touch: { release: () => Verdict.Drop },
        wl_surface: {
          attach: ({ object, args: { buffer } }) => {
            this.#pictures.set(object, buffer !== undefined);
            return Verdict.Forward;
          },
        },
        wl_subcompositor: {
          get_subsurface: ({ args }) => {
            this.bars.push(args.surface);
            return Verdict.Forward;
          },
        },
        xdg_wm_base: {
          get_xdg_surface: ({ args }) => {
            this.windows.push(args.surface);
            return Verdict.Forward;
          },
        },
      },
      events: {
        wl_seat: {
          capabilities: call => {
            call.replaceWord(0, call.args.capabilities | WlSeatCapability.touch);
            return Verdict.Forward;
          },
        },
      },
    };
  }
}
