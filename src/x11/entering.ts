/**
 * The pointer comes into an X window, and Xwayland hears of it.
 *
 * Xwayland (22.1 and 24.1, with any compositor) keeps the relative motion by which the pointer has left a window until the next
 * `frame` that it has while the pointer is in one, and moves its own by it then: a click that comes before any motion, in a window
 * that has come below the pointer, was one in another place. So a relative motion of nothing goes before each `enter`.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';

export function entering(): Concern {
  const relative = new Map<RelayObject, RelayObject<'zwp_relative_pointer_v1'>>();
  const forget = (object: RelayObject): void => {
    for (const [pointer, its] of relative) if (pointer === object || its === object) relative.delete(pointer);
  };
  return {
    name: 'x11 entering',
    events: {
      wl_pointer: {
        enter: ({ relay, object }) => {
          const its = relative.get(object);
          if (its !== undefined) relay.emitEvent(its, 'relative_motion', NOTHING);
          return Verdict.Forward;
        },
      },
    },
    made: {
      zwp_relative_pointer_v1: (object, { args }) => {
        relative.set((args as { readonly pointer: RelayObject }).pointer, object);
      },
    },
    gone: { zwp_relative_pointer_v1: forget, wl_pointer: forget },
  };
}

/** At no time: it tells of no device's motion. */
const NOTHING = { utime_hi: 0, utime_lo: 0, dx: 0, dy: 0, dx_unaccel: 0, dy_unaccel: 0 };
