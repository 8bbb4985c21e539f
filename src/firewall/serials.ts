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
import { ConnectionNote, Note } from '../relay/note.js';
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

const PRESS: readonly SerialKind[] = ['press'];
const ENTER: readonly SerialKind[] = ['enter'];
const ACTIONS: readonly SerialKind[] = ['press', 'release'];
/** Grabs of a client that was given no serial. */
const NONE: ReadonlySet<RelayObject> = new Set();
const ANY: readonly SerialKind[] = ['press', 'release', 'enter', 'focus', 'drag'];

/** What one client was given, and has made of it. */
class Client {
  readonly serials = new Serials();
  /** Popups with a grab that was granted and goes on: one above another needs no new action of the user. */
  readonly grabbing = new Set<RelayObject>();
}

/** Of a client that was given one. */
const clients = new ConnectionNote<Client>();

/** The concern for all connections. */
export function serialsConcern(): Concern {
  const ended = (popup: RelayObject, relay: Relay): void => void clients.get(relay)?.grabbing.delete(popup);
  return {
    name: 'serials',
    after: [...CHECKS, 'lifetimes', 'construction', 'dismissals', 'roles'],
    made: MADE,
    gone: { xdg_popup: ended },
    events: {
      ...GIVERS,
      xdg_popup: {
        popup_done: ({ relay, object }) => {
          ended(object, relay);
          return Verdict.Forward;
        },
      },
    },
    requests: takers(),
  };
}

/** Which seat an object is of, by the number that the registry calls the seat: a client may bind it more than once. */
const seats = new Note<number>();

function seatOf(object: RelayObject): number {
  return seats.get(object) ?? -1;
}

function asItsMaker(object: RelayObject, call: Call<string, never>): void {
  seats.set(object, seatOf(call.object));
}

const asArgument =
  (name: string) =>
  (object: RelayObject, { args }: Call<string, never>): void => {
    const from = (args as Readonly<Record<string, RelayObject | undefined>>)[name];
    if (from !== undefined) seats.set(object, seatOf(from));
  };

const MADE: NonNullable<Concern['made']> = {
  wl_seat: (seat, { args }) => seats.set(seat, (args as unknown as { readonly name: number }).name),
  wl_pointer: asItsMaker,
  wl_keyboard: asItsMaker,
  wl_touch: asItsMaker,
  wl_data_device: asArgument('seat'),
  zwp_primary_selection_device_v1: asArgument('seat'),
  gtk_primary_selection_device: asArgument('seat'),
  zwp_tablet_seat_v2: asArgument('seat'),
  zwp_tablet_tool_v2: asItsMaker,
  wp_cursor_shape_device_v1: (object, call) => {
    asArgument('pointer')(object, call);
    asArgument('tablet_tool')(object, call);
  },
};

function give({ relay, object }: Pick<Call, 'relay' | 'object'>, serial: number, kind: SerialKind): Verdict {
  (clients.get(relay) ?? clients.set(relay, new Client())).serials.give(serial, kind, seatOf(object));
  return Verdict.Forward;
}

/** Events that give serials. */
const GIVERS: EventHandlers = {
  wl_pointer: {
    enter: call => give(call, call.args.serial, 'enter'),
    button: call =>
      give(call, call.args.serial, call.args.state === WlPointerButtonState.pressed ? 'press' : 'release'),
  },
  wl_keyboard: {
    enter: call => give(call, call.args.serial, 'focus'),
    key: call => give(call, call.args.serial, call.args.state === WlKeyboardKeyState.released ? 'release' : 'press'),
    modifiers: call => give(call, call.args.serial, 'focus'),
  },
  wl_touch: {
    down: call => give(call, call.args.serial, 'press'),
    up: call => give(call, call.args.serial, 'release'),
  },
  wl_data_device: { enter: call => give(call, call.args.serial, 'drag') },
  zwp_tablet_tool_v2: {
    proximity_in: call => give(call, call.args.serial, 'enter'),
    down: call => give(call, call.args.serial, 'press'),
    button: call => give(call, call.args.serial, call.args.state === 1 ? 'press' : 'release'),
  },
};

/** Requests that need one. */
function takers(): RequestHandlers {
  const find = (
    relay: Relay,
    serial: number,
    of: RelayObject,
    kinds: readonly SerialKind[],
    maxAgeMs?: number,
  ): Given | undefined => clients.get(relay)?.serials.find(serial, seatOf(of), kinds, maxAgeMs);
  const acted = ({ relay, args: { seat, serial } }: ByUser): Verdict =>
    find(relay, serial, seat, ACTIONS, USER_ACTION_MS) === undefined ? Verdict.Drop : Verdict.Forward;
  const entered = ({ relay, object, args }: Taking): Verdict =>
    find(relay, args.serial, object, ENTER) === undefined ? Verdict.Drop : Verdict.Forward;
  const selects = ({ relay, object, args }: Selecting): Verdict =>
    find(relay, args.serial, object, ANY) === undefined ? refuse(relay, args.source) : Verdict.Forward;
  return {
    xdg_popup: {
      grab: ({ relay, object, args: { seat, serial } }) => {
        const client = clients.get(relay);
        const grabbing = client?.grabbing ?? NONE;
        const parent = knownLife(object)?.parent;
        const nested = parent !== undefined && grabbing.has(parent);
        const action = find(relay, serial, seat, ACTIONS, nested ? Infinity : USER_ACTION_MS);
        // wlroots 0.15 keeps a pointer to a popup that grabs over what was never shown.
        const refused = action === undefined || !parentIsShown(object);
        // One above the other: a second chain beside one that grabs, or one popup twice, is what 0.15 loses count of.
        const top = [...grabbing].findLast(popupLives);
        const outOfOrder = grabbing.has(object) || (top !== undefined && top !== parent) || isShown(object);
        if (refused || outOfOrder || (!nested && ++action.grabs > GRABS_PER_ACTION)) {
          dismiss(relay, object);
          return Verdict.Drop;
        }
        client!.grabbing.add(object);
        return Verdict.Forward;
      },
    },
    xdg_toplevel: { move: acted, resize: acted, show_window_menu: acted },
    wl_data_device: {
      start_drag: ({ relay, object, args }) => {
        const pressed = find(relay, args.serial, object, PRESS, USER_ACTION_MS);
        if (pressed === undefined || pressed.dragged) return refuse(relay, args.source);
        pressed.dragged = true;
        return Verdict.Forward;
      },
      set_selection: selects,
    },
    zwp_primary_selection_device_v1: { set_selection: selects },
    gtk_primary_selection_device: { set_selection: selects },
    wl_pointer: { set_cursor: entered },
    zwp_tablet_tool_v2: { set_cursor: entered },
    wp_cursor_shape_device_v1: { set_shape: entered },
    xdg_activation_token_v1: {
      set_serial: ({ relay, args: { serial, seat } }) =>
        find(relay, serial, seat, ANY, USER_ACTION_MS) === undefined ? Verdict.Drop : Verdict.Forward,
    },
  };
}

/** What a request says that needs an action of the user, one of a device, and one that selects. */
interface ByUser {
  readonly relay: Relay;
  readonly args: { readonly seat: RelayObject; readonly serial: number };
}
interface Taking {
  readonly relay: Relay;
  readonly object: RelayObject;
  readonly args: { readonly serial: number };
}
interface Selecting extends Taking {
  readonly args: { readonly serial: number; readonly source: RelayObject<SourceName> | undefined };
}

/** What a client offers others. */
type SourceName = 'wl_data_source' | 'zwp_primary_selection_source_v1' | 'gtk_primary_selection_source';

/** A source that a request offered is not taken: its client is told so, as by a compositor, and may let go of it. */
function refuse(relay: Relay, source: RelayObject<SourceName> | undefined): Verdict {
  if (source !== undefined) relay.emitEvent(source, 'cancelled', {});
  return Verdict.Drop;
}
