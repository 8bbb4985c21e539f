/**
 * The host's side of vfds: a connection to a server, a pipe, memory. Each owns its descriptors and closes them; ids,
 * limits and who may send what to whom are `state.ts`'s.
 *
 * What the guest sends to a connection or pipe is written at once; what is not taken is copied and waits. The guest's
 * command is answered when little enough waits ({@link MAX_UNSENT_BYTES}), so a server that does not read holds back who
 * sends to it and nobody else.
 */
import { closeAll, type OwnedFd } from '../../fd.js';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from '../../native.js';
import { UnixSocket } from '../../unix-socket.js';
import type { Line } from './guest-queue.js';
import { MAX_UNSENT_BYTES } from './limits.js';
import { VFD_LEGACY_CONTROL, VFD_LEGACY_MAP, VFD_READ, VFD_WRITE } from './wire.js';

/** What becomes of a send: it was taken, or nobody takes it any more. */
export type SendResult = 'taken' | 'gone';
export type SendDone = (result: SendResult) => void;

/** One read of a pipe. Shared: what is read is passed on, and copied, within the call. */
const readBuffer = new Uint8Array(64 * 1024);

/**
 * How long a connection or pipe that the guest has closed may take to deliver what the guest sent before, in
 * milliseconds. A socket of the kernel's would keep it as long as the reader lives.
 */
const LINGER_MS = 10_000;

/** What comes out of a connection or pipe. */
export interface VfdEvents {
  /** The bytes are valid during the call only; the fds become the listener's. */
  readonly arrived: (bytes: Uint8Array, fds: OwnedFd[]) => void;
  /** Nothing more comes, and nobody reads. Once. */
  readonly hungUp: () => void;
  /** What waited has left, or nobody wants it any more: commands that were put off can be looked at. */
  readonly drained: () => void;
  /** It holds nothing any more: after `close()`, now or when it has delivered what waited. */
  readonly ended: () => void;
}

/** A connected socket. */
export class ContextVfd {
  readonly kind = 'context';
  line: Line | undefined;
  /** Descriptors that wait with the bytes, at most. */
  unsentFds = 0;
  readonly #socket: UnixSocket;
  #waiting: SendDone[] = [];
  #hungUp = false;
  #closed = false;
  #ended = false;
  #started = false;
  /** Reasons not to read: each counts. */
  #holds = 0;
  #linger: NodeJS.Timeout | undefined;

  /** Takes ownership of the socket, also when it throws. */
  constructor(
    fd: OwnedFd,
    readonly id: number,
    private readonly events: VfdEvents,
  ) {
    try {
      native.setNonblocking(fd.fd);
    } catch (error) {
      fd.close();
      throw error;
    }
    // `drain` comes whenever something had to wait. The bounds are kept here and in state.ts.
    this.#socket = new UnixSocket(fd, { highWaterBytes: 0, maxQueuedBytes: Infinity, maxQueuedFds: Infinity });
    this.#socket.on('data', (bytes, fds) => events.arrived(bytes, fds));
    this.#socket.on('end', () => this.#hangUp());
    this.#socket.on('error', () => this.#hangUp());
    this.#socket.on('drain', () => this.#drained());
  }

  get unsentBytes(): number {
    return this.#socket.queuedBytes;
  }

  flags(transitional: boolean): number {
    return transitional ? VFD_READ | VFD_WRITE : VFD_LEGACY_CONTROL;
  }

  /** Nothing is read before. */
  start(): void {
    this.#started = true;
    if (!this.#closed && this.#holds === 0) this.#socket.start();
  }

  /** Stops reading, or undoes one stop. */
  hold(held: boolean): void {
    this.#holds += held ? 1 : -1;
    if (this.#closed || !this.#started) return;
    if (this.#holds > 0) this.#socket.pause();
    else {
      this.#socket.start();
      this.#socket.resume();
    }
  }

  /** The fds are given away. `done` is called once. */
  send(bytes: Uint8Array, fds: readonly OwnedFd[], done: SendDone): void {
    if (this.#closed || this.#socket.closed) {
      closeAll(fds);
      done('gone');
      return;
    }
    this.#socket.send(bytes, fds);
    if (this.unsentBytes === 0) this.unsentFds = 0;
    else this.unsentFds += fds.length;
    if (this.unsentBytes > MAX_UNSENT_BYTES) this.#waiting.push(done);
    else done('taken');
  }

  /** The guest has closed it: what it sent still leaves. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.line?.close();
    this.#answer('gone');
    this.#socket.pause();
    if (this.#socket.closed || this.unsentBytes === 0) {
      this.end();
      return;
    }
    this.#socket.removeAllListeners();
    this.#socket.on('drain', () => this.end());
    this.#socket.on('error', () => this.end());
    this.#linger = setTimeout(() => this.end(), LINGER_MS);
  }

  /** Drops everything at once. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closed = true;
    clearTimeout(this.#linger);
    this.line?.close();
    this.#answer('gone');
    this.#socket.close();
    this.events.ended();
  }

  #hangUp(): void {
    this.#answer('gone');
    if (this.#hungUp) return;
    this.#hungUp = true;
    this.events.hungUp();
  }

  #drained(): void {
    this.unsentFds = 0;
    this.#answer('taken');
    this.events.drained();
  }

  #answer(result: SendResult): void {
    for (const done of this.#waiting.splice(0)) done(result);
  }
}

/** One end of a pipe, and until it was sent the other one. */
export class PipeVfd {
  readonly kind = 'pipe';
  line: Line | undefined;
  unsentFds = 0;
  readonly #poll: Poll;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #waiting: SendDone[] = [];
  #hungUp = false;
  #closed = false;
  #ended = false;
  #started = false;
  #holds = 0;
  #linger: NodeJS.Timeout | undefined;

  /**
   * Takes ownership of both, also when it throws. `direction` is what the guest does. Without a `remote`, this is a pipe
   * that came from a server.
   */
  constructor(
    private readonly local: OwnedFd,
    private remote: OwnedFd | undefined,
    readonly direction: 'read' | 'write',
    readonly id: number,
    private readonly events: VfdEvents,
  ) {
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

  flags(transitional: boolean): number {
    if (!transitional) return 0;
    return this.direction === 'read' ? VFD_READ : VFD_WRITE;
  }

  start(): void {
    this.#started = true;
    this.#watch();
  }

  hold(held: boolean): void {
    this.#holds += held ? 1 : -1;
    this.#watch();
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
    if (this.#closed || this.#hungUp) {
      done('gone');
      return;
    }
    let at = 0;
    if (this.#queue.length === 0) {
      at = this.#write(bytes, 0);
      if (this.#hungUp) {
        done('gone');
        return;
      }
    }
    if (at < bytes.length) {
      this.#queue.push(bytes.slice(at));
      this.#queuedBytes += bytes.length - at;
      this.#watch();
    }
    if (this.#queuedBytes > MAX_UNSENT_BYTES) this.#waiting.push(done);
    else done('taken');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.line?.close();
    this.remote?.close();
    this.#answer('gone');
    if (this.#queuedBytes === 0 || this.#hungUp) {
      this.end();
      return;
    }
    this.#linger = setTimeout(() => this.end(), LINGER_MS);
    this.#watch();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closed = true;
    clearTimeout(this.#linger);
    this.line?.close();
    this.#answer('gone');
    this.#poll.close();
    this.local.close();
    this.remote?.close();
    this.events.ended();
  }

  #watch(): void {
    if (this.#ended || this.#hungUp) return;
    let events = 0;
    if (this.direction === 'read') {
      if (this.#started && this.#holds === 0 && !this.#closed) events |= POLL_READABLE;
    } else {
      // Readers that go are an error of the poll, which comes whatever is asked for.
      if (this.#started) events |= POLL_DISCONNECT;
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
    if (status < 0) this.#watch();
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
      if (this.#hungUp) return;
      this.#queuedBytes -= at;
      if (at < first.length) {
        this.#queue[0] = first.subarray(at);
        return;
      }
      this.#queue.shift();
    }
    if (this.#closed) {
      this.end();
      return;
    }
    this.#watch();
    this.#answer('taken');
    this.events.drained();
  }

  #hangUp(): void {
    if (this.#hungUp) return;
    this.#hungUp = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#poll.stop();
    this.#answer('gone');
    if (this.#closed) {
      this.end();
      return;
    }
    this.events.hungUp();
    this.events.drained();
  }

  #answer(result: SendResult): void {
    for (const done of this.#waiting.splice(0)) done(result);
  }
}

/** Memory, mapped into the guest where it has a size. */
export class MemoryVfd {
  readonly kind = 'memory';

  /** Takes ownership of `fd`. `unmap` is called when it is closed. */
  constructor(
    readonly fd: OwnedFd,
    readonly id: number,
    readonly size: number,
    readonly writable: boolean,
    /** In the region, in bytes; undefined for memory of size 0. */
    readonly offset: number | undefined,
    private readonly unmap: () => void,
  ) {}

  flags(transitional: boolean): number {
    if (!transitional) return VFD_LEGACY_MAP | (this.writable ? VFD_WRITE : 0);
    return VFD_READ | (this.writable ? VFD_WRITE : 0);
  }

  close(): void {
    if (this.fd.closed) return;
    this.fd.close();
    this.unmap();
  }

  end(): void {
    this.close();
  }
}

export type HostVfd = ContextVfd | PipeVfd | MemoryVfd;
