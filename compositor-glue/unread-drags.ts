/**
 * Drags over the windows of a VM that may not read the clipboard. What only passes is none of its business, and what is
 * dropped is its own. A compositor delivers a drop only where the one under it has accepted one of the kinds before, so
 * as long as something hovers, the glue accepts in the client's place and the client gets no event; with the drop it
 * gets them all at once: the offer with its kinds, that it entered, and that it was dropped.
 *
 * The action is chosen here too: to copy, else to move, else to ask, of what the source offers.
 */
import { Verdict, type EventHandlers, type RequestHandlers } from '../src/relay/call.js';
import type { RelayObject } from '../src/relay/object-map.js';
import type { Relay } from '../src/relay/relay.js';
import { WlDataDeviceManagerDndAction } from '../src/wayland/protocols/wayland.js';

/** Kinds of data of one offer that are held back: browsers offer some ten, file managers some twenty. */
export const MAX_HELD_MIME_TYPES = 256;
/** Characters of all of them together: a kind is a few dozen long. */
export const MAX_HELD_MIME_CHARACTERS = 16 * 1024;

/** Since which version offers have actions. */
const ACTIONS_SINCE = 3;

/** What is known of a wl_data_offer that was not announced to the client. */
interface Offer {
  /** Kinds of data. */
  readonly mimeTypes: string[];
  /** Characters in them. */
  held: number;
  /** Actions that the source offers. */
  sourceActions: number | undefined;
  /** The one that the compositor told. */
  action: number | undefined;
  /** It was dropped, and is the client's. */
  dropped: boolean;
}

/** Something that is dragged over a window. */
interface Hover {
  readonly offer: RelayObject<'wl_data_offer'>;
  readonly surface: RelayObject<'wl_surface'>;
  readonly serial: number;
  x: number;
  y: number;
  /** Of the last motion. */
  time: number | undefined;
}

/** What hovers, by data device. */
const hovers = new WeakMap<RelayObject, Hover>();

/** Whether the offer was dropped onto a window of its client. */
export function wasDropped(offer: RelayObject): boolean {
  return offerOf(offer).dropped;
}

/** The compositor may forget an offer that was never announced to the client. */
export function discard(relay: Relay, offer: RelayObject<'wl_data_offer'>): void {
  const { mimeTypes } = offerOf(offer);
  mimeTypes.length = 0;
  relay.request(offer, 'destroy', {});
}

export const unreadDragRequests: RequestHandlers = {
  wl_data_offer: {
    // Both were settled while it hovered.
    accept: () => Verdict.Drop,
    set_actions: ({ object }) =>
      offerOf(object).action === WlDataDeviceManagerDndAction.ask ? Verdict.Forward : Verdict.Drop,
  },
};

export const unreadDragEvents: EventHandlers = {
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
    source_actions: ({ object, args }) => {
      const offer = offerOf(object);
      offer.sourceActions = args.source_actions;
      return offer.dropped ? Verdict.Forward : Verdict.Drop;
    },
    action: ({ object, args }) => {
      const offer = offerOf(object);
      offer.action = args.dnd_action;
      return offer.dropped ? Verdict.Forward : Verdict.Drop;
    },
  },
  wl_data_device: {
    // The offer is remembered as one that the client does not know.
    data_offer: () => Verdict.Drop,
    enter: ({ relay, object, args }) => {
      leave(relay, object);
      const { id: offer, surface, serial, x, y } = args;
      // Without an offer it is a drag of the client's own, inside of it.
      if (offer === undefined) return Verdict.Forward;
      if (surface === undefined || object.destroyed) {
        discard(relay, offer);
        return Verdict.Drop;
      }
      hovers.set(object, { offer, surface, serial, x, y, time: undefined });
      accept(relay, offer, serial);
      return Verdict.Drop;
    },
    motion: ({ object, args }) => {
      const hover = hovers.get(object);
      if (hover === undefined) return Verdict.Forward;
      Object.assign(hover, args);
      return Verdict.Drop;
    },
    leave: ({ relay, object }) => (leave(relay, object) ? Verdict.Drop : Verdict.Forward),
    drop: ({ relay, object }) => {
      const hover = hovers.get(object);
      if (hover === undefined) return Verdict.Forward;
      hovers.delete(object);
      if (object.destroyed || hover.surface.destroyed) {
        discard(relay, hover.offer);
        return Verdict.Drop;
      }
      deliver(relay, object, hover);
      return Verdict.Forward;
    },
  },
};

/** What hovered has left. False where nothing hovered that was kept from the client. */
function leave(relay: Relay, device: RelayObject<'wl_data_device'>): boolean {
  const hover = hovers.get(device);
  if (hover === undefined) return false;
  hovers.delete(device);
  discard(relay, hover.offer);
  return true;
}

/** Says yes in the client's place: to the first kind, and to one of the actions. */
function accept(relay: Relay, object: RelayObject<'wl_data_offer'>, serial: number): void {
  const offer = offerOf(object);
  if (offer.mimeTypes.length === 0) return;
  relay.request(object, 'accept', { serial, mime_type: offer.mimeTypes[0] });
  if (object.version < ACTIONS_SINCE) return;
  const { copy, move, ask } = WlDataDeviceManagerDndAction;
  const action = [copy, move, ask].find(each => ((offer.sourceActions ?? 0) & each) !== 0);
  if (action !== undefined) relay.request(object, 'set_actions', { dnd_actions: action, preferred_action: action });
}

/** Tells the client of the whole drag, up to the drop itself, and gives it the offer. */
function deliver(relay: Relay, device: RelayObject<'wl_data_device'>, hover: Hover): void {
  const { offer: object, surface, serial, x, y, time } = hover;
  const offer = offerOf(object);
  offer.dropped = true;
  relay.introduce(object);
  relay.emitEvent(device, 'data_offer', { id: object });
  for (const mimeType of offer.mimeTypes) relay.emitEvent(object, 'offer', { mime_type: mimeType });
  offer.mimeTypes.length = 0;
  if (offer.sourceActions !== undefined) {
    relay.emitEvent(object, 'source_actions', { source_actions: offer.sourceActions });
  }
  relay.emitEvent(device, 'enter', { serial, surface, x, y, id: object });
  if (time !== undefined) relay.emitEvent(device, 'motion', { time, x, y });
  if (offer.action !== undefined) relay.emitEvent(object, 'action', { dnd_action: offer.action });
}

function offerOf(object: RelayObject): Offer {
  return (object.data ??= {
    mimeTypes: [],
    held: 0,
    sourceActions: undefined,
    action: undefined,
    dropped: false,
  }) as Offer;
}
