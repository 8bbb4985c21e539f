/**
 * `zxdg_output_manager_v1` for a remote client whose compositor hides it: the glue announces one of its own and answers
 * from what it knows of the layout itself (`output-layout.ts`). Without it Qt opens menus in the wrong place on a
 * fractionally scaled output, and SDL takes pixels for logical ones.
 *
 * Whether it is hidden is known when the compositor has announced its globals to the relay's own registry; a client's
 * registries wait for that, so that everything is announced before the answer to its first `wl_display.sync`.
 */
import { Verdict, type RequestValues } from '../src/relay/call.js';
import type { Concern } from '../src/relay/chain.js';
import type { RelayObject } from '../src/relay/object-map.js';
import type { GlobalPolicy } from '../src/relay/globals.js';
import type { Relay } from '../src/relay/relay.js';
import type { Global } from '../src/wayland/global-table.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { OutputLayout, OutputPlace } from './output-layout.js';

const MANAGER = 'zxdg_output_manager_v1';
/** The name of our own global in a remote client's registry, far away from those that compositors count up. */
const GLOBAL_NAME = 0x76776c01;
/** The newest version that is answered. */
const VERSION = 3;

/** Versions of the interfaces in which something is told. */
const NAME_SINCE = 2;
/** From this version of `zxdg_output_v1` on, a change ends with the `done` of its wl_output. */
const DONE_OF_OUTPUT_SINCE = 3;
const OUTPUT_DONE_SINCE = 2;

/** One `zxdg_output_v1` of the client. */
interface Answered {
  readonly output: RelayObject<'wl_output'>;
  /** The registry's number for the output. */
  readonly global: number;
  /** What the client was told last. */
  told: OutputPlace | undefined;
}

/** Answers one client. */
export class OutputAnswers {
  /** What the client is announced, where it is hidden. */
  readonly global: Global;
  readonly #layout: OutputLayout;
  readonly #relay: () => Relay;
  readonly #answered = new Map<RelayObject<'zxdg_output_v1'>, Answered>();
  /** The registry's number for each wl_output that the client has. */
  readonly #globals = new WeakMap<RelayObject, number>();
  /** Those of which the compositor has told all for the first time. */
  readonly #complete = new WeakSet<RelayObject>();
  readonly #changed = (global: number): void => this.#tellAll(global);
  #hidden = true;
  #known = false;

  /** `layout` is lent, `relay` is asked for when there is one. Undefined where `policy` does not let the client have it. */
  static of(layout: OutputLayout, policy: GlobalPolicy, relay: () => Relay): OutputAnswers | undefined {
    const version = policy(MANAGER, VERSION);
    return version > 0 ? new OutputAnswers(layout, version, relay) : undefined;
  }

  private constructor(layout: OutputLayout, version: number, relay: () => Relay) {
    this.global = { name: GLOBAL_NAME, interface: MANAGER, version };
    this.#layout = layout;
    this.#relay = relay;
    layout.on('changed', this.#changed);
  }

  /** Asks the compositor when it has announced its globals; behind the relay's own `get_registry`. */
  ask(): void {
    const relay = this.#relay();
    relay.sync(() => {
      this.#known = true;
      relay.resume('requests');
    });
  }

  /** The compositor announces a global to this client's connection. */
  sees(global: Global): void {
    if (global.interface === MANAGER) this.#hidden = false;
  }

  /** Whether it is known what the compositor hides; where not, the relay's requests are resumed once it is. */
  get known(): boolean {
    return this.#known;
  }

  /** Whether there is something to answer: our global is to be announced. */
  get hidden(): boolean {
    return this.#hidden;
  }

  /** Makes the client's manager. */
  bind(id: number, version: number): void {
    this.#relay().adopt(MANAGER, version, id, true);
  }

  /** The client has left. */
  close(): void {
    this.#layout.off('changed', this.#changed);
    this.#answered.clear();
  }

  readonly concern: Concern = {
    name: 'outputs',
    after: [...FIREWALL, 'pools'],
    made: {
      wl_output: (object, { args }) => {
        const { name } = args as RequestValues<'wl_registry', 'bind'>;
        this.#globals.set(object, name);
      },
    },
    gone: { zxdg_output_v1: object => void this.#answered.delete(object) },
    requests: {
      zxdg_output_manager_v1: {
        destroy: ({ object }) => ours(object),
        get_xdg_output: ({ relay, object, args: { id, output } }) => {
          if (object.serverId !== 0) return Verdict.Forward;
          const made = relay.adopt('zxdg_output_v1', object.version, id, true);
          this.#answered.set(made, { output, global: this.#globals.get(output)!, told: undefined });
          this.#tell(made);
          return Verdict.Drop;
        },
      },
      zxdg_output_v1: { destroy: ({ object }) => ours(object) },
    },
    events: {
      wl_output: {
        done: ({ relay, object }) => {
          if (object.clientId === 0 || this.#complete.has(object)) return Verdict.Forward;
          this.#complete.add(object);
          relay.emitEvent(object, 'done', {});
          for (const [asked, { output }] of this.#answered) if (output === object) this.#tell(asked);
          return Verdict.Drop;
        },
      },
    },
  };

  #tellAll(global: number): void {
    for (const [object, answered] of this.#answered) if (answered.global === global) this.#tell(object);
    this.#relay().flush();
  }

  #tell(object: RelayObject<'zxdg_output_v1'>): void {
    const relay = this.#relay();
    const answered = this.#answered.get(object)!;
    const { output, global, told } = answered;
    const place = this.#layout.place(global);
    if (place === undefined || relay.closed) return;
    // The compositor tells of an output itself first: SDL 2 has no display where its place comes before.
    if (output.version >= OUTPUT_DONE_SINCE && !output.destroyed && !this.#complete.has(output)) return;
    answered.told = place;
    const { x, y, width, height, name, description } = place;
    const { version } = object;
    relay.emitEvent(object, 'logical_position', { x, y });
    relay.emitEvent(object, 'logical_size', { width, height });
    // A name never changes, and a description only where a client expects that.
    if (version >= NAME_SINCE && told === undefined && name !== undefined) relay.emitEvent(object, 'name', { name });
    const mayChange = told === undefined || (version >= DONE_OF_OUTPUT_SINCE && told.description !== description);
    if (version >= NAME_SINCE && mayChange && description !== undefined) {
      relay.emitEvent(object, 'description', { description });
    }
    if (version < DONE_OF_OUTPUT_SINCE) relay.emitEvent(object, 'done', {});
    else if (!output.destroyed && output.version >= OUTPUT_DONE_SINCE) relay.emitEvent(output, 'done', {});
  }
}

/** Done here, where the object is ours and not the compositor's. */
function ours(object: RelayObject): Verdict {
  return object.serverId === 0 ? Verdict.Drop : Verdict.Forward;
}
