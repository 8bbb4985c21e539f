/**
 * The objects of one relayed connection. A relay stands between a client and a compositor and has its own objects on
 * both sides, so an object may have another id on either side, or exist on one side only:
 * - ordinary objects: made by the client, known to both;
 * - local objects (`serverId` 0): the relay answers for them, the compositor never hears of them;
 * - injected objects (`clientId` 0): the relay's own, the client never hears of them;
 * - objects made by the compositor (ids from 0xff000000): the same id on both sides.
 * An object that the client destroyed stays here until the compositor confirms it (`wl_display.delete_id`), because
 * events for it may still be on their way.
 */
import type { Interface } from '../wayland/interface.js';

/** First id that the compositor makes itself: WL_SERVER_ID_START of the wire protocol. */
export const SERVER_ID_START = 0xff000000;

/**
 * Most objects of one connection on either side. A client of a desktop has hundreds, a browser with many windows a few
 * thousand; each costs us some 200 bytes.
 */
export const MAX_OBJECTS = 100_000;

/**
 * Counts places for objects, of several connections together. Tables of objects never become smaller, neither here nor
 * in a compositor, so a place is counted from the first object that needed it until the connection ends.
 */
export interface ObjectAccount {
  /** Takes one place more. False, and nothing taken, where there is none left. */
  takePlace(): boolean;
  givePlaces(count: number): void;
}

/** One object as the relay knows it. `data` belongs to the handlers of its interface. */
export class RelayObject<Data = unknown> {
  /** The client destroyed it; it waits for the compositor's word. */
  destroyed = false;
  data: Data | undefined = undefined;

  readonly interface: Interface;

  constructor(
    iface: Interface,
    readonly version: number,
    /** Id on the client's side; 0 for an injected object. */
    readonly clientId: number,
    /** Id on the compositor's side; 0 for a local object. */
    readonly serverId: number,
    readonly requestHandlers: HandlerTable,
    readonly eventHandlers: HandlerTable,
  ) {
    this.interface = iface;
  }
}

/** Handlers of an interface by opcode; null for an interface that has none. Typed in `relay.ts`. */
export type HandlerTable = readonly (((call: never) => unknown) | undefined)[] | null;

/** Ids on one side. */
export class ObjectMap {
  readonly #low: (RelayObject | undefined)[] = [undefined];
  readonly #high: (RelayObject | undefined)[] = [];
  readonly #free: number[] = [];

  get(id: number): RelayObject | undefined {
    return id < SERVER_ID_START ? this.#low[id] : this.#high[id - SERVER_ID_START];
  }

  /**
   * Whether a peer may call a new object `id`: free, and not beyond the next one in line. libwayland asks the same of
   * its clients, and it keeps the map dense.
   */
  accepts(id: number): boolean {
    if (id >= SERVER_ID_START) {
      const place = id - SERVER_ID_START;
      return place <= this.#high.length && place < MAX_OBJECTS;
    }
    return id > 0 && id <= this.#low.length && id < MAX_OBJECTS && this.#low[id] === undefined;
  }

  /** Whether an id that it {@link accepts} makes the table longer. */
  grows(id: number): boolean {
    return id < SERVER_ID_START ? id === this.#low.length : id - SERVER_ID_START === this.#high.length;
  }

  set(id: number, object: RelayObject): void {
    if (id < SERVER_ID_START) this.#low[id] = object;
    else this.#high[id - SERVER_ID_START] = object;
  }

  /** Forgets `id`. `reuse`: the id is ours to give out again. */
  delete(id: number, reuse: boolean): void {
    if (id >= SERVER_ID_START) {
      this.#high[id - SERVER_ID_START] = undefined;
      return;
    }
    this.#low[id] = undefined;
    if (reuse) this.#free.push(id);
  }

  /** An id of our own choice, or 0 when there are {@link MAX_OBJECTS}. */
  allocate(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    if (this.#low.length >= MAX_OBJECTS) return 0;
    this.#low.push(undefined);
    return this.#low.length - 1;
  }

  *objects(): IterableIterator<RelayObject> {
    for (const object of this.#low) if (object !== undefined) yield object;
    for (const object of this.#high) if (object !== undefined) yield object;
  }
}
