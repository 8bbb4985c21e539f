/**
 * The end of a connection to the compositor. libwayland does not read what it was sent before a hang-up that it meets
 * first, and destroys the client's objects in the order of their ids instead. So where the order was said, the connection
 * stays until the compositor answers that it has read it. What it says meanwhile is for nobody.
 */
import type { Channel } from '../system/channel.js';
import { closeAll } from '../system/fd.js';
import { HEADER_BYTES, readSize, readUint } from '../wayland/wire.js';

/**
 * Milliseconds after which the connection is closed all the same. A compositor that takes longer stands still, and then
 * order is not what it lacks.
 */
export const FAREWELL_MS = 10_000;

/**
 * Closes `channel` when the object `callback`, the last that was asked for, has answered, or the compositor has hung up.
 * Takes ownership of the channel; its listeners are forgotten. `rest` is what was read of it, and belongs to no message
 * yet. `closed` is called once, in a later turn or in this one.
 */
export function sayFarewell(channel: Channel, callback: number, rest: Uint8Array, closed: () => void): void {
  const end = (): void => {
    clearTimeout(timer);
    channel.close();
    closed();
  };
  const timer = setTimeout(end, FAREWELL_MS);
  let held = rest;
  channel.removeAllListeners();
  channel.on('end', end);
  channel.on('error', end);
  channel.on('data', (bytes, fds) => {
    closeAll(fds);
    held = held.length === 0 ? bytes.slice() : Buffer.concat([held, bytes]);
    let at = 0;
    while (held.length - at >= HEADER_BYTES) {
      const size = readSize(held, at);
      if (readUint(held, at) === callback || size < HEADER_BYTES) {
        end();
        return;
      }
      if (held.length - at < size) break;
      at += size;
    }
    held = held.subarray(at);
  });
  channel.resume();
}
