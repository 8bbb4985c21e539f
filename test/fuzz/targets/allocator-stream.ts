/** The allocator's server, asked by a client that does anything: every whole request has its reply, within the budget. */
import { AllocatorServer } from '../../../src/allocator/server.js';
import { decodeRequest, encodeRequest, REQUEST_BYTES, Status } from '../../../src/allocator/protocol.js';
import { closeAll, type OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { turn, turnsUntil } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';

const BUDGET = 64 * native.pageSize;
const REQUEST_LIMIT = 16 * native.pageSize;
const PIECES = 12;

const SIZES = [
  ...[
    0n,
    1n,
    4095n,
    4096n,
    4097n,
    BigInt(REQUEST_LIMIT),
    BigInt(REQUEST_LIMIT) + 1n,
    BigInt(BUDGET),
    BigInt(BUDGET) + 1n,
  ],
  ...[2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 4096n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

const server = new AllocatorServer({
  ...{ vm: 'fuzz', bytes: BUDGET, requestLimit: REQUEST_LIMIT, maxPieces: PIECES, maxConnections: 2 },
  // What waits for its turn is not what is looked for.
  requestsPerSecond: 1e9,
});
export const allocatorStream: Target = {
  name: 'allocator-stream',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(0, 3, 5, 5),
    Uint8Array.of(0, 3, 0, 3, 0, 3, 1, 2, 0, 6, 4, 0, 3),
    Uint8Array.of(2, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 5),
    Uint8Array.of(3, 200, 3, 5, 5, 5),
  ],
  async run(input) {
    const words = new Set<string>();
    const draw = new Draw(input);
    const channel = new TestChannel('socket');
    channel.highWater = 8;
    server.serve(channel);
    let asked = new Uint8Array(0);
    const replies: number[] = [];
    const memory: OwnedFd[] = [];
    const say = (bytes: Uint8Array): void => {
      asked = Uint8Array.from([...asked, ...bytes]);
      // Cut anywhere.
      const cut = draw.below(bytes.length + 1);
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        if (channel.reads && part.length > 0) channel.deliver(part, []);
        else asked = asked.subarray(0, asked.length - part.length);
      }
    };
    const listen = (): void => {
      const part = channel.takeSent();
      if (part === undefined) return;
      for (const status of part.bytes) {
        words.add(`status ${status}`);
        if (status === Status.Ok) {
          const fd = part.fds.shift();
          if (fd === undefined) throw new Error('memory was granted and did not come');
          memory.push(fd);
          const { size } = decodeRequest(asked, replies.length * REQUEST_BYTES);
          const expected = Math.ceil(Number(size) / native.pageSize) * native.pageSize;
          if (fd.info().size !== expected) throw new Error(`${fd.info().size} bytes for a request of ${size}`);
          if (expected > REQUEST_LIMIT) throw new Error(`${expected} bytes were granted at once`);
        }
        replies.push(status);
      }
      if (part.fds.length > 0) throw new Error('a descriptor came without its reply');
      const all = memory.reduce((sum, fd) => sum + fd.info().size, 0);
      if (all > BUDGET || memory.length > PIECES) throw new Error(`${all} bytes are out in ${memory.length} pieces`);
      if (all > 0 && server.budget.used < all)
        throw new Error(`${all} bytes are out, and ${server.budget.used} are in the books`);
    };
    try {
      while (!draw.done && !channel.closed) {
        switch (draw.below(7)) {
          case 0:
            say(encodeRequest({ id: BigInt(draw.byte()), size: draw.pick(SIZES) }));
            break;
          case 1:
            say(encodeRequest({ id: 1n, size: BigInt(draw.below(2 * REQUEST_LIMIT)) }));
            break;
          case 2:
            say(draw.take(draw.byte()));
            break;
          case 3: {
            const size = draw.pick(SIZES);
            for (let count = draw.byte(); count > 0 && channel.reads; count--) say(encodeRequest({ id: 0n, size }));
            break;
          }
          case 4:
            closeAll(memory.splice(draw.below(memory.length + 1)));
            break;
          case 5:
            listen();
            break;
          default:
            await turn();
        }
      }
      if (!channel.closed) {
        // A peer that reads gets an answer to everything it asked.
        const whole = (): number => Math.floor(asked.length / REQUEST_BYTES);
        await turnsUntil(() => {
          listen();
          return replies.length >= whole();
        });
        if (replies.length !== whole()) throw new Error(`${replies.length} replies to ${whole()} requests`);
        if (asked.length % REQUEST_BYTES > 0) words.add('partial');
      }
    } finally {
      channel.end();
      closeAll(memory);
      channel.discard();
    }
    if (server.connections !== 0) throw new Error('the connection is kept after its end');
    return [...words];
  },
  check() {
    if (server.budget.used !== 0 || server.budget.pieces !== 0)
      throw new Error(`${server.budget.used} bytes are still out`);
  },
};
