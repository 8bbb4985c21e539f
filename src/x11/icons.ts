/**
 * Icons of windows, from what their clients say of them (`_NET_WM_ICON`, or the pixmap of `WM_HINTS`) to the compositor, where
 * that has `xdg_toplevel_icon_v1`. They come after their window is shown: nobody waits for them.
 *
 * An icon may be of any size, and change at any rate. So one is read at a time, of all windows together; of a property that has
 * several sizes first the head of each, and then only the pixels that are wanted.
 */
import type { Log } from '../observe/log.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { iconHead, iconPicture, MAX_ICON_SIDE, pixmapPicture, type Image } from './icon-picture.js';
import { geometry, property } from './replies.js';
import { getGeometry, getImage, getProperty } from './requests.js';
import type { Shell } from './shell.js';
import { bufferOf, type OwnPicture } from './shm-picture.js';
import type { Toplevel } from './toplevel.js';
import type { XWindow } from './window.js';
import { wordsOf } from './wire.js';

/** Sizes of one icon that are looked at: programs have up to a dozen. */
export const MAX_SIZES = 16;

/** Bytes of one icon that are taken, of all its sizes: those from 16 to 256 pixels, with two for each, have 500 KiB. */
export const MAX_ICON_BYTES = 512 << 10;

/**
 * Between the end of one and the beginning of the next, in milliseconds. It bounds what icons that change all the time cost to
 * some 20 MiB/s; windows that are opened together have theirs one after the other.
 */
export const REST_MS = 25;

/** Bytes of a width and a height. */
const HEAD_BYTES = 8;

export interface IconsOptions {
  readonly x: Pick<XConnection, 'ask' | 'flush'>;
  readonly atoms: Pick<Atoms, '_NET_WM_ICON' | 'WM_HINTS'>;
  readonly shell: Shell;
  readonly log: Log;
}

export class Icons {
  readonly #options: IconsOptions;
  /** Windows whose icon is to be read, in the order in which they were shown or have changed. */
  readonly #waiting = new Set<XWindow>();
  /** Windows with one, as the compositor knows. */
  readonly #have = new WeakSet<XWindow>();
  /** One is being read, or has been a moment ago. */
  #busy = false;

  constructor(options: IconsOptions) {
    this.#options = options;
  }

  /** The window is a toplevel from now on. */
  shown(window: XWindow): void {
    if (this.#options.shell.global('xdg_toplevel_icon_manager_v1') === undefined) return;
    this.#waiting.add(window);
    this.#next();
  }

  /** A property of it has changed. */
  changed(window: XWindow, atom: number): void {
    const { _NET_WM_ICON: icon, WM_HINTS: hints } = this.#options.atoms;
    if (window.toplevel !== undefined && (atom === icon || atom === hints)) this.shown(window);
  }

  /** The window is not shown any more. */
  forget(window: XWindow): void {
    this.#waiting.delete(window);
    this.#have.delete(window);
  }

  #next(): void {
    const [window] = this.#waiting;
    if (window === undefined || this.#busy) return;
    this.#waiting.delete(window);
    this.#busy = true;
    this.#read(window, pictures => {
      this.#show(window, pictures);
      const rested = this.#options.shell.guarded(() => {
        this.#busy = false;
        this.#next();
        this.#options.x.flush();
      });
      setTimeout(rested, REST_MS);
    });
  }

  #show(window: XWindow, pictures: readonly OwnPicture[]): void {
    const { log, shell } = this.#options;
    const { toplevel } = window;
    if (toplevel === undefined || toplevel.closed || shell.relay.closed) return;
    // A compositor has one of its own for those that have none.
    if (pictures.length === 0 && !this.#have.has(window)) return;
    const buffers: RelayObject<'wl_buffer'>[] = [];
    try {
      for (const picture of pictures) buffers.push(bufferOf(shell, picture));
      this.#give(toplevel, buffers);
      if (buffers.length > 0) this.#have.add(window);
      else this.#have.delete(window);
    } catch (error) {
      log.warning(`the icon of an X11 window cannot be shown: ${(error as Error).message}`);
    }
    for (const buffer of buffers) shell.relay.request(buffer, 'destroy', {});
    shell.relay.flush();
  }

  /** Buffers have to be there as long as the icon's object is; what the window has, the compositor has. */
  #give({ toplevel, surface, shown }: Toplevel, buffers: readonly RelayObject<'wl_buffer'>[]): void {
    const { relay } = this.#options.shell;
    const manager = this.#options.shell.global('xdg_toplevel_icon_manager_v1')!;
    let icon: RelayObject<'xdg_toplevel_icon_v1'> | undefined;
    if (buffers.length > 0) {
      icon = relay.inject('xdg_toplevel_icon_v1', manager.version);
      relay.request(manager, 'create_icon', { id: icon });
      for (const buffer of buffers) relay.request(icon, 'add_buffer', { buffer, scale: 1 });
    }
    relay.request(manager, 'set_icon', { toplevel, icon });
    if (shown) relay.request(surface.object, 'commit', {});
    if (icon !== undefined) relay.request(icon, 'destroy', {});
  }

  #read(window: XWindow, come: (pictures: readonly OwnPicture[]) => void): void {
    const { x, atoms } = this.#options;
    const pictures: OwnPicture[] = [];
    const sides = new Set<number>();
    let room = MAX_ICON_BYTES;
    const done = (): void => {
      if (pictures.length > 0) come(pictures);
      else this.#readPixmap(window, picture => come(picture === undefined ? [] : [picture]));
    };
    const part = (offset: number, bytes: number, told: (value: Uint8Array, left: number) => void): void =>
      x.ask(
        getProperty(window.id, atoms._NET_WM_ICON, bytes, { offset }),
        reply => {
          const { format, value, left } = property(reply);
          // The client may have put another in its place.
          if (format === 32 && value.length === bytes) told(value, left);
          else done();
        },
        done,
      );
    const look = (count: number, offset: number): void => {
      if (count === MAX_SIZES) done();
      else {
        part(offset, HEAD_BYTES, (value, left) => {
          const head = iconHead(wordsOf(value), left);
          if (head === undefined) {
            done();
            return;
          }
          const [from, side] = [offset + HEAD_BYTES, Math.max(head.width, head.height)];
          const next = (): void => look(count + 1, from + head.bytes);
          // Of each size one.
          if (side > MAX_ICON_SIDE || head.bytes > room || sides.has(side)) next();
          else {
            part(from, head.bytes, pixels => {
              sides.add(side);
              room -= head.bytes;
              pictures.push(iconPicture(head, pixels));
              next();
            });
          }
        });
      }
      x.flush();
    };
    look(0, 0);
  }

  #readPixmap({ properties }: XWindow, come: (picture: OwnPicture | undefined) => void): void {
    const { iconPixmap, iconMask } = properties;
    this.#image(iconPixmap, image => {
      if (image === undefined) come(undefined);
      else this.#image(iconMask, mask => come(pixmapPicture(image, mask)));
    });
  }

  /** `pixmap`: 0, a window, and one that is gone are none. */
  #image(pixmap: number, come: (image: Image | undefined) => void): void {
    const { x } = this.#options;
    const none = (): void => come(undefined);
    if (pixmap === 0) {
      none();
      return;
    }
    x.ask(
      getGeometry(pixmap),
      reply => {
        const { width, height } = geometry(reply);
        if (Math.max(width, height) > MAX_ICON_SIDE) none();
        else {
          // By now it may be another, of another depth: the answer says that.
          const got = (bytes: Uint8Array): void => come({ width, height, depth: bytes[1]!, bytes });
          x.ask(getImage(pixmap, width, height), got, none);
        }
        x.flush();
      },
      none,
    );
    x.flush();
  }
}
