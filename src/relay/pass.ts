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
 * - whole frames of surfaces that are steady (`steady.ts`), their callbacks as well.
 *
 * An id is the pass's or TypeScript's, never both's. What is gathered or queued on the way out, a flow that holds
 * something, a request that is kept: each closes the pass by a word of its own until it is over, so order is kept.
 *
 * `VIRTWL_RELAY=typescript` turns it off.
 */
import { native } from '../system/native.js';
import type { Channel } from '../system/channel.js';
import { Stream } from '../system/stream.js';
import type { Interface } from '../wayland/interface.js';
import { interfaces } from '../wayland/protocols/index.js';
import type { Chains } from './chain.js';
import { PassTypes, type PassRules } from './pass-types.js';

/**
 * Whether relays have a pass unless their rules say otherwise: `VIRTWL_RELAY` (native, typescript) if set.
 * @throws Error for anything else in it
 */
export function passesByDefault(): boolean {
  const named = process.env.VIRTWL_RELAY ?? 'native';
  if (named === 'native' || named === 'typescript') return named === 'native';
  throw new Error(`VIRTWL_RELAY is "${named}": it can be native or typescript`);
}

/** Words of a connection: the same as in `bindings/message_pass.h`. */
export const enum Word {
  /** While one of the first eight is not 0, TypeScript takes the way: the flow of that way holds something. */
  RequestFlow,
  EventFlow,
  /** Something is gathered that has not left. */
  ToServerHolds,
  ToClientHolds,
  /** The channel does not send at once. */
  ToServerBusy,
  ToClientBusy,
  /** Requests are kept back: each is asked about. */
  Holding,
  /** Something is to be said before the next event. */
  Waiting,
  /** Ids of the client's below that were in use before. */
  ClientLength,
  /** Ids of ours below that are not simply free when they are confirmed. */
  FirstReused,
  FreeCount,
  /** Callbacks that the client waits for. */
  Callbacks,
  /** How often the compositor has called one. */
  Answers,
  /** Of each way: what was received (see `NOTHING_TAKEN`), how much of it has passed, how much of that was sent. */
  RequestTaken,
  RequestPassed,
  RequestSent,
  EventTaken,
  EventPassed,
  EventSent,
  /** Batches that went through without TypeScript. */
  Batches,
  /** Rectangles of damage that a steady frame may have; 0: there is none. */
  FrameDamage,
  /** Steady frames that passed. */
  Frames,
  Count,
}

/** In {@link Word.RequestTaken} and {@link Word.EventTaken}: nothing was received; it is to be asked for. Else: bytes. */
const NOTHING_TAKEN = -1;
const TO_BE_TAKEN = -2;

/** Whose an id is. Over 0: the number of its type; with `MADE_HERE`: and the object is the pass's. */
const NOBODYS = 0;
const TYPESCRIPTS = -1;
const MADE_HERE = 1 << 30;

/** Numbers of a pace that the pass counts in as well. */
export const enum Entry {
  Ahead,
  Window,
  Credit,
  Rests,
  Spoke,
  AskAfter,
  Unasked,
  Turn,
  TurnCost,
  Slice,
  MostSlice,
  Count,
}

/** Numbers of a connection that the pass counts in as well. */
export const enum OwnEntry {
  Unasked,
  Number,
  /** 1: the VM knows it as one that owes. */
  Owes,
  Count,
}

const CALLBACK = interfaces.get('wl_callback')!;
/** Ids that a table has room for at first. */
const FIRST_ROWS = 64;
/** Rectangles of damage of a frame, at most: what has more is looked at in any case. */
const MOST_FRAME_DAMAGE = 64;
/** Words of an id: the other side's id, whose it is, and its picture (of a surface and a buffer) or version (of a callback). */
const ROW_WORDS = 3;

/** Which side's object an id names on the other, and whose it is. */
export class Rows {
  words = new Int32Array(ROW_WORDS * FIRST_ROWS);

  constructor(
    private readonly grew: () => void,
    private readonly shared: Int32Array,
    private readonly lengthWord: Word | undefined,
  ) {}

  #has(id: number): boolean {
    return ROW_WORDS * id < this.words.length;
  }

  /** An object of TypeScript's; `type` 0: the pass knows nothing of it. */
  set(id: number, other: number, type: number): void {
    if (!this.#has(id)) {
      const words = new Int32Array(2 * ROW_WORDS * id);
      words.set(this.words);
      this.words = words;
      this.grew();
    }
    const at = ROW_WORDS * id;
    this.words[at] = other;
    this.words[at + 1] = type === 0 ? TYPESCRIPTS : type;
    this.words[at + 2] = 0;
  }

  clear(id: number): void {
    if (this.#has(id)) this.words[ROW_WORDS * id + 1] = NOBODYS;
  }

  /** From now on it is TypeScript's alone. */
  leave(id: number): void {
    if (this.#has(id)) this.words[ROW_WORDS * id + 1] = TYPESCRIPTS;
  }

  /** Of a buffer, or a surface: what its pictures are alike in; 0: nothing. */
  setPicture(id: number, picture: number): void {
    if (this.#has(id)) this.words[ROW_WORDS * id + 2] = picture;
  }

  /** The other side's id of an object that the pass has made; 0 for any other. */
  madeAs(id: number): number {
    return this.#has(id) && this.words[ROW_WORDS * id + 1]! >= MADE_HERE ? this.words[ROW_WORDS * id]! : 0;
  }

  /** The version of such an object. */
  versionOf(id: number): number {
    return this.words[ROW_WORDS * id + 2]!;
  }

  noteLength(ids: number): void {
    if (this.lengthWord !== undefined) this.shared[this.lengthWord] = ids;
  }
}

/** Ids that are free to be used again, the one that came free last first. */
export class FreeIds {
  ids = new Int32Array(FIRST_ROWS);

  constructor(
    private readonly words = new Int32Array(Word.Count),
    private readonly grew: () => void = () => {},
  ) {}

  push(id: number): void {
    const count = this.words[Word.FreeCount]!;
    if (count === this.ids.length) {
      const ids = new Int32Array(2 * count);
      ids.set(this.ids);
      this.ids = ids;
      this.grew();
    }
    this.ids[count] = id;
    this.words[Word.FreeCount] = count + 1;
  }

  /** 0: none is free. */
  pop(): number {
    const count = this.words[Word.FreeCount]!;
    if (count === 0) return 0;
    this.words[Word.FreeCount] = count - 1;
    return this.ids[count - 1]!;
  }

  /** None is free, and none below `first` will be. */
  forget(first: number): void {
    this.words[Word.FreeCount] = 0;
    this.words[Word.FirstReused] = first;
  }
}

/** The pass of one connection. */
export class Pass {
  readonly words = new Int32Array(Word.Count);
  readonly client = new Rows(() => this.#setTables(), this.words, Word.ClientLength);
  readonly server = new Rows(() => this.#setTables(), this.words, undefined);
  readonly free = new FreeIds(this.words, () => this.#setTables());
  readonly #types: PassTypes;
  readonly #chains: Chains;
  #id: number;

  constructor(chains: Chains, rules: PassRules) {
    this.#chains = chains;
    this.#types = PassTypes.of(chains, rules);
    this.words[Word.FrameDamage] = Math.min(rules.frameDamage, MOST_FRAME_DAMAGE);
    this.words[Word.RequestTaken] = this.words[Word.EventTaken] = NOTHING_TAKEN;
    this.#id = native.openPass(this.words, this.#types.id, this.type(CALLBACK, 1));
    this.#setTables();
    if (rules.ledger !== undefined) native.passLedger(this.#id, rules.ledger.vm, rules.ledger.connection);
  }

  /** Whether it passes whole frames. */
  get passesFrames(): boolean {
    return this.words[Word.FrameDamage]! > 0;
  }

  /** The number of an interface in one version. */
  type(iface: Interface, version: number): number {
    return this.#types.number(iface, version, this.#chains.of(iface));
  }

  /** What comes in at each of the channels goes out at the other. Without effect where they are no plain sockets. */
  connect(client: Channel, server: Channel): void {
    if (!(client instanceof Stream && server instanceof Stream)) return;
    client.watchBusy(this.words, Word.ToClientBusy);
    server.watchBusy(this.words, Word.ToServerBusy);
    client.passTo(server, this.#id, 0, fds => this.#take(Word.RequestTaken, 0, fds));
    server.passTo(client, this.#id, 1, fds => this.#take(Word.EventTaken, 1, fds));
  }

  /** An object is not what it was: TypeScript alone deals with it. */
  leave(clientId: number, serverId: number): void {
    this.client.leave(clientId);
    this.server.leave(serverId);
  }

  close(): void {
    if (this.#id === 0) return;
    native.closePass(this.#id);
    this.#types.close();
    this.#id = 0;
  }

  #setTables(): void {
    if (this.#id > 0) native.passTables(this.#id, this.client.words, this.server.words, this.free.ids);
  }

  /** What the pass has received and could not deal with; undefined: nothing, and it is to be received. */
  #take(word: Word, way: number, fds: number[]): number | undefined {
    const taken = this.words[word]!;
    if (taken === NOTHING_TAKEN) return undefined;
    this.words[word] = NOTHING_TAKEN;
    return taken === TO_BE_TAKEN ? native.passTake(this.#id, way, fds) : taken;
  }
}
