/**
 * A title bar of our own above an X11 window, where the compositor draws none (GNOME, weston): a subsurface of the window's
 * surface, which counts as part of the window. It shows the title, moves the window, and has buttons. Who draws the rest of
 * the window is the X client; who draws this is `virtwl x11`, in the same VM: it says nothing that could be trusted more.
 */
import type { RelayObject } from '../relay/object-map.js';
import { bufferOf } from './shm-picture.js';
import type { Shell } from './shell.js';
import type { Size } from './surfaces.js';
import { TitleEdges, type EdgesOwner } from './title-edges.js';
import { enlarged, partAt, TITLE_BAR_HEIGHT, titlePicture, type TitlePart } from './title-picture.js';
import type { TitleText } from './title-text.js';
import type { Press } from './user-input.js';

export interface TitleBarOwner extends EdgesOwner {
  closeAsked(): void;
  toggleMaximized(): void;
  setMinimized(): void;
  move(press: Press): void;
  /** The compositor's menu, at a place of the bar. */
  menu(press: Press, x: number, y: number): void;
}

/** First version of wl_surface whose buffer may be finer than what it is shown on. */
const BUFFER_SCALE_SINCE = 3;

interface Drawn {
  readonly width: number;
  readonly text: TitleText | undefined;
  readonly active: boolean;
  readonly scale: number;
}

export class TitleBar {
  readonly surface: RelayObject<'wl_surface'>;
  readonly #subsurface: RelayObject<'wl_subsurface'>;
  #buffer: RelayObject<'wl_buffer'> | undefined;
  /** The one before: the compositor may still look at it. */
  #before: RelayObject<'wl_buffer'> | undefined;
  #width = 0;
  /** As the compositor knows: pixels of its buffer to one of the compositor's. */
  #scale = 1;
  #drawn: Drawn | undefined;
  /** Around the window. */
  readonly #edges: TitleEdges | undefined;

  private constructor(
    private readonly shell: Shell,
    parent: RelayObject<'wl_surface'>,
    compositor: RelayObject<'wl_compositor'>,
    subcompositor: RelayObject<'wl_subcompositor'>,
    readonly owner: TitleBarOwner,
  ) {
    const { relay } = shell;
    this.surface = relay.inject('wl_surface', compositor.version, this);
    relay.request(compositor, 'create_surface', { id: this.surface });
    this.#subsurface = relay.inject('wl_subsurface', 1);
    relay.request(subcompositor, 'get_subsurface', { id: this.#subsurface, surface: this.surface, parent });
    relay.request(this.#subsurface, 'set_position', { x: 0, y: -TITLE_BAR_HEIGHT });
    this.#edges = TitleEdges.around(shell, { compositor, subcompositor, parent, top: TITLE_BAR_HEIGHT }, owner);
  }

  /** For a window whose surface has no picture yet; undefined: the compositor draws title bars, or lacks what ours needs. */
  static above(shell: Shell, parent: RelayObject<'wl_surface'>, owner: TitleBarOwner): TitleBar | undefined {
    if (shell.global('zxdg_decoration_manager_v1') !== undefined || shell.global('wl_shm') === undefined)
      return undefined;
    const [compositor, subcompositor] = [shell.global('wl_compositor'), shell.global('wl_subcompositor')];
    if (compositor === undefined || subcompositor === undefined) return undefined;
    return new TitleBar(shell, parent, compositor, subcompositor, owner);
  }

  /**
   * What it shows from the window's next commit on. Sizes are the window's without it, in the compositor's pixels; `sides`: those that
   * the user may move, as {@link TitleEdges.show} has them.
   */
  show({ width, height }: Size, sides: number, text: TitleText | undefined, active: boolean): void {
    this.#edges?.show({ width, height: height + TITLE_BAR_HEIGHT }, sides);
    const { relay } = this.shell;
    const drawn = this.#drawn;
    const scale = this.surface.version >= BUFFER_SCALE_SINCE ? this.shell.outputs.most : 1;
    const same = drawn?.width === width && drawn.text === text && drawn.active === active && drawn.scale === scale;
    if (same) return;
    const buffer = bufferOf(this.shell, enlarged(titlePicture(width, text, active), scale));
    if (scale !== this.#scale) relay.request(this.surface, 'set_buffer_scale', { scale });
    this.#scale = scale;
    relay.request(this.surface, 'attach', { buffer, x: 0, y: 0 });
    relay.request(this.surface, 'damage', { x: 0, y: 0, width, height: TITLE_BAR_HEIGHT });
    relay.request(this.surface, 'commit', {});
    if (this.#before !== undefined) relay.request(this.#before, 'destroy', {});
    this.#before = this.#buffer;
    this.#buffer = buffer;
    this.#width = width;
    this.#drawn = { width, text, active, scale };
  }

  /** From the window's next commit on there is none. */
  hide(): void {
    this.#edges?.hide();
    if (this.#drawn === undefined) return;
    const { relay } = this.shell;
    this.#drawn = undefined;
    relay.request(this.surface, 'attach', { buffer: undefined, x: 0, y: 0 });
    relay.request(this.surface, 'commit', {});
  }

  /** Once, before the window's own objects go. */
  close(): void {
    const { relay } = this.shell;
    this.#edges?.close();
    relay.request(this.#subsurface, 'destroy', {});
    relay.request(this.surface, 'destroy', {});
    for (const buffer of [this.#before, this.#buffer]) if (buffer !== undefined) relay.request(buffer, 'destroy', {});
  }

  /** Undefined: outside, where the pointer is still the bar's while a button is held. */
  partAt(x: number, y: number): TitlePart | undefined {
    return partAt(x, y, this.#width);
  }
}
