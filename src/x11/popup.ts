/**
 * An X window that nobody manages (override-redirect: a menu, a tooltip, what is dragged) as an `xdg_popup` of the window
 * that it belongs to, in the place that it has on the X screen beside that.
 *
 * There is no grab: an X client has one of its own. A popup is moved by `reposition`, and where the compositor does not have
 * that yet, by taking it away and showing it again.
 */
import type { RelayObject } from '../relay/object-map.js';
import { XdgPositionerAnchor, XdgPositionerGravity } from '../wayland/protocols/xdg-shell.js';
import type { Geometry } from './events.js';
import { scaledDown } from './scale.js';
import type { Configured, Shell } from './shell.js';
import type { Surface, SurfaceRole } from './surfaces.js';
import type { Toplevel } from './toplevel.js';

/** First version of xdg_wm_base that can move a popup. */
const REPOSITION_SINCE = 3;

export interface PopupOwner {
  /** The compositor shows it no more, or cannot move it: it may be made anew. */
  popupGone(): void;
}

export class Popup implements SurfaceRole, Configured {
  readonly #xdgSurface: RelayObject<'xdg_surface'>;
  readonly #popup: RelayObject<'xdg_popup'>;
  #closed = false;

  /** Places are those of the X screen, in X pixels: `scale` of them are a pixel of the compositor's. */
  constructor(
    private readonly shell: Shell,
    readonly surface: Surface,
    private readonly owner: PopupOwner,
    readonly parent: Toplevel,
    private readonly scale: number,
    place: { readonly self: Geometry; readonly parent: Geometry },
  ) {
    const { relay, wmBase } = shell;
    this.#xdgSurface = relay.inject('xdg_surface', wmBase.version, this);
    relay.request(wmBase, 'get_xdg_surface', { id: this.#xdgSurface, surface: surface.object });
    // In this order: a compositor takes new ids only as they come.
    const positioner = this.#positioner(place.self, place.parent);
    this.#popup = relay.inject('xdg_popup', wmBase.version, this);
    relay.request(this.#xdgSurface, 'get_popup', { id: this.#popup, parent: parent.xdgSurface, positioner });
    relay.request(positioner, 'destroy', {});
    surface.role = this;
    relay.request(surface.object, 'commit', {});
    relay.flush();
  }

  /** It has moved on the X screen. */
  move(self: Geometry, parent: Geometry): void {
    if (this.#closed) return;
    const { relay, wmBase } = this.shell;
    if (wmBase.version < REPOSITION_SINCE) {
      this.close();
      this.owner.popupGone();
      return;
    }
    const positioner = this.#positioner(self, parent);
    relay.request(this.#popup, 'reposition', { positioner, token: 0 });
    relay.request(positioner, 'destroy', {});
    relay.flush();
  }

  configure(serial: number): void {
    if (this.#closed) return;
    const { relay } = this.shell;
    relay.request(this.#xdgSurface, 'ack_configure', { serial });
    if (this.surface.shown) relay.request(this.surface.object, 'commit', {});
    else this.surface.show();
  }

  dismissed(): void {
    this.close();
  }

  committing(): void {}

  surfaceGone(): void {
    this.close();
  }

  /** Takes the popup away from the compositor. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { relay } = this.shell;
    relay.request(this.#popup, 'destroy', {});
    relay.request(this.#xdgSurface, 'destroy', {});
    this.surface.hide();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Its upper left corner at the same corner of a pixel of the parent. That pixel has to be within the parent's window; how
   * far away from it the popup is, is an offset.
   */
  #positioner(self: Geometry, parent: Geometry): RelayObject<'xdg_positioner'> {
    const { relay, wmBase } = this.shell;
    const down = (length: number): number => Math.round(length / this.scale);
    const [x, y] = [down(self.x - parent.x), down(self.y - parent.y)];
    const within = (at: number, side: number): number => Math.min(Math.max(at, 0), Math.max(down(side), 1) - 1);
    const at = { x: within(x, parent.width), y: within(y, parent.height) };
    // Said within the window geometry, of which a title bar of ours is part.
    const anchor = { x: at.x, y: at.y + this.parent.top, width: 1, height: 1 };
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
