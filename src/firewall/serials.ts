/**
 * Serials: what a client may do because the user did something in its window (take a grab, move its window, put something
 * in the clipboard, change the pointer) needs the serial of that. A request passes only with a serial that this client was
 * given on that seat, of a kind that allows it, and not long ago. A compositor of wlroots believes any number.
 *
 * What is refused is answered as a compositor does that looks: a popup is dismissed, a selection's source cancelled, and
 * the rest is as if it had not been said.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { WlKeyboardKeyState, WlPointerButtonState } from '../wayland/protocols/wayland.js';
import { CHECKS } from './checks.js';
import { isShown, knownLife, parentIsShown, popupLives } from './life.js';
import { dismiss } from './lifetimes.js';

/** What a serial was given for. */
export type SerialKind =
  /** A button, a key, a finger or a pen went down. */
  | 'press'
  /** One of them went up. */
  | 'release'
  /** The pointer, or a pen, came over a surface. */
  | 'enter'
  /** The keyboard came to a surface, or its modifiers changed. */
  | 'focus'
  /** Something that is dragged came over a surface. */
  | 'drag';

/** Serials of one client that are remembered, the newest ones: some minutes of typing, a second of the wildest pointing. */
export const MAX_SERIALS = 256;
/**
 * How long after a press or release it may be used for a grab, a move or a drag, in milliseconds. Menus open at once; a
 * program that starts to swap may take seconds; a grab that comes later than this would take what the user does then for
 * something else.
 */
export const USER_ACTION_MS = 15_000;
/** Popups at the top level that one action of the user may open: a menu, and what it turns into. */
export const GRABS_PER_ACTION = 4;

interface Given {
  readonly kind: SerialKind;
  readonly seat: number;
  /** In milliseconds, of `performance.now()`. */
  readonly at: number;
  grabs: number;
  /** A drag was begun by it. One press is one drag: wlroots 0.15 does not free those that it does not begin. */
  dragged: boolean;
}

/** What a client was given, newest last. */
export class Serials {
  readonly #given = new Map<number, Given>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Notes a serial that an event gives. `seat` is the registry's name of it. */
  give(serial: number, kind: SerialKind, seat: number): void {
    // Given twice (two keyboards of one seat are told the same), it counts for the last time.
    this.#given.delete(serial);
    this.#given.set(serial, { kind, seat, at: this.now(), grabs: 0, dragged: false });
    if (this.#given.size <= MAX_SERIALS) return;
    const [oldest] = this.#given.keys();
    this.#given.delete(oldest!);
  }

  /** The serial, if it was given on that seat for one of `kinds`, within `maxAgeMs`. */
  find(serial: number, seat: number, kinds: readonly SerialKind[], maxAgeMs = Infinity): Given | undefined {
    const given = this.#given.get(serial);
    if (given?.seat !== seat || !kinds.includes(given.kind)) return undefined;
    return this.now() - given.at <= maxAgeMs ? given : undefined;
  }
}

const ACTIONS: readonly SerialKind[] = ['press', 'release'];
const ANY: readonly SerialKind[] = ['press', 'release', 'enter', 'focus', 'drag'];

/** The concern for one connection. */
export function serialsConcern(serials = new Serials()): Concern {
  const seats = new Seats();
  /** Popups with a grab that was granted and goes on: one above another needs no new action of the user. */
  const grabbing = new Set<RelayObject>();
  return {
    name: 'serials',
    after: [...CHECKS, 'lifetimes', 'construction', 'dismissals', 'roles'],
    made: seats.made,
    gone: { xdg_popup: popup => grabbing.delete(popup) },
    events: {
      ...givers(serials, seats),
      xdg_popup: {
        popup_done: ({ object }) => {
          grabbing.delete(object);
          return Verdict.Forward;
        },
      },
    },
    requests: takers(serials, seats, grabbing),
  };
}

/** Which seat an object is of, by the number that the registry calls the seat: a client may bind it more than once. */
class Seats {
  readonly #seats = new WeakMap<RelayObject, number>();

  of(object: RelayObject): number {
    return this.#seats.get(object) ?? -1;
  }

  readonly #maker = (object: RelayObject, call: Call<string, never>): void => {
    this.#seats.set(object, this.of(call.object));
  };
  readonly #argument =
    (name: string) =>
    (object: RelayObject, { args }: Call<string, never>): void => {
      const from = (args as Readonly<Record<string, RelayObject | undefined>>)[name];
      if (from !== undefined) this.#seats.set(object, this.of(from));
    };

  readonly made: NonNullable<Concern['made']> = {
    wl_seat: (seat, { args }) => this.#seats.set(seat, (args as { name: number }).name),
    wl_pointer: this.#maker,
    wl_keyboard: this.#maker,
    wl_touch: this.#maker,
    wl_data_device: this.#argument('seat'),
    zwp_primary_selection_device_v1: this.#argument('seat'),
    gtk_primary_selection_device: this.#argument('seat'),
    zwp_tablet_seat_v2: this.#argument('seat'),
    zwp_tablet_tool_v2: this.#maker,
    wp_cursor_shape_device_v1: (object, call) => {
      this.#argument('pointer')(object, call);
      this.#argument('tablet_tool')(object, call);
    },
  };
}

/** Events that give serials. */
function givers(serials: Serials, seats: Seats): EventHandlers {
  const give = (object: RelayObject, serial: number, kind: SerialKind): Verdict => {
    serials.give(serial, kind, seats.of(object));
    return Verdict.Forward;
  };
  return {
    wl_pointer: {
      enter: ({ object, args }) => give(object, args.serial, 'enter'),
      button: ({ object, args }) =>
        give(object, args.serial, args.state === WlPointerButtonState.pressed ? 'press' : 'release'),
    },
    wl_keyboard: {
      enter: ({ object, args }) => give(object, args.serial, 'focus'),
      key: ({ object, args }) =>
        give(object, args.serial, args.state === WlKeyboardKeyState.released ? 'release' : 'press'),
      modifiers: ({ object, args }) => give(object, args.serial, 'focus'),
    },
    wl_touch: {
      down: ({ object, args }) => give(object, args.serial, 'press'),
      up: ({ object, args }) => give(object, args.serial, 'release'),
    },
    wl_data_device: { enter: ({ object, args }) => give(object, args.serial, 'drag') },
    zwp_tablet_tool_v2: {
      proximity_in: ({ object, args }) => give(object, args.serial, 'enter'),
      down: ({ object, args }) => give(object, args.serial, 'press'),
      button: ({ object, args }) => give(object, args.serial, args.state === 1 ? 'press' : 'release'),
    },
  };
}

/** Requests that need one. */
function takers(serials: Serials, seats: Seats, grabbing: Set<RelayObject>): RequestHandlers {
  const acted = (seat: RelayObject, serial: number): Verdict =>
    serials.find(serial, seats.of(seat), ACTIONS, USER_ACTION_MS) === undefined ? Verdict.Drop : Verdict.Forward;
  const entered = (device: RelayObject, serial: number): Verdict =>
    serials.find(serial, seats.of(device), ['enter']) === undefined ? Verdict.Drop : Verdict.Forward;
  const selects = (device: RelayObject, serial: number): boolean =>
    serials.find(serial, seats.of(device), ANY) !== undefined;
  return {
    xdg_popup: {
      grab: ({ relay, object, args: { seat, serial } }) => {
        const parent = knownLife(object)?.parent;
        const nested = parent !== undefined && grabbing.has(parent);
        const action = serials.find(serial, seats.of(seat), ACTIONS, nested ? Infinity : USER_ACTION_MS);
        // wlroots 0.15 keeps a pointer to a popup that grabs over what was never shown.
        const refused = action === undefined || !parentIsShown(object);
        // One above the other: a second chain beside one that grabs, or one popup twice, is what 0.15 loses count of.
        const top = [...grabbing].findLast(popupLives);
        const outOfOrder = grabbing.has(object) || (top !== undefined && top !== parent) || isShown(object);
        if (refused || outOfOrder || (!nested && ++action.grabs > GRABS_PER_ACTION)) {
          dismiss(relay, object);
          return Verdict.Drop;
        }
        grabbing.add(object);
        return Verdict.Forward;
      },
    },
    xdg_toplevel: {
      move: ({ args }) => acted(args.seat, args.serial),
      resize: ({ args }) => acted(args.seat, args.serial),
      show_window_menu: ({ args }) => acted(args.seat, args.serial),
    },
    wl_data_device: {
      start_drag: ({ relay, object, args }) => {
        const pressed = serials.find(args.serial, seats.of(object), ['press'], USER_ACTION_MS);
        if (pressed === undefined || pressed.dragged) return refuse(relay, args.source);
        pressed.dragged = true;
        return Verdict.Forward;
      },
      set_selection: ({ relay, object, args }) =>
        selects(object, args.serial) ? Verdict.Forward : refuse(relay, args.source),
    },
    zwp_primary_selection_device_v1: {
      set_selection: ({ relay, object, args }) =>
        selects(object, args.serial) ? Verdict.Forward : refuse(relay, args.source),
    },
    gtk_primary_selection_device: {
      set_selection: ({ relay, object, args }) =>
        selects(object, args.serial) ? Verdict.Forward : refuse(relay, args.source),
    },
    wl_pointer: { set_cursor: ({ object, args }) => entered(object, args.serial) },
    zwp_tablet_tool_v2: { set_cursor: ({ object, args }) => entered(object, args.serial) },
    wp_cursor_shape_device_v1: { set_shape: ({ object, args }) => entered(object, args.serial) },
    xdg_activation_token_v1: {
      set_serial: ({ args: { serial, seat } }) =>
        serials.find(serial, seats.of(seat), ANY, USER_ACTION_MS) === undefined ? Verdict.Drop : Verdict.Forward,
    },
  };
}

/** What a client offers others. */
type SourceName = 'wl_data_source' | 'zwp_primary_selection_source_v1' | 'gtk_primary_selection_source';

/** A source that a request offered is not taken: its client is told so, as by a compositor, and may let go of it. */
function refuse(relay: Relay, source: RelayObject<SourceName> | undefined): Verdict {
  if (source !== undefined) relay.emitEvent(source, 'cancelled', {});
  return Verdict.Drop;
}
