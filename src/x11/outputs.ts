/**
 * The compositor's outputs. Title bars of ours are drawn with as many pixels as the finest of them shows. To X11 programs they are
 * monitors: toolkits keep a menu on the monitor that its window is on, so windows are put within one, not between two.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Geometry } from './events.js';
import type { Size } from './surfaces.js';

/** Beyond it more pixels are not drawn: nobody sees them, and anybody may plug anything in. */
const MAX_SCALE = 3;

export class Outputs {
  readonly #scales = new Map<RelayObject, number>();
  /** In the compositor's units. */
  readonly #places = new Map<RelayObject, Geometry>();

  /** A whole number; 1 where nothing is known. */
  get most(): number {
    return Math.min(Math.max(1, ...this.#scales.values()), MAX_SCALE);
  }

  /**
   * The outputs in X pixels, as far as they are within the screen; all of that where none is known.
   * @param screen in X pixels
   * @param scale X pixels of one of the compositor's
   */
  monitors(screen: Size, scale: number): readonly Geometry[] {
    const found: Geometry[] = [];
    for (const place of this.#places.values()) {
      const up = (length: number): number => Math.round(length * scale);
      const [x, y] = [Math.max(up(place.x), 0), Math.max(up(place.y), 0)];
      const width = Math.min(up(place.x) + up(place.width), screen.width) - x;
      const height = Math.min(up(place.y) + up(place.height), screen.height) - y;
      if (width > 0 && height > 0) found.push({ x, y, width, height });
    }
    return found.length > 0 ? found : [{ x: 0, y: 0, width: screen.width, height: screen.height }];
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
      zxdg_output_v1: {
        logical_position: ({ object, args: { x, y } }) => this.#place(object, { x, y }),
        logical_size: ({ object, args: { width, height } }) => this.#place(object, { width, height }),
      },
    },
    gone: {
      wl_output: output => void this.#scales.delete(output),
      zxdg_output_v1: output => void this.#places.delete(output),
    },
  };

  #place(output: RelayObject, told: Partial<Geometry>): Verdict {
    this.#places.set(output, { x: 0, y: 0, width: 0, height: 0, ...this.#places.get(output), ...told });
    return Verdict.Forward;
  }
}
