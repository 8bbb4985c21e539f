/**
 * Requests that are held back: what waits behind a commit for which the compositor has to release a link buffer first. To
 * the application it is as if the compositor had not looked at them yet. Its buffer stays busy, and everything else on its
 * connection goes on.
 *
 * Held back is, in the order in which it was said, what is about that surface or about something that a held request
 * names: its state, its role, regions and buffers that it was given. Commits of surfaces whose synchronized subsurface is
 * held join it, since they would show that one's state without its last commit. When a buffer is released, what is held is
 * dealt with by the same handlers as any other request.
 *
 * A commit behind which the same surface was committed again says nothing of its own any more: its state and the later
 * one's reach the compositor as one commit, as wlroots does with state that it has not applied. So an application that
 * never waits for a buffer costs a bounded amount.
 *
 * Some compositors release only when they hear something else that is held, like the commit of a synchronized subsurface's
 * parent. Such a request presses: the compositor is asked to answer, and one that does so and has still released nothing is
 * given what is held up to that request, with one more buffer for each commit that needs one.
 */
import type { RelayObject } from '../relay/object-map.js';
import { Verdict, type Call } from '../relay/call.js';
import type { Hold, Relay } from '../relay/relay.js';
import type { Message } from '../wayland/interface.js';
import { namedBy, type SurfaceFamilies } from './surface-families.js';

/**
 * Bytes of requests that are held for the surfaces of one window. An application says some 100 a frame, and merged
 * commits hold none; past this the whole connection waits, as it does when a compositor's socket is full.
 */
export const MAX_HELD_BYTES = 64 << 10;
/**
 * Commits among them that are not merged: one for each surface of the window, and one more for each level below others. A
 * browser has some hundred subsurfaces; each commit is compared with all of them.
 */
export const MAX_HELD_COMMITS = 256;

/** State that takes effect with a commit, so that nobody waits for it: what is not here presses. */
const PATIENT: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    wl_surface: [
      'attach',
      'damage',
      'damage_buffer',
      'frame',
      'set_opaque_region',
      'set_input_region',
      'set_buffer_scale',
      'set_buffer_transform',
      'offset',
      'commit',
    ],
    wl_region: ['add', 'subtract', 'destroy'],
    wl_buffer: ['destroy'],
    wl_subsurface: ['set_position', 'place_above', 'place_below'],
    wp_viewport: ['set_source', 'set_destination'],
    wp_presentation: ['feedback'],
    wp_alpha_modifier_surface_v1: ['set_multiplier'],
    wp_content_type_v1: ['set_content_type'],
    wp_tearing_control_v1: ['set_presentation_hint'],
    xdg_surface: ['ack_configure', 'set_window_geometry'],
    xdg_toplevel: ['set_min_size', 'set_max_size'],
  }).map(([name, messages]) => [name, new Set(messages)]),
);

interface Item {
  readonly object: RelayObject;
  readonly message: Message;
  /** What it is said to, and what it names. */
  readonly named: readonly RelayObject[];
  readonly bytes: Uint8Array;
  /** Objects that it makes, which have their ids on the client's side already. */
  readonly makes: readonly RelayObject[];
  readonly commit: boolean;
  /** A later commit of the same surface says what this one said. */
  merged: boolean;
  readonly presses: boolean;
}

/** What is held for surfaces that have to do with each other. */
class Queue {
  readonly items: Item[] = [];
  bytes = 0;
  /** Of the items: commits that are not merged. */
  commits = 0;
  /** Items at the head that go on without a release. */
  pressed = 0;
  asked = false;
  /** When what is at its head began to wait, of `performance.now()`. */
  since = performance.now();
  /** The head could not be held, and holds up the connection. */
  full = false;
}

export interface HeldRequestsOptions {
  readonly relay: () => Relay;
  readonly families: SurfaceFamilies;
  /** Globals: what is said to them does not depend on what was said to them before. */
  readonly isGlobal: (interfaceName: string) => boolean;
  /** A later commit of that surface takes its pending state along: this one is not said. */
  readonly merge: (surface: RelayObject<'wl_surface'>) => void;
}

export class HeldRequests implements Hold {
  readonly #options: HeldRequestsOptions;
  readonly #queues = new Set<Queue>();
  /** What is dealt with behind a held request: surfaces, and what is named by one. */
  readonly #marked = new Map<RelayObject, Queue>();
  /** What must only not be destroyed before. */
  readonly #needed = new Map<RelayObject, Queue>();
  #current: Queue | undefined;
  #scheduled = false;

  constructor(options: HeldRequestsOptions) {
    this.#options = options;
  }

  /** Whether the request at hand is one that was held. */
  get replaying(): boolean {
    return this.#current !== undefined;
  }

  get holding(): boolean {
    return this.#queues.size > 0;
  }

  /** Since when the head of what is held has waited, of `performance.now()`; undefined where nothing is held. */
  get since(): number | undefined {
    return this.holding ? Math.min(...[...this.#queues].map(({ since }) => since)) : undefined;
  }

  /** Whether a commit may take one more buffer than there should be. */
  get pressed(): boolean {
    return this.#current !== undefined && this.#current.pressed > 0;
  }

  /** Holds the commit at hand, which has to wait for a release, and what depends on it. */
  begin(call: Call): void {
    const queue = new Queue();
    this.#queues.add(queue);
    this.#append(queue, call);
  }

  /** Whether the request at hand has to wait behind others: `Drop`: it is held; `Stall`: it cannot be held. */
  keep(call: Call): Verdict {
    if (this.#queues.size === 0 || this.#current !== undefined) return Verdict.Forward;
    const queue = this.#queueOf(call);
    if (queue === undefined) return Verdict.Forward;
    const full = queue.bytes + call.size > MAX_HELD_BYTES || queue.commits >= MAX_HELD_COMMITS;
    if (call.message.fds > 0 || full) {
      queue.full = true;
      this.#press(queue);
      return Verdict.Stall;
    }
    queue.full = false;
    this.#append(queue, call);
    return Verdict.Drop;
  }

  /** Something has changed for which a held request may have waited: a release, memory that has arrived. */
  changed(): void {
    if (this.#scheduled || this.#queues.size === 0) return;
    this.#scheduled = true;
    // Not from within the handling of another message.
    setImmediate(() => {
      this.#scheduled = false;
      this.#goOn();
    });
  }

  #queueOf(call: Call): Queue | undefined {
    const { families } = this.#options;
    const { object, message } = call;
    const found = new Set<Queue>();
    const add = (queue: Queue | undefined): void => void (queue && found.add(queue));
    for (const each of namedBy(call)) {
      add(this.#marked.get(each));
      for (const surface of families.surfacesOf(each, message.name)) add(this.#marked.get(surface));
    }
    if (message.destructor) add(this.#needed.get(object));
    if (isCommit(object, message)) {
      for (const queue of this.#queues) {
        if (queue.items.some(item => item.commit && families.areTied(item.object, object))) found.add(queue);
      }
    }
    const [first, ...others] = found;
    for (const other of others) this.#join(first!, other);
    return first;
  }

  /** What was apart has to do with each other now. */
  #join(queue: Queue, other: Queue): void {
    queue.items.push(...other.items);
    queue.bytes += other.bytes;
    queue.commits += other.commits;
    queue.full ||= other.full;
    for (const marks of [this.#marked, this.#needed]) {
      for (const [object, owner] of marks) if (owner === other) marks.set(object, queue);
    }
    this.#queues.delete(other);
    if (other.asked || other.pressed > 0) this.#press(queue);
  }

  #append(queue: Queue, call: Call): void {
    const { object, message, bytes, offset, size } = call;
    const { families, relay, isGlobal } = this.#options;
    const named = namedBy(call);
    for (const each of named) {
      const surfaces = families.surfacesOf(each, message.name);
      for (const surface of surfaces) this.#marked.set(surface, queue);
      if (surfaces.length > 0) continue;
      (isGlobal(each.interface.name) ? this.#needed : this.#marked).set(each, queue);
    }
    const makes = relay().reserve(call);
    for (const made of makes) this.#marked.set(made, queue);
    const commit = isCommit(object, message);
    const patient = PATIENT.get(object.interface.name)?.has(message.name) === true;
    const presses = commit ? this.#isAwaited(queue, object) : !patient;
    queue.items.push({
      object,
      message,
      named,
      bytes: bytes.slice(offset, offset + size),
      makes,
      commit,
      merged: false,
      presses,
    });
    queue.bytes += size;
    if (commit) {
      queue.commits += 1;
      this.#merge(queue);
    }
    if (presses) this.#press(queue);
    this.changed();
  }

  /** Whether a commit of `surface` shows at once what a held commit of a subsurface was to be shown with. */
  #isAwaited(queue: Queue, surface: RelayObject): boolean {
    const { families } = this.#options;
    if (families.isSynchronized(surface)) return false;
    return queue.items.some(
      ({ commit, object }) => commit && object !== surface && families.isShownBy(object, surface),
    );
  }

  /** A commit takes an earlier one of its surface along where none between them shows what the earlier one said. */
  #merge(queue: Queue): void {
    const { families } = this.#options;
    for (let again = true; again;) {
      again = false;
      const commits = queue.items.filter(item => item.commit && !item.merged);
      commits.forEach((item, i) => {
        const next = commits.findIndex((later, j) => j > i && later.object === item.object);
        if (next < 0) return;
        if (
          commits.slice(i + 1, next).some(({ merged, object }) => !merged && families.isShownBy(item.object, object))
        ) {
          return;
        }
        item.merged = true;
        queue.commits -= 1;
        again = true;
      });
    }
  }

  #press(queue: Queue): void {
    if (queue.asked) return;
    queue.asked = true;
    const relay = this.#options.relay();
    relay.sync(() => {
      queue.asked = false;
      if (!this.#queues.has(queue)) return;
      queue.pressed = queue.full ? queue.items.length : queue.items.findLastIndex(item => item.presses) + 1;
      this.changed();
    });
    relay.flush();
  }

  #goOn(): void {
    const relay = this.#options.relay();
    for (const queue of this.#queues) {
      this.#current = queue;
      while (queue.items.length > 0 && this.#handle(relay, queue.items[0]!)) {
        this.#passed(relay, queue, queue.items.shift()!);
        queue.since = performance.now();
      }
      this.#current = undefined;
      if (relay.closed) return;
      if (queue.items.length > 0) continue;
      this.#queues.delete(queue);
      for (const marks of [this.#marked, this.#needed]) {
        for (const [object, owner] of marks) if (owner === queue) marks.delete(object);
      }
    }
    relay.resume('requests');
    relay.flush();
  }

  /** A request is not held any more. What it made and what it destroyed is nothing that anybody waits for. */
  #passed(relay: Relay, queue: Queue, { object, message, bytes, makes, commit, merged }: Item): void {
    queue.bytes -= bytes.length;
    if (commit && !merged) queue.commits -= 1;
    if (queue.pressed > 0) queue.pressed -= 1;
    for (const reserved of makes) {
      this.#marked.delete(reserved);
      const made = relay.clientObject(reserved.clientId);
      if (made !== undefined && queue.items.some(({ named }) => named.includes(reserved)))
        this.#marked.set(made, queue);
    }
    if (!message.destructor) return;
    this.#marked.delete(object);
    this.#needed.delete(object);
  }

  /** Deals with a request that was held. False: not yet. */
  #handle(relay: Relay, { object, bytes, makes, commit, merged }: Item): boolean {
    if (commit && merged) {
      this.#options.merge(object as RelayObject<'wl_surface'>);
      return true;
    }
    return relay.again(bytes, makes);
  }
}

function isCommit(object: RelayObject, message: Message): boolean {
  return message.name === 'commit' && object.is('wl_surface');
}
