/**
 * What the relay of an Xwayland hears for its selections: the seat, serials of input, and the events of the objects that are
 * ours. Xwayland has no data devices, so none of these is told to it.
 */
import { Verdict } from '../../relay/call.js';
import type { Concern } from '../../relay/chain.js';
import type { RelayObject } from '../../relay/object-map.js';
import { Offer, Source, WaylandSelection } from './wayland-selection.js';

export interface InputWatch {
  seat(seat: RelayObject<'wl_seat'>): void;
  serial(serial: number): void;
}

/** Calls back the {@link WaylandSelection}s by the `data` of their objects. */
export function selectionsConcern(input: InputWatch): Concern {
  const offerMade = (object: RelayObject, device: RelayObject): void => {
    if (device.data instanceof WaylandSelection) object.data = new Offer(device.data, object);
  };
  const mimeType = ({ object, args }: OfferCall): Verdict => {
    if (object.data instanceof Offer) object.data.has(args.mime_type);
    return Verdict.Drop;
  };
  const selected = ({ object, args }: SelectionCall): Verdict => {
    if (object.data instanceof WaylandSelection) {
      object.data.selected(args.id?.data instanceof Offer ? args.id.data : undefined);
    }
    return Verdict.Drop;
  };
  const cancelled = ({ object }: { readonly object: RelayObject }): Verdict => {
    if (object.data instanceof Source && !object.destroyed) object.data.selection.cancelled(object.data);
    return Verdict.Drop;
  };
  const serial = ({ args }: { readonly args: { readonly serial: number } }): Verdict => {
    input.serial(args.serial);
    return Verdict.Forward;
  };
  return {
    name: 'x11 selections',
    after: ['x11 scale', 'x11 surfaces', 'x11 windows', 'x11 drags'],
    made: {
      wl_seat: seat => input.seat(seat),
      wl_data_offer: (object, call) => offerMade(object, call.object),
      zwp_primary_selection_offer_v1: (object, call) => offerMade(object, call.object),
    },
    events: {
      wl_keyboard: { enter: serial, key: serial },
      wl_pointer: { enter: serial, button: serial },
      wl_touch: { down: serial },
      wl_data_device: { selection: selected },
      wl_data_offer: { offer: mimeType },
      wl_data_source: {
        send: call => {
          const { data } = call.object;
          if (data instanceof Source) data.selection.sent(data, call.args.mime_type, call.takeFd());
          return Verdict.Drop;
        },
        cancelled,
      },
      zwp_primary_selection_device_v1: { selection: selected },
      zwp_primary_selection_offer_v1: { offer: mimeType },
      zwp_primary_selection_source_v1: {
        send: call => {
          const { data } = call.object;
          if (data instanceof Source) data.selection.sent(data, call.args.mime_type, call.takeFd());
          return Verdict.Drop;
        },
        cancelled,
      },
    },
  };
}

interface OfferCall {
  readonly object: RelayObject;
  readonly args: { readonly mime_type: string };
}

interface SelectionCall {
  readonly object: RelayObject;
  readonly args: { readonly id?: RelayObject | undefined };
}
