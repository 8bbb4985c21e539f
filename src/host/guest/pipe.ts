/** The host's side of a pipe that the guest made, or that a server sent. */
import type { OwnedFd } from '../../system/fd.js';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from '../../system/native.js';
import { HostStream, type SendDone, type StreamEvents } from './stream.js';

/** One read of a pipe. Shared: what is read is passed on, and copied, within the call. */
const readBuffer = new Uint8Array(64 * 1024);

/** One end of a pipe, and until it was sent the other one. */
export class HostPipe extends HostStream {
  readonly #poll: Poll;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;

  /**
   * Takes ownership of both, also when it throws. `direction` is what the guest does. Without a `remote`, this is a pipe
   * that came from a server.
   */
  constructor(
    private readonly local: OwnedFd,
    private remote: OwnedFd | undefined,
    readonly direction: 'read' | 'write',
    events: StreamEvents,
  ) {
    super(events);
    try {
      native.setNonblocking(local.fd);
      this.#poll = new native.Poll(local.fd, (_events, status) => this.#ready(status));
    } catch (error) {
      local.close();
      remote?.close();
      throw error;
    }
  }

  get unsentBytes(): number {
    return this.#queuedBytes;
  }

  /** The end to send away, which is the caller's then; undefined where there is none any more. */
  takeRemote(): OwnedFd | undefined {
    const { remote } = this;
    this.remote = undefined;
    return remote;
  }

  get hasRemote(): boolean {
    return this.remote !== undefined;
  }

  /** Only for a pipe that the guest writes. */
  send(bytes: Uint8Array, done: SendDone): void {
    if (this.closed || this.hungUp) {
      done('gone');
      return;
    }
    let at = 0;
    if (this.#queue.length === 0) {
      at = this.#write(bytes, 0);
      if (this.hungUp) {
        done('gone');
        return;
      }
    }
    if (at < bytes.length) {
      this.#queue.push(bytes.slice(at));
      this.#queuedBytes += bytes.length - at;
      this.watch();
    }
    this.taken(done);
  }

  protected deliverRest(): boolean {
    this.remote?.close();
    if (this.#queuedBytes === 0 || this.hungUp) return false;
    this.watch();
    return true;
  }

  protected release(): void {
    this.#poll.close();
    this.local.close();
    this.remote?.close();
  }

  protected watch(): void {
    if (this.ended || this.hungUp) return;
    let events = 0;
    if (this.direction === 'read') {
      if (this.reads) events |= POLL_READABLE;
    } else {
      // Readers that go are an error of the poll, which comes whatever is asked for.
      if (this.started) events |= POLL_DISCONNECT;
      if (this.#queue.length > 0) events |= POLL_WRITABLE;
    }
    if (events === 0) this.#poll.stop();
    else this.#poll.start(events);
  }

  #ready(status: number): void {
    if (this.direction === 'read') {
      this.#read();
      return;
    }
    if (status < 0 && this.#queue.length === 0) {
      this.#hangUp();
      return;
    }
    this.#flush();
    if (status < 0) this.watch();
  }

  #read(): void {
    let length: number;
    try {
      length = native.read(this.local.fd, readBuffer);
    } catch {
      length = 0;
    }
    if (length < 0) return;
    if (length === 0) this.#hangUp();
    else this.events.arrived(readBuffer.subarray(0, length), []);
  }

  /** Where writing stopped: at the end, or where there was no room. */
  #write(bytes: Uint8Array, from: number): number {
    let at = from;
    try {
      while (at < bytes.length) {
        const written = native.write(this.local.fd, bytes, at, bytes.length - at);
        if (written < 0) break;
        at += written;
      }
    } catch {
      // EPIPE; anything else that a pipe can say is no better.
      this.#hangUp();
    }
    return at;
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const at = this.#write(first, 0);
      if (this.hungUp) return;
      this.#queuedBytes -= at;
      if (at < first.length) {
        this.#queue[0] = first.subarray(at);
        return;
      }
      this.#queue.shift();
    }
    if (this.closed) {
      this.end();
      return;
    }
    this.watch();
    this.answer('taken');
    this.events.drained();
  }

  #hangUp(): void {
    if (this.hungUp) return;
    this.hungUp = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#poll.stop();
    this.answer('gone');
    if (this.closed) {
      this.end();
      return;
    }
    this.events.hungUp();
    this.events.drained();
  }
}
