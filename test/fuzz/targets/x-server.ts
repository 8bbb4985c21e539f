/**
 * What an X server says to its window manager: replies to what was asked and events of every kind, cut anywhere, with the
 * numbers, properties and places that X clients choose. No input may do more than end the connection.
 */
import { SILENT } from '../../../src/observe/log.js';
import { Relay } from '../../../src/relay/relay.js';
import { internOwnAtoms } from '../../../src/x11/atoms.js';
import { XConnection } from '../../../src/x11/connection.js';
import { XWireError } from '../../../src/x11/wire.js';
import { Shell } from '../../../src/x11/shell.js';
import { WindowManager } from '../../../src/x11/window-manager.js';
import { Draw } from '../draw.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';

export const ROOT = 0x100;
export const EVENT_BYTES = 32;
/** Of the events that a window manager hears of. */
const CODES = [9, 16, 17, 18, 19, 20, 21, 22, 23, 28, 30, 31, 33, 35, 0x80 | 18, 0x80 | 33];

/** A server's first message: one format, one screen. */
export function setup(): Uint8Array {
  const bytes = Buffer.alloc(8 + 32 + 8 + 40);
  bytes[0] = 1;
  bytes.writeUInt16LE((bytes.length - 8) / 4, 6);
  bytes.writeUInt32LE(0x200000, 12);
  bytes.writeUInt32LE(0x1fffff, 16);
  bytes[28] = 1;
  bytes[29] = 1;
  bytes.writeUInt32LE(ROOT, 48);
  bytes.writeUInt16LE(1280, 68);
  bytes.writeUInt16LE(720, 70);
  return bytes;
}

export const xServer: Target = {
  name: 'x-server',
  maxBytes: 1024,
  seeds: [
    Uint8Array.from([0, 1, 3, 0, 0, 1, 5, 0, 0, 0, 1, 4, 2, 6]),
    Uint8Array.from([2, 1, 1, 1, 0, 3, 0, 0, 8, 0, 0, 0, 1, 12, 3]),
  ],
  async run(input) {
    const draw = new Draw(input);
    const words = new Set<string>();
    const [server, app, compositor] = [new TestChannel('socket'), new TestChannel('socket'), new TestChannel('socket')];
    const rules = { concerns: [], toServer: {}, toClient: {}, native: false };
    const relay = new Relay(app, compositor, rules);
    const shell = new Shell();
    shell.attach(relay, false, () => {});
    const x = new XConnection(server);
    let sequence = 0;
    x.on('close', reason => {
      words.add(`closed ${reason?.message.replace(/\d+/g, '').slice(0, 60)}`);
      if (reason !== undefined && !(reason instanceof XWireError)) throw reason;
    });
    x.on('ready', setup => {
      internOwnAtoms(x, atoms => {
        const windows = new WindowManager({
          x,
          atoms,
          setup,
          shell,
          sync: { opcode: 134, firstEvent: 83 },
          shape: { opcode: 129, firstEvent: 64 },
          scale: 1,
          log: SILENT,
        });
        x.on('event', event => {
          words.add(event.is);
          windows.event(event);
        });
        windows.begin();
        words.add('began');
      });
    });
    x.start();
    server.deliver(setup(), []);
    await turn();
    // Atoms are what any server answers; they are asked for first, so their sequence numbers begin at 1.
    for (let atom = 1; atom <= askedIn(server); atom++) {
      sequence = atom;
      server.deliver(reply(sequence, 0, atom + 100), []);
    }
    while (!draw.done && !x.closed) {
      const message = drawn(draw, draw.oneIn(8) ? draw.below(65_536) : (sequence += 1));
      const cut = draw.oneIn(4) ? draw.below(message.length + 1) : message.length;
      server.deliver(message.subarray(0, cut), []);
      server.deliver(message.subarray(cut), []);
      if (draw.oneIn(8)) await turn();
      server.takeSent();
    }
    if (draw.oneIn(2)) server.end();
    x.close();
    relay.close(undefined);
    for (const channel of [server, app, compositor]) channel.discard();
    return [...words];
  },
};

/** Requests that were sent; all of them are InternAtom at this point. */
function askedIn(server: TestChannel): number {
  const bytes = server.takeSent()?.bytes ?? new Uint8Array(0);
  let count = 0;
  // The connection's own first message is no request.
  for (let at = 12; at + 4 <= bytes.length; count++) at += 4 * (bytes[at + 2]! | (bytes[at + 3]! << 8));
  return count;
}

export function reply(sequence: number, words: number, value: number): Buffer {
  const bytes = Buffer.alloc(EVENT_BYTES + 4 * words);
  bytes[0] = 1;
  bytes.writeUInt16LE(sequence & 0xffff, 2);
  bytes.writeUInt32LE(words, 4);
  bytes.writeUInt32LE(value, 8);
  return bytes;
}

function drawn(draw: Draw, sequence: number): Buffer {
  const kind = draw.below(4);
  if (kind === 0) {
    const bytes = reply(sequence, draw.below(32), draw.below(256));
    bytes[1] = draw.pick([0, 8, 16, 32, 32, draw.byte()]);
    bytes.writeUInt32LE(draw.pick([0, 1, 4, 18, draw.word()]), 16);
    bytes.set(draw.take(Math.min(draw.below(64), bytes.length - EVENT_BYTES)), EVENT_BYTES);
    return bytes;
  }
  const bytes = Buffer.alloc(EVENT_BYTES);
  if (kind === 1) {
    bytes[1] = draw.byte();
    bytes.writeUInt16LE(sequence & 0xffff, 2);
    return bytes;
  }
  bytes[0] = draw.pick(CODES);
  bytes[1] = draw.pick([32, 8, draw.byte()]);
  // Window numbers are few, so that events are about the same windows; the root window is among them.
  for (let at = 4; at < EVENT_BYTES; at += 4) {
    bytes.writeUInt32LE(draw.pick([ROOT, ROOT + 1, ROOT + 2, ROOT + 3, 100 + draw.below(64), draw.word()]), at);
  }
  if (draw.oneIn(2)) bytes[22] = draw.below(2);
  return bytes;
}
