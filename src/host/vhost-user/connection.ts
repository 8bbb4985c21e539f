/**
 * vhost-user messages over a socket. Both sockets of a front-end use it: the one that it makes its requests on, and the
 * one that it gives us for ours.
 *
 * A read never goes beyond the message that it is in. Descriptors come with the first byte of theirs, and a read that
 * took in two messages could not tell whose they are.
 */
import { closeAll, OwnedFd } from '../../system/fd.js';
import { IN_FLIGHT_PAUSE_MS, tooManyInFlight } from '../../system/in-flight.js';
import { native, POLL_READABLE, POLL_WRITABLE, type Poll } from '../../system/native.js';
import { decodeHeader, HEADER_BYTES, MAX_MESSAGE_FDS, MAX_PAYLOAD_BYTES, type Header } from './message.js';

/** Messages handled a wake-up, so that a front-end that never stops sending leaves time for others. */
const MESSAGES_PER_WAKE = 32;

/** Bytes that wait to be sent, over which the connection is given up: the front-end answers or reads, or it is gone. */
const MAX_UNSENT_BYTES = 256 * 1024;

export interface ConnectionEvents {
  /** A whole message. The payload is valid during the call only; the fds become the listener's. May throw: see `ended`. */
  readonly message: (header: Header, payload: Uint8Array, fds: OwnedFd[]) => void;
  /** The connection has ended, by the peer (undefined) or by an error. Closed already; once. */
  readonly ended: (error: Error | undefined) => void;
}

export class VhostUserConnection {
  readonly #poll: Poll;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #payload = new Uint8Array(MAX_PAYLOAD_BYTES);
  #got = 0;
  #size: number | undefined;
  #fds: OwnedFd[] = [];
  #unsent: { bytes: Uint8Array; fds: readonly OwnedFd[] }[] = [];
  #unsentBytes = 0;
  /** Too many descriptors of this user are on their way: what is to be sent waits for this. */
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Takes ownership of a connected socket, also when it throws. */
  constructor(
    private readonly socket: OwnedFd,
    private readonly events: ConnectionEvents,
  ) {
    try {
      native.setNonblocking(socket.fd);
      this.#poll = new native.Poll(socket.fd, () => this.#ready());
      this.#poll.start(POLL_READABLE);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the peer has yet to read something that was sent. */
  get unread(): boolean {
    return !this.#closed && (this.#unsent.length > 0 || native.unread(this.socket.fd) > 0);
  }

  /** Handles what has come and was not handled yet. Returns whether that was all of it. */
  catchUp(): boolean {
    return this.#ready();
  }

  /** Takes ownership of the fds in every case. What is sent after the end is dropped. */
  send(bytes: Uint8Array, fds: readonly OwnedFd[] = []): void {
    if (this.#closed) {
      closeAll(fds);
      return;
    }
    this.#unsent.push({ bytes, fds });
    this.#unsentBytes += bytes.length;
    this.#flush();
    if (this.#unsentBytes > MAX_UNSENT_BYTES)
      this.#end(new Error(`the front-end does not read: ${this.#unsentBytes} bytes wait for it`));
  }

  /** Idempotent; `ended` is not called. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#poll.close();
    this.socket.close();
    closeAll(this.#fds.splice(0));
    for (const { fds } of this.#unsent.splice(0)) closeAll(fds);
  }

  #end(error: Error | undefined): void {
    if (this.#closed) return;
    this.close();
    this.events.ended(error);
  }

  #ready(): boolean {
    this.#flush();
    try {
      for (let count = 0; count < MESSAGES_PER_WAKE && !this.#closed; count++) if (!this.#receive()) return true;
    } catch (error) {
      this.#end(error as Error);
    }
    return this.#closed;
  }

  /** Whether a whole message was there. */
  #receive(): boolean {
    if (this.#size === undefined) {
      if (!this.#fill(this.#header)) return false;
      const { size } = decodeHeader(this.#header);
      if (size > MAX_PAYLOAD_BYTES)
        throw new Error(`a vhost-user message of ${size} bytes; the most is ${MAX_PAYLOAD_BYTES}`);
      this.#size = size;
      this.#got = 0;
    }
    const payload = this.#payload.subarray(0, this.#size);
    if (!this.#fill(payload)) return false;
    this.#size = undefined;
    this.#got = 0;
    this.events.message(decodeHeader(this.#header), payload, this.#fds.splice(0));
    return true;
  }

  /** Reads into what is left of `buffer`; whether it is full. */
  #fill(buffer: Uint8Array): boolean {
    while (this.#got < buffer.length) {
      const numbers: number[] = [];
      let length: number;
      try {
        length = native.recv(this.socket.fd, buffer.subarray(this.#got), numbers);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
        length = 0;
      }
      this.#fds.push(...numbers.map(fd => new OwnedFd(fd)));
      if (this.#fds.length > MAX_MESSAGE_FDS)
        throw new Error(`a vhost-user message with ${this.#fds.length} descriptors`);
      if (length < 0) return false;
      if (length === 0) {
        this.#end(this.#got > 0 || this.#size !== undefined ? new Error('it ended within a message') : undefined);
        return false;
      }
      this.#got += length;
    }
    return true;
  }

  #flush(): void {
    if (this.#retry !== undefined) return;
    try {
      while (this.#unsent.length > 0) {
        const first = this.#unsent[0]!;
        const sent = native.send(
          this.socket.fd,
          first.bytes,
          0,
          first.bytes.length,
          first.fds.map(fd => fd.fd),
        );
        if (sent < 0) break;
        closeAll(first.fds);
        this.#unsentBytes -= sent;
        if (sent < first.bytes.length) this.#unsent[0] = { bytes: first.bytes.subarray(sent), fds: [] };
        else this.#unsent.shift();
      }
    } catch (error) {
      if (tooManyInFlight(error)) {
        // Other processes of this user may have caused that, of other VMs too: it is not this VM's end.
        this.#retry = setTimeout(() => {
          this.#retry = undefined;
          this.#flush();
        }, IN_FLIGHT_PAUSE_MS);
        this.#poll.start(POLL_READABLE);
        return;
      }
      const { code } = error as NodeJS.ErrnoException;
      this.#end(code === 'EPIPE' || code === 'ECONNRESET' ? undefined : (error as Error));
      return;
    }
    if (!this.#closed) this.#poll.start(POLL_READABLE | (this.#unsent.length > 0 ? POLL_WRITABLE : 0));
  }
}
