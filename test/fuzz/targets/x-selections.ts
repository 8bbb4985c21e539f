/**
 * What an X server says to our connection for selections, from its setup on: answers to what was asked, properties and
 * lists of kinds of data that X clients wrote, owners that change, requests and answers of X clients, words about drags. No input may do more
 * than end the connection.
 */
import { SILENT } from '../../../src/observe/log.js';
import { Relay } from '../../../src/relay/relay.js';
import { Selections } from '../../../src/x11/selections/selections.js';
import { Offer, type WaylandSelection } from '../../../src/x11/selections/wayland-selection.js';
import { Shell } from '../../../src/x11/shell.js';
import { Draw } from '../draw.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';
import { EVENT_BYTES, ROOT, reply, setup } from './x-server.js';

/** Opcodes of requests that are answered; XFIXES has the one behind, of which QueryVersion is. */
const ASKED = [14, 16, 17, 20, 23, 43, 98];
const XFIXES = 140;
const FIRST_EVENT = 87;
/** Numbers that atoms get by the order in which they are asked for. */
const FIRST_ATOM = 100;
const CODES = [17, 28, 29, 30, 31, 0x80 | 31, 0x80 | 30, FIRST_EVENT, 0x80 | FIRST_EVENT, 33, 35];

interface Question {
  readonly sequence: number;
  readonly opcode: number;
}

export const xSelections: Target = {
  name: 'x-selections',
  maxBytes: 1024,
  seeds: [
    Uint8Array.from([1, ...Array<number>(60).fill(0), 3, 7, 0, 0, 0, 2, 0, 1, 5, 3, 4]),
    Uint8Array.from([0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9]),
  ],
  async run(input) {
    const draw = new Draw(input);
    const words = new Set<string>();
    const [server, app, compositor] = [new TestChannel('socket'), new TestChannel('socket'), new TestChannel('socket')];
    const relay = new Relay(app, compositor, { concerns: [], toServer: {}, toClient: {}, native: false });
    const shell = new Shell();
    shell.attach(relay, false, () => {});
    const place = { window: ROOT + 1, x: 10, y: 20, scale: 1 };
    const screen = { placeOf: () => place, raise: (_: unknown, done: () => void) => done(), ownWindow: () => {} };
    const cookie = new Uint8Array(16);
    const selections = new Selections({ shell, connect: () => server, cookie, log: SILENT, screen });
    selections.begin();
    const first = Buffer.from(setup());
    if (draw.oneIn(16)) first.set(draw.take(draw.below(first.length - 8)), draw.below(8));
    server.takeSent();
    server.deliver(first, []);
    await turn();

    const questions: Question[] = [];
    let sequence = 0;
    let atoms = 0;
    const listen = (): void => {
      const bytes = server.takeSent()?.bytes ?? new Uint8Array(0);
      for (let at = 0; at + 4 <= bytes.length; at += 4 * (bytes[at + 2]! | (bytes[at + 3]! << 8))) {
        const opcode = bytes[at]!;
        sequence += 1;
        if (ASKED.includes(opcode) || (opcode === XFIXES && bytes[at + 1] === 0)) questions.push({ sequence, opcode });
        words.add(`asks ${opcode}`);
      }
    };
    const answer = (right: boolean): void => {
      const question = questions.shift();
      if (question === undefined) return;
      server.deliver(right ? rightly(question, (atoms += 1)) : wrongly(draw, question), []);
    };
    // The beginning is what any server says.
    for (let i = 0; i < 40; i++) {
      listen();
      if (questions.length === 0) break;
      answer(!draw.oneIn(200));
      await turn();
    }
    while (!draw.done && !server.closed) {
      listen();
      if (draw.oneIn(8)) drag(draw, relay, selections);
      if (draw.oneIn(2)) server.deliver(event(draw), []);
      else answer(draw.oneIn(4));
      if (draw.oneIn(8)) await turn();
    }
    if (draw.oneIn(2)) server.end();
    selections.close();
    relay.close(undefined);
    for (const channel of [server, app, compositor]) channel.discard();
    return [...words];
  },
};

/** A Wayland program drags over an X window: what the compositor says of that. */
function drag(draw: Draw, relay: Relay, selections: Selections): void {
  const { wl_data_device: events } = selections.concerns[0]!.events!;
  const surface = relay.display;
  const call = (args: object): never => ({ args }) as never;
  switch (draw.below(4)) {
    case 0: {
      const endOffer = (offer: Offer): void => void (offer.ended = true);
      const offer = new Offer({ endOffer } as WaylandSelection, relay.inject('wl_data_offer', 3));
      for (let i = draw.below(6); i > 0; i--) offer.has(draw.pick(['text/plain', 'image/png', `a/${i}`, '']));
      [offer.sourceActions, offer.action] = [draw.below(8), draw.pick([0, 1, 2, 4])];
      events!.enter!(call({ serial: 1, surface, x: 1, y: 2, id: { data: offer } }));
      break;
    }
    case 1:
      events!.motion!(call({ x: draw.below(9), y: draw.word() }));
      break;
    case 2:
      events!.leave!(call({}));
      break;
    default:
      events!.drop!(call({}));
  }
}

function rightly({ sequence, opcode }: Question, count: number): Buffer {
  const bytes = reply(sequence, 0, opcode === 16 ? FIRST_ATOM + count : opcode === 23 ? 0 : 5);
  if (opcode === 98) bytes.set([1, XFIXES, FIRST_EVENT], 8);
  return bytes;
}

function wrongly(draw: Draw, { sequence, opcode }: Question): Buffer {
  if (draw.oneIn(4)) {
    const failed = Buffer.alloc(EVENT_BYTES);
    failed.writeUInt16LE(sequence & 0xffff, 2);
    return failed;
  }
  const bytes = reply(sequence, draw.below(32), draw.pick([FIRST_ATOM + draw.below(32), draw.word()]));
  bytes[1] = draw.pick([0, 8, 16, 32, 32, draw.byte()]);
  if (opcode === 17) bytes.writeUInt16LE(draw.pick([draw.below(100), 0xffff]), 8);
  bytes.writeUInt32LE(draw.pick([0, 0, draw.word()]), 12);
  bytes.writeUInt32LE(draw.pick([0, 1, 4, 18, draw.word()]), 16);
  for (let at = EVENT_BYTES; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(FIRST_ATOM + draw.below(48), at);
  return bytes;
}

function event(draw: Draw): Buffer {
  const bytes = Buffer.alloc(EVENT_BYTES);
  bytes[0] = draw.pick(CODES);
  bytes[1] = draw.pick([0, 0, 32, draw.byte()]);
  // Windows of ours are the first that we made.
  for (let at = 4; at < EVENT_BYTES; at += 4) {
    const ours = 0x200000 + 1 + draw.below(6);
    bytes.writeUInt32LE(draw.pick([ROOT, ROOT + 1, ours, ours, FIRST_ATOM + draw.below(40), draw.word()]), at);
  }
  if (!draw.oneIn(4)) return bytes;
  // A word about a drag, to a window of ours.
  bytes.set([33, 32]);
  bytes.writeUInt32LE(0x200000 + 1 + draw.below(6), 4);
  bytes.writeUInt32LE(FIRST_ATOM + draw.below(32), 8);
  if (draw.oneIn(2)) bytes.writeUInt32LE(ROOT + 1, 12);
  return bytes;
}
