/** Scales of the compositor's outputs: title bars of ours are drawn with as many pixels as the finest of them shows. */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';

/** Beyond it more pixels are not drawn: nobody sees them, and anybody may plug anything in. */
const MAX_SCALE = 3;

export class OutputScales {
  readonly #scales = new Map<RelayObject, number>();

  /** A whole number; 1 where nothing is known. */
  get most(): number {
    return Math.min(Math.max(1, ...this.#scales.values()), MAX_SCALE);
  }

  readonly concern: Concern = {
    name: 'x11 outputs',
    events: {
      wl_output: {
        scale: ({ object, args: { factor } }) => {
          this.#scales.set(object, factor);
          return Verdict.Forward;
        },
      },
    },
    gone: { wl_output: output => void this.#scales.delete(output) },
  };
}
