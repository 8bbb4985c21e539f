/**
 * What an X11 window says of itself, as its `xdg_toplevel` is told: title, class, sizes, the window that it belongs to, whether it
 * wants a frame and blocks that window. Told is what has changed since it was told last: programs change their titles as
 * often as they like, and each request costs the compositor, and us, in both VMs.
 */
import type { RelayObject } from '../relay/object-map.js';
import { ZxdgToplevelDecorationV1Mode } from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import type { Shell } from './shell.js';
import { sameSize, type Size } from './surfaces.js';

/**
 * Windows above a window that it is told to belong to, its parent, that one's, and so on. A dialog of a dialog has two or
 * three; compositors, and our own firewall, end a connection for a chain without end, and so for all X programs.
 */
export const MAX_PARENTS = 16;

/** Whom it is about. */
export interface Described {
  readonly toplevel: RelayObject<'xdg_toplevel'>;
  readonly description: Description;
  /** It has a picture. */
  readonly mapped: boolean;
  readonly closed: boolean;
}

export interface Said {
  readonly title: string;
  /** Undefined: it has none. */
  readonly appId: string | undefined;
  /** Pixels of the compositor's; 0: no bound. */
  readonly min: Size;
  readonly max: Size;
  /** It wants a frame. */
  readonly decorated: boolean;
  /** The window that it belongs to. */
  readonly parent: Described | undefined;
}

export class Description {
  readonly #window: Described;
  readonly #shell: Shell;
  readonly #decoration: RelayObject<'zxdg_toplevel_decoration_v1'> | undefined;
  /** Made when it is modal first. */
  #dialog: RelayObject<'xdg_dialog_v1'> | undefined;
  #told: Partial<Omit<Said, 'parent'>> = {};
  /** As it was told. Undefined: nothing was. */
  #parent: { window: Described | undefined } | undefined;

  /** Of a window that was just made: before its first commit. */
  constructor(shell: Shell, window: Described) {
    this.#shell = shell;
    this.#window = window;
    const { relay } = shell;
    const decorations = shell.global('zxdg_decoration_manager_v1');
    if (decorations === undefined) return;
    this.#decoration = relay.inject('zxdg_toplevel_decoration_v1', decorations.version, undefined);
    const { toplevel } = window;
    relay.request(decorations, 'get_toplevel_decoration', { id: this.#decoration, toplevel });
  }

  tell({ title, appId, min, max, decorated, parent }: Said): void {
    const { relay } = this.#shell;
    const { toplevel } = this.#window;
    const told = this.#told;
    this.#told = { title, appId: appId ?? told.appId, min, max, decorated };
    if (title !== told.title) relay.request(toplevel, 'set_title', { title });
    if (appId !== undefined && appId !== told.appId) relay.request(toplevel, 'set_app_id', { app_id: appId });
    if (!sameSize(min, told.min)) relay.request(toplevel, 'set_min_size', min);
    if (!sameSize(max, told.max)) relay.request(toplevel, 'set_max_size', max);
    this.#tellParent(parent);
    if (this.#decoration === undefined || decorated === told.decorated) return;
    const mode = decorated ? ZxdgToplevelDecorationV1Mode.server_side : ZxdgToplevelDecorationV1Mode.client_side;
    relay.request(this.#decoration, 'set_mode', { mode });
  }

  /**
   * The bounds once more, for when the picture is at another place in the window. Mutter keeps them as the picture's, by what is
   * around it at the time when it is told, and made a window too high by a bar that it did not know of then.
   */
  tellBounds(): void {
    const { relay } = this.#shell;
    const { min, max } = this.#told;
    if (min !== undefined) relay.request(this.#window.toplevel, 'set_min_size', min);
    if (max !== undefined) relay.request(this.#window.toplevel, 'set_max_size', max);
  }

  /** It blocks its parent; where the compositor shows such a thing. */
  setModal(modal: boolean): void {
    const { relay } = this.#shell;
    const dialogs = this.#shell.global('xdg_wm_dialog_v1');
    if (dialogs === undefined || (!modal && this.#dialog === undefined)) return;
    if (this.#dialog === undefined) {
      this.#dialog = relay.inject('xdg_dialog_v1', dialogs.version, undefined);
      relay.request(dialogs, 'get_xdg_dialog', { id: this.#dialog, toplevel: this.#window.toplevel });
    }
    relay.request(this.#dialog, modal ? 'set_modal' : 'unset_modal', {});
  }

  /** Once, before the toplevel goes. */
  close(): void {
    const { relay } = this.#shell;
    if (this.#decoration !== undefined) relay.request(this.#decoration, 'destroy', {});
    if (this.#dialog !== undefined) relay.request(this.#dialog, 'destroy', {});
  }

  /**
   * A window that has no picture yet is told as none: it is told when it has one. Newer compositors take it for none anyway; to
   * wlroots 0.15 it is one, whose memory it uses after that window is gone, and so may end with all its clients.
   */
  #tellParent(wanted: Described | undefined): void {
    const window = wanted?.mapped === true && this.#mayBelongTo(wanted) ? wanted : undefined;
    if (this.#parent !== undefined && this.#parent.window === window) return;
    this.#parent = { window };
    this.#shell.relay.request(this.#window.toplevel, 'set_parent', { parent: window?.toplevel });
  }

  /** X clients may name each other's windows in a ring, or in a chain of any length. */
  #mayBelongTo(parent: Described): boolean {
    let above: Described | undefined = parent;
    for (let count = 1; above !== undefined; count++) {
      if (above === this.#window || count > MAX_PARENTS) return false;
      above = above.description.#above();
    }
    return true;
  }

  /** What belonged to a window that is closed belongs to that one's parent. */
  #above(): Described | undefined {
    const own = this.#parent;
    while (own?.window?.closed === true) own.window = own.window.description.#parent?.window;
    return own?.window;
  }
}
