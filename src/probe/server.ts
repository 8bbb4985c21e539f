/**
 * The host's end of `virtwl probe`: maps the memory that a guest sends, checks its pattern, and writes one back.
 */
import type { Log } from '../observe/log.js';
import type { Channel } from '../system/channel.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import {
  decodeProbeRequest,
  encodeProbeReply,
  fillPattern,
  findMismatch,
  MAX_PROBE_BYTES,
  PROBE_REQUEST_BYTES,
  Verdict,
  type ProbeReply,
} from './protocol.js';

/** Probes at a time. */
const MAX_CONNECTIONS = 8;

/** How long a guest may take for its request, and to hang up after the reply, in milliseconds. */
const CONNECTION_TIMEOUT_MS = 10_000;

export class ProbeServer {
  readonly #connections = new Set<Channel>();

  constructor(private readonly log: Log) {}

  /** Serves one probe. Takes ownership of the channel, which must not have been started. */
  serve(channel: Channel): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      channel.close();
      return;
    }
    this.#connections.add(channel);
    let request = Buffer.alloc(0);
    const received: OwnedFd[] = [];
    const end = (): void => {
      clearTimeout(timer);
      closeAll(received);
      channel.close();
      this.#connections.delete(channel);
    };
    const timer = setTimeout(end, CONNECTION_TIMEOUT_MS);
    channel.on('data', (bytes, fds) => {
      received.push(...fds);
      request = Buffer.concat([request, bytes]);
      if (received.length > 1 || request.length > PROBE_REQUEST_BYTES) {
        this.log.warning('a probe was dropped: it sent more than one request');
        end();
      } else if (request.length === PROBE_REQUEST_BYTES) {
        channel.send(encodeProbeReply(this.#check(request, received[0])));
      }
    });
    channel.on('end', end);
    channel.on('error', end);
    channel.start();
  }

  close(): void {
    for (const channel of this.#connections) channel.close();
    this.#connections.clear();
  }

  #check(bytes: Uint8Array, fd: OwnedFd | undefined): ProbeReply {
    const { size, seed } = decodeProbeRequest(bytes);
    if (size === 0 || size % 4 !== 0 || size > MAX_PROBE_BYTES) return { verdict: Verdict.BadSize, offset: 0 };
    if (fd === undefined) return { verdict: Verdict.NoMemory, offset: 0 };
    let mapping;
    try {
      // A guest may send memory that is smaller than it says: mapping it would work, and touching it not.
      if (fd.info().size < size) return { verdict: Verdict.CannotMap, offset: fd.info().size };
      mapping = native.map(fd.fd, 0, size, true);
    } catch (error) {
      this.log.warning(`a probe's memory cannot be mapped: ${(error as Error).message}`);
      return { verdict: Verdict.CannotMap, offset: 0 };
    }
    try {
      const wrong = findMismatch(mapping.buffer, seed);
      if (wrong >= 0) return { verdict: Verdict.Mismatch, offset: wrong };
      fillPattern(mapping.buffer, ~seed >>> 0);
      return { verdict: Verdict.Match, offset: size };
    } finally {
      mapping.unmap();
    }
  }
}
