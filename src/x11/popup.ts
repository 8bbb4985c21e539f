/**
 * An X window that nobody manages (override-redirect: a menu, a tooltip, what is dragged) as an `xdg_popup` of the window
 * that it lies on, a toplevel or another popup, in the place that it has on the X screen beside that.
 *
 * There is no grab: an X client has one of its own. A popup is moved by `reposition`, and where the compositor does not have
 * that yet, by taking it away and showing it again.
 */
import type { RelayObject } from '../relay/object-map.js';
import { XdgPositionerAnchor, XdgPositionerGravity } from '../wayland/protocols/xdg-shell.js';
import type { Geometry } from './events.js';
import { scaledDown } from './scale.js';
import type { Configured, Shell } from './shell.js';
import type { Size, Surface, SurfaceRole } from './surfaces.js';

/** First version of xdg_wm_base that can move a popup. */
const REPOSITION_SINCE = 3;

export interface PopupOwner {
  /** It is about to go: what lies on it has to go before. */
  closing(): void;
  /** It has a picture, and others may lie on it: said once, after that went to the compositor. */
  drawn(): void;
}

/** What a popup lies on. */
export interface PopupBase {
  readonly xdgSurface: RelayObject<'xdg_surface'>;
  /** It has a picture: a compositor shows nothing on what has none. */
  readonly mapped: boolean;
  /** How much of its window geometry there is above the X window, in pixels of the compositor's. */
  readonly top: number;
}

/** Places on the X screen, in X pixels. */
export interface PopupPlaces {
  readonly self: Geometry;
  /** Of what it lies on. */
  readonly below: Geometry;
}

export class Popup implements SurfaceRole, Configured, PopupBase {
  readonly top = 0;
  readonly xdgSurface: RelayObject<'xdg_surface'>;
  readonly #popup: RelayObject<'xdg_popup'>;
  #closed = false;
  #mapped = false;

  /** `scale`: X pixels of a pixel of the compositor's. `below` has a picture. */
  constructor(
    private readonly shell: Shell,
    readonly surface: Surface,
    private readonly owner: PopupOwner,
    private readonly below: PopupBase,
    private readonly scale: number,
    places: PopupPlaces,
  ) {
    const { relay, wmBase } = shell;
    this.xdgSurface = relay.inject('xdg_surface', wmBase.version, this);
    relay.request(wmBase, 'get_xdg_surface', { id: this.xdgSurface, surface: surface.object });
    // In this order: a compositor takes new ids only as they come.
    const positioner = this.#positioner(places);
    this.#popup = relay.inject('xdg_popup', wmBase.version, this);
    relay.request(this.xdgSurface, 'get_popup', { id: this.#popup, parent: below.xdgSurface, positioner });
    relay.request(positioner, 'destroy', {});
    surface.role = this;
    surface.wasPopup = true;
    shell.dismissals.opened(surface.object);
    relay.request(surface.object, 'commit', {});
    relay.flush();
  }

  /** It has moved on the X screen. False: the compositor cannot move it. */
  move(places: PopupPlaces): boolean {
    const { relay, wmBase } = this.shell;
    if (wmBase.version < REPOSITION_SINCE) return false;
    const positioner = this.#positioner(places);
    relay.request(this.#popup, 'reposition', { positioner, token: 0 });
    relay.request(positioner, 'destroy', {});
    relay.flush();
    return true;
  }

  configure(serial: number): void {
    const { relay, dismissals } = this.shell;
    dismissals.whenSure(this, () => {
      if (this.#closed) return;
      relay.request(this.xdgSurface, 'ack_configure', { serial });
      if (this.surface.shown) relay.request(this.surface.object, 'commit', {});
      else this.surface.show();
    });
  }

  dismissed(): void {
    this.close();
  }

  committing(size: Size | undefined): void {
    if (this.#mapped || size === undefined || !this.surface.shown) return;
    this.#mapped = true;
    queueMicrotask(this.shell.guarded(() => this.owner.drawn()));
  }

  surfaceGone(): void {
    this.close();
  }

  /** Takes the popup away from the compositor. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.owner.closing();
    this.#closed = true;
    const { relay, dismissals } = this.shell;
    dismissals.closed(this.surface.object);
    relay.request(this.#popup, 'destroy', {});
    relay.request(this.xdgSurface, 'destroy', {});
    this.surface.hide();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** It has a picture, and others may lie on it. */
  get mapped(): boolean {
    return this.#mapped && !this.#closed;
  }

  /**
   * Its upper left corner at the same corner of a pixel of what it lies on. That pixel has to be within its window; how
   * far away from it the popup is, is an offset.
   */
  #positioner({ self, below }: PopupPlaces): RelayObject<'xdg_positioner'> {
    const { relay, wmBase } = this.shell;
    const down = (length: number): number => Math.round(length / this.scale);
    const [x, y] = [down(self.x - below.x), down(self.y - below.y)];
    const within = (at: number, side: number): number => Math.min(Math.max(at, 0), Math.max(down(side), 1) - 1);
    const at = { x: within(x, below.width), y: within(y, below.height) };
    // Said within the window geometry, of which a title bar of ours is part.
    const anchor = { x: at.x, y: at.y + this.below.top, width: 1, height: 1 };
    const positioner = relay.inject('xdg_positioner', wmBase.version);
    relay.request(wmBase, 'create_positioner', { id: positioner });
    relay.request(positioner, 'set_size', {
      width: scaledDown(self.width, this.scale),
      height: scaledDown(self.height, this.scale),
    });
    relay.request(positioner, 'set_anchor_rect', anchor);
    relay.request(positioner, 'set_anchor', { anchor: XdgPositionerAnchor.top_left });
    relay.request(positioner, 'set_gravity', { gravity: XdgPositionerGravity.bottom_right });
    relay.request(positioner, 'set_offset', { x: x - at.x, y: y - at.y });
    return positioner;
  }
}
