/**
 * The broker's records. The reader gives the same records however the stream is cut; the glue's link takes whatever a
 * broker sends, hands clients on, and holds nothing afterwards.
 */
import { BrokerLink } from '../../../src/broker/glue-link.js';
import {
  encodeRecord,
  Kind,
  Mode,
  PROTOCOL_VERSION,
  RecordError,
  RecordReader,
  type BrokerRecord,
} from '../../../src/broker/protocol.js';
import type { Context, Device, SocketVfd } from '../../../src/virtwl/device.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';

/** A channel that can change its owner. */
class TestContext extends TestChannel {
  hold(): void {
    this.removeAllListeners();
  }
}

export const brokerLink: Target = {
  name: 'broker-link',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(0, 0, 1, 1, 4, 0),
    Uint8Array.of(0, 0, 1, 2, 4, 0, 1, 2, 3),
    Uint8Array.of(2, 8, 4, 1, 0, 0, 5, 1, 1, 0, 3, 1),
  ],
  dictionary: [Kind.Welcome, Kind.Client, Kind.Accepted, Kind.Refused, Kind.Taken, Kind.Ping].flatMap(kind =>
    [1, 2, 3].map(detail => encodeRecord({ kind, detail, text: 'vm' })),
  ),
  async run(input) {
    const words = new Set<string>();
    const draw = new Draw(input);
    const contexts: TestContext[] = [];
    const made = (context: TestContext): Context => {
      contexts.push(context);
      return context as unknown as Context;
    };
    const device = {
      connect: () => made(new TestContext('link')),
      adopt: (socket: SocketVfd) => {
        socket.close();
        return made(new TestContext('link'));
      },
    } as unknown as Device;
    const link = new BrokerLink(device);
    link.on('client', (vm, context) => {
      words.add(`client ${vm.length > 0}`);
      if (draw.oneIn(2)) context.close();
    });
    link.on('down', reason => words.add(reason.message.replace(/\d+/g, '').slice(0, 60)));
    link.on('up', () => words.add('up'));
    link.start();
    const whole: Uint8Array[] = [];
    const say = (bytes: Uint8Array, fds: number): void => {
      whole.push(bytes);
      const context = contexts[draw.below(contexts.length)]!;
      context.deliver(
        bytes,
        Array.from({ length: fds }, () => drawFd(draw)),
      );
    };
    while (!draw.done) {
      switch (draw.below(5)) {
        case 0:
          say(
            encodeRecord({ kind: Kind.Welcome, detail: draw.oneIn(8) ? draw.byte() : PROTOCOL_VERSION, text: '' }),
            0,
          );
          break;
        case 1: {
          const detail = draw.oneIn(8) ? draw.byte() : draw.pick([Mode.Handover, Mode.Relay]);
          say(
            encodeRecord({ kind: Kind.Client, detail, text: draw.pick(['a', 'work', '', 'x'.repeat(100)]) }),
            draw.below(3),
          );
          break;
        }
        case 2: {
          const bytes = draw.take(1 + draw.byte());
          if (bytes.length > 0) say(bytes, draw.oneIn(4) ? draw.below(5) : 0);
          break;
        }
        case 3:
          contexts[draw.below(contexts.length)]?.end();
          break;
        default:
          await turn();
      }
    }
    link.close();
    for (const context of contexts) context.discard();
    for (const word of compareReaders(Buffer.concat(whole), new Draw(input))) words.add(word);
    return [...words];
  },
};

/** The records of a stream, read whole and in parts. */
function compareReaders(stream: Uint8Array, draw: Draw): string[] {
  const whole = outcome(reader => reader.push(stream));
  const cut = outcome(reader => {
    const records: BrokerRecord[] = [];
    for (let at = 0; at < stream.length;) {
      const length = 1 + draw.below(9);
      records.push(...reader.push(stream.subarray(at, at + length)));
      at += length;
    }
    return records;
  });
  // A stream that breaks gives what came before; how much of that is told with the error is up to the cuts.
  const [a, b] = whole.error || cut.error ? [whole.error, cut.error] : [whole.records, cut.records];
  if (a !== b) throw new Error(`a stream reads as ${a} at once and as ${b} in parts`);
  return whole.error === undefined ? [] : [whole.error.replace(/\d+/g, '')];
}

function outcome(read: (reader: RecordReader) => BrokerRecord[]): { records?: string; error?: string } {
  try {
    return { records: JSON.stringify(read(new RecordReader())) };
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return { error: error.message };
  }
}
