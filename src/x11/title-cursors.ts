/**
 * What the pointer, or a pen, looks like over title bars and edges of ours: the arrows of the client VM's theme. Each is a
 * surface that is made when it is first shown.
 */
import type { RelayObject } from '../relay/object-map.js';
import { XdgToplevelResizeEdge as Edge } from '../wayland/protocols/xdg-shell.js';
import type { CursorPicture } from './cursor-theme.js';
import { bufferOf } from './shm-picture.js';
import type { Shell } from './shell.js';

/** Reads a cursor of the theme; undefined: it has none of that name. */
export type ThemeCursors = (name: string) => CursorPicture | undefined;

const ARROW = 'left_ptr';

/** By the sides that are resized: the name that X11's themes have, and the one that CSS has. */
const NAMES: Readonly<Record<number, readonly [string, string]>> = {
  [Edge.top]: ['top_side', 'n-resize'],
  [Edge.bottom]: ['bottom_side', 's-resize'],
  [Edge.left]: ['left_side', 'w-resize'],
  [Edge.right]: ['right_side', 'e-resize'],
  [Edge.top_left]: ['top_left_corner', 'nw-resize'],
  [Edge.top_right]: ['top_right_corner', 'ne-resize'],
  [Edge.bottom_left]: ['bottom_left_corner', 'sw-resize'],
  [Edge.bottom_right]: ['bottom_right_corner', 'se-resize'],
};

/** What has a picture of its own: a surface is that of one kind, as long as it lives. */
type Device = RelayObject<'wl_pointer'> | RelayObject<'zwp_tablet_tool_v2'>;

interface Cursor {
  readonly picture: CursorPicture;
  readonly surface: RelayObject<'wl_surface'>;
}

export class TitleCursors {
  /** By kind of device, and sides. Files are looked for once. */
  readonly #cursors = new Map<string, Cursor | undefined>();
  /** Those that have their picture, which comes after their role. */
  readonly #drawn = new WeakSet<Cursor>();

  constructor(
    private readonly shell: Shell,
    private readonly theme: ThemeCursors,
  ) {}

  /**
   * `serial`: of the device's coming to the surface. `sides`: that are resized there; 0: an arrow. Without a picture in the theme
   * there is an arrow, and without that nothing.
   */
  show(device: Device, serial: number, sides: number): void {
    const { relay } = this.shell;
    const cursor = this.#cursorOf(device, sides) ?? this.#cursorOf(device, 0);
    const { surface, picture } = cursor ?? {};
    const place = { serial, surface, hotspot_x: picture?.hotX ?? 0, hotspot_y: picture?.hotY ?? 0 };
    if (device.is('wl_pointer')) relay.request(device, 'set_cursor', place);
    else relay.request(device, 'set_cursor', place);
    if (cursor === undefined || this.#drawn.has(cursor)) return;
    this.#drawn.add(cursor);
    const { width, height } = cursor.picture;
    relay.request(cursor.surface, 'attach', { buffer: bufferOf(this.shell, cursor.picture), x: 0, y: 0 });
    relay.request(cursor.surface, 'damage', { x: 0, y: 0, width, height });
    relay.request(cursor.surface, 'commit', {});
  }

  #cursorOf(device: Device, sides: number): Cursor | undefined {
    const key = `${device.interface.name} ${sides}`;
    if (this.#cursors.has(key)) return this.#cursors.get(key);
    const cursor = this.#make(NAMES[sides] ?? [ARROW]);
    this.#cursors.set(key, cursor);
    return cursor;
  }

  #make(names: readonly string[]): Cursor | undefined {
    const { relay } = this.shell;
    const compositor = this.shell.global('wl_compositor');
    if (compositor === undefined) return undefined;
    for (const name of names) {
      const picture = this.theme(name);
      if (picture === undefined) continue;
      const surface = relay.inject('wl_surface', compositor.version);
      relay.request(compositor, 'create_surface', { id: surface });
      return { picture, surface };
    }
    return undefined;
  }
}
