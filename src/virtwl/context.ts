/**
 * A context: one connection to a host server, as a `Channel` of bytes and vfds.
 *
 * Outgoing bytes are cut into transactions of at most {@link MAX_CHUNK_BYTES}; fds travel with the first byte of their
 * `send`. Incoming fds are wrapped as vfds by what they are. How a transaction enters the kernel, and how a received
 * descriptor tells what it is, is the {@link Transport}'s: ioctls on /dev/wl0, sendmsg in loopback.
 *
 * virtio_wl has no half-close: a hang-up is the end of both directions. A context whose server has ended drops what is
 * sent, in loopback too, where the socket below could still deliver it.
 */
import { codeOf, isHangUp } from '../system/errno.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { Stream, type Carrier, type StreamLimits } from '../system/stream.js';
import { HIGH_WATER_BYTES, MAX_CHUNK_BYTES, MAX_FDS, MAX_QUEUED_BYTES, MAX_QUEUED_FDS } from './limits.js';
import { Vfd } from './vfd.js';

/** The system calls of one kind of device. The fds are lent for the call. */
export interface Transport {
  /** What contexts are to native code, where these are the system calls of that. */
  readonly carrier?: Carrier;
  /** Most bytes of one transaction. Default: MAX_CHUNK_BYTES. */
  readonly chunkBytes?: number;
  /** One transaction of at most that many bytes. Bytes taken, or -1 when it would block. */
  send(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /** Bytes received, 0 with no fds at the end, -1 when it would block. */
  recv(fd: number, buffer: Uint8Array, fds: number[]): number;
  /** Finds out what a received descriptor is. Takes ownership of `fd`, also when it throws. */
  wrap(fd: number): Vfd;
}

const LIMITS: StreamLimits = {
  maxFds: MAX_FDS,
  chunkBytes: MAX_CHUNK_BYTES,
  highWaterBytes: HIGH_WATER_BYTES,
  maxQueuedBytes: MAX_QUEUED_BYTES,
  maxQueuedFds: MAX_QUEUED_FDS,
};

/** Events, ownership and errors are those of `Channel`. */
export class Context extends Stream {
  protected override readonly endsBothWays = true;
  protected override readonly carrier: Carrier | undefined;

  /** Takes ownership of `fd`, a connected context. Made by `Device.connect` and `Device.adopt`. */
  constructor(
    fd: OwnedFd,
    /** The server's name, or what the socket is for: used in error messages. */
    readonly name: string,
    private readonly transport: Transport,
  ) {
    super(fd, { ...LIMITS, chunkBytes: transport.chunkBytes ?? MAX_CHUNK_BYTES }, `the context "${name}"`);
    this.carrier = transport.carrier;
  }

  protected override transmit(bytes: Uint8Array, start: number, length: number, fds: readonly number[]): number {
    return this.transport.send(this.fd.fd, bytes, start, length, fds);
  }

  protected override receive(buffer: Uint8Array, fds: number[]): number {
    return this.transport.recv(this.fd.fd, buffer, fds);
  }

  protected override own(numbers: readonly number[]): OwnedFd[] {
    const fds: OwnedFd[] = [];
    let at = 0;
    try {
      if (numbers.length > MAX_FDS) {
        throw Object.assign(
          new Error(`the server sent ${numbers.length} fds in one message: virtio_wl carries at most ${MAX_FDS}`),
          { code: 'EMSGSIZE' },
        );
      }
      while (at < numbers.length) fds.push(this.transport.wrap(numbers[at++]!));
      return fds;
    } catch (error) {
      closeAll(fds);
      for (; at < numbers.length; at++) native.close(numbers[at]!);
      throw error;
    }
  }

  protected override checkSendable(fds: readonly OwnedFd[]): void {
    for (const fd of fds) {
      if (fd instanceof Vfd && fd.sendable && !fd.closed) continue;
      const what = fd instanceof Vfd ? (fd.closed ? 'a closed vfd' : `a received ${fd.kind}`) : 'no vfd';
      throw Object.assign(
        new TypeError(
          `an fd that the device cannot carry was to be sent on ${this.what}: it is ${what}; ` +
            'only memory and the remote end of a pipe made by the device can be sent',
        ),
        { code: 'EINVAL' },
      );
    }
  }

  /** Some drivers say ENODEV of the peer as well as of the device; which of them it is, reading tells. */
  protected override saysGone(error: unknown): boolean {
    return isHangUp(error) || codeOf(error) === 'ENODEV';
  }
}
