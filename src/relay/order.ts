/**
 * Ids that say in which order a compositor destroys. libwayland destroys what a client still has in the order of its ids,
 * the lowest first, whichever side ends the connection: the compositor for an error, the client or its relay by hanging
 * up. Not every compositor survives a window that goes before its popup. So a relay that is given an {@link Order} chooses each
 * object's id below the ids of all that it needs.
 *
 * libwayland takes a new id only where it is the next in line or was in use before. So a block of them is used once, by as
 * many `wl_display.sync`, when the first object is made that others may need, and kept for dependents from then on; every
 * other object's id is above. In the block there are two ends. What nothing needs (subsurfaces, viewports, decorations)
 * takes the lowest free id. What may be needed itself (xdg_surfaces, toplevels, popups) takes the highest that is free
 * below its own needs, and so stays near the top: an id lies no further below its need than there are others alive. The two
 * meet only where most of the block is in use, so a window that lives for years has room below it for its next popup.
 */
import type { Call } from './call.js';
import type { RelayObject } from './object-map.js';

/** What a relay has to know of objects to choose their ids. */
export interface Order {
  /** Ids that are kept for dependents: the most that one client has at once. */
  readonly places: number;
  /** Whether objects of the interface need others. */
  isDependent(interfaceName: string): boolean;
  /** Whether objects of the interface may be needed by others. */
  isNeeded(interfaceName: string): boolean;
  /** What the object of that interface needs which the request `call` makes. */
  needsOf(interfaceName: string, call: Call): readonly RelayObject[];
  /** The block was asked for: what that costs the compositor may be counted. */
  asked?(): void;
}

/** A set of ids, all free or in use. Finding one takes a step for each 32 of them at the most. */
export class IdBlock {
  /** A bit for each id that is free. */
  readonly #free: Int32Array;
  /** How many were not let go of yet, of those that are held from the first. */
  #held: number;
  /** A bit for each that was. */
  #released: Int32Array | undefined;

  /** The ids from `first` on, none of them free: all are held. */
  constructor(
    readonly first: number,
    readonly count: number,
  ) {
    this.#free = new Int32Array(Math.ceil(count / 32));
    this.#released = new Int32Array(this.#free.length);
    this.#held = count;
  }

  /** Whether an id was never free yet. */
  isHeld(id: number): boolean {
    if (this.#released === undefined || !this.has(id)) return false;
    const place = id - this.first;
    return (this.#released[place >> 5]! & (1 << (place & 31))) === 0;
  }

  /** The id is held no more. */
  release(id: number): void {
    if (!this.isHeld(id)) return;
    const place = id - this.first;
    this.#released![place >> 5]! |= 1 << (place & 31);
    this.#held -= 1;
    if (this.#held === 0) this.#released = undefined;
  }

  has(id: number): boolean {
    return id >= this.first && id < this.first + this.count;
  }

  /** An id of the block is free. */
  give(id: number): void {
    const place = id - this.first;
    this.#free[place >> 5]! |= 1 << (place & 31);
  }

  /** Takes the lowest free id, if that is below `bound`; 0: none is. */
  takeLowest(bound: number): number {
    const word = this.#free.findIndex(bits => bits !== 0);
    if (word < 0) return 0;
    const bits = this.#free[word]!;
    const place = word * 32 + 31 - Math.clz32(bits & -bits);
    return this.first + place < bound ? this.#take(place) : 0;
  }

  /** Takes the highest free id below `bound`; 0: there is none. */
  takeHighest(bound: number): number {
    const last = Math.min(bound - this.first, this.count) - 1;
    if (last < 0) return 0;
    let word = last >> 5;
    let bits = this.#free[word]! & (-1 >>> (31 - (last & 31)));
    while (bits === 0 && word > 0) bits = this.#free[--word]!;
    return bits === 0 ? 0 : this.#take(word * 32 + 31 - Math.clz32(bits));
  }

  #take(place: number): number {
    this.#free[place >> 5]! &= ~(1 << (place & 31));
    return this.first + place;
  }
}
