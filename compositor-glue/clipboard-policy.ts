/**
 * Who may read and write the clipboard and the primary selection. A VM that may not read is never told what is there:
 * neither the kinds of data nor the data. What the user drops onto one of its windows is its own in any case. A VM that
 * may not write has its selections declined, as if another client had taken over at once.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import type { RelayObject } from '../src/relay/object-map.js';
import type { VmPolicy } from './policy.js';

/** Kinds of data of one offer that are held back: browsers offer some ten, file managers some twenty. */
export const MAX_HELD_MIME_TYPES = 256;
/** Characters of all of them together: a kind is a few dozen long. */
export const MAX_HELD_MIME_CHARACTERS = 16 * 1024;

/** What is known of a wl_data_offer that a VM without the right to read was given. */
interface Offer {
  /** Kinds of data, held back until it turns out to be a drop. */
  readonly mimeTypes: string[];
  /** Characters in them. */
  held: number;
  dropped: boolean;
}

/** The concern that enforces the policy; it handles nothing where that allows everything. */
export function clipboardConcern(policy: VmPolicy): Concern {
  return {
    name: 'clipboard',
    after: FIREWALL,
    requests: { ...(!policy.writeClipboard && noWriting), ...(!policy.readClipboard && noReading) },
    events: policy.readClipboard ? {} : nothingToRead,
  };
}

const noWriting: RequestHandlers = {
  wl_data_device: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
  zwp_primary_selection_device_v1: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
  gtk_primary_selection_device: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
};

/** The source is told that it is not the selection (any more). */
function declined(cancel: () => void): Verdict {
  cancel();
  return Verdict.Drop;
}

const noReading: RequestHandlers = {
  wl_data_offer: { receive: call => (offerOf(call.object).dropped ? Verdict.Forward : unanswered(call)) },
  zwp_primary_selection_offer_v1: { receive: unanswered },
  gtk_primary_selection_offer: { receive: unanswered },
};

const nothingToRead: EventHandlers = {
  wl_data_offer: {
    offer: ({ object, args: { mime_type: mimeType } }) => {
      const offer = offerOf(object);
      if (offer.dropped) return Verdict.Forward;
      const fits = offer.held + mimeType.length <= MAX_HELD_MIME_CHARACTERS;
      if (fits && offer.mimeTypes.length < MAX_HELD_MIME_TYPES) {
        offer.mimeTypes.push(mimeType);
        offer.held += mimeType.length;
      }
      return Verdict.Drop;
    },
  },
  wl_data_device: {
    selection: ({ relay, object, args: { id: offer } }) => {
      // The offer is no drop, so what was held back of it is not going to be told. Its client may never destroy it.
      if (offer !== undefined) holdNothing(offerOf(offer));
      relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
    enter: ({ relay, args: { id: object } }) => {
      if (object === undefined) return Verdict.Forward;
      const offer = offerOf(object);
      offer.dropped = true;
      for (const mimeType of offer.mimeTypes) relay.emitEvent(object, 'offer', { mime_type: mimeType });
      holdNothing(offer);
      return Verdict.Forward;
    },
  },
  zwp_primary_selection_offer_v1: { offer: () => Verdict.Drop },
  gtk_primary_selection_offer: { offer: () => Verdict.Drop },
  zwp_primary_selection_device_v1: {
    selection: ({ relay, object }) => {
      relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
  },
  gtk_primary_selection_device: {
    selection: ({ relay, object }) => {
      relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
  },
};

/** Who waits for data reads that there is none. */
function unanswered(call: Call): Verdict {
  call.takeFd(call.fds.length - 1).close();
  return Verdict.Drop;
}

/** Forgets what was held back, and holds nothing more. */
function holdNothing(offer: Offer): void {
  offer.mimeTypes.length = 0;
  offer.held = Infinity;
}

function offerOf(object: RelayObject): Offer {
  return (object.data ??= { mimeTypes: [], held: 0, dropped: false }) as Offer;
}
