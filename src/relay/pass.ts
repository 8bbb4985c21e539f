/**
 * The native pass: messages that no handler wants go through a relay without JavaScript, a whole batch at a time. It is
 * told here which those are, by the tables and the chain of this connection, and shares with TypeScript what both have to
 * know: whose each id is, which of the compositor's ids are free, what a VM has before the compositor.
 *
 * TypeScript is the reference and the fallback. The pass takes messages from the head of a batch and stops at the first
 * that is not plainly right and plainly nobody's; from there on, everything is TypeScript's, mistakes included. It takes
 * - requests and events without a handler, an fd and a new object, said to objects that nothing has happened to;
 * - `wl_display.sync`, its `wl_callback.done` and its `delete_id`: the callback is an object of the pass alone, until
 *   TypeScript asks for it;
 * - whole frames of surfaces that are steady (`steady.ts`), their callbacks as well;
 * - in a proxy, those of surfaces that were lent: it copies their pixels, and keeps what is known of their buffers until
 *   TypeScript takes that back.
 *
 * An id is the pass's or TypeScript's, never both's. What is gathered or queued on the way out, a flow that holds
 * something, a request that is kept: each closes the pass by a word of its own until it is over, so order is kept.
 *
 * `VIRTWL_RELAY=typescript` turns it off.
 */
import { native, type Mapping } from '../system/native.js';
import type { Channel } from '../system/channel.js';
import { Stream } from '../system/stream.js';
import type { Interface } from '../wayland/interface.js';
import { interfaces } from '../wayland/protocols/index.js';
import type { Chains } from './chain.js';
import type { RelayObject } from './object-map.js';
import { FreeIds, Rows } from './pass-rows.js';
import { MOST_TIMES, Word, WORDS } from './pass-words.js';
import { PassTypes, type PassRules } from './pass-types.js';
import type { RelayRules } from './rules.js';

/**
 * Whether relays have a pass unless their rules say otherwise: `VIRTWL_RELAY` (native, typescript) if set.
 * @throws Error for anything else in it
 */
export function passesByDefault(): boolean {
  const named = process.env.VIRTWL_RELAY ?? 'native';
  if (named === 'native' || named === 'typescript') return named === 'native';
  throw new Error(`VIRTWL_RELAY is "${named}": it can be native or typescript`);
}

/** In {@link Word.RequestTaken} and {@link Word.EventTaken}: nothing was received; it is to be asked for. Else: bytes. */
const NOTHING_TAKEN = -1;
const TO_BE_TAKEN = -2;

const CALLBACK = interfaces.get('wl_callback')!;
/** Rectangles of damage of a frame, at most: what has more is looked at in any case. */
const MOST_FRAME_DAMAGE = 64;

/** The pass of one connection. */
export class Pass {
  readonly words = new Int32Array(WORDS);
  readonly client = new Rows((page, words) => this.#ifOpen(id => native.passRows(id, 0, page, words)));
  readonly server = new Rows((page, words) => this.#ifOpen(id => native.passRows(id, 1, page, words)));
  readonly free = new FreeIds(this.words, ids => this.#ifOpen(id => native.passFree(id, ids)));
  readonly #types: PassTypes;
  readonly #chains: Chains;
  readonly #copies: boolean;
  #id: number;

  constructor(chains: Chains, rules: PassRules) {
    this.#chains = chains;
    this.#copies = rules.copies !== undefined;
    this.#types = PassTypes.of(chains, rules);
    this.words[Word.FrameDamage] = Math.min(rules.frameDamage, MOST_FRAME_DAMAGE);
    this.words[Word.RequestTaken] = this.words[Word.EventTaken] = NOTHING_TAKEN;
    this.#id = native.openPass(this.words, this.#types.id, this.type(CALLBACK, 1));
    native.passFree(this.#id, this.free.ids);
    const { copies } = rules;
    if (copies !== undefined) native.passCopies(this.#id, copies.numbers, copies.uses);
    if (rules.ledger !== undefined) native.passLedger(this.#id, rules.ledger.vm, rules.ledger.connection);
  }

  /** Whether it passes whole frames of surfaces that a concern finds steady. */
  get passesFrames(): boolean {
    return this.words[Word.FrameDamage]! > 0 && !this.#copies;
  }

  /**
   * Until {@link takeBack} the frames of `surface` are copied and passed here, where they are as those before. `words`: see
   * `Native.passLend`. False: there is no room, or frames are not copied here.
   */
  lend(surface: RelayObject, words: Int32Array, count: number, mappings: readonly Mapping[], links: number): boolean {
    if (this.#id === 0 || !this.#copies) return false;
    const lent = native.passLend(this.#id, words, count, mappings, links);
    if (lent) surface.picture = 1;
    return lent;
  }

  /** Writes what has become of a surface that was lent; how many words: none when the connection is over. */
  takeBack(surface: RelayObject, words: Int32Array): number {
    surface.picture = 0;
    // A buffer that is timed may be given again, by either.
    this.words[Word.Timed] = 0;
    return this.#id === 0 ? 0 : native.passTakeBack(this.#id, surface.clientId, words);
  }

  /** From a frame's commit until its buffer's release: of some of the last frames that passed, in milliseconds. */
  get releaseTimes(): number[] {
    const kept = this.words.subarray(Word.Times, Word.Times + Math.min(this.words[Word.TimesTaken]! >>> 0, MOST_TIMES));
    return Array.from(kept, time => (time >>> 0) / 1000);
  }

  /** The same, of those that passed since the last call. */
  takeReleaseTimes(): number[] {
    const times = this.releaseTimes;
    this.words[Word.TimesTaken] = 0;
    return times;
  }

  /** The number of an interface in one version. */
  type(iface: Interface, version: number): number {
    return this.#types.number(iface, version, this.#chains.of(iface));
  }

  /** What comes in at each of the channels goes out at the other. Without effect where native code reads none of them. */
  connect(client: Channel, server: Channel): void {
    if (!(client instanceof Stream && server instanceof Stream)) return;
    client.watchBusy(this.words, Word.ToClientBusy);
    server.watchBusy(this.words, Word.ToServerBusy);
    client.passTo(server, this.#id, 0, fds => this.#take(Word.RequestTaken, 0, fds));
    server.passTo(client, this.#id, 1, fds => this.#take(Word.EventTaken, 1, fds));
  }

  /** An object is not what it was: TypeScript alone deals with it. */
  leave(clientId: number, serverId: number): void {
    if (this.words[Word.Timed] === serverId) this.words[Word.Timed] = 0;
    this.client.leave(clientId);
    this.server.leave(serverId);
  }

  close(): void {
    if (this.#id === 0) return;
    native.closePass(this.#id);
    this.#types.close();
    this.#id = 0;
  }

  /** What is known of ids is still noted when the connection is over. */
  #ifOpen(act: (id: number) => void): void {
    if (this.#id > 0) act(this.#id);
  }

  /** What the pass has received and could not deal with; undefined: nothing, and it is to be received. */
  #take(word: Word, way: number, fds: number[]): number | undefined {
    const taken = this.words[word]!;
    if (taken === NOTHING_TAKEN) return undefined;
    this.words[word] = NOTHING_TAKEN;
    return taken === TO_BE_TAKEN ? native.passTake(this.#id, way, fds) : taken;
  }
}

/** The pass of a connection with these rules; none where somebody wants to see every message. */
export function passOf(
  { native, trace, pace, order, frameDamage = 0, copies }: RelayRules,
  chains: Chains,
): Pass | undefined {
  if (!(native ?? passesByDefault()) || trace !== undefined) return undefined;
  if (pace !== undefined && pace.ledger === undefined) return undefined;
  const ordered = order !== undefined && (order.isDependent('wl_callback') || order.isNeeded('wl_callback'));
  return new Pass(chains, { ledger: pace?.ledger, syncs: chains.ignoreSyncs && !ordered, frameDamage, copies });
}
