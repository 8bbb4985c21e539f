/**
 * What makes one relay differ from another: what is done with messages, how fds are carried, who counts objects and
 * admits requests.
 */
import type { Message } from '../wayland/interface.js';
import type { Call, Verdict } from './call.js';
import type { Carriers } from './carriers.js';
import type { Concern } from './chain.js';
import type { ObjectAccount, RelayObject } from './object-map.js';
import type { Order } from './order.js';
import type { FrameCounts, Ledger } from './pass-types.js';
import type { Relay } from './relay.js';
import type { Trace } from './trace.js';

/** What makes one relay differ from another. */
export interface RelayRules {
  /** What is done with messages, in the order in which it is done. */
  readonly concerns: readonly Concern[];
  /** A name for those, where all connections of a process have the same: see `chain.ts`. */
  readonly set?: string;
  /** How fds of requests get to the compositor's side. */
  readonly toServer: Carriers;
  /** How fds of events get to the client's side. */
  readonly toClient: Carriers;
  /** Where objects are counted that client and compositor make. Default: each connection has its own bound alone. */
  readonly objects?: ObjectAccount;
  /** Is told every message. */
  readonly trace?: Trace | undefined;
  /** How far the client may be ahead of the compositor. Default: no bound. */
  readonly pace?: Pace;
  /** Keeps requests back, to say them {@link Relay.again} later. Default: each is dealt with when it comes. */
  readonly hold?: Hold;
  /** What is to be destroyed before what, should the compositor end the connection. Default: ids as they come. */
  readonly order?: Order;
  /** What was gathered leaves now; `saying`: some of it to the client. What has waited for that is written before. */
  readonly batchEnds?: (saying: boolean) => void;
  /** Whether what no handler wants passes natively, where it can. Default: unless `VIRTWL_RELAY` says otherwise. */
  readonly native?: boolean;
  /**
   * Rectangles of damage that a frame may have that passes natively, where a concern finds surfaces of which those change
   * nothing ({@link Relay.steady}). Default: none passes.
   */
  readonly frameDamage?: number;
  /** Frames pass natively only of surfaces that were lent (`Pass.lend`). Default: what passes brings pixels of its own. */
  readonly copies?: FrameCounts;
  /**
   * Writes what is to be said to the compositor before the connection to it is closed, by either side. True: it has to be
   * read, so that connection stays a second longer.
   */
  readonly leaving?: (relay: Relay) => boolean | void;
}

/** Bounds how far a client may be ahead of the compositor. */
export interface Pace {
  /** Whether one more request may go on now. When not, `Relay.resume('requests')` is called once it may. */
  admit(): boolean;
  /** A request has been dealt with. */
  passed(object: RelayObject, message: Message): void;
  /** A handler has said more to the compositor than the request itself: as much as so many requests. */
  charge?(cost: number): void;
  /** The compositor has called a callback. */
  answered?(serverId: number): void;
  /** By which requests are admitted natively. Without it, none is. */
  readonly ledger?: Ledger;
}

/** Keeps some of the client's requests back. */
export interface Hold {
  /**
   * Is asked about each request before any handler. `Forward`: it is dealt with now. `Drop`: it is kept, see
   * {@link Relay.reserve}. `Stall`: neither, it comes again after {@link Relay.resume}.
   */
  keep(call: Call): Verdict;
  /** Whether it may keep any now; it begins to by {@link Relay.reserve}. */
  readonly holding: boolean;
}
