/**
 * What windows are made of on the compositor's side: its `xdg_wm_base` and what goes with it, bound on Xwayland's
 * connection by us. Xwayland itself does not see these globals. Who starts an X11 program that does not behave loses
 * that connection, and with it all X11 programs of this Xwayland, and nothing else.
 */
import { Verdict, type EventHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { globalsConcern, type GlobalPolicy } from '../relay/globals.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Global } from '../wayland/global-table.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { Dismissals } from './dismissals.js';
import { guardedBy, type Guarded } from './guarded.js';
import { Outputs } from './outputs.js';
import { wordsOf } from './wire.js';

/** Newest version of each that is used. */
const VERSIONS = {
  wl_compositor: 4,
  wl_subcompositor: 1,
  wl_shm: 1,
  xdg_wm_base: 6,
  zxdg_decoration_manager_v1: 1,
  xdg_activation_v1: 1,
  xdg_toplevel_icon_manager_v1: 1,
  xdg_wm_dialog_v1: 1,
  wp_viewporter: 1,
  wl_data_device_manager: 3,
  zwp_primary_selection_device_manager_v1: 1,
} as const;
type ShellGlobal = keyof typeof VERSIONS;

/** What a window hears of the compositor; `data` of the objects that it is made of. */
export interface Configured {
  /** All events before this one are to be taken over together. */
  configure?(serial: number): void;
  sized?(width: number, height: number, states: readonly number[]): void;
  /** The user wants it closed. */
  closeAsked?(): void;
  /** The compositor has taken a popup away. */
  dismissed?(): void;
  /** Of an activation token. */
  token?(token: string): void;
}

export class Shell {
  readonly outputs = new Outputs();
  readonly dismissals = new Dismissals(() => this.relay);
  readonly #globals = new Map<string, Global>();
  readonly #bound = new Map<string, RelayObject>();
  #registry: RelayObject<'wl_registry'> | undefined;
  #relay: Relay | undefined;

  /** Set once {@link attach} has been called. */
  get relay(): Relay {
    return this.#relay!;
  }

  /** Of what is called outside of any message of the relay's: see {@link guardedBy}. */
  get guarded(): Guarded {
    return guardedBy(this.relay);
  }

  /** A global that a registry of our own has announced. */
  sees(global: Global): void {
    if (global.interface in VERSIONS) this.#globals.set(global.interface, global);
  }

  /** Which globals Xwayland sees, by `policy`, and which of them we do. */
  globals(policy: GlobalPolicy): Concern {
    // To bind one that is gone would be a mistake. What is bound already goes on.
    const gone = (name: number): void => {
      for (const global of this.#globals.values()) if (global.name === name) this.#globals.delete(global.interface);
    };
    return globalsConcern(policy, global => this.sees(global), [], gone);
  }

  /**
   * Asks for the globals; `ready` is called when they are known, with what is wrong where windows cannot be made. `scaled`:
   * they are shown smaller than they are drawn.
   */
  attach(relay: Relay, scaled: boolean, ready: (problem: Error | undefined) => void): void {
    this.#relay = relay;
    this.#registry = relay.inject('wl_registry', 1);
    relay.request(relay.display, 'get_registry', { registry: this.#registry });
    relay.sync(() => {
      const needed = ['xdg_wm_base', ...(scaled ? ['wp_viewporter'] : [])];
      const missing = needed.find(name => !this.#globals.has(name));
      const what = scaled ? 'windows of X11 programs with --x11-scale' : 'windows of X11 programs';
      ready(missing === undefined ? undefined : new Error(`the compositor has no ${missing}: it cannot show ${what}`));
    });
    relay.flush();
  }

  get wmBase(): RelayObject<'xdg_wm_base'> {
    return this.global('xdg_wm_base')!;
  }

  /** A global that is bound when it is first asked for; undefined: the compositor does not have it. */
  global<N extends ShellGlobal & InterfaceName>(name: N): RelayObject<N> | undefined {
    const bound = this.#bound.get(name);
    if (bound !== undefined) return bound as RelayObject<N>;
    const global = this.#globals.get(name);
    if (global === undefined) return undefined;
    const version = Math.min(global.version, VERSIONS[name]);
    const object = this.relay.inject(name, version);
    const id = { interface: name, version, id: object.serverId };
    this.relay.request(this.#registry!, 'bind', { name: global.name, id });
    this.#bound.set(name, object);
    return object;
  }

  /** Events of all these objects, to whom their `data` says. */
  readonly events: EventHandlers = {
    xdg_wm_base: {
      ping: ({ relay, object, args }) => {
        relay.request(object, 'pong', args);
        return Verdict.Drop;
      },
    },
    xdg_surface: { configure: ({ object, args }) => tell(object, window => window.configure?.(args.serial)) },
    xdg_toplevel: {
      configure: ({ object, args: { width, height, states } }) =>
        tell(object, window => window.sized?.(width, height, wordsOf(states))),
      close: ({ object }) => tell(object, window => window.closeAsked?.()),
    },
    xdg_popup: { popup_done: ({ object }) => tell(object, window => window.dismissed?.()) },
    xdg_activation_token_v1: { done: ({ object, args }) => tell(object, window => window.token?.(args.token)) },
  };
}

function tell(object: RelayObject, say: (window: Configured) => void): Verdict {
  const window = object.data as Configured | undefined;
  if (window !== undefined && !object.destroyed) say(window);
  return Verdict.Drop;
}
