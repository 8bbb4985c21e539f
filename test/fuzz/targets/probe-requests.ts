/** The probe server, asked by a guest that does anything: one answer to one whole request, and the memory it speaks of. */
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import {
  decodeProbeReply,
  encodeProbeRequest,
  fillPattern,
  findMismatch,
  MAX_PROBE_BYTES,
  PROBE_REPLY_BYTES,
  PROBE_REQUEST_BYTES,
  Verdict,
} from '../../../src/probe/protocol.js';
import { ProbeServer } from '../../../src/probe/server.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';
import { SILENT } from '../../../src/observe/log.js';

const SIZES = [4, 4096, 8192, 0, 1, 4095, 4098, 2 ** 26, 2 ** 26 + 4, 2 ** 32, 2 ** 53, 2 ** 63];

interface Guest {
  readonly channel: TestChannel;
  /** What it has sent so far. */
  bytes: number;
  fds: number;
  /** What its request spoke of. */
  memory: OwnedFd | undefined;
  size: number;
  seed: number;
  /** What it is to be told, where that is certain. */
  expected: Verdict | undefined;
  replies: number;
}

const server = new ProbeServer(SILENT);

/** Memory of `size` bytes with the pattern of `seed`. */
function patterned(size: number, seed: number): OwnedFd {
  const fd = new OwnedFd(native.memfd('fuzz', size, 0));
  if (size >= 4 && size % 4 === 0) withMapping(fd, size, buffer => fillPattern(buffer, seed));
  return fd;
}

function withMapping<T>(fd: OwnedFd, size: number, use: (buffer: ArrayBuffer) => T): T {
  const mapping = native.map(fd.fd, 0, size, true);
  try {
    return use(mapping.buffer);
  } finally {
    mapping.unmap();
  }
}

export const probeRequests: Target = {
  name: 'probe-requests',
  maxBytes: 256,
  seeds: [
    Uint8Array.of(0, 0, 1, 0, 0, 0, 2, 0),
    Uint8Array.of(0, 1, 2, 0, 0, 0, 0, 2, 3),
    Uint8Array.of(0, 2, 9, 0, 0, 0, 1, 5, 2, 4),
  ],
  async run(input) {
    const words = new Set<string>();
    const draw = new Draw(input);
    const channels: Guest[] = [];
    try {
      while (!draw.done) {
        switch (draw.below(6)) {
          case 0: {
            if (channels.length >= 10) break;
            const channel = new TestChannel('socket');
            server.serve(channel);
            channels.push({
              channel,
              bytes: 0,
              fds: 0,
              memory: undefined,
              size: 0,
              seed: 0,
              replies: 0,
              expected: undefined,
            });
            break;
          }
          case 1:
          case 2: {
            const guest = channels[draw.below(channels.length)];
            if (!guest?.channel.reads) break;
            const size = draw.pick(SIZES);
            const seed = draw.word();
            const real = draw.oneIn(6) ? draw.below(10_000) : size <= 8192 ? size : 4096;
            const memory = patterned(real, draw.oneIn(8) ? draw.byte() : seed);
            const strange = draw.oneIn(8);
            const fds = strange
              ? Array.from({ length: draw.below(4) }, () => drawFd(draw))
              : [new OwnedFd(native.dup(memory.fd))];
            const request = encodeProbeRequest({ size, seed });
            const cut = draw.oneIn(4) ? draw.below(request.length + 1) : request.length;
            if (guest.bytes === 0 && cut > 0) {
              guest.memory?.close();
              Object.assign(guest, { memory, size, seed });
              // What one request by itself has to be told.
              const bad = size === 0 || size % 4 !== 0 || size > MAX_PROBE_BYTES;
              if (cut === request.length && fds.length < 2) {
                if (bad) guest.expected = Verdict.BadSize;
                else if (fds.length === 0) guest.expected = Verdict.NoMemory;
                else if (!strange && real < size) guest.expected = Verdict.CannotMap;
              }
            } else {
              memory.close();
            }
            if (cut === 0) {
              closeAll(fds);
              break;
            }
            guest.bytes += cut;
            guest.fds += fds.length;
            guest.channel.deliver(request.subarray(0, cut), fds);
            break;
          }
          case 3: {
            const guest = channels[draw.below(channels.length)];
            const bytes = draw.take(1 + draw.below(PROBE_REQUEST_BYTES));
            if (guest === undefined || !guest.channel.reads || bytes.length === 0) break;
            guest.bytes += bytes.length;
            guest.channel.deliver(bytes, []);
            break;
          }
          case 4:
            channels[draw.below(channels.length)]?.channel.end();
            break;
          default:
            await turn();
        }
        for (const guest of channels) {
          const segment = guest.channel.takeSent();
          if (segment === undefined) continue;
          if (segment.fds.length > 0) throw new Error('an answer with a descriptor');
          if (segment.bytes.length !== PROBE_REPLY_BYTES || ++guest.replies > 1)
            throw new Error(`${segment.bytes.length} bytes in answer ${guest.replies}`);
          const { verdict, offset } = decodeProbeReply(segment.bytes);
          if (!Object.values(Verdict).includes(verdict as Verdict)) throw new Error(`the verdict ${verdict}`);
          words.add(`verdict ${verdict}`);
          if (guest.expected !== undefined && verdict !== guest.expected)
            throw new Error(`the verdict ${verdict} instead of ${guest.expected}`);
          if (verdict !== Verdict.Match) continue;
          if (guest.memory === undefined || offset > 8192)
            throw new Error(`${offset} bytes match of memory that was not sent`);
          // The answer's pattern is there, where it was the memory that was patterned for this request.
          const whole = guest.memory.info().size;
          if (whole < offset || guest.fds !== 1 || offset !== guest.size) continue;
          const wrong = withMapping(guest.memory, offset, buffer => findMismatch(buffer, ~guest.seed >>> 0));
          if (wrong >= 0) words.add('answered over');
        }
      }
    } finally {
      for (const { channel, memory } of channels) {
        channel.end();
        channel.discard();
        memory?.close();
      }
    }
    // The earlier clients are gone, and the next one is served.
    const last = new TestChannel('socket');
    server.serve(last);
    const memory = patterned(4096, 7);
    last.deliver(encodeProbeRequest({ size: 4096, seed: 7 }), [new OwnedFd(native.dup(memory.fd))]);
    const answer = last.takeSent();
    const good = answer !== undefined && decodeProbeReply(answer.bytes).verdict === Verdict.Match;
    const filled = withMapping(memory, 4096, buffer => findMismatch(buffer, ~7 >>> 0)) < 0;
    memory.close();
    last.end();
    if (!good || !filled) throw new Error('a probe that is in order does not succeed');
    return [...words];
  },
};
