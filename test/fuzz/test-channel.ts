/**
 * Two ends of a channel without a kernel between them: what one end sends waits until it is handed over, in segments as
 * large as the test says, so that everything happens within one turn and in an order that the input decides. A `link`
 * carries what virtio_wl carries and refuses the rest, as a context does.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel, ChannelEvents } from '../../src/system/channel.js';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Memory, Pipe, SocketVfd, Vfd } from '../../src/virtwl/vfd.js';

interface Sent {
  readonly bytes: Uint8Array;
  readonly fds: OwnedFd[];
}

export class TestChannel extends EventEmitter<ChannelEvents> implements Channel {
  readonly maxFds = 28;
  closed = false;
  /** What this end has sent and the other has not been handed. */
  readonly sent: Sent[] = [];
  /** Sends beyond so many waiting bytes are answered with false. */
  highWater = Infinity;
  #started = false;
  #paused = false;
  #drainOwed = false;

  constructor(readonly kind: 'socket' | 'link') {
    super();
  }

  get queuedBytes(): number {
    return this.sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Whether it takes what is delivered. */
  get reads(): boolean {
    return this.#started && !this.#paused && !this.closed;
  }

  start(): void {
    this.#started = true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  send(bytes: Uint8Array, fds: readonly OwnedFd[] = []): boolean {
    const wrong =
      fds.length > this.maxFds ||
      (fds.length > 0 && bytes.length === 0) ||
      (this.kind === 'link' && fds.some(fd => !(fd instanceof Vfd) || !fd.sendable)) ||
      fds.some(fd => fd.closed);
    if (wrong || this.closed || bytes.length === 0) {
      closeAll(fds);
      if (wrong) throw new TypeError('a send that no channel takes');
      return true;
    }
    this.sent.push({ bytes: bytes.slice(), fds: [...fds] });
    if (this.queuedBytes <= this.highWater) return true;
    this.#drainOwed = true;
    return false;
  }

  /** Takes away what was sent, all of it as one segment, as far as fds allow; undefined where nothing was. */
  takeSent(): Sent | undefined {
    if (this.sent.length === 0) return undefined;
    const segments = this.sent.splice(0);
    const segment = {
      bytes: Buffer.concat(segments.map(({ bytes }) => bytes)),
      fds: segments.flatMap(({ fds }) => fds),
    };
    if (this.#drainOwed) {
      this.#drainOwed = false;
      if (!this.closed) this.emit('drain');
    }
    return segment;
  }

  /** Hands bytes over. What a link brings is a vfd. */
  deliver(bytes: Uint8Array, fds: OwnedFd[]): void {
    const brought = this.kind === 'link' ? fds.map(asVfd) : fds;
    if (this.closed || this.listenerCount('data') === 0) {
      closeAll(brought);
      return;
    }
    // A copy that is spoiled afterwards: a listener that keeps the bytes of an event is found out.
    const lent = bytes.slice();
    this.emit('data', lent, brought);
    lent.fill(0xee);
  }

  end(): void {
    if (!this.closed) this.emit('end');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.removeAllListeners();
  }

  closeWhenDrained(): void {
    this.close();
  }

  /** At the end of a test: closes what nobody took. */
  discard(): void {
    for (const { fds } of this.sent.splice(0)) closeAll(fds);
    this.close();
  }
}

/** What a device makes of a descriptor that it received. */
function asVfd(fd: OwnedFd): OwnedFd {
  const number = fd.release();
  const info = native.info(number);
  if (info.seekable) return new Memory(number, 0, Math.ceil(info.size / native.pageSize) * native.pageSize);
  return info.type === 'socket' ? new SocketVfd(number) : new Pipe(number, info.access === 'w' ? 'write' : 'read');
}
