/** How many windows an application has: what it makes and destroys of them goes by. */
import type { Concern } from '../relay/chain.js';

export class AppWindows {
  /** Toplevel windows at the moment. */
  count = 0;

  /** For the relay's rules. */
  readonly concern: Concern = {
    name: 'windows',
    made: { xdg_toplevel: () => void (this.count += 1) },
    gone: { xdg_toplevel: () => void (this.count -= 1) },
  };
}
