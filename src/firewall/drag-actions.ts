/**
 * What may be done with what is dragged: a source says it once, before it is used; the one who takes the offer says it of
 * a drag, and finishes a drag that was dropped on it and is copied or moved. The rest is an error of the source's or the
 * offer's own, as compositors of wlroots have it.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import { WlDataDeviceManagerDndAction, WlDataOfferError, WlDataSourceError } from '../wayland/protocols/wayland.js';
import { allOf, bitsOf, keeping, wrong } from './value-rules.js';

const { none, copy, move, ask } = WlDataDeviceManagerDndAction;

const maskedOfSource = keeping('wl_data_source', 'set_actions', {
  dnd_actions: bitsOf(WlDataDeviceManagerDndAction, WlDataSourceError.invalid_action_mask),
});
const maskedOfOffer = keeping('wl_data_offer', 'set_actions', {
  dnd_actions: bitsOf(WlDataDeviceManagerDndAction, WlDataOfferError.invalid_action_mask),
});

/** What is known of an offer. */
interface Offer {
  /** Unknown until it is said what it is of: right after it was made. */
  of: 'drag' | 'selection' | undefined;
  dropped: boolean;
  /** The client does not want it as any kind of data. */
  refused: boolean;
  /** What will be done, by the compositor's word; of what was dropped to be asked about, by the client's. */
  action: number;
}

/** The concern for one connection. */
export function dragsConcern(): Concern {
  const offers = new Offers();
  return {
    name: 'drags',
    after: ['values', 'agreement'],
    requests: { ...sources(), wl_data_offer: offers.requests },
    events: offers.events,
  };
}

/** A source is told its actions once, before it is used. */
function sources(): RequestHandlers {
  const said = new WeakSet<RelayObject>();
  const used = new WeakSet<RelayObject>();
  const use = ({ args: { source } }: { readonly args: { readonly source?: RelayObject | undefined } }): Verdict => {
    if (source !== undefined) used.add(source);
    return Verdict.Forward;
  };
  return {
    wl_data_source: {
      set_actions: call => {
        const { object } = call;
        const why = said.has(object)
          ? 'it was told its actions already'
          : used.has(object)
            ? 'it was used already'
            : '';
        if (why !== '') throw wrong(object, WlDataSourceError.invalid_action_mask, 'set_actions', why);
        said.add(object);
        return maskedOfSource(call);
      },
    },
    wl_data_device: { start_drag: use, set_selection: use },
  };
}

class Offers {
  readonly #known = new WeakMap<RelayObject, Offer>();
  /** What hovers, by data device. */
  readonly #hovering = new WeakMap<RelayObject, Offer>();

  readonly events: EventHandlers = {
    wl_data_device: {
      enter: ({ object, args: { id } }) => {
        if (id === undefined) this.#hovering.delete(object);
        else {
          const offer = this.#of(id);
          offer.of = 'drag';
          this.#hovering.set(object, offer);
        }
        return Verdict.Forward;
      },
      leave: ({ object }) => {
        this.#hovering.delete(object);
        return Verdict.Forward;
      },
      drop: ({ object }) => {
        const offer = this.#hovering.get(object);
        if (offer !== undefined) offer.dropped = true;
        return Verdict.Forward;
      },
      selection: ({ args: { id } }) => {
        if (id !== undefined) this.#of(id).of = 'selection';
        return Verdict.Forward;
      },
    },
    wl_data_offer: {
      action: ({ object, args }) => {
        this.#of(object).action = args.dnd_action;
        return Verdict.Forward;
      },
    },
  };

  readonly requests: NonNullable<RequestHandlers['wl_data_offer']> = {
    accept: ({ object, args: { mime_type: mimeType } }) => {
      this.#of(object).refused = mimeType === undefined;
      return Verdict.Forward;
    },
    set_actions: call => this.#setActions(call),
    finish: ({ object }) => {
      const { of, dropped, refused, action } = this.#of(object);
      if (of === 'drag' && dropped && !refused && (action === copy || action === move)) return Verdict.Forward;
      const why =
        of !== 'drag'
          ? 'it is not dragged'
          : !dropped
            ? 'it was not dropped'
            : refused
              ? 'it was not accepted'
              : `nothing was to be done with it (${action})`;
      throw wrong(object, WlDataOfferError.invalid_finish, 'finish', why);
    },
  };

  #setActions(
    call: Call<'wl_data_offer', { readonly dnd_actions: number; readonly preferred_action: number }>,
  ): Verdict {
    const { object, args } = call;
    const { dnd_actions: actions, preferred_action: preferred } = args;
    maskedOfOffer(call);
    const one = preferred === none || preferred === copy || preferred === move || preferred === ask;
    if (!one || (preferred & ~actions) !== 0) {
      const text = `the action ${preferred} is preferred, of ${actions}`;
      throw wrong(object, WlDataOfferError.invalid_action, 'set_actions', text);
    }
    const offer = this.#of(object);
    if (offer.of === 'selection')
      throw wrong(object, WlDataOfferError.invalid_offer, 'set_actions', 'it is not dragged');
    // The user was asked, and this is the answer, of which the compositor says nothing any more.
    if (offer.dropped && offer.action === ask && preferred !== ask) offer.action = preferred || lowest(actions);
    return Verdict.Forward;
  }

  #of(object: RelayObject): Offer {
    let offer = this.#known.get(object);
    if (offer === undefined) {
      offer = { of: undefined, dropped: false, refused: false, action: none };
      this.#known.set(object, offer);
    }
    return offer;
  }
}

/** What a compositor chooses of actions where none is preferred. */
function lowest(actions: number): number {
  return actions & allOf(WlDataDeviceManagerDndAction) & -actions;
}
