/**
 * Who draws a window's title bar. In: what the compositor says of it, and what the client has asked for, by
 * `zxdg_toplevel_decoration_v1` or `org_kde_kwin_server_decoration`. Out: whether the compositor draws it and the client
 * wants that. A client that wants to draw it itself, and is refused, may keep its shadow: tiled on sway, Chromium keeps a
 * border for resizing.
 */
import { Verdict, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import { ZxdgToplevelDecorationV1Mode } from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import type { Surfaces } from './surfaces.js';

/** Modes of `org_kde_kwin_server_decoration`. */
const KDE_MODE_CLIENT = 1;
const KDE_MODE_SERVER = 2;

type Decoration = 'zxdg_toplevel_decoration_v1' | 'org_kde_kwin_server_decoration';

export class TitleBars {
  /** The surface that a decoration is of. */
  readonly #surfaceOf = new WeakMap<RelayObject, RelayObject>();
  /** Surfaces around which the compositor draws a title bar, by its word. */
  readonly #drawn = new WeakSet<RelayObject>();
  /** Surfaces whose client has asked to draw it itself. */
  readonly #refused = new WeakSet<RelayObject>();

  constructor(private readonly surfaces: Surfaces) {}

  /** Whether the compositor draws one around a window's surface, and the client wants that. */
  has(surface: RelayObject): boolean {
    return this.#drawn.has(surface) && !this.#refused.has(surface);
  }

  readonly made: Pick<NonNullable<Concern['made']>, Decoration> = {
    zxdg_toplevel_decoration_v1: (decoration, { args }) => {
      const window = this.surfaces.windowOf((args as { toplevel: RelayObject }).toplevel);
      if (window !== undefined) this.#surfaceOf.set(decoration, window.surface);
    },
    org_kde_kwin_server_decoration: (decoration, { args }) => {
      this.#surfaceOf.set(decoration, (args as { surface: RelayObject }).surface);
    },
  };

  readonly requests: Pick<RequestHandlers, Decoration> = {
    zxdg_toplevel_decoration_v1: {
      set_mode: ({ object, args: { mode } }) =>
        this.#mark(this.#refused, object, mode === ZxdgToplevelDecorationV1Mode.client_side),
      unset_mode: ({ object }) => this.#mark(this.#refused, object, false),
    },
    org_kde_kwin_server_decoration: {
      request_mode: ({ object, args: { mode } }) => this.#mark(this.#refused, object, mode === KDE_MODE_CLIENT),
    },
  };

  /**
   * The title bar is there from when the compositor says so, whatever the client takes of it, and is not to be drawn over.
   * A decoration that its client destroys leaves it where it is, as far as we know.
   */
  readonly events: Pick<EventHandlers, Decoration> = {
    zxdg_toplevel_decoration_v1: {
      configure: ({ object, args: { mode } }) =>
        this.#mark(this.#drawn, object, mode === ZxdgToplevelDecorationV1Mode.server_side),
    },
    org_kde_kwin_server_decoration: {
      mode: ({ object, args: { mode } }) => this.#mark(this.#drawn, object, mode === KDE_MODE_SERVER),
    },
  };

  #mark(marked: WeakSet<RelayObject>, decoration: RelayObject, is: boolean): Verdict {
    const surface = this.#surfaceOf.get(decoration);
    if (surface !== undefined) {
      if (is) marked.add(surface);
      else marked.delete(surface);
    }
    return Verdict.Forward;
  }
}
