/**
 * The two protocols by which Wayland programs exchange selections. They say the same in other words; here are the words.
 */
import type { RelayObject } from '../../relay/object-map.js';
import type { Relay } from '../../relay/relay.js';
import type { OwnedFd } from '../../system/fd.js';
import type { Shell } from '../shell.js';

/** What is said to the compositor. Objects are those that the same protocol has made. */
export interface DeviceProtocol {
  readonly name: 'clipboard' | 'primary selection';
  /** Undefined: the compositor does not have it. `data`: that of the device, which events find. */
  device(shell: Shell, seat: RelayObject<'wl_seat'>, data: unknown): RelayObject | undefined;
  source(shell: Shell, data: unknown): RelayObject;
  offer(relay: Relay, source: RelayObject, type: string): void;
  select(relay: Relay, device: RelayObject, source: RelayObject, serial: number): void;
  endSource(relay: Relay, source: RelayObject): void;
  /** Takes ownership of `sink`. */
  receive(relay: Relay, offer: RelayObject, type: string, sink: OwnedFd): void;
  endOffer(relay: Relay, offer: RelayObject): void;
}

export const CLIPBOARD: DeviceProtocol = {
  name: 'clipboard',
  device(shell, seat, data) {
    const manager = shell.global('wl_data_device_manager');
    if (manager === undefined) return undefined;
    const id = shell.relay.inject('wl_data_device', manager.version, data);
    shell.relay.request(manager, 'get_data_device', { id, seat });
    return id;
  },
  source(shell, data) {
    const manager = shell.global('wl_data_device_manager')!;
    const id = shell.relay.inject('wl_data_source', manager.version, data);
    shell.relay.request(manager, 'create_data_source', { id });
    return id;
  },
  offer: (relay, source, mime_type) => relay.request(source as RelayObject<'wl_data_source'>, 'offer', { mime_type }),
  select: (relay, device, source, serial) =>
    relay.request(device as RelayObject<'wl_data_device'>, 'set_selection', {
      source: source as RelayObject<'wl_data_source'>,
      serial,
    }),
  endSource: (relay, source) => relay.request(source as RelayObject<'wl_data_source'>, 'destroy', {}),
  receive: (relay, offer, mime_type, fd) =>
    relay.request(offer as RelayObject<'wl_data_offer'>, 'receive', { mime_type, fd }),
  endOffer: (relay, offer) => relay.request(offer as RelayObject<'wl_data_offer'>, 'destroy', {}),
};

export const PRIMARY: DeviceProtocol = {
  name: 'primary selection',
  device(shell, seat, data) {
    const manager = shell.global('zwp_primary_selection_device_manager_v1');
    if (manager === undefined) return undefined;
    const id = shell.relay.inject('zwp_primary_selection_device_v1', manager.version, data);
    shell.relay.request(manager, 'get_device', { id, seat });
    return id;
  },
  source(shell, data) {
    const manager = shell.global('zwp_primary_selection_device_manager_v1')!;
    const id = shell.relay.inject('zwp_primary_selection_source_v1', manager.version, data);
    shell.relay.request(manager, 'create_source', { id });
    return id;
  },
  offer: (relay, source, mime_type) =>
    relay.request(source as RelayObject<'zwp_primary_selection_source_v1'>, 'offer', { mime_type }),
  select: (relay, device, source, serial) =>
    relay.request(device as RelayObject<'zwp_primary_selection_device_v1'>, 'set_selection', {
      source: source as RelayObject<'zwp_primary_selection_source_v1'>,
      serial,
    }),
  endSource: (relay, source) => relay.request(source as RelayObject<'zwp_primary_selection_source_v1'>, 'destroy', {}),
  receive: (relay, offer, mime_type, fd) =>
    relay.request(offer as RelayObject<'zwp_primary_selection_offer_v1'>, 'receive', { mime_type, fd }),
  endOffer: (relay, offer) => relay.request(offer as RelayObject<'zwp_primary_selection_offer_v1'>, 'destroy', {}),
};
