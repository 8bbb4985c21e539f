/**
 * What X clients do becomes requests to the compositor: a title that changes, a state that is asked for, the shape of a window.
 * A compositor that does not read for a while would have them pile up here, at any rate that X clients like. So nothing is read
 * from the X server either until there is room: what its clients say then waits where it costs them alone.
 */
import type { Channel } from '../system/channel.js';
import type { Outbox } from '../wayland/outbox.js';

export class HeldUp {
  /** `x`: from the X server, to its window manager. `out`: what goes to the compositor. Both are lent. */
  constructor(
    x: Channel,
    private readonly out: Outbox,
  ) {
    x.on('data', () => {
      if (out.backedUp) x.pause();
    });
    // The outbox has heard of it before.
    out.channel.on('drain', () => {
      if (!out.backedUp) x.resume();
    });
  }

  /** Nothing is read from the X server at the moment, its answers included. */
  get holds(): boolean {
    return this.out.backedUp;
  }
}
