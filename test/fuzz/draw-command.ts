/** Commands of a guest to its wl device, most of them such as a driver sends. */
import { Command, DEVICE_ID } from '../../src/host/wl-device/wire.js';
import { allocCommand, contextCommand, numbers, pipeCommand } from '../host/wl-device/guest-driver.js';
import type { Draw } from './draw.js';

/** Limits that a short input reaches. */
export const WL_LIMITS = {
  vfds: 24,
  connections: 6,
  pipes: 6,
  mappings: 8,
  allocBytes: 1 << 20,
  receivedBytes: 1 << 18,
  queuedBytes: 60_000,
};

/** Servers that are there, and names that none has. */
export const SERVER_NAMES = ['plain', 'plain', 'plain', 'gone', '', 'x'.repeat(32), '../x', 'none'];
const IDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x3fffffff, DEVICE_ID, DEVICE_ID + 1, DEVICE_ID + 2, 0xffffffff];

/** A command. `mayWait`: it may have to wait for a reader, so that its answer may not come. */
export function drawCommand(draw: Draw): { bytes: Uint8Array; mayWait: boolean } {
  const bytes = drawBytes(draw);
  const type = bytes.length >= 4 ? bytes[0]! | (bytes[1]! << 8) : 0;
  return { bytes, mayWait: type === Command.Send || type === Command.SendForeignId };
}

function drawBytes(draw: Draw): Uint8Array {
  const id = draw.pick(IDS);
  switch (draw.below(7)) {
    case 0:
      return allocCommand(id, draw.pick([4096, 1, 0, 65536, 1 << 20, 0xffffffff]), draw.oneIn(4) ? draw.byte() : 0);
    case 1:
      return pipeCommand(id, draw.pick([1, 2, 1, 2, 0, 3]));
    case 2:
    case 3:
      return contextCommand(id, draw.pick(SERVER_NAMES));
    case 4:
      return numbers(Command.Close, 0, id);
    case 5: {
      const foreign = draw.oneIn(6);
      const ids = Array.from({ length: draw.oneIn(6) ? draw.below(40) : draw.below(3) }, () => draw.pick(IDS));
      const list = foreign ? ids.flatMap(each => [draw.below(2), each]) : ids;
      const count = draw.oneIn(12) ? draw.word() : ids.length;
      return Buffer.concat([
        numbers(foreign ? Command.SendForeignId : Command.Send, 0, id, count, ...list),
        new Uint8Array(draw.pick([0, 1, 10, 1000, 3800])),
      ]);
    }
    default:
      return draw.take(1 + draw.byte());
  }
}
