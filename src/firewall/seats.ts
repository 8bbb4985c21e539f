/**
 * Devices of a seat that a client has let go of, or that is without them. By the protocol the former go on; wlroots
 * destroys them with the client's last `wl_seat` of that seat, and takes their own release, which the client owes, for a
 * mistake. The latter go when the user unplugs them; wlroots 0.15 reads through a pointer that is gone when a client asks
 * to lock it, and ends. So they are released, with what was made of them, and are inert for the client.
 *
 * The last `wl_seat` itself stays with the compositor until the client leaves: to wlroots a client without one is none that
 * a drag can be of, or a finger, and it reads through what it has freed when either goes on.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { ConnectionNote, Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { WlSeatCapability } from '../wayland/protocols/wayland.js';
import { takeAway } from './lifetimes.js';

/** What a client has of one seat of the compositor's. */
interface Held {
  readonly seats: Set<RelayObject>;
  readonly devices: Set<RelayObject>;
  /** The compositor has one more wl_seat of it, which the client has let go of. */
  kept: boolean;
}

/** What a seat has to say that it has, by the device. */
const CAPABILITIES = {
  wl_pointer: WlSeatCapability.pointer,
  wl_keyboard: WlSeatCapability.keyboard,
  wl_touch: WlSeatCapability.touch,
} as const;

/** Of a connection, by the registry's number for the seat. */
const held = new ConnectionNote<Map<number, Held>>();
/** Of each object that is counted there. */
const groups = new Note<Held>();

/** The concern for all connections. */
export function seatsConcern(): Concern {
  const made = (device: RelayObject, call: { readonly object: RelayObject }): void => {
    const group = groups.get(call.object);
    if (group === undefined) return;
    group.devices.add(device);
    groups.set(device, group);
  };
  const gone = (device: RelayObject): void => void groups.get(device)?.devices.delete(device);
  return {
    name: 'seats',
    after: ['lifetimes'],
    made: {
      wl_seat: (seat, { relay, args }) => {
        const { name } = args as unknown as { readonly name: number };
        const ofClient = held.get(relay) ?? held.set(relay, new Map<number, Held>());
        let group = ofClient.get(name);
        if (group === undefined) ofClient.set(name, (group = { seats: new Set(), devices: new Set(), kept: false }));
        group.seats.add(seat);
        groups.set(seat, group);
      },
      wl_pointer: made,
      wl_keyboard: made,
      wl_touch: made,
    },
    gone: {
      wl_seat: (seat, relay) => {
        const group = groups.get(seat);
        group?.seats.delete(seat);
        if (group?.kept === true) return;
        const ofClient = held.get(relay)!;
        for (const [name, each] of ofClient) if (each === group && each.seats.size === 0) ofClient.delete(name);
      },
      wl_pointer: gone,
      wl_keyboard: gone,
      wl_touch: gone,
    },
    events: {
      wl_seat: {
        capabilities: ({ relay, object, args: { capabilities } }) => {
          for (const device of groups.get(object)?.devices ?? []) {
            const bit = CAPABILITIES[device.interface.name as keyof typeof CAPABILITIES];
            if ((capabilities & bit) === 0) takeAway(relay, device, { then: 'inert' });
          }
          return Verdict.Forward;
        },
      },
    },
    requests: {
      wl_seat: {
        release: ({ relay, object }) => {
          const group = groups.get(object);
          if (group?.seats.size !== 1) return Verdict.Forward;
          for (const device of group.devices) takeAway(relay, device, { then: 'inert' });
          if (group.kept) return Verdict.Forward;
          relay.keep(object);
          group.kept = true;
          return Verdict.Drop;
        },
      },
    },
  };
}
