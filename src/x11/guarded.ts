/**
 * What timers, pipes and the ends of turns call, outside of any message that is dealt with. What that throws (a relay has as
 * many objects as it may) would end the process, and with it the display. It costs X11 programs their X server instead, as it
 * does where a message is dealt with; the next program has another one.
 */
import type { Relay } from '../relay/relay.js';

/** Makes something that is called so harmless. */
export type Guarded = <A extends readonly unknown[]>(act: (...args: A) => void) => (...args: A) => void;

/** `relay`: of the X server; it is closed with what was thrown. */
export function guardedBy(relay: Pick<Relay, 'close'>): Guarded {
  return act =>
    (...args) => {
      try {
        act(...args);
      } catch (error) {
        relay.close(error instanceof Error ? error : new Error(String(error)));
      }
    };
}
