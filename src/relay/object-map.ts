/**
 * The objects of one relayed connection. A relay stands between a client and a compositor and has its own objects on
 * both sides, so an object may have another id on either side, or exist on one side only:
 * - ordinary objects: made by the client, known to both;
 * - local objects (`serverId` 0): the relay answers for them, the compositor never sees them;
 * - injected objects (`clientId` 0): the relay's own, the client never sees them;
 * - inert objects: local from some time on, since what they depended on is gone; nothing they say goes on;
 * - objects made by the compositor (ids from 0xff000000): the same id on both sides.
 * An object that the client destroyed stays here until the compositor confirms it (`wl_display.delete_id`), because
 * events for it may still be on their way.
 */
import type { Interface } from '../wayland/interface.js';
import type { Handler } from './call.js';
import { IdBlock } from './order.js';
import type { Pass } from './pass.js';
import { FreeIds, type Rows } from './pass-rows.js';

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

/** Handlers of an interface by opcode; undefined for an interface that has none. */
export type HandlerTable = readonly (Handler | undefined)[] | undefined;

/** What a client is told that uses an object which has become inert; see {@link RelayObject.inert}. */
export interface Inert {
  /** The error for each request but the destructor. Without one, requests are dropped: the protocol says so. */
  readonly code?: number | undefined;
  readonly text: string;
}

/** One object as the relay knows it. `N` is its interface, where the code knows it. */
export class RelayObject<N extends string = string> {
  #destroyed = false;
  #inert: Inert | undefined;
  #serverId: number;
  /** What passes it natively, as long as nothing has happened to it. */
  #pass: Pass | undefined;
  /** Belongs to the one concern that answers for its interface. */
  data: unknown;
  /** Its place in the model of lives, where it has one. */
  life: unknown;
  /** What else is known of it: see `note.ts`. */
  notes: unknown[] | undefined;

  readonly interface: Interface & { readonly name: N };

  constructor(
    iface: Interface,
    readonly version: number,
    /** Id on the client's side; 0 for an injected object. */
    readonly clientId: number,
    serverId: number,
    readonly requestHandlers: HandlerTable,
    readonly eventHandlers: HandlerTable,
  ) {
    this.interface = iface as Interface & { readonly name: N };
    this.#serverId = serverId;
  }

  /** The client destroyed it; it waits for the compositor's word. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  set destroyed(destroyed: boolean) {
    this.#destroyed = destroyed;
    this.#leavePass();
  }

  /** Set once what it depended on is gone: the compositor knows it no more, and the client may only destroy it. */
  get inert(): Inert | undefined {
    return this.#inert;
  }

  set inert(inert: Inert | undefined) {
    this.#inert = inert;
    this.#leavePass();
  }

  /** Id on the compositor's side; 0 for a local object, and for an inert one. */
  get serverId(): number {
    return this.#serverId;
  }

  set serverId(serverId: number) {
    this.#leavePass();
    this.#serverId = serverId;
  }

  /** Messages to it, and about it, may pass natively until something happens to it. */
  enterPass(pass: Pass): void {
    this.#pass = pass;
  }

  /** What its pictures are alike in, for the pass; 0: nothing. */
  set picture(picture: number) {
    this.#pass?.client.setPicture(this.clientId, picture);
  }

  #leavePass(): void {
    this.#pass?.leave(this.clientId, this.#serverId);
    this.#pass = undefined;
  }

  /** Whether it is of interface `name`. */
  is<T extends string>(name: T): this is RelayObject<T> {
    return this.interface.name === (name as string);
  }

  /** For errors: `wl_surface#5`, by the client's id. */
  toString(): string {
    return `${this.interface.name}#${this.clientId}`;
  }
}

/** Ids of a page: an object's id may be far from all others of its connection (`order.ts`). */
const PAGE_IDS = 64;

/** What the native pass shares with one side's ids. */
export interface PassIds {
  readonly rows: Rows;
  /** Told how many ids were in use at some time. */
  readonly grew?: (ids: number) => void;
  /** Makes the object that the pass has made, when it is asked for. */
  readonly made: (id: number, other: number, version: number) => RelayObject;
}

/** Ids on one side. */
/** The place of an id's page, for which there is room then: no more than that, where an array would grow by half. */
function pagePlace(pages: unknown[], id: number): number {
  const place = Math.floor(id / PAGE_IDS);
  if (place >= pages.length) pages.length = place + 1;
  return place;
}

export class ObjectMap {
  /** By pages, which are there once they are needed; `#length` is the next id in line. */
  readonly #low: ((RelayObject | undefined)[] | undefined)[] = [];
  #length = 1;
  readonly #high: (RelayObject | undefined)[] = [];
  readonly #free: FreeIds;
  #block: IdBlock | undefined;
  /** In the place of each id of the block that was not used for anything yet. */
  #holder: RelayObject | undefined;

  constructor(
    readonly side: 'client' | 'server',
    private readonly pass?: PassIds,
    free?: FreeIds,
  ) {
    this.#free = free ?? new FreeIds();
    this.pass?.grew?.(1);
  }

  /** The ids that are kept for dependents, where there are such. */
  get block(): IdBlock | undefined {
    return this.#block;
  }

  get(id: number): RelayObject | undefined {
    if (id >= SERVER_ID_START) return this.#high[id - SERVER_ID_START];
    const object = this.#low[Math.floor(id / PAGE_IDS)]?.[id % PAGE_IDS];
    if (object !== undefined) return object;
    if (this.#block?.isHeld(id) === true) return this.#holder;
    const { pass } = this;
    if (pass === undefined) return undefined;
    const other = pass.rows.madeAs(id);
    return other === 0 ? undefined : pass.made(id, other, pass.rows.versionOf(id));
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
    return id > 0 && id <= this.#length && id < MAX_OBJECTS && this.get(id) === undefined;
  }

  /** Whether an id that it {@link accepts} makes the table longer. */
  grows(id: number): boolean {
    return id < SERVER_ID_START ? id === this.#length : id - SERVER_ID_START === this.#high.length;
  }

  /** `type`: what the pass knows the object by; 0: it does not. */
  set(id: number, object: RelayObject, type = 0): void {
    if (id >= SERVER_ID_START) {
      this.#high[id - SERVER_ID_START] = object;
      return;
    }
    (this.#low[pagePlace(this.#low, id)] ??= [])[id % PAGE_IDS] = object;
    if (id >= this.#length) this.#grow(id + 1);
    this.pass?.rows.set(id, this.side === 'client' ? object.serverId : object.clientId, type);
  }

  #grow(length: number): void {
    this.#length = length;
    this.pass?.grew?.(length);
  }

  /** Forgets `id`. `reuse`: the id is ours to give out again. */
  delete(id: number, reuse: boolean): void {
    if (id >= SERVER_ID_START) {
      this.#high[id - SERVER_ID_START] = undefined;
      return;
    }
    const page = this.#low[Math.floor(id / PAGE_IDS)];
    if (page !== undefined) page[id % PAGE_IDS] = undefined;
    const block = this.#block;
    block?.release(id);
    // What was in use before there was a block is below it, and is not used again: what is needed has its id above.
    const given = reuse && (block === undefined || id >= block.first + block.count);
    if (given) this.#free.push(id);
    else if (reuse && block?.has(id) === true) block.give(id);
    if (given || !reuse) this.pass?.rows.clear(id);
    else this.pass?.rows.leave(id);
  }

  /** Keeps the next `count` ids for dependents; all of them are in use, by `holder`, until they are deleted. */
  keepBlock(count: number, holder: RelayObject): IdBlock {
    this.#block = new IdBlock(this.#length, count);
    this.#holder = holder;
    this.#free.forget(this.#block.first + count);
    this.#grow(this.#length + count);
    return this.#block;
  }

  /** An id of our own choice outside of the block, or 0 when there are {@link MAX_OBJECTS} beside it. */
  allocate(): number {
    const reused = this.#free.pop();
    if (reused !== 0) return reused;
    const id = this.#length;
    if (id - (this.#block?.count ?? 0) >= MAX_OBJECTS) return 0;
    this.#grow(id + 1);
    return id;
  }

  *objects(): IterableIterator<RelayObject> {
    for (const page of this.#low) {
      if (page === undefined) continue;
      for (const object of page) if (object !== undefined) yield object;
    }
    for (const object of this.#high) if (object !== undefined) yield object;
  }
}
