/**
 * One direction of a relay: takes bytes and fds from a channel, cuts them into whole messages, and hands them over one
 * by one. A flow can be held up by the message at its head (a stall), or because the other side does not read; then it
 * stops reading its channel, of a stall when one more batch has come, so that the peer feels it and nothing piles up here.
 */
import type { Channel } from '../system/channel.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import type { Outbox } from './outbox.js';
import { checkSize, HEADER_BYTES, readSize, WireError } from './wire.js';

/**
 * Most fds that may wait for their messages. libwayland sends at most 28 with one write and never before the writes of
 * the messages ahead, so a batch or two of them can wait; a peer that sends more without messages to own them fills our
 * table of descriptors.
 */
export const MAX_WAITING_FDS = 128;

/** Where a flow's messages go. */
export interface FlowSink {
  /** One whole message; `fds` is the queue to take its fds from. False: hold it, and all behind it, until `resume`. */
  dispatch(bytes: Uint8Array, offset: number, size: number, fds: OwnedFd[]): boolean;
  /** Everything that was there has been dispatched, for now. */
  batchDone(): void;
  /** The peer left. */
  end(): void;
  /** The channel broke. */
  error(error: Error): void;
  /** A message was wrong, or dispatching it failed. */
  broken(error: Error): void;
}

/** What a native pass has done with the head of what was received; it does nothing while `held` is set. */
export interface FlowPass {
  readonly words: Int32Array;
  /** The word that says whether the flow holds something. */
  readonly held: number;
  /** The word with the bytes at the head of the last batch that have passed; behind it, how many of those were sent. */
  readonly passed: number;
}

export class Flow {
  readonly #channel: Channel;
  readonly #sink: FlowSink;
  readonly #fds: OwnedFd[] = [];
  /** Bytes that could not be dispatched yet: an incomplete message, or what a stall holds up. */
  #rest: Uint8Array | undefined;
  #stalled = false;
  #ended = false;
  #closed = false;
  /** The last batch brought as many fds as one can: those of its last messages may come with the next. */
  #fdsMayFollow = false;
  readonly #outs: readonly Outbox[];
  #pass: FlowPass | undefined;

  /**
   * `out` is where this flow's messages leave: while it is backed up, nothing is read. `answers`, where it is given, is
   * where answers to them leave: a peer that does not read those may not ask for more.
   */
  constructor(channel: Channel, out: Outbox, sink: FlowSink, answers?: Outbox) {
    this.#channel = channel;
    this.#sink = sink;
    this.#outs = answers === undefined ? [out] : [out, answers];
    channel.on('data', (bytes, fds) => this.#receive(bytes, fds));
    channel.on('end', () => {
      // What a stall holds up is still to be said; the end comes after it.
      this.#ended = true;
      this.#note();
      if (!this.#stalled && !this.#closed) this.#sink.end();
    });
    channel.on('error', error => {
      if (!this.#closed) this.#sink.error(error);
    });
    for (const each of this.#outs) {
      each.channel.on('drain', () => {
        if (!this.#stalled && !this.#closed && !this.#backedUp()) this.#channel.resume();
      });
    }
  }

  /** Messages may have passed before they come here. */
  passBy(pass: FlowPass): void {
    this.#pass = pass;
    this.#note();
  }

  #note(): void {
    const pass = this.#pass;
    if (pass === undefined) return;
    const free = this.#rest === undefined && !this.#stalled && !this.#ended && !this.#closed;
    pass.words[pass.held] = free && this.#fds.length === 0 && !this.#fdsMayFollow ? 0 : 1;
  }

  start(): void {
    this.#channel.start();
  }

  /** Tries the message that stalled again, and goes on behind it. */
  resume(): void {
    if (!this.#stalled || this.#closed) return;
    this.#stalled = false;
    const rest = this.#rest ?? new Uint8Array(0);
    this.#rest = undefined;
    this.#dispatchAll(rest, 0, true);
    this.#note();
    if (this.#stalled || this.#closed) return;
    if (this.#ended) this.#sink.end();
    else if (!this.#backedUp()) this.#channel.resume();
  }

  /** Drops what is held. The channel is its owner's to close. */
  close(): void {
    this.#closed = true;
    this.#note();
    this.#rest = undefined;
    closeAll(this.#fds);
    this.#fds.length = 0;
  }

  #receive(bytes: Uint8Array, fds: OwnedFd[]): void {
    if (this.#closed) {
      closeAll(fds);
      return;
    }
    const passed = this.#passed(bytes);
    this.#fds.push(...fds);
    this.#fdsMayFollow = fds.length >= this.#channel.maxFds;
    if (this.#stalled) {
      this.#rest = this.#rest === undefined ? bytes.slice() : joined(this.#rest, bytes);
      this.#channel.pause();
      return;
    }
    if (this.#rest === undefined) {
      this.#dispatchAll(bytes, passed, false);
    } else {
      const all = joined(this.#rest, bytes);
      this.#rest = undefined;
      this.#dispatchAll(all, 0, true);
    }
    this.#note();
    // Not for a stall before there is more: most end before the peer has anything else to say, and to stop and go on
    // watching a channel are three system calls.
    if (!this.#closed && this.#backedUp()) this.#channel.pause();
  }

  /** How many bytes at the head have passed: what was not sent of them goes before all else. */
  #passed(bytes: Uint8Array): number {
    const pass = this.#pass;
    if (pass === undefined) return 0;
    const { words, passed: word } = pass;
    const passed = words[word]!;
    const sent = words[word + 1]!;
    words[word] = 0;
    if (sent < passed) this.#outs[0]!.append(bytes, sent, passed - sent, undefined);
    return passed;
  }

  #backedUp(): boolean {
    return this.#outs.some(out => out.backedUp);
  }

  /** From `at` on. `owned`: the bytes are ours to keep; otherwise what is left of them is copied. */
  #dispatchAll(bytes: Uint8Array, at: number, owned: boolean): void {
    try {
      while (bytes.length - at >= HEADER_BYTES) {
        const size = readSize(bytes, at);
        checkSize(size);
        if (bytes.length - at < size) break;
        if (!this.#dispatch(bytes, at, size)) break;
        if (this.#closed) return;
        at += size;
      }
      if (this.#fds.length > MAX_WAITING_FDS) {
        throw new WireError('fd', `${this.#fds.length} file descriptors wait for messages, ${MAX_WAITING_FDS} may`);
      }
      if (at < bytes.length) this.#rest = owned ? bytes.subarray(at) : bytes.slice(at);
      this.#sink.batchDone();
    } catch (error) {
      if (!this.#closed) this.#sink.broken(error as Error);
    }
  }

  /** False: the message stays at the head. */
  #dispatch(bytes: Uint8Array, at: number, size: number): boolean {
    try {
      if (this.#sink.dispatch(bytes, at, size, this.#fds)) return true;
      this.#stalled = true;
      return false;
    } catch (error) {
      // A context hands over bytes as they come but only so many fds at once (the RECV of virtio_wl): the rest comes
      // next.
      if (this.#fdsMayFollow && error instanceof WireError && error.kind === 'fd') return false;
      throw error;
    }
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
