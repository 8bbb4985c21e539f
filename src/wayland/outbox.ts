/**
 * What is to be said on one channel, gathered: messages of one batch are written behind one another and leave in one
 * send. A send takes a limited number of fds, so a message whose fds would not fit any more sends what came before it
 * first; so the fds of a message never travel after its bytes.
 *
 * Between batches an outbox has nothing to hold, so it has no buffer then: all of a process take turns with a few. A
 * client costs no buffers of its own, and the heap does not fill with those of clients that are gone.
 */
import type { Channel } from '../system/channel.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import type { Message } from './interface.js';
import { MessageWriter } from './message-writer.js';
import type { WireValue } from './wire.js';

/** A batch is sent when it has grown to this size, so that one endless batch does not become one endless buffer. */
const FLUSH_BYTES = 64 * 1024;

/**
 * Writers that are kept for the next who needs one. Rarely more than two are in use at a time, one for each way of the
 * relay that is at work; the rest is for batches that a handler has left open.
 */
const MAX_SPARE_WRITERS = 8;

const spareWriters: MessageWriter[] = [];

/** Gathers messages for one channel. */
export class Outbox {
  /** Lent to this outbox while it holds something. */
  #lent: MessageWriter | undefined;
  #backedUp = false;
  #closed = false;
  #noted: { readonly words: Int32Array; readonly word: number } | undefined;

  constructor(readonly channel: Channel) {
    channel.on('drain', () => {
      this.#backedUp = false;
    });
  }

  /** Whether the channel's queue is over its high-water mark: produce nothing before its `drain`. */
  get backedUp(): boolean {
    return this.#backedUp;
  }

  /** Whether nothing is gathered. */
  get empty(): boolean {
    return this.#lent === undefined || this.#lent.length === 0;
  }

  get #writer(): MessageWriter {
    return this.#lent ?? this.#borrow();
  }

  #borrow(): MessageWriter {
    this.#note(1);
    return (this.#lent = spareWriters.pop() ?? new MessageWriter());
  }

  /** `words[word]` is 1 while something may be gathered here. */
  watch(words: Int32Array, word: number): void {
    this.#noted = { words, word };
    this.#note(this.#lent === undefined ? 0 : 1);
  }

  #note(holds: 0 | 1): void {
    if (this.#noted !== undefined) this.#noted.words[this.#noted.word] = holds;
  }

  /** Copies one whole message. Takes ownership of the fds. Returns where it begins, for {@link put}. */
  append(source: Uint8Array, offset: number, size: number, fds: readonly OwnedFd[] | undefined): number {
    if (this.#closed) {
      if (fds !== undefined) closeAll(fds);
      fds = undefined;
      this.#writer.reset();
    }
    if (this.#writer.length + size > FLUSH_BYTES) this.flush();
    if (fds !== undefined) {
      if (this.#writer.fds.length + fds.length > this.channel.maxFds) this.flush();
      for (const fd of fds) this.#writer.appendFd(fd);
    }
    return this.#writer.append(source, offset, size);
  }

  /** Changes a word, an id, of what {@link append} has copied since the last call of anything else here. */
  put(at: number, word: number): void {
    this.#lent!.put(at, word);
  }

  /** Writes one message. Takes ownership of the fds among the arguments when it succeeds. */
  write(id: number, message: Message, args: readonly WireValue[]): void {
    if (this.#closed) {
      for (const arg of args) if (arg instanceof OwnedFd) arg.close();
      return;
    }
    if (this.#writer.length > FLUSH_BYTES) this.flush();
    if (message.fds > 0 && this.#writer.fds.length + message.fds > this.channel.maxFds) this.flush();
    this.#writer.write(id, message, args);
  }

  /** Sends what was gathered: once per batch. */
  flush(): void {
    const writer = this.#lent;
    if (writer === undefined) return;
    if (writer.length === 0) return this.discard();
    const { bytes, fds } = writer;
    writer.reset();
    this.#lent = undefined;
    this.#note(0);
    try {
      if (this.#closed || this.channel.closed) closeAll(fds);
      else if (!this.channel.send(bytes, fds)) this.#backedUp = true;
    } finally {
      // Not before: what the channel does not send at once it copies while it is told to.
      giveBack(writer);
    }
  }

  /** Drops what was gathered and closes its fds. */
  discard(): void {
    const writer = this.#lent;
    if (writer === undefined) return;
    this.#lent = undefined;
    this.#note(0);
    closeAll(writer.fds);
    writer.reset();
    giveBack(writer);
  }

  /** Nothing more is sent: what is gathered, and what is written from now on, is dropped and its fds closed. */
  close(): void {
    this.discard();
    this.#closed = true;
  }
}

/** Takes back a writer that holds nothing. One that a batch has made large goes with that. */
function giveBack(writer: MessageWriter): void {
  if (spareWriters.length < MAX_SPARE_WRITERS && writer.capacity <= 2 * FLUSH_BYTES) spareWriters.push(writer);
}
