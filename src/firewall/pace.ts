/**
 * How much of the compositor one VM may take. What its clients passed on is counted, by what it costs the compositor, and
 * `wl_display.sync` tells when it has been dealt with: the relays' own, or a client's where one comes at the right time.
 * Three bounds follow, for all connections of the VM together; above any of them its requests wait in its own links:
 *
 * - what is under way at a time, so that it makes the compositor late by that and no more, and takes our own time in small
 *   slices;
 * - the same again by time: when an answer is late, less may be under way;
 * - the part of the time in which the compositor may be at work for it: who floods is made to pause, and the others find
 *   the compositor idle.
 *
 * The latter two hold while another VM says anything at all: who is alone with a compositor has it.
 */
import { DEFAULT_BOUNDS } from './bounds.js';
import { ConnectionPace } from './connection-pace.js';
import { PaceCounts } from './pace-counts.js';
import { Sharers } from './sharers.js';

export type { ConnectionPace } from './connection-pace.js';
export { Sharers, type PaceClock } from './sharers.js';

/** Cost that one VM may have before the compositor by default. A request is 1; 128 take less than a millisecond of wlroots. */
export const VM_WINDOW = DEFAULT_BOUNDS.ahead;
/** What may be before the compositor however late its answers are: a frame of a window and what goes with it. */
export const MIN_WINDOW = 16;
/**
 * What a connection owes, at least, for its client's own question to be taken where all of a VM owe much: half of a turn.
 * A question that is taken is dealt with in TypeScript. Five hundred that draw owe much in any case, so that without this
 * each of their frames would be asked about; with it every second is, and less is before the compositor than may be.
 */
export const OWN_QUESTION = MIN_WINDOW / 2;
/** What a connection may say in its turn though there is no room any more: a frame. */
const TURN = MIN_WINDOW;
/** An answer that takes longer, in milliseconds, halves what may be before the compositor. */
export const LATE_MS = 2;
/** After how much cost of one connection the compositor is asked whether it has got there, at most. */
const ASK_AFTER = 32;
/**
 * How many times as much may be before the compositor, and is asked about at once, while no other VM says anything: who is
 * alone makes nobody late, and many windows are shown in one turn of the compositor. The first to speak again waits for it
 * once, some milliseconds. At least a frame (`TURN`) of each connection may be: where five hundred draw, that is a turn of the
 * compositor in any case.
 */
export const ALONE = 8;
/** Part of the time that the compositor may be at work for one VM by default: most who ask then find it idle. */
export const VM_SHARE = 1 / 4;
/** What a request of cost 1 takes at most, in milliseconds. An answer that took longer waited for the work of others. */
export const MOST_FOR_COST_MS = 0.05;
/** For so long, in milliseconds, it may be at work beyond that: what a large program says when it starts. */
export const VM_BURST_MS = 20;
/** The longest pause, in milliseconds: a compositor that stood still for a second was not at work for anybody. */
export const MAX_PAUSE_MS = 20;
/**
 * How long it is waited for an answer, in milliseconds, until those connections are looked for whose client does not read:
 * nothing is read for it then, answers to us included.
 */
export const DEAF_MS = 50;
/** A VM that has said nothing for so long, in milliseconds, is not there. */
export const QUIET_MS = 1_000;
/** What a request of cost 1 takes of our own time, in milliseconds: the glue has one thread for all VMs too. */
const OWN_FOR_COST_MS = 0.001;
/**
 * After how much of our own time, in requests, what others have said is looked at first. A VM that has made a pause goes on
 * by a timer, and that comes due when another VM wakes us: each of its questions would wait for all of the flood.
 */
export const SLICE = 32;
/** How long an answer takes when there is nothing to do, in milliseconds, or longer: that is no work. */
const ANSWER_MS = 0.1;

/** All connections of one VM. */
export class VmPace {
  readonly #connections = new Set<ConnectionPace>();
  /** Those whose requests wait, in the order of their turns. */
  readonly #waiting = new Set<ConnectionPace>();
  /** Those that have passed on what nobody has asked about yet, and some that it was asked about since. */
  readonly #owing = new Set<ConnectionPace>();
  readonly #counts = new PaceCounts();
  /** Cost that may be before the compositor while others share it. */
  #window: number;
  /** The number of the connection that was made last. */
  #numbers = 0;
  /** Questions that are not answered yet, and since when there are any. */
  #questions = 0;
  #busySince = 0;
  /** When the milliseconds were counted last for which the compositor may be at work for it. */
  #countedAt = 0;
  /** It will be looked whether a client does not read. */
  #looks = false;
  #sharers = new Sharers();
  #spokeAt = -Infinity;
  /** Another VM had said something when the compositor answered last. */
  #shares = true;

  /** `share`: part of the time that the compositor may be at work for it, over 0; 1: it never pauses. */
  constructor(
    readonly share = VM_SHARE,
    readonly mostAhead = VM_WINDOW,
  ) {
    this.#window = mostAhead;
    this.#counts.credit = VM_BURST_MS;
    this.#setBounds();
  }

  /** What the relays count in as well. @internal */
  get shared(): Float64Array {
    return this.#counts.shared;
  }

  #setBounds(): void {
    const alone = Math.max(ALONE * this.mostAhead, TURN * this.#connections.size);
    const most = this.#shares ? this.#window : alone;
    this.#counts.window = most;
    this.#counts.askAfter = this.#shares ? Math.min(ASK_AFTER, most / 4) : most / 2;
    this.#counts.mostSlice = this.#shares ? SLICE : Infinity;
  }

  /** Cost before the compositor. */
  get ahead(): number {
    return this.#counts.ahead;
  }

  /** Cost that may be before the compositor as it answers now. */
  get window(): number {
    return this.#counts.window;
  }

  /** Whether its requests wait for the time to come, whatever the compositor has dealt with. */
  get rests(): boolean {
    return this.#counts.rests;
  }

  /** After how much cost of a connection to ask. @internal */
  get askAfter(): number {
    return this.#counts.askAfter;
  }

  /** Whether a client's own question is welcome of a connection that owes so much. @internal */
  welcomes(unasked: number): boolean {
    if (unasked >= this.askAfter / 2 || this.#counts.ahead >= (this.window * 3) / 4) return true;
    return !this.only && unasked >= OWN_QUESTION && this.#oweMuch;
  }

  /** Whether no other VM shares the compositor. @internal */
  get only(): boolean {
    return this.#counts.only;
  }

  set only(only: boolean) {
    this.#counts.only = only;
  }

  /** For one more connection; `sharers` are the same for all of a VM. */
  connect(sharers: Sharers): ConnectionPace {
    if (this.#connections.size === 0) {
      this.#sharers = sharers;
      this.#countedAt = sharers.clock.now();
      sharers.add(this);
    }
    const connection = new ConnectionPace(this, ++this.#numbers);
    this.#connections.add(connection);
    return connection;
  }

  /** Whether what nobody has asked about is a good part of what may be under way. */
  get #oweMuch(): boolean {
    return this.#counts.unasked >= this.window / 4;
  }

  /** Whether one more request of a connection may go on; if not, it has its turn later. @internal */
  admit(connection: ConnectionPace): boolean {
    const admitted = this.#hasRoom(connection);
    if (!admitted) this.#waiting.add(connection);
    else if (this.#waiting.size > 0) this.#waiting.delete(connection);
    this.#counts.waits = this.#waiting.size;
    return admitted;
  }

  #hasRoom(connection: ConnectionPace): boolean {
    if (this.#counts.rests) return false;
    if (connection.number !== this.#counts.turn) {
      this.#counts.turn = connection.number;
      this.#counts.turnCost = 0;
    }
    const most = this.window;
    // A frame that has begun is not cut in two: it would leave by two messages, and wake the compositor twice.
    const between = this.#counts.turnCost === 0 || this.#counts.turnCost >= TURN;
    if (between && this.#counts.slice >= this.#counts.mostSlice) {
      this.#yield();
      return false;
    }
    if (this.#counts.ahead >= most && (between || this.#counts.ahead >= most + TURN)) {
      // Answers that are on their way make room too.
      if (this.#oweMuch || this.#questions === 0) this.#ask();
      this.#look();
      return false;
    }
    if (this.#counts.credit >= 0 || this.share === 1 || !this.#shares) return true;
    this.#count();
    if (this.#counts.credit >= 0 || !this.#sharers.others(this, this.#countedAt)) return true;
    this.#pause();
    return false;
  }

  /** @internal */
  spokeLately(now: number): boolean {
    if (this.#counts.spoke) this.#spokeAt = now;
    this.#counts.spoke = false;
    return now - this.#spokeAt < QUIET_MS;
  }

  /** @internal */
  spend(connection: ConnectionPace, cost: number, own: number): void {
    if (!connection.owes) {
      connection.owes = true;
      this.#owing.add(connection);
    }
    this.#counts.unasked += cost;
    this.#counts.ahead += cost;
    this.#counts.turnCost += cost;
    this.#counts.credit -= own * OWN_FOR_COST_MS;
    this.#counts.spoke = true;
    this.#counts.slice += own;
  }

  /** The compositor is asked about what a connection owes. Returns the time. @internal */
  asks(cost: number): number {
    this.#counts.unasked -= cost;
    const now = this.#sharers.clock.now();
    if (this.#questions === 0) this.#busySince = now + ANSWER_MS;
    this.#questions += 1;
    return now;
  }

  /** The compositor has answered what was asked at `askedAt`: it has got so far. @internal */
  earn(cost: number, askedAt: number): void {
    this.#count();
    const now = this.#countedAt;
    if (now > this.#busySince) this.#counts.credit -= Math.min(now - this.#busySince, cost * MOST_FOR_COST_MS);
    this.#counts.credit = Math.max(-MAX_PAUSE_MS * this.share, this.#counts.credit);
    this.#busySince = Math.max(now, this.#busySince);
    this.#questions -= 1;
    // What had come from others was looked at together with this answer.
    this.#counts.slice = 0;
    const took = now - askedAt;
    this.#shares = this.#sharers.others(this, now);
    if (took > LATE_MS && this.#shares) this.#window = Math.max(Math.min(MIN_WINDOW, this.mostAhead), this.#window / 2);
    else if (took < LATE_MS / 2) this.#window = Math.min(this.mostAhead, this.#window + MIN_WINDOW / 2);
    this.#setBounds();
    this.#release(cost);
  }

  /** The compositor has dealt with so much of what a connection owes, as an answer to its client has told. @internal */
  settle(cost: number): void {
    this.#counts.unasked -= cost;
    this.#release(cost);
  }

  /** Nobody answers any more for what a connection has asked, or owes. @internal */
  forgive(connection: ConnectionPace, asked: number, unasked: number, questions: number): void {
    this.#owing.delete(connection);
    connection.owes = false;
    this.#counts.unasked -= unasked;
    this.#questions -= questions;
    this.#counts.ahead -= asked + unasked;
  }

  /** @internal */
  disconnect(connection: ConnectionPace): void {
    this.#connections.delete(connection);
    this.#waiting.delete(connection);
    this.#counts.waits = this.#waiting.size;
    if (this.#connections.size === 0) this.#sharers.delete(this);
    this.#release(0);
  }

  #release(cost: number): void {
    this.#counts.ahead -= cost;
    for (const connection of this.#waiting) {
      if (this.#counts.rests || this.#counts.ahead >= this.window) break;
      // A client that does not read says nothing more until it has: its turn comes again.
      if (connection.deaf) continue;
      // Who has had its turn, and is not done, is the last for the next one.
      this.#waiting.delete(connection);
      this.#counts.waits = this.#waiting.size;
      connection.go();
    }
    // What was not enough to ask about may be all that there is room for now.
    if (this.#counts.ahead >= this.window && this.#questions === 0) this.#ask();
  }

  /** Nothing more may go on: every connection is to tell when the compositor has got there. */
  #ask(): void {
    for (const connection of this.#owing) {
      if (connection.ask()) continue;
      // It has been asked for in the meantime.
      this.#owing.delete(connection);
      connection.owes = false;
    }
  }

  /** A client that does not read holds up no other of its VM. It says nothing more itself until it has read. */
  #look(): void {
    if (this.#looks) return;
    this.#looks = true;
    this.#sharers.clock.after(DEAF_MS, () => {
      this.#looks = false;
      for (const connection of this.#connections) if (connection.deaf) connection.forgive();
      this.#release(0);
      if (this.#waiting.size > 0) this.#look();
    });
  }

  /** Until the compositor may be at work for it again. */
  #pause(): void {
    this.#counts.rests = true;
    this.#sharers.clock.after(-this.#counts.credit / this.share, () => {
      // What was owed is paid.
      this.#count();
      this.#counts.credit = Math.max(0, this.#counts.credit);
      this.#yield();
    });
  }

  /** Others first. */
  #yield(): void {
    this.#counts.rests = true;
    this.#sharers.clock.soon(() => {
      this.#counts.rests = false;
      this.#counts.slice = 0;
      this.#release(0);
    });
  }

  /** Gives it its share of the time up to now. */
  #count(): void {
    const now = this.#sharers.clock.now();
    this.#counts.credit = Math.min(VM_BURST_MS, this.#counts.credit + (now - this.#countedAt) * this.share);
    this.#countedAt = now;
  }
}
