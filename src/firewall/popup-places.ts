/**
 * Popups stay where their client wants them. It names places by its own window geometry, and where the compositor was told
 * a larger one (`geometry.ts`), they have to be counted from there: on the way out in the positioner, on the way back in
 * the popup's configure.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Surfaces } from './surfaces.js';

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Anchor extends Place {
  readonly width: number;
  readonly height: number;
}

/** What a positioner's popup is anchored to. */
interface Anchors {
  /** By the client. */
  readonly own: Anchor;
  /** As the compositor was told last. */
  told: Anchor;
}

export class PopupPlaces {
  readonly #anchors = new WeakMap<RelayObject, Anchors>();
  readonly #parents = new WeakMap<RelayObject, RelayObject>();

  constructor(private readonly surfaces: Surfaces) {}

  /** A popup has been made. */
  made(popup: RelayObject<'xdg_popup'>, { args }: Call<string, never>): void {
    const { parent } = args as { parent?: RelayObject };
    if (parent !== undefined) this.#parents.set(popup, parent);
  }

  readonly requests: RequestHandlers = {
    xdg_positioner: {
      set_anchor_rect: ({ object, args }) => {
        this.#anchors.set(object, { own: args, told: args });
        return Verdict.Forward;
      },
    },
    xdg_surface: {
      get_popup: ({ relay, args: { parent, positioner } }) => {
        this.#anchor(relay, positioner, parent);
        return Verdict.Forward;
      },
    },
    xdg_popup: {
      reposition: ({ relay, object, args: { positioner } }) => {
        this.#anchor(relay, positioner, this.#parents.get(object));
        return Verdict.Forward;
      },
    },
  };

  readonly events: EventHandlers = {
    xdg_popup: {
      configure: ({ relay, object, args }) => {
        const { x, y } = this.#shiftOf(this.#parents.get(object));
        if (x === 0 && y === 0) return Verdict.Forward;
        relay.emitEvent(object, 'configure', { ...args, x: args.x - x, y: args.y - y });
        return Verdict.Drop;
      },
    },
  };

  #shiftOf(parent: RelayObject | undefined): Place {
    return (parent && this.surfaces.windowOf(parent)?.shift) ?? { x: 0, y: 0 };
  }

  /** Has the positioner say the place in the parent as the compositor knows that. */
  #anchor(relay: Relay, positioner: RelayObject<'xdg_positioner'>, parent: RelayObject | undefined): void {
    const anchors = this.#anchors.get(positioner);
    if (anchors === undefined) return;
    const { own, told } = anchors;
    const shift = this.#shiftOf(parent);
    const wanted = { ...own, x: own.x + shift.x, y: own.y + shift.y };
    if (wanted.x === told.x && wanted.y === told.y) return;
    anchors.told = wanted;
    relay.request(positioner, 'set_anchor_rect', wanted);
  }
}
