/**
 * The surfaces that Xwayland makes. It makes one for each window that is shown, and commits pictures to it at once; but
 * what the window is to be (a toplevel, a popup) is ours to say first. So a surface is **held** until it has a role and the
 * compositor has configured that: its last picture waits here, and so do its frame callbacks: the compositor counts those of
 * all programs of a VM together. Then it is shown, and all goes through.
 */
import { ProtocolError, Verdict, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { guardedBy } from './guarded.js';
import { MAX_SURFACES } from './limits.js';

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export function sameSize(one: Size, other: Size | undefined): boolean {
  return one.width === other?.width && one.height === other.height;
}

/** Shows a surface in another size than its picture has: told before a picture of a new size is attached. */
export interface Scaling {
  fit(surface: RelayObject<'wl_surface'>, size: Size, cursor: boolean): void;
  gone(surface: RelayObject<'wl_surface'>): void;
}

/** What gives a surface its role. */
export interface SurfaceRole {
  /** Xwayland commits: said before that goes on. `size` is that of the picture it has then. */
  committing(size: Size | undefined): void;
  /** Xwayland is about to destroy the surface. What has been made of it has to go before. */
  surfaceGone(): void;
}

interface BufferNote extends Size {
  /** What it was attached to last. */
  surface?: Surface | undefined;
  /** How often we have attached it beside Xwayland: so many of its releases are not Xwayland's. */
  again: number;
}

/** A request to a surface. */
interface OfSurface {
  readonly object: RelayObject<'wl_surface'>;
}

interface SetCursor {
  readonly relay: Relay;
  readonly args: { readonly surface?: RelayObject | undefined };
}

/** The size that damages all of a surface, whatever it has. */
const ALL = 0x7fffffff;

export class Surface {
  role: SurfaceRole | undefined;
  /** It has been a popup: Wayland has it that it can be nothing else any more. */
  wasPopup = false;
  /** It is what a pointer or a pen looks like. */
  cursor = false;
  #shown = false;
  /** Attached last; undefined: nothing, or it is destroyed. */
  #buffer: RelayObject<'wl_buffer'> | undefined;
  /** A commit was held back. */
  #committed = false;
  /** Frame callbacks that were held back. */
  readonly #callbacks: RelayObject<'wl_callback'>[] = [];
  /** Of the picture that was attached last. */
  size: Size | undefined;

  /** What the scaling was told last. */
  #fitted: Size | undefined;

  constructor(
    private readonly relay: Relay,
    readonly object: RelayObject<'wl_surface'>,
    private readonly scaling: Scaling | undefined,
  ) {}

  get shown(): boolean {
    return this.#shown;
  }

  /** Everything goes through from now on; what was held back goes now. */
  show(): void {
    if (this.#shown) return;
    this.#shown = true;
    this.redraw();
    const [buffer, committed] = [this.#buffer, this.#committed];
    if (buffer === undefined) return;
    this.#committed = false;
    if (committed) this.role?.committing(this.size);
    this.#fit();
    this.relay.request(this.object, 'attach', { buffer, x: 0, y: 0 });
    this.relay.request(this.object, 'damage', { x: 0, y: 0, width: ALL, height: ALL });
    // Between Xwayland's attach, which was held back, and its commit, that is what is to be shown.
    if (committed) this.relay.request(this.object, 'commit', {});
  }

  /**
   * It has no role any more, and is held until it is shown again: with the picture that it had, since Xwayland draws no other
   * before it is told that this one was shown.
   */
  hide(): void {
    this.role = undefined;
    if (!this.#shown) return;
    this.#shown = false;
    if (this.#buffer !== undefined) {
      this.#committed = true;
      (this.#buffer.data as BufferNote).again += 1;
    }
    this.relay.request(this.object, 'attach', { buffer: undefined, x: 0, y: 0 });
    this.relay.request(this.object, 'commit', {});
  }

  /** @internal */
  attach(buffer: RelayObject<'wl_buffer'> | undefined): Verdict {
    const before = this.#buffer;
    this.#buffer = buffer;
    const note = buffer?.data as BufferNote | undefined;
    this.size = note;
    if (note !== undefined) note.surface = this;
    if (this.#shown) {
      this.#fit();
      return Verdict.Forward;
    }
    if (before !== undefined && before !== buffer && this.#committed) this.#giveBack(before);
    return Verdict.Drop;
  }

  /** @internal */
  commit(): Verdict {
    if (this.#shown) {
      this.role?.committing(this.size);
      return Verdict.Forward;
    }
    this.#committed = true;
    // It may be the one that was waited for, which shows the surface.
    this.role?.committing(this.size);
    return Verdict.Drop;
  }

  /** Xwayland may draw the next picture: where the surface is held, in place of the one that waits. */
  redraw(): void {
    for (const callback of this.#callbacks.splice(0)) {
      this.relay.emitEvent(callback, 'done', { callback_data: 0 });
      this.relay.destroyed(callback);
    }
  }

  /** `callback`: the number that Xwayland gives a new one. @internal */
  frame(callback: number): Verdict {
    if (this.#shown) return Verdict.Forward;
    this.#callbacks.push(this.relay.adopt('wl_callback', 1, callback, true));
    return Verdict.Drop;
  }

  /** @internal */
  bufferGone(buffer: RelayObject): void {
    if (this.#buffer === buffer) this.#buffer = undefined;
  }

  /** @internal Xwayland destroys it: it keeps what it has drawn until that is given back, also for ever. */
  gone(): void {
    const buffer = this.#buffer;
    if (!this.#shown && this.#committed && buffer !== undefined) this.#giveBack(buffer);
    this.#buffer = undefined;
    this.#committed = false;
    for (const callback of this.#callbacks.splice(0)) this.relay.destroyed(callback);
  }

  /** With the picture, not with its commit: one of ours may come between, and a part beyond the picture is a mistake. */
  #fit(): void {
    const { size } = this;
    if (this.scaling === undefined || size === undefined) return;
    if (sameSize(size, this.#fitted)) return;
    this.#fitted = size;
    this.scaling.fit(this.object, size, this.cursor);
  }

  /** A picture that was held back and is not to be shown. */
  #giveBack(buffer: RelayObject<'wl_buffer'>): void {
    const note = buffer.data as BufferNote;
    if (note.again > 0) note.again -= 1;
    else this.relay.emitEvent(buffer, 'release', {});
  }
}

export interface SurfaceWatch {
  made(surface: Surface): void;
  gone(surface: Surface): void;
}

/** All surfaces of one Xwayland. */
export class Surfaces {
  readonly #watch: SurfaceWatch;
  readonly #scaling: Scaling | undefined;
  #count = 0;

  /** `scaling` undefined: a pixel of theirs is one of the compositor's. */
  constructor(watch: SurfaceWatch, scaling?: Scaling) {
    this.#watch = watch;
    this.#scaling = scaling;
  }

  /** What is known of a surface of Xwayland's; undefined: it is no surface, or is destroyed. */
  of(object: RelayObject | undefined): Surface | undefined {
    return object?.is('wl_surface') === true && !object.destroyed ? (object.data as Surface | undefined) : undefined;
  }

  get concern(): Concern {
    return {
      name: 'x11 surfaces',
      requests: this.#requests(),
      made: {
        wl_surface: (object, call) => {
          if (this.#count >= MAX_SURFACES) {
            const text = `X11 programs have ${MAX_SURFACES} windows and cursors that are mapped: no more may be`;
            throw new ProtocolError(1, WlDisplayError.no_memory, text);
          }
          this.#count += 1;
          const surface = new Surface(call.relay, object, this.#scaling);
          object.data = surface;
          this.#watch.made(surface);
        },
        wl_buffer: (object, call) => {
          const { width, height } = call.args as Size;
          const note: BufferNote = { width, height, again: 0 };
          object.data = note;
        },
      },
      gone: {
        wl_buffer: object => (object.data as BufferNote | undefined)?.surface?.bufferGone(object),
      },
      events: {
        wl_buffer: {
          release: ({ object }) => {
            const note = object.data as BufferNote | undefined;
            if (note === undefined || note.again === 0) return Verdict.Forward;
            note.again -= 1;
            return Verdict.Drop;
          },
        },
      },
    };
  }

  #requests(): RequestHandlers {
    const surfaceOf = ({ object }: OfSurface): Surface => object.data as Surface;
    const ifShown = (call: OfSurface): Verdict => (surfaceOf(call).shown ? Verdict.Forward : Verdict.Drop);
    /** A cursor has its role by this; its picture may be there already. */
    const cursor = ({ relay, args }: SetCursor): Verdict => {
      const surface = this.of(args.surface);
      if (surface !== undefined) surface.cursor = true;
      // The role comes first, and the picture that waits after it.
      if (surface?.shown === false) {
        const show = guardedBy(relay)(() => {
          surface.show();
          relay.flush();
        });
        queueMicrotask(show);
      }
      return Verdict.Forward;
    };
    return {
      wl_surface: {
        attach: call => surfaceOf(call).attach(call.args.buffer),
        damage: ifShown,
        damage_buffer: ifShown,
        frame: call => surfaceOf(call).frame(call.args.callback),
        commit: call => surfaceOf(call).commit(),
        destroy: call => {
          const surface = surfaceOf(call);
          // What lies on it goes before it does.
          this.#watch.gone(surface);
          surface.role?.surfaceGone();
          surface.gone();
          this.#scaling?.gone(surface.object);
          this.#count -= 1;
          return Verdict.Forward;
        },
      },
      wl_pointer: { set_cursor: cursor },
      zwp_tablet_tool_v2: { set_cursor: cursor },
    };
  }
}
