/**
 * Sizes that clients give their own windows, beside those that the compositor tells them. Some compositors tell a window the size
 * that it has, with a state or for no reason: KWin does when a window says that it wants a title bar. That is no wish.
 */
import type { Resizing } from './resizing.js';
import { scaledDown } from './scale.js';
import type { Shell } from './shell.js';
import { sameSize, type Size } from './surfaces.js';
import type { ToplevelStates } from './toplevel-states.js';
import type { XWindow } from './window.js';

export class OwnSizes {
  /** `scale`: X pixels of a pixel of the compositor's. */
  constructor(
    private readonly shell: Pick<Shell, 'relay' | 'guarded'>,
    private readonly resizing: Pick<Resizing, 'isChanging'>,
    private readonly scale: number,
  ) {}

  /**
   * The size that the compositor tells, where it is one that the window does not have; in X pixels. Undefined for one that it
   * repeats: while it does not know that the client has given its window another, and where the window has some X pixels that
   * are no whole one of the compositor's.
   */
  news(window: XWindow, size: Size | undefined, states: ToplevelStates): Size | undefined {
    const { wanted } = window;
    const isOld = [window.surface?.size, wanted?.before].some(one => this.#isSame(one, size));
    const isOwn = wanted !== undefined || !this.resizing.isChanging(window);
    if (isOld && isOwn && !states.fixed && !window.states.fixed) return undefined;
    window.wanted = undefined;
    return size;
  }

  /** A picture is about to go to the compositor. What that says once it has seen it, it says of the client's own size. */
  drawn(window: XWindow, drawn: Size | undefined): void {
    const { wanted } = window;
    if (wanted === undefined || drawn === undefined || !sameSize(drawn, wanted.size)) return;
    const { relay, guarded } = this.shell;
    const ask = guarded(() => {
      relay.sync(() => {
        if (window.wanted === wanted) window.wanted = undefined;
      });
      relay.flush();
    });
    queueMicrotask(ask);
  }

  /** As far as the compositor can tell. */
  #isSame(one: Size | undefined, other: Size | undefined): boolean {
    if (one === undefined || other === undefined) return false;
    const down = ({ width, height }: Size): Size => ({
      width: scaledDown(width, this.scale),
      height: scaledDown(height, this.scale),
    });
    return sameSize(down(one), down(other));
  }
}
