/**
 * What must have been said before: a window shows nothing before it has a role and was configured, a configure is
 * acknowledged once, a popup grabs before it is shown, a subsurface is placed beside a sibling, a seat gives no device that
 * it never had. A compositor refuses each of these itself, by ending the client. Then nobody tells it what some have to be told
 * before (`prepareEnd` in `lifetimes.ts`), and the order of destruction is all that it has (`order.ts`). So the glue refuses
 * first, and `lifetimes.ts` takes the objects away.
 */
import { ProtocolError, Verdict, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { WlSeatCapability, WlSeatError, WlSubsurfaceError } from '../wayland/protocols/wayland.js';
import { ZxdgToplevelDecorationV1Error } from '../wayland/protocols/xdg-decoration-unstable-v1.js';
import { XdgPopupError, XdgSurfaceError, XdgWmBaseError } from '../wayland/protocols/xdg-shell.js';
import { CHECKS } from './checks.js';
import { isShown, knownLife, lifeOf, xdgSurfaceOf, type Life } from './life.js';

/**
 * Configures of a window that are remembered until they are acknowledged. Programs that hang while they are resized leave
 * some hundred; of what is older an acknowledgement is dropped, as if a newer one had come first.
 */
export const MAX_PENDING_CONFIGURES = 1024;

/** Configures of one xdg_surface. */
export class Configures {
  /** Since it was last made or hidden, one was acknowledged. */
  configured = false;
  /** Not acknowledged, oldest first. */
  #pending: number[] = [];
  /** Sent before the window was hidden, or forgotten: no compositor wants to hear of them. */
  #stale = new Set<number>();
  /** Beginnings anew that the compositor has not got to: what comes meanwhile was sent before. */
  #underWay = 0;
  /** The commit at hand makes it begin anew. */
  #restarts = false;

  /** `relay`: that of its connection. */
  constructor(private readonly relay: Relay) {}

  sent(serial: number): void {
    if (this.#underWay > 0) return this.#forget([serial]);
    this.#pending.push(serial);
    if (this.#pending.length > MAX_PENDING_CONFIGURES) this.#forget(this.#pending.splice(0, 1));
  }

  /** The client acknowledges it. What it is worth: `unknown` was never sent, or is acknowledged already. */
  acknowledge(serial: number): 'good' | 'stale' | 'unknown' {
    const at = this.#pending.indexOf(serial);
    if (at < 0) return this.#stale.has(serial) ? 'stale' : 'unknown';
    this.#pending.splice(0, at + 1);
    this.configured = true;
    return 'good';
  }

  /** The surface is committed. One that `hides` the window makes it begin anew. */
  committed(hides: boolean): void {
    this.#restarts = hides;
    if (hides) this.#restart();
  }

  /** The window has lost its role, and begins anew. */
  lostRole(): void {
    this.#restart();
    this.restarted();
  }

  #restart(): void {
    this.configured = false;
    this.#forget(this.#pending.splice(0));
  }

  /** The request that makes it begin anew has just been said to the compositor. */
  restarted(): void {
    this.#restarts = false;
    this.#underWay += 1;
    this.relay.sync(() => (this.#underWay -= 1));
  }

  /** Whether the commit at hand makes it begin anew. */
  get restarts(): boolean {
    return this.#restarts;
  }

  #forget(serials: readonly number[]): void {
    for (const serial of serials) this.#stale.add(serial);
    for (const oldest of this.#stale) {
      if (this.#stale.size <= MAX_PENDING_CONFIGURES) break;
      this.#stale.delete(oldest);
    }
  }
}

/** Of an xdg_surface. */
const configures = new Note<Configures>();

/** The concern for one connection. */
export function constructionConcern(): Concern {
  const of = (xdgSurface: RelayObject): Configures => configures.get(xdgSurface)!;
  /** A role object is gone, and what was configured is not any more. */
  const restart = (roleObject: RelayObject): void => {
    const xdgSurface = xdgSurfaceOf(roleObject);
    if (xdgSurface !== undefined) of(xdgSurface).lostRole();
  };
  const seats = new Seats();
  return {
    name: 'construction',
    after: [...CHECKS, 'lifetimes', 'seats'],
    made: { xdg_surface: (xdgSurface, { relay }) => configures.set(xdgSurface, new Configures(relay)) },
    gone: {
      xdg_toplevel: restart,
      xdg_popup: restart,
    },
    events: {
      xdg_surface: {
        configure: ({ object, args }) => {
          of(object).sent(args.serial);
          return Verdict.Forward;
        },
      },
      ...seats.events,
    },
    requests: { ...windows(of), ...seats.requests },
  };
}

/** The configures of a window that the commit at hand hides; undefined where it hides none. */
export function hiddenNow(surface: RelayObject): Configures | undefined {
  const xdgSurface = knownLife(surface)?.roleObject;
  const its = xdgSurface && configures.get(xdgSurface);
  return its?.restarts === true ? its : undefined;
}

/** Whether the surface was a popup's, which may have been dismissed without the client knowing. */
function wasPopup(life: Life | undefined): boolean {
  return life?.role === 'xdg_popup';
}

function notConstructed(xdgSurface: RelayObject, request: string): ProtocolError {
  const text = `${request}: ${String(xdgSurface)} is no window or popup yet`;
  return new ProtocolError(xdgSurface.clientId, XdgSurfaceError.not_constructed, text);
}

function windows(of: (xdgSurface: RelayObject) => Configures): RequestHandlers {
  const needsRole = (xdgSurface: RelayObject, request: string): void => {
    const life = knownLife(xdgSurface);
    if (life?.roleObject !== undefined || wasPopup(life?.surface && knownLife(life.surface))) return;
    throw notConstructed(xdgSurface, request);
  };
  /** A toplevel is moved, sized and asked about by the user, who has seen it. */
  const configuredFirst = ({ object }: { readonly object: RelayObject }): Verdict => {
    const xdgSurface = xdgSurfaceOf(object);
    if (xdgSurface === undefined || of(xdgSurface).configured) return Verdict.Forward;
    const text = `${String(object)} has not been configured yet`;
    throw new ProtocolError(xdgSurface.clientId, XdgSurfaceError.not_constructed, text);
  };
  return {
    wl_surface: {
      commit: ({ object }) => {
        const life = knownLife(object);
        const xdgSurface = life?.roleObject;
        if (life === undefined || xdgSurface?.is('xdg_surface') !== true) return Verdict.Forward;
        if (knownLife(xdgSurface)?.roleObject === undefined) {
          if (wasPopup(life)) return Verdict.Forward;
          throw notConstructed(xdgSurface, 'commit');
        }
        const its = of(xdgSurface);
        if (life.attached === true && !its.configured) {
          const text = `a buffer was committed before ${String(xdgSurface)} was configured`;
          throw new ProtocolError(xdgSurface.clientId, XdgSurfaceError.unconfigured_buffer, text);
        }
        its.committed(life.attached === false && life.shown);
        return Verdict.Forward;
      },
    },
    xdg_wm_base: {
      get_xdg_surface: ({ object, args: { surface, id } }) => {
        const life = knownLife(surface);
        const shown = life?.shown === true && !life.emptied;
        if (life?.attached !== true && !shown) return Verdict.Forward;
        const text = `${String(surface)} has a buffer already, before ${String(object)} makes xdg_surface#${id} of it`;
        throw new ProtocolError(object.clientId, XdgWmBaseError.invalid_surface_state, text);
      },
    },
    xdg_surface: {
      ack_configure: ({ object, args: { serial } }) => {
        needsRole(object, 'ack_configure');
        const worth = of(object).acknowledge(serial);
        if (worth === 'good') return Verdict.Forward;
        if (worth === 'stale') return Verdict.Drop;
        const text = `ack_configure: ${serial} is no configure of ${String(object)}, or is acknowledged already`;
        throw new ProtocolError(object.clientId, XdgSurfaceError.invalid_serial, text);
      },
      set_window_geometry: ({ object }) => {
        needsRole(object, 'set_window_geometry');
        return Verdict.Forward;
      },
    },
    xdg_toplevel: { move: configuredFirst, resize: configuredFirst, show_window_menu: configuredFirst },
    xdg_popup: {
      grab: ({ object }) => {
        // Compositors of wlroots look whether it was committed at all. One that was dismissed says nothing (`roles.ts`).
        const life = knownLife(object);
        if (!isShown(object) && (life?.committed !== true || life.dismissed)) return Verdict.Forward;
        const text = `${String(object)} is shown already, or about to be`;
        throw new ProtocolError(object.clientId, XdgPopupError.invalid_grab, text);
      },
    },
    zxdg_decoration_manager_v1: {
      get_toplevel_decoration: ({ object, args: { toplevel } }) => {
        const surface = knownLife(toplevel)?.surface;
        const life = surface && knownLife(surface);
        if (life?.attached !== true && life?.shown !== true) return Verdict.Forward;
        const text = `${String(toplevel)} has a buffer already`;
        throw new ProtocolError(object.clientId, ZxdgToplevelDecorationV1Error.unconfigured_buffer, text);
      },
    },
    wl_subsurface: {
      place_above: ({ object, args: { sibling } }) => placedBeside(object, 'place_above', sibling),
      place_below: ({ object, args: { sibling } }) => placedBeside(object, 'place_below', sibling),
    },
  };
}

/** A subsurface is placed beside its parent, or another subsurface of that. */
function placedBeside(subsurface: RelayObject, request: string, sibling: RelayObject): Verdict {
  const surface = knownLife(subsurface)?.surface;
  const parent = surface && knownLife(surface)?.parent;
  const itsParent = knownLife(sibling)?.roleObject?.is('wl_subsurface') === true ? lifeOf(sibling).parent : undefined;
  if (sibling !== surface && parent !== undefined && (sibling === parent || itsParent === parent)) {
    return Verdict.Forward;
  }
  const text = `${request}: ${String(sibling)} is no parent or sibling`;
  throw new ProtocolError(subsurface.clientId, WlSubsurfaceError.bad_surface, text);
}

/** No capability has this bit: the seat was gone before it told any. */
const SEAT_GONE = -1;

/** Which devices each seat has had. */
class Seats {
  /** Bits of wl_seat.capability, from the first time that they were told. */
  readonly #had = new WeakMap<RelayObject, number>();
  /** As they were told last. */
  readonly #has = new WeakMap<RelayObject, number>();
  readonly #asked = new WeakSet<RelayObject>();

  readonly events: EventHandlers = {
    wl_seat: {
      capabilities: ({ relay, object, args: { capabilities } }) => {
        this.#had.set(object, (this.#had.get(object) ?? 0) | capabilities);
        this.#has.set(object, capabilities);
        relay.resume('requests');
        return Verdict.Forward;
      },
    },
  };

  readonly requests: RequestHandlers = {
    wl_seat: {
      get_pointer: ({ relay, object, args }) => this.#ask(relay, object, 'pointer', args.id),
      get_keyboard: ({ relay, object, args }) => this.#ask(relay, object, 'keyboard', args.id),
      get_touch: ({ relay, object, args }) => this.#ask(relay, object, 'touch', args.id),
    },
  };

  #ask(relay: Relay, seat: RelayObject, what: 'pointer' | 'keyboard' | 'touch', id: number): Verdict {
    const had = this.#had.get(seat);
    if (had === undefined) {
      if (this.#asked.has(seat)) return Verdict.Stall;
      this.#asked.add(seat);
      // The compositor tells them as soon as the seat is bound: before it answers this.
      relay.sync(() => {
        // Bound as it went away, the seat tells nothing any more.
        if (!this.#had.has(seat)) this.#had.set(seat, SEAT_GONE);
        relay.resume('requests');
      });
      return Verdict.Stall;
    }
    const bit = WlSeatCapability[what];
    if ((had & bit) === 0) {
      const text = `${String(seat)} has had no ${what}`;
      throw new ProtocolError(seat.clientId, WlSeatError.missing_capability, text);
    }
    if (had !== SEAT_GONE && ((this.#has.get(seat) ?? 0) & bit) !== 0) return Verdict.Forward;
    // What it had and has not any more is nothing to the compositor either (`seats.ts`).
    relay.adopt(`wl_${what}`, seat.version, id, true).inert = { text: `its seat has no ${what} any more` };
    return Verdict.Drop;
  }
}
