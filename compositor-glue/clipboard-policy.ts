/**
 * Who may read and write the clipboard and the primary selection. A VM that may not read is never told what is there:
 * neither the kinds of data nor the data. What the user drops onto one of its windows is its own in any case. A VM that
 * may not write has its selections declined, as if another client had taken over at once.
 */
import { Verdict, type Call, type Handlers } from '../src/relay/call.js';
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

type Tables = Readonly<Record<string, Handlers>>;

/** Handlers of requests and events that enforce the policy; empty where it allows everything. */
export function clipboardHandlers(policy: VmPolicy): { readonly requests: Tables; readonly events: Tables } {
  const requests: Record<string, Handlers> = {};
  const events: Record<string, Handlers> = {};
  if (!policy.writeClipboard) {
    for (const device of ['wl_data_device', 'zwp_primary_selection_device_v1', 'gtk_primary_selection_device']) {
      requests[device] = { set_selection: declined };
    }
  }
  if (!policy.readClipboard) {
    requests.wl_data_offer = {
      receive: call => (offerOf(call.object).dropped ? Verdict.Forward : unanswered(call)),
    };
    events.wl_data_offer = {
      offer: call => {
        const offer = offerOf(call.object);
        if (offer.dropped) return Verdict.Forward;
        const [mimeType] = call.args() as [string];
        const fits = offer.held + mimeType.length <= MAX_HELD_MIME_CHARACTERS;
        if (fits && offer.mimeTypes.length < MAX_HELD_MIME_TYPES) {
          offer.mimeTypes.push(mimeType);
          offer.held += mimeType.length;
        }
        return Verdict.Drop;
      },
    };
    events.wl_data_device = { selection: nothingThere, enter: dragEntered };
    for (const kind of ['zwp_primary_selection', 'gtk_primary_selection']) {
      const suffix = kind.startsWith('zwp') ? '_v1' : '';
      requests[`${kind}_offer${suffix}`] = { receive: unanswered };
      events[`${kind}_offer${suffix}`] = { offer: () => Verdict.Drop };
      events[`${kind}_device${suffix}`] = { selection: nothingThere };
    }
  }
  return { requests, events };
}

/** The source hears that it is not the selection (any more). */
function declined(call: Call): Verdict {
  const source = call.uint(0) === 0 ? undefined : call.relay.clientObject(call.uint(0));
  const isSource = source?.interface.events.some(event => event.name === 'cancelled') === true;
  if (source !== undefined && isSource && !source.destroyed) call.relay.emitEvent(source, 'cancelled', []);
  return Verdict.Drop;
}

/** Whoever waits for data reads that there is none. */
function unanswered(call: Call): Verdict {
  call.takeFd(call.fds.length - 1).close();
  return Verdict.Drop;
}

function nothingThere(call: Call): Verdict {
  // The offer is no drop, so what was held back of it is not going to be told. Its client may never destroy it.
  const id = call.uint(0);
  const offer = id === 0 ? undefined : call.relay.clientObject(id);
  if (offer?.interface.name === 'wl_data_offer') holdNothing(offerOf(offer));
  call.relay.emitEvent(call.object, 'selection', [null]);
  return Verdict.Drop;
}

function dragEntered(call: Call): Verdict {
  const id = call.uint(4);
  const object = id === 0 ? undefined : call.relay.clientObject(id);
  if (object === undefined) return Verdict.Forward;
  const offer = offerOf(object);
  offer.dropped = true;
  for (const mimeType of offer.mimeTypes) call.relay.emitEvent(object, 'offer', [mimeType]);
  holdNothing(offer);
  return Verdict.Forward;
}

/** Forgets what was held back, and holds nothing more. */
function holdNothing(offer: Offer): void {
  offer.mimeTypes.length = 0;
  offer.held = Infinity;
}

function offerOf(object: Call['object']): Offer {
  return (object.data ??= { mimeTypes: [], held: 0, dropped: false }) as Offer;
}
