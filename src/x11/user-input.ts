/**
 * What the user does in X windows, by pointer, finger, pen or keys, on its way to Xwayland: which window it is done in, and the
 * serial of each press. Moving and resizing by a client's own frame, and asking to be active, begin with the last one.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';

/** A button, a finger or the tip of a pen has gone down. */
export interface Press {
  readonly seat: RelayObject<'wl_seat'>;
  readonly serial: number;
}

export interface UserWatch {
  /** The user does something. */
  acts(): void;
  /** It is done in this surface from now on. */
  pointed(surface: RelayObject<'wl_surface'>): void;
  /** A button, a finger or the tip of a pen goes down. */
  pressed(press: Press): void;
  /** A key goes down or up. */
  typed(): void;
}

/** Of each device, and each pen, the seat is noted in its `data`. */
export function userInput(watch: UserWatch): Required<Pick<Concern, 'events' | 'made'>> {
  const pointed = (surface: RelayObject<'wl_surface'> | undefined): Verdict => {
    watch.acts();
    if (surface !== undefined) watch.pointed(surface);
    return Verdict.Forward;
  };
  const pressed = ({ data }: RelayObject, serial: number): Verdict => {
    watch.acts();
    const seat = data as RelayObject<'wl_seat'> | undefined;
    if (seat !== undefined) watch.pressed({ seat, serial });
    return Verdict.Forward;
  };
  const ofSeat = (device: RelayObject, { object }: { readonly object: RelayObject }): void => {
    if (object.is('wl_seat')) device.data = object;
  };
  return {
    events: {
      wl_pointer: {
        enter: ({ args: { surface } }) => pointed(surface),
        button: ({ object, args: { serial, state } }) => (state === 1 ? pressed(object, serial) : pointed(undefined)),
      },
      wl_touch: {
        down: ({ object, args: { serial, surface } }) => {
          pointed(surface);
          return pressed(object, serial);
        },
      },
      zwp_tablet_tool_v2: {
        proximity_in: ({ args: { surface } }) => pointed(surface),
        down: ({ object, args: { serial } }) => pressed(object, serial),
      },
      wl_keyboard: {
        key: () => {
          watch.acts();
          watch.typed();
          return Verdict.Forward;
        },
      },
    },
    made: {
      wl_pointer: ofSeat,
      wl_touch: ofSeat,
      zwp_tablet_seat_v2: (object, { args }) => {
        object.data = (args as { readonly seat: RelayObject }).seat;
      },
      // The compositor makes these, one for each pen and its other end.
      zwp_tablet_tool_v2: (tool, { object }) => {
        tool.data = object.data;
      },
    },
  };
}
