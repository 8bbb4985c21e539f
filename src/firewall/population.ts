/**
 * How many objects of one kind the clients of a VM may have at a time. Most kinds cost no more than any object, and the
 * bound on all objects is enough; these cost a compositor more: a mapping, a surface that is drawn, a list that is walked
 * for each event.
 */
import { ProtocolError, type Call } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { ConnectionNote, Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { InterfaceName } from '../wayland/message-types.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';

/** A kind of object that is counted. */
export interface Kind {
  /** For errors, policy lines and counters. */
  readonly name: string;
  readonly most: number;
  /** How many of them one client may have; undefined: all. */
  readonly mostOfClient?: number;
  /** Whose objects are counted; none where something else counts. */
  readonly interfaces: readonly InterfaceName[];
  /** Why no more: docs/policy.md tells it. */
  readonly reason: string;
}

/** Kinds by default. A policy may say other numbers (`limit pools 4096`). */
export const KINDS: readonly Kind[] = [
  {
    name: 'slabs',
    most: 352,
    interfaces: [],
    reason:
      'Pieces of host memory, its own included: each takes one of 480 mappings that the compositor VM has for all.',
  },
  {
    name: 'pools',
    most: 4_096,
    interfaces: ['wl_shm_pool'],
    reason: 'Each is a mapping in the compositor, of which a process has 65,530; a program has some four.',
  },
  {
    name: 'subsurfaces',
    most: 4_096,
    interfaces: ['wl_subsurface'],
    reason: 'Each is drawn, and is walked for each frame and each motion of the pointer. A browser has some hundred.',
  },
  {
    name: 'surfaces',
    most: 16_384,
    interfaces: ['wl_surface'],
    reason: 'Windows, popups, subsurfaces, cursors and icons together, and as many again in the making.',
  },
  {
    name: 'popups',
    most: 256,
    interfaces: ['xdg_popup'],
    reason: 'A person sees one chain of menus, and a tooltip for each program.',
  },
  {
    name: 'windows',
    most: 1_024,
    interfaces: ['xdg_toplevel'],
    reason: 'Each has a place in the layout and a title that is drawn. A person has some dozens.',
  },
  {
    name: 'inhibitors',
    most: 64,
    interfaces: ['zwp_idle_inhibitor_v1', 'zwp_keyboard_shortcuts_inhibitor_v1'],
    reason: 'Any of them is enough, and each is asked about each time.',
  },
  {
    name: 'constraints',
    most: 64,
    interfaces: ['zwp_locked_pointer_v1', 'zwp_confined_pointer_v1'],
    reason: 'One holds at a time, and each is looked for when the pointer moves to another surface.',
  },
  {
    name: 'frames',
    most: 4_096,
    interfaces: [],
    reason:
      'Frame callbacks and presentation feedbacks: those of a window are all answered at once, a program waits for one.',
  },
  {
    name: 'registries',
    most: 4_096,
    interfaces: ['wl_registry'],
    reason: 'Each global is told to each, and few programs destroy one.',
  },
  {
    name: 'devices',
    most: 4_096,
    // A program has some six of each seat, and two or three toolkits.
    mostOfClient: 64,
    interfaces: [
      'wl_seat',
      'wl_pointer',
      'wl_keyboard',
      'wl_touch',
      'wl_data_device',
      'zwp_primary_selection_device_v1',
      'gtk_primary_selection_device',
      'zwp_relative_pointer_v1',
      'zwp_pointer_gesture_swipe_v1',
      'zwp_pointer_gesture_pinch_v1',
      'zwp_pointer_gesture_hold_v1',
      'zwp_tablet_seat_v2',
      'zwp_text_input_v3',
    ],
    reason: 'Each gets its own copy of each event; so one client has at most 64.',
  },
  {
    name: 'outputs',
    most: 4_096,
    // Twice for each of some screens, and those that were unplugged.
    mostOfClient: 128,
    interfaces: ['wl_output', 'zxdg_output_v1'],
    reason: 'Each is told each change of a screen, and each surface that comes to it; so one client has at most 128.',
  },
  {
    name: 'sources',
    most: 1_024,
    interfaces: ['wl_data_source', 'zwp_primary_selection_source_v1'],
    reason: 'One is the clipboard, one the selection and one is dragged; toolkits leave old ones behind.',
  },
  {
    name: 'timers',
    most: 64,
    interfaces: ['ext_idle_notification_v1'],
    reason: 'Each starts anew with each key and each motion of the pointer.',
  },
  {
    name: 'icons',
    most: 1_024,
    interfaces: ['xdg_toplevel_icon_v1'],
    reason: 'One for each window, and a program destroys it when it is set.',
  },
  {
    name: 'handles',
    most: 256,
    interfaces: ['zxdg_exported_v1', 'zxdg_exported_v2'],
    reason: 'A window is exported while a dialog of another program is open over it.',
  },
  {
    name: 'tokens',
    most: 256,
    interfaces: ['xdg_activation_token_v1'],
    reason: 'One is used for each program that is started, at once.',
  },
];

/** The counts of one VM. */
export class Population {
  readonly #counts = new Map<string, number>();
  readonly #most: ReadonlyMap<string, number>;
  /** Is told that there are as many of a kind as there may be, and one more is wanted. */
  refused: (kind: string, most: number) => void = () => undefined;

  /** `limits` are the numbers of a policy, by the names of kinds. */
  constructor(
    private readonly vm: string,
    limits: Readonly<Record<string, number>> = {},
  ) {
    this.#most = new Map(KINDS.map(({ name, most }) => [name, limits[name] ?? most]));
  }

  /** How many there may be of a kind. */
  most(kind: string): number {
    return this.#most.get(kind) ?? Infinity;
  }

  /** How many there are of a kind. */
  count(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** @throws ProtocolError (no_memory) when there are as many as there may be */
  add(kind: string): void {
    const count = this.count(kind);
    const most = this.most(kind);
    if (count >= most) {
      this.refused(kind, most);
      const text = `virtwl: VM "${this.vm}" has ${most} ${kind} already, its policy allows no more`;
      throw new ProtocolError(1, WlDisplayError.no_memory, text);
    }
    this.#counts.set(kind, count + 1);
  }

  remove(kind: string, count = 1): void {
    this.#counts.set(kind, this.count(kind) - count);
  }
}

const KIND_OF: ReadonlyMap<string, Kind> = new Map(
  KINDS.flatMap(kind => kind.interfaces.map((type): [string, Kind] => [type, kind])),
);

/** One handler for all interfaces of which there is a kind: a connection has few of its own then. */
function forAllKinds<H>(handler: H): Record<string, H> {
  return Object.fromEntries([...KIND_OF.keys()].map(type => [type, handler]));
}

/** What one connection has. */
class Own {
  readonly counts = new Map<string, number>();
  /**
   * These end by the compositor's answer, or with their surface without one; both are confirmed. Of callbacks only those
   * of frames wait for anything.
   */
  readonly frames = new Set<RelayObject>();

  constructor(private readonly population: Population) {}

  add(name: string, mostOfClient: number): void {
    const count = this.counts.get(name) ?? 0;
    if (count >= mostOfClient) {
      const text = `virtwl: a client has at most ${mostOfClient} ${name}`;
      throw new ProtocolError(1, WlDisplayError.no_memory, text);
    }
    this.population.add(name);
    this.counts.set(name, count + 1);
  }

  remove(name: string): void {
    this.population.remove(name);
    this.counts.set(name, this.counts.get(name)! - 1);
  }

  close(): void {
    for (const [name, count] of this.counts) this.population.remove(name, count);
    this.counts.clear();
    this.frames.clear();
  }
}

/** Of a connection: what is counted of it. */
const connections = new ConnectionNote<Own>();
/** Of an object that is counted: whose it is. */
const owner = new Note<Own>();

/** The concern for all connections of a VM; `close` takes off what one of them still has. */
export function populationConcern(population: Population): { readonly concern: Concern; close(relay: Relay): void } {
  const ownOf = (relay: Relay): Own => connections.get(relay) ?? connections.set(relay, new Own(population));
  const addOne = (object: RelayObject, { relay }: Made): void => {
    const { name, mostOfClient = Infinity } = KIND_OF.get(object.interface.name)!;
    const own = ownOf(relay);
    own.add(name, mostOfClient);
    owner.set(object, own);
  };
  const removeOne = (object: RelayObject): void => owner.get(object)?.remove(KIND_OF.get(object.interface.name)!.name);
  const frame = (object: RelayObject, { relay }: Made): void => {
    const own = ownOf(relay);
    own.add('frames', Infinity);
    own.frames.add(object);
    owner.set(object, own);
  };
  const frameGone = (object: RelayObject): void => {
    const own = owner.get(object);
    if (own?.frames.delete(object) === true) own.remove('frames');
  };
  const made: Record<string, (object: RelayObject, call: Made) => void> = {
    ...forAllKinds(addOne),
    wl_callback: (callback, call) => {
      if (call.message.name === 'frame') frame(callback, call);
    },
    wp_presentation_feedback: frame,
  };
  const gone = { ...forAllKinds(removeOne), wl_callback: frameGone, wp_presentation_feedback: frameGone };
  return {
    concern: { name: 'population', ignoresSyncs: true, shared: true, made, gone },
    close: relay => connections.get(relay)?.close(),
  };
}

type Made = Call<string, never>;
