/**
 * Where the user's keys go stays the user's affair. While keys are pressed in a window of one VM, no window of another
 * appears, and none makes itself active or fills the screen: what would take the keyboard waits until the user pauses, and
 * {@link MAX_HOLD_MS} at most. A VM in which the user has acted last does not wait.
 *
 * What waits is the commit that would show a window for the first time. State that the client adds to that surface
 * meanwhile would be shown with it before the client said so, so a client that goes on drawing there is stalled until then.
 * One that waits for its first frame, as most do, notices nothing, and its other windows go on.
 *
 * Seen are the keys that clients of VMs get. What is typed into a program of the compositor VM itself is not.
 */
import { Verdict, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { WlKeyboardKeyState, WlPointerButtonState } from '../wayland/protocols/wayland.js';
import { knownLife, lifeOf, toplevelOf } from './life.js';
import { dismiss } from './lifetimes.js';

/**
 * How long after the last key the user still counts as typing, in milliseconds. Slow typists have 400 ms between keys;
 * who has paused for longer can look.
 */
export const TYPING_MS = 500;
/** The longest that anything waits, in milliseconds: a window that does not come for longer is taken for broken. */
export const MAX_HOLD_MS = 3_000;

/** What {@link Focus} has of time. In tests it is theirs. */
export interface Clock {
  /** In milliseconds, from anywhere. */
  now(): number;
  /** Calls `run` once, later; the result calls that off. */
  after(ms: number, run: () => void): () => void;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};

interface Held {
  readonly vm: string;
  readonly since: number;
  readonly release: () => void;
}

/** What the user does with the clients of all VMs, and what waits for it. */
export class Focus {
  /** The VM of the last key, and when that was pressed. */
  #typed: { readonly vm: string; readonly at: number } | undefined;
  /** The VM in which a key, a button, a finger or a pen went down last. */
  #acted: string | undefined;
  /** In the order in which they came. */
  readonly #held = new Set<Held>();
  #cancel: (() => void) | undefined;

  constructor(private readonly clock: Clock = CLOCK) {}

  /** What waits now. */
  get held(): number {
    return this.#held.size;
  }

  /** A key went down in a client of `vm`. */
  typed(vm: string): void {
    this.#typed = { vm, at: this.clock.now() };
    this.acted(vm);
  }

  /** Something else went down there, or a key did. */
  acted(vm: string): void {
    const before = this.#acted;
    this.#acted = vm;
    if (before !== vm) this.#look();
  }

  /** Whether the user has acted last in a client of another VM. */
  isElsewhere(vm: string): boolean {
    return this.#acted !== undefined && this.#acted !== vm;
  }

  /** Whether what would take the keyboard to `vm` has to wait. */
  isBusyFor(vm: string): boolean {
    const typed = this.#typed;
    return typed !== undefined && typed.vm !== vm && this.isElsewhere(vm) && this.clock.now() - typed.at < TYPING_MS;
  }

  /** Calls `release` as soon as it may be. The result calls it off. */
  hold(vm: string, release: () => void): () => void {
    const held: Held = { vm, since: this.clock.now(), release };
    this.#held.add(held);
    if (this.#cancel === undefined) this.#look();
    return () => this.#held.delete(held);
  }

  /** Releases what may go, and looks again when the next may. */
  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const held of this.#held) {
      if (this.isBusyFor(held.vm) && this.clock.now() - held.since < MAX_HOLD_MS) continue;
      this.#held.delete(held);
      held.release();
    }
    this.#lookLater();
  }

  #lookLater(): void {
    // Releasing may have made others wait, and look.
    this.#cancel?.();
    this.#cancel = undefined;
    const [oldest] = this.#held;
    if (oldest === undefined) return;
    const due = Math.min((this.#typed?.at ?? 0) + TYPING_MS, oldest.since + MAX_HOLD_MS);
    this.#cancel = this.clock.after(Math.max(due - this.clock.now(), 1), () => this.#look());
  }
}

/**
 * The concern for one connection of `vm`. It comes after all others that handle a request which it keeps (`after`): what
 * is to be said about that has been said then.
 * @param hold false: what the VM shows is shown at once; keys in it count all the same
 */
export function focusConcern(vm: string, focus: Focus, hold: boolean, after: readonly string[]): Concern {
  const windows = new Windows(vm, focus);
  return {
    name: 'focus',
    after,
    events: userActions(vm, focus),
    ...(hold && {
      requests: windows.requests,
      gone: { wl_surface: windows.forget, xdg_toplevel: windows.forgetToplevel },
    }),
  };
}

function userActions(vm: string, focus: Focus): EventHandlers {
  const acted = (): Verdict => {
    focus.acted(vm);
    return Verdict.Forward;
  };
  return {
    wl_keyboard: {
      key: ({ args }) => {
        if (args.state === WlKeyboardKeyState.pressed) focus.typed(vm);
        return Verdict.Forward;
      },
    },
    wl_pointer: {
      button: ({ args }) => (args.state === WlPointerButtonState.pressed ? acted() : Verdict.Forward),
    },
    wl_touch: { down: acted },
    zwp_tablet_tool_v2: { down: acted },
  };
}

/** What is known of a surface that has had a buffer. */
interface Shown {
  /** Whether anything has been attached since the last commit, and what: undefined takes the picture away. */
  attaches: boolean;
  buffer: RelayObject<'wl_buffer'> | undefined;
  /** The window that it is shown as. A surface may become another one. */
  as: RelayObject | undefined;
  /** Its first frame waits. Calls that off. */
  callOff: (() => void) | undefined;
}

/** Of a surface. */
const frames = new Note<Shown>();

/** The windows of one connection. */
class Windows {
  /** What waits besides, one of a kind for each object: calls that off. */
  readonly #wishes = new WeakMap<RelayObject, () => void>();

  constructor(
    private readonly vm: string,
    private readonly focus: Focus,
  ) {}

  /** The surface is gone: nothing of it is to be shown. */
  readonly forget = (surface: RelayObject): void => {
    frames.get(surface)?.callOff?.();
    frames.delete(surface);
  };

  readonly forgetToplevel = (toplevel: RelayObject): void => {
    this.#wishes.get(toplevel)?.();
    const surface = knownLife(toplevel)?.surface;
    const shown = surface && frames.get(surface);
    if (shown === undefined) return;
    shown.callOff?.();
    shown.callOff = undefined;
    lifeOf(surface!).withheld = false;
    shown.as = undefined;
  };

  /** Whether the first frame of a surface waits. */
  #waits(surface: RelayObject | undefined): boolean {
    return surface !== undefined && frames.get(surface)?.callOff !== undefined;
  }

  /** State of a surface: not before its first frame is shown. */
  readonly #state = ({ object }: { readonly object: RelayObject }): Verdict =>
    this.#waits(object) ? Verdict.Stall : Verdict.Forward;

  readonly #viewport = ({ object }: { readonly object: RelayObject }): Verdict =>
    this.#waits(knownLife(object)?.needs.find(need => need.object.is('wl_surface'))?.object)
      ? Verdict.Stall
      : Verdict.Forward;

  readonly requests: RequestHandlers = {
    wl_surface: {
      attach: ({ object, args: { buffer } }) => {
        let shown = frames.get(object);
        if (shown?.callOff !== undefined) return Verdict.Stall;
        if (shown === undefined) {
          shown = { attaches: true, buffer, as: undefined, callOff: undefined };
          frames.set(object, shown);
        }
        shown.attaches = true;
        shown.buffer = buffer;
        return Verdict.Forward;
      },
      damage: this.#state,
      damage_buffer: this.#state,
      set_buffer_scale: this.#state,
      set_buffer_transform: this.#state,
      offset: this.#state,
      commit: ({ relay, object }) => this.#commit(relay, object),
    },
    wp_viewport: { set_source: this.#viewport, set_destination: this.#viewport },
    xdg_surface: {
      // A popup is shown above a window that is shown.
      get_popup: ({ args: { parent } }) =>
        this.#waits(parent && knownLife(parent)?.surface) ? Verdict.Stall : Verdict.Forward,
    },
    xdg_popup: {
      grab: ({ relay, object }) => {
        if (!this.focus.isElsewhere(this.vm)) return Verdict.Forward;
        dismiss(relay, object);
        return Verdict.Drop;
      },
    },
    xdg_toplevel: {
      set_fullscreen: ({ relay, object, args: { output } }) => {
        const surface = knownLife(object)?.surface;
        // One that is not shown yet will wait for that.
        if (surface === undefined || frames.get(surface)?.as !== object) return Verdict.Forward;
        return this.#wish(relay, object, () =>
          relay.request(object, 'set_fullscreen', { output: output?.destroyed === true ? undefined : output }),
        );
      },
      unset_fullscreen: ({ object }) => {
        this.#wishes.get(object)?.();
        return Verdict.Forward;
      },
    },
    xdg_activation_v1: {
      activate: ({ relay, object, args: { token, surface } }) =>
        this.#wish(relay, surface, () => {
          if (!object.destroyed) relay.request(object, 'activate', { token, surface });
        }),
    },
  };

  #commit(relay: Relay, surface: RelayObject<'wl_surface'>): Verdict {
    const shown = frames.get(surface);
    if (shown?.callOff !== undefined) return Verdict.Drop;
    if (shown?.attaches !== true) return Verdict.Forward;
    const { buffer } = shown;
    shown.attaches = false;
    shown.buffer = undefined;
    if (buffer === undefined) {
      shown.as = undefined;
      return Verdict.Forward;
    }
    const toplevel = toplevelOf(surface);
    if (toplevel === undefined || shown.as === toplevel) return Verdict.Forward;
    const show = (): void => {
      // Whether a compositor shows a buffer that was destroyed before the commit is its own affair.
      shown.as = buffer.destroyed ? undefined : toplevel;
    };
    if (!this.focus.isBusyFor(this.vm)) {
      show();
      return Verdict.Forward;
    }
    const life = lifeOf(surface);
    life.withheld = true;
    shown.callOff = this.focus.hold(this.vm, () => {
      shown.callOff = undefined;
      life.withheld = false;
      show();
      relay.request(surface, 'commit', {});
      relay.flush();
      relay.resume('requests');
    });
    return Verdict.Drop;
  }

  /** Something that takes the keyboard too: at once or later; the last of several counts. */
  #wish(relay: Relay, object: RelayObject, say: () => void): Verdict {
    this.#wishes.get(object)?.();
    if (!this.focus.isBusyFor(this.vm)) return Verdict.Forward;
    const callOff = this.focus.hold(this.vm, () => {
      this.#wishes.delete(object);
      if (object.destroyed || object.inert !== undefined || relay.closed) return;
      say();
      relay.flush();
    });
    this.#wishes.set(object, callOff);
    return Verdict.Drop;
  }
}
