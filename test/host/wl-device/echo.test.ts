/** A server that sends back what it gets, with a guest that sends much before it reads: nothing is lost, nothing stays stuck. */
import t from 'tap';
import { Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { contextCommand, sendCommand } from './guest-driver.js';
import { withHouse } from './house.js';

const TOTAL = 2 ** 20;

for (const keepBuffers of [false, true]) {
  withHouse(
    t,
    `1 MiB there and back${keepBuffers ? ', with a driver that keeps unread buffers' : ''}`,
    {},
    async (t, house) => {
      const guest = await house.guest({ size: 256, keepBuffers });
      await guest.command(contextCommand(1, 'plain'));
      await eventually('the server to see it', () => house.connections.length === 1);
      const { socket } = house.connections[0]!;
      socket.removeAllListeners();
      socket.on('data', bytes => {
        if (!socket.send(bytes)) socket.pause();
      });
      socket.on('drain', () => socket.resume());
      let slots: number[] = [];
      let sent = 0;
      const bytes = Buffer.from(Array.from({ length: TOTAL }, (_, i) => Math.floor(i / 5)));
      for (let idle = 0; sent < TOTAL && idle < 2000;) {
        if (slots.length < 50) {
          const part = bytes.subarray(sent, sent + 3968);
          slots.push(guest.submit(sendCommand(1, part)));
          sent += part.length;
          idle = 0;
          continue;
        }
        await new Promise(resolve => setImmediate(resolve));
        idle++;
        slots = slots.filter(slot => {
          if (!guest.answered(slot)) return true;
          t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.Ok);
          return false;
        });
      }
      await eventually('all to come back', () => {
        guest.collect();
        guest.release();
        slots = slots.filter(slot => !guest.answered(slot) || guest.takeAnswer(slot).length === 0);
        return guest.received(1).length === sent && slots.length === 0;
      });
      t.ok(guest.received(1).equals(bytes.subarray(0, sent)), `${sent} bytes`);
    },
  );
}
