/**
 * Popups stay where their client wants them. It names places by its own window geometry, and where the compositor was told
 * a larger one (`geometry.ts`), they have to be counted from there: on the way out in the positioner, on the way back in
 * the popup's configure.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Surfaces } from './surfaces.js';

interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class PopupPlaces {
  /** What a positioner's popup is anchored to. */
  readonly #anchors = new WeakMap<RelayObject, Anchor>();
  readonly #parents = new WeakMap<RelayObject, RelayObject>();

  constructor(private readonly surfaces: Surfaces) {}

  readonly requests: RequestHandlers = {
    xdg_positioner: {
      set_anchor_rect: ({ object, args }) => {
        this.#anchors.set(object, args);
        return Verdict.Forward;
      },
    },
    xdg_surface: {
      get_popup: ({ relay, object, args: { id, parent, positioner } }) => {
        const popup = relay.adopt('xdg_popup', object.version, id, false);
        if (parent !== undefined) this.#parents.set(popup, parent);
        this.#shifted(relay, popup, positioner, () =>
          relay.request(object, 'get_popup', { id: popup, parent, positioner }),
        );
        return Verdict.Drop;
      },
    },
    xdg_popup: {
      reposition: ({ relay, object, args }) => {
        this.#shifted(relay, object, args.positioner, () => relay.request(object, 'reposition', args));
        return Verdict.Drop;
      },
    },
  };

  readonly events: EventHandlers = {
    xdg_popup: {
      configure: ({ relay, object, args }: Call<'xdg_popup', Anchor>) => {
        const { x, y } = this.#shiftOf(object);
        if (x === 0 && y === 0) return Verdict.Forward;
        relay.emitEvent(object, 'configure', { ...args, x: args.x - x, y: args.y - y });
        return Verdict.Drop;
      },
    },
  };

  #shiftOf(popup: RelayObject): { readonly x: number; readonly y: number } {
    const parent = this.#parents.get(popup);
    return (parent && this.surfaces.windowOf(parent)?.shift) ?? { x: 0, y: 0 };
  }

  /** Says something with the positioner as the compositor has to understand it. */
  #shifted(relay: Relay, popup: RelayObject, positioner: RelayObject<'xdg_positioner'>, say: () => void): void {
    const { x, y } = this.#shiftOf(popup);
    const anchor = this.#anchors.get(positioner);
    const shifted = anchor !== undefined && (x !== 0 || y !== 0);
    if (shifted) relay.request(positioner, 'set_anchor_rect', { ...anchor, x: anchor.x + x, y: anchor.y + y });
    say();
    if (shifted) relay.request(positioner, 'set_anchor_rect', anchor);
  }
}
