/** The host's side of a connection that the guest has: a connected socket. */
import { closeAll, type OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { UnixSocket } from '../../system/unix-socket.js';
import { HostStream, type SendDone, type StreamEvents } from './stream.js';

export class HostConnection extends HostStream {
  readonly #socket: UnixSocket;

  /** Takes ownership of the socket, also when it throws. */
  constructor(fd: OwnedFd, events: StreamEvents) {
    super(events);
    try {
      native.setNonblocking(fd.fd);
    } catch (error) {
      fd.close();
      throw error;
    }
    // `drain` comes whenever something had to wait. The bounds are kept here and by the device.
    this.#socket = new UnixSocket(fd, { highWaterBytes: 0, maxQueuedBytes: Infinity, maxQueuedFds: Infinity });
    this.#socket.on('data', (bytes, fds) => events.arrived(bytes, fds));
    this.#socket.on('end', () => this.#hangUp());
    this.#socket.on('error', () => this.#hangUp());
    this.#socket.on('drain', () => this.#drained());
  }

  get unsentBytes(): number {
    return this.#socket.queuedBytes;
  }

  /** The fds are given away. `done` is called once. */
  send(bytes: Uint8Array, fds: readonly OwnedFd[], done: SendDone): void {
    if (this.closed || this.#socket.closed) {
      closeAll(fds);
      done('gone');
      return;
    }
    this.#socket.send(bytes, fds);
    if (this.unsentBytes === 0) this.unsentFds = 0;
    else this.unsentFds += fds.length;
    this.taken(done);
  }

  protected watch(): void {
    if (this.closed || !this.started) return;
    if (this.reads) {
      this.#socket.start();
      this.#socket.resume();
    } else {
      this.#socket.pause();
    }
  }

  protected deliverRest(): boolean {
    this.#socket.pause();
    if (this.#socket.closed || this.unsentBytes === 0) return false;
    this.#socket.removeAllListeners();
    this.#socket.on('drain', () => this.end());
    this.#socket.on('error', () => this.end());
    return true;
  }

  protected release(): void {
    this.#socket.close();
  }

  #hangUp(): void {
    this.answer('gone');
    if (this.hungUp) return;
    this.hungUp = true;
    this.events.hungUp();
  }

  #drained(): void {
    this.unsentFds = 0;
    this.answer('taken');
    this.events.drained();
  }
}
