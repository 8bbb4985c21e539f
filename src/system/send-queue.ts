/**
 * What a stream has accepted and the kernel has not: bytes in order, in segments, each with the descriptors that go with
 * its first byte. What is queued is a copy, so the sender may use its buffer again.
 */
import { closeAll, type OwnedFd } from './fd.js';

/** Bounds of one stream. */
export interface StreamLimits {
  /** Most fds that one send takes. */
  readonly maxFds: number;
  /** Bytes at most in one system call that sends. */
  readonly chunkBytes: number;
  /** Queued bytes over which `send` returns false; so it does over a quarter of the fds that may be queued. */
  readonly highWaterBytes: number;
  /** Queued bytes over which the stream breaks with ENOBUFS: a peer that reads nothing may not take all our memory. */
  readonly maxQueuedBytes: number;
  /** Queued fds over which the stream breaks with ENOBUFS. */
  readonly maxQueuedFds: number;
}

/**
 * The part of the fds that may be queued, over which the queue is at its high-water mark: what was received before the
 * sender stops is some 150 of them.
 */
const HIGH_WATER_FDS = 1 / 4;

/** Room in a segment for what comes after it, so that many small sends make few segments. */
const SEGMENT_BYTES = 16 * 1024;

const noFds: readonly OwnedFd[] = [];

/** Bytes from `start` to `end` wait, and the fds go with the first of them. */
interface Segment {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  fds: readonly OwnedFd[];
}

export class SendQueue {
  #segments: Segment[] = [];
  #bytes = 0;
  #fds = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Descriptors that wait with them. */
  get fds(): number {
    return this.#fds;
  }

  get empty(): boolean {
    return this.#segments.length === 0;
  }

  /** Whether so much waits that its sender should stop for now. */
  high({ highWaterBytes, maxQueuedFds }: StreamLimits): boolean {
    return this.#bytes > highWaterBytes || this.#fds > maxQueuedFds * HIGH_WATER_FDS;
  }

  /** What is wrong where more waits than may: ENOBUFS. */
  overfull({ maxQueuedBytes, maxQueuedFds }: StreamLimits): Error | undefined {
    if (this.#bytes <= maxQueuedBytes && this.#fds <= maxQueuedFds) return undefined;
    const message =
      `the peer does not read: ${this.#bytes} bytes and ${this.#fds} descriptors wait for it, at most ` +
      `${maxQueuedBytes} bytes and ${maxQueuedFds} descriptors may (ENOBUFS)`;
    return Object.assign(new Error(message), { code: 'ENOBUFS' });
  }

  /** What is next. */
  get head(): Segment | undefined {
    return this.#segments[0];
  }

  /**
   * Copies `bytes` from `from` on, of which there is at least one, and the list of fds, which a sender may fill again. Takes
   * ownership of the fds.
   */
  push(bytes: Uint8Array, from: number, fds: readonly OwnedFd[]): void {
    const length = bytes.length - from;
    const last = this.#segments.at(-1);
    if (fds.length === 0 && last !== undefined && last.end + length <= last.bytes.length) {
      last.bytes.set(bytes.subarray(from), last.end);
      last.end += length;
    } else {
      const segment = new Uint8Array(Math.max(length, SEGMENT_BYTES));
      segment.set(bytes.subarray(from));
      this.#segments.push({ bytes: segment, start: 0, end: length, fds: fds.length === 0 ? noFds : [...fds] });
    }
    this.#bytes += length;
    this.#fds += fds.length;
  }

  /** So much of the head was sent, and with its first byte its fds, which the sender has closed. Whether all of it was. */
  sent(length: number): boolean {
    const head = this.#segments[0]!;
    if (length > 0) {
      this.#fds -= head.fds.length;
      head.fds = noFds;
      head.start += length;
      this.#bytes -= length;
    }
    if (head.start < head.end) return false;
    this.#segments.shift();
    return true;
  }

  /** Drops all of it, and closes the fds. */
  clear(): void {
    for (const { fds } of this.#segments) closeAll(fds);
    this.#segments = [];
    this.#bytes = 0;
    this.#fds = 0;
  }
}
