/**
 * A connection to an X server: setup, requests out, replies to whom asked, errors and events to the owner, in the order in
 * which the server sent them.
 *
 *     const x = new XConnection(channel);
 *     x.on('ready', ({ root }) => {
 *       x.send(mapWindow(window));
 *       x.ask(getProperty(window, atom, 4096), reply => { const { value } = property(reply); });
 *     });
 *     x.on('event', event => {});
 *     x.start();
 *
 * What was sent leaves at the end of the turn. The server is ours, its clients are not: it carries their bytes, so no length
 * is believed before there is that much, and none over {@link MAX_REPLY_BYTES} at all.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel } from '../system/channel.js';
import { closeAll } from '../system/fd.js';
import { parseEvent, type XEvent } from './events.js';
import { getInputFocus } from './requests.js';
import { EVENT_BYTES, padded4, XReader, XWireError } from './wire.js';

/**
 * The longest message that is taken, in bytes. The longest answer that we ask for is a part of a selection, of 256 KiB; the
 * setup of a server has some 10 KiB.
 */
export const MAX_REPLY_BYTES = 1 << 20;

/** Questions that may be open, beyond which the connection ends: the server answers each, unless it hangs. */
export const MAX_QUESTIONS = 65_536;

/** Requests without an answer after which one is asked that has one: sequence numbers have 16 bits. */
const SYNC_AFTER = 16_384;

/** What the server said of itself. */
export interface Setup {
  readonly root: number;
  /** Of the root window, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The bits of a window's number that its client chooses: all others name the client. */
  readonly idMask: number;
}

export interface XError {
  readonly code: number;
  /** Opcode of the request that failed, and of an extension the request's own. */
  readonly major: number;
  readonly minor: number;
  /** What it was about. */
  readonly value: number;
}

export interface XConnectionEvents {
  ready: (setup: Setup) => void;
  event: (event: XEvent) => void;
  /** A request failed that nobody waits for: often just because a window is gone already. */
  failed: (error: XError) => void;
  /** It is closed; `reason` undefined: the server left, or {@link XConnection.close} was called. Comes once. */
  close: (reason: Error | undefined) => void;
}

interface Question {
  readonly sequence: number;
  readonly answered: (reply: Uint8Array) => void;
  readonly failed: ((error: XError | undefined) => void) | undefined;
  readonly mayBeLong: boolean;
}

const Kind = { error: 0, reply: 1, genericEvent: 35 } as const;

/**
 * Numbers that rest before they are given again: until then nothing that X clients say about what had them before is still
 * on its way.
 */
export const MOST_FREED = 1024;

/** Where in a setup what we want of it stands. */
const SETUP_HEAD_BYTES = 8;

export class XConnection extends EventEmitter<XConnectionEvents> {
  readonly #channel: Channel;
  readonly #cookie: Uint8Array | undefined;
  /** Bytes to come of an answer that was too long. */
  #skip = 0;
  /** What has come and is not whole. */
  #rest: Uint8Array = new Uint8Array(0);
  #ready = false;
  #closed = false;
  /** Of the last request; 16 bits of it are told. */
  #sequence = 0;
  #syncedAt = 0;
  readonly #questions: Question[] = [];
  #answered = 0;
  #out: Uint8Array[] = [];
  #firstId = 0;
  #idMask = 0;
  #ids = 0;
  /** Numbers that are free again, the one that was freed first in front. */
  readonly #freed: number[] = [];

  /** Takes ownership of the channel. `cookie`: of MIT-MAGIC-COOKIE-1; lent. */
  constructor(channel: Channel, cookie?: Uint8Array) {
    super();
    this.#channel = channel;
    this.#cookie = cookie;
    channel.on('data', (bytes, fds) => {
      closeAll(fds);
      this.#receive(bytes);
    });
    channel.on('end', () => this.#end(undefined));
    channel.on('error', error => this.#end(error));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Asks for the setup; `ready` comes with it. */
  start(): void {
    const name = this.#cookie === undefined ? new Uint8Array(0) : Buffer.from('MIT-MAGIC-COOKIE-1', 'latin1');
    const data = this.#cookie ?? new Uint8Array(0);
    const bytes = new Uint8Array(12 + padded4(name.length) + padded4(data.length));
    const view = new DataView(bytes.buffer);
    bytes[0] = 0x6c; // little-endian
    view.setUint16(2, 11, true);
    view.setUint16(6, name.length, true);
    view.setUint16(8, data.length, true);
    bytes.set(name, 12);
    bytes.set(data, 12 + padded4(name.length));
    this.#channel.start();
    this.#channel.send(bytes);
  }

  /** A number for something of our own: a window, a pixmap. There are some two million. */
  newId(): number {
    if (this.#freed.length > MOST_FREED) return this.#freed.shift()!;
    this.#ids += 1;
    return (this.#firstId | (this.#ids & this.#idMask)) >>> 0;
  }

  /** Whether {@link newId} gave this number, or may give it. */
  hasId(id: number): boolean {
    return (id & ~this.#idMask) >>> 0 === this.#firstId;
  }

  /** What had this number was destroyed, by a request that is sent already. */
  freeId(id: number): void {
    this.#freed.push(id);
  }

  /** Sends a request that has no reply. */
  send(request: Uint8Array): void {
    if (this.#closed) return;
    if (this.#out.length === 0) queueMicrotask(() => this.flush());
    this.#out.push(request);
    this.#sequence += 1;
    if (this.#sequence - this.#syncedAt > SYNC_AFTER) this.ask(getInputFocus(), () => {});
  }

  /**
   * Sends a request that has one: `answered` gets it, 32 bytes at least, its own to keep; `failed` is called instead where
   * the server refused, or has gone. `mayBeLong`: an answer over {@link MAX_REPLY_BYTES} is left out, and counts as
   * refused; else it ends the connection.
   */
  ask(
    request: Uint8Array,
    answered: (reply: Uint8Array) => void,
    failed?: (error: XError | undefined) => void,
    mayBeLong = false,
  ): void {
    if (this.#closed) {
      failed?.(undefined);
      return;
    }
    this.#syncedAt = this.#sequence + 1;
    this.send(request);
    this.#questions.push({ sequence: this.#sequence, answered, failed, mayBeLong });
    if (this.#questions.length - this.#answered > MAX_QUESTIONS) {
      this.#end(new Error(`the X server has not answered ${MAX_QUESTIONS} questions`));
    }
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.#closed || this.#out.length === 0) return;
    const bytes = Buffer.concat(this.#out);
    this.#out = [];
    this.#channel.send(bytes);
  }

  /** Sends what was gathered, and closes. Idempotent. */
  close(): void {
    this.flush();
    this.#end(undefined);
  }

  #end(reason: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out = [];
    this.#channel.closeWhenDrained();
    for (const { failed } of this.#questions.splice(0).slice(this.#answered)) {
      try {
        failed?.(undefined);
      } catch (error) {
        // Nothing that is done about an answer which does not come may keep the end from being told.
        reason ??= error as Error;
      }
    }
    this.emit('close', reason);
  }

  #receive(bytes: Uint8Array): void {
    let all: Uint8Array = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    try {
      all = this.#skipped(all);
      for (let size = this.#sizeOf(all); size <= all.length && !this.#closed; size = this.#sizeOf(all)) {
        if (this.#skip === 0) this.#message(all.subarray(0, size));
        all = this.#skipped(all.subarray(size));
      }
    } catch (error) {
      this.#end(error as Error);
    }
    this.#rest = this.#closed ? new Uint8Array(0) : all.slice();
    this.flush();
  }

  /** Of the message that begins here, in bytes; Infinity: too little of it is there to know. 0: it is to be skipped. */
  #sizeOf(bytes: Uint8Array): number {
    const head = this.#ready ? EVENT_BYTES : SETUP_HEAD_BYTES;
    if (bytes.length < head) return Infinity;
    const at = new XReader(bytes);
    let size = EVENT_BYTES;
    if (!this.#ready) size = SETUP_HEAD_BYTES + 4 * at.u16(6);
    else if ([Kind.reply, Kind.genericEvent].includes((at.u8(0) & 0x7f) as 1)) size = EVENT_BYTES + 4 * at.u32(4);
    if (size <= MAX_REPLY_BYTES) return size;
    if (!this.#ready || at.u8(0) !== Kind.reply || this.#questions[this.#answered]?.mayBeLong !== true) {
      throw new XWireError(`a message of ${size} bytes from the X server`);
    }
    this.#settle(at.u16(2), question => question.failed?.(undefined), true);
    this.#skip = size;
    return 0;
  }

  /** What is left of it, without the rest of an answer that is too long. */
  #skipped(bytes: Uint8Array): Uint8Array {
    const length = Math.min(this.#skip, bytes.length);
    this.#skip -= length;
    return bytes.subarray(length);
  }

  #message(bytes: Uint8Array): void {
    if (!this.#ready) {
      this.#setUp(bytes);
      return;
    }
    const at = new XReader(bytes);
    const kind = at.u8(0);
    if (kind === Kind.reply) this.#settle(at.u16(2), question => question.answered(bytes.slice()), true);
    else if (kind === Kind.error) {
      const error = { code: at.u8(1), value: at.u32(4), minor: at.u16(8), major: at.u8(10) };
      const known = this.#settle(at.u16(2), question => question.failed?.(error), false);
      if (!known) this.emit('failed', error);
    } else this.emit('event', parseEvent(bytes));
  }

  /** Tells whose question has the sequence number; false where it was none. Answers come in order. */
  #settle(sequence: number, tell: (question: Question) => void, must: boolean): boolean {
    const question = this.#questions[this.#answered];
    if (question === undefined || (question.sequence & 0xffff) !== sequence) {
      if (must) throw new XWireError(`the X server answers request ${sequence}, which was no question`);
      return false;
    }
    this.#answered += 1;
    // The list is cut now and then, since to cut it each time would move all that are left.
    if (this.#answered >= 1024 || this.#answered === this.#questions.length) {
      this.#questions.splice(0, this.#answered);
      this.#answered = 0;
    }
    tell(question);
    return true;
  }

  #setUp(bytes: Uint8Array): void {
    const at = new XReader(bytes);
    if (at.u8(0) !== 1) {
      const why = Buffer.from(at.slice(8, Math.min(at.u8(1), at.length - 8))).toString('latin1');
      throw new Error(`the X server refuses us: ${why.replace(/[^ -~]/g, '?')}`);
    }
    this.#firstId = at.u32(12);
    this.#idMask = at.u32(16);
    if (at.u8(28) < 1) throw new XWireError('an X server without a screen');
    const screen = 40 + padded4(at.u16(24)) + 8 * at.u8(29);
    this.#ready = true;
    const [width, height] = [at.u16(screen + 20), at.u16(screen + 22)];
    this.emit('ready', { root: at.u32(screen), width, height, idMask: this.#idMask });
  }
}
