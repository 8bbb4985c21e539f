/** The allocator's client, answered by a server that does anything: every promise settles, every descriptor has an owner. */
import { AllocatorClient } from '../../../src/allocator/client.js';
import type { OwnedFd } from '../../../src/system/fd.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';

export const allocatorReplies: Target = {
  name: 'allocator-replies',
  maxBytes: 256,
  seeds: [
    Uint8Array.of(0, 1, 1, 1, 0, 0, 0),
    Uint8Array.of(0, 1, 0, 1, 1, 2, 0, 3, 0, 0, 0),
    Uint8Array.of(0, 1, 2, 3),
  ],
  async run(input) {
    const words = new Set<string>();
    const draw = new Draw(input);
    const channel = new TestChannel('link');
    const client = new AllocatorClient(channel);
    let waiting = 0;
    while (!draw.done) {
      switch (draw.below(4)) {
        case 0: {
          const bytes = draw.pick([0, 1, 4096, 1 << 20, draw.below(65536)]);
          waiting += 1;
          client.allocate(bytes).then(
            memory => {
              waiting -= 1;
              words.add(`granted ${memory.size === bytes}`);
              memory.close();
            },
            (error: Error) => {
              waiting -= 1;
              words.add(error.message.replace(/\d+/g, '').slice(0, 70));
            },
          );
          break;
        }
        case 1: {
          const bytes = draw.take(1 + draw.below(6));
          const fds: OwnedFd[] = Array.from({ length: draw.below(4) }, () => drawFd(draw));
          channel.deliver(bytes.length > 0 ? bytes : Uint8Array.of(0), fds);
          break;
        }
        case 2:
          if (draw.oneIn(4)) channel.end();
          break;
        default:
          await turn();
      }
      const { sent } = channel;
      if (sent.some(({ fds }) => fds.length > 0)) throw new Error('the client sent a descriptor');
    }
    client.close();
    for (let turns = 0; turns < 3 && waiting > 0; turns++) await turn();
    if (waiting !== 0) throw new Error(`${waiting} requests are neither granted nor refused`);
    channel.discard();
    return [...words];
  },
};
