/**
 * The wl device on rings that a guest's driver fills, in memory that the driver may write at any time. As long as nothing
 * is spoiled, every command is answered once and nothing faults; whatever is spoiled, the device stands still at worst,
 * and serves a driver that begins anew. Nothing is written outside of the guest's memory.
 */
import { Status } from '../../../src/allocator/protocol.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { ReceivedBytes } from '../../../src/host/guest/resources.js';
import { WlDevice } from '../../../src/host/wl-device/device.js';
import { GuestMemory } from '../../../src/host/vhost-user/guest-memory.js';
import { Virtqueue } from '../../../src/host/vhost-user/virtqueue.js';
import { Response } from '../../../src/host/wl-device/wire.js';
import { native } from '../../../src/system/native.js';
import { FRONT_END_ADDRESS, GUEST_ADDRESS } from '../../host/wl-device/front-end.js';
import { pipeCommand } from '../../host/wl-device/guest-driver.js';
import { Draw } from '../draw.js';
import { drawCommand, WL_LIMITS } from '../draw-command.js';
import { FuzzGuest, MEMORY_BYTES, MEMORY_OFFSET, RING_SIZE, ringsOf } from '../guest.js';
import { turn, turnsUntil } from '../held.js';
import { FuzzServers } from '../servers.js';
import type { Target } from '../target.js';

const FEATURES = 0b1010n;
/** The memory comes in two slots that are next to each other for the guest, and far apart for the front-end. */
const FIRST_BYTES = 20 * 4096;

type Since = 'new' | 'stopped' | 'unknown';

export const guestRings: Target = {
  name: 'guest-rings',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(0, 0, 0, 0, 2, 1, 0, 0, 0, 6, 5, 0, 1, 1, 1, 0, 0, 6, 5),
    Uint8Array.of(1, 3, 3, 0, 2, 1, 0, 0, 0, 7, 0, 1, 0, 1, 2, 7, 3, 9, 4, 6),
    Uint8Array.of(1, 0, 0, 7, 3, 2, 9, 7, 2, 1, 3, 4, 7, 4, 1, 0, 3, 4, 7, 6, 8, 0, 1, 2, 4, 6),
  ],
  async run(input) {
    const draw = new Draw(input);
    const hostile = draw.oneIn(2);
    const features = { indirect: !draw.oneIn(4), eventIndex: !draw.oneIn(4) };
    const guest = new FuzzGuest(features);
    const memory = new GuestMemory();
    const servers = new FuzzServers();
    const mapped = new Set<number>();
    let granted = 0;
    let faults = 0;
    const device = new WlDevice(
      {
        defaultServer: undefined,
        received: new ReceivedBytes(WL_LIMITS.receivedBytes),
        connect: name => servers.connect(name),
        allocate(bytes) {
          if (granted + bytes > WL_LIMITS.allocBytes) return { status: Status.OverBudget, reason: 'over' };
          granted += bytes;
          const rounded = Math.ceil(bytes / native.pageSize) * native.pageSize;
          return { status: Status.Ok, memory: new OwnedFd(native.memfd('fuzz', rounded, 0)), bytes: rounded };
        },
        log: () => undefined,
      },
      WL_LIMITS,
    );
    const sharedMemory = device.sharedMemory[0]!;
    sharedMemory.connect(
      {
        async map(_id, _memory, offset) {
          if (draw.oneIn(4)) await turn();
          if (draw.oneIn(8)) return 'refused';
          mapped.add(offset);
          return 'done';
        },
        unmap(_id, offset) {
          mapped.delete(offset);
          return Promise.resolve('done');
        },
      },
      0,
    );
    let queues: readonly [Virtqueue, Virtqueue] | undefined;
    let bases: [number, number] = [0, 0];
    const open = (ring: FuzzGuest['in'], base: number): Virtqueue => {
      const { descriptors, available, used } = ringsOf(ring);
      const toFrontEnd = FRONT_END_ADDRESS - GUEST_ADDRESS;
      const layout = {
        descriptors: descriptors + toFrontEnd,
        available: available + toFrontEnd,
        used: used + toFrontEnd,
      };
      return new Virtqueue(memory, { size: RING_SIZE, ...layout }, features, base);
    };
    const reset = (): void => {
      device.reset();
      sharedMemory.abandon();
    };
    const start = (since: Since): void => {
      queues = [open(guest.in, bases[0]), open(guest.out, bases[1])];
      if (since === 'unknown') reset();
      sharedMemory.run(true);
      device.start({
        queues: queues.map(queue => ({ queue, signal: () => undefined })),
        memory,
        features: FEATURES,
        since,
        faulted: () => void (faults += 1),
      });
    };
    const stop = (): void => {
      if (queues === undefined) return;
      device.stop();
      sharedMemory.run(false);
      bases = [queues[0].nextAvailable, queues[1].nextAvailable];
      const { view, used } = guest.in;
      const given = view.getUint16(used + 2, true);
      // Buffers that nothing was written to are there to be taken again.
      const kept = !guest.spoiled && bases[0] !== given;
      for (const queue of queues) queue.close();
      queues = undefined;
      if (kept) throw new Error(`stopped at buffer ${bases[0]}, and ${given} were given back`);
    };
    const begin = (): void => {
      stop();
      reset();
      guest.start();
      bases = [0, 0];
      faults = 0;
      start('new');
    };
    const end = async (): Promise<void> => {
      if (guest.fd.closed) return;
      stop();
      reset();
      // What was left mapped is unmapped when the device runs again.
      sharedMemory.run(true);
      memory.clear();
      guest.close();
      servers.close();
      await turn();
      await turn();
    };
    try {
      const slots = [
        {
          guestAddress: GUEST_ADDRESS,
          size: FIRST_BYTES,
          frontEndAddress: FRONT_END_ADDRESS,
          fileOffset: MEMORY_OFFSET,
        },
        {
          guestAddress: GUEST_ADDRESS + FIRST_BYTES,
          size: MEMORY_BYTES - FIRST_BYTES,
          frontEndAddress: FRONT_END_ADDRESS + 2 ** 32,
          fileOffset: MEMORY_OFFSET + FIRST_BYTES,
        },
      ];
      for (const slot of slots) memory.add(slot, new OwnedFd(native.dup(guest.fd.fd)));
      begin();
      while (!draw.done) {
        switch (draw.below(10)) {
          case 0:
          case 1:
          case 2: {
            const { bytes, mayWait } = drawCommand(draw);
            guest.submit(draw, bytes, mayWait);
            device.kicked(1);
            break;
          }
          case 3:
            device.kicked(draw.below(2));
            break;
          case 4:
            servers.act(draw);
            break;
          case 5:
            await turn();
            break;
          case 6:
            guest.collect(draw.oneIn(4));
            device.kicked(0);
            break;
          case 7:
            if (hostile) guest.spoil(draw);
            break;
          case 8:
            stop();
            if (hostile && draw.oneIn(4)) {
              bases[draw.below(2)] = draw.below(65536);
              guest.spoiled = true;
            }
            if (draw.oneIn(3)) await turn();
            if (hostile && draw.oneIn(6)) {
              // The device forgets what it had not answered.
              faults = 0;
              guest.spoiled = true;
              start('unknown');
            } else {
              start('stopped');
            }
            break;
          default:
            if (draw.oneIn(4)) begin();
        }
        if (faults > 1) throw new Error('the device has faulted twice');
        if (faults > 0 && !guest.spoiled) throw new Error('the device stands still, and nothing was wrong');
      }
      if (!guest.spoiled && faults === 0) {
        await turnsUntil(() => {
          servers.readAll();
          guest.collect(false);
          device.kicked(0);
          return guest.due === 0;
        });
        if (guest.due > 0) throw new Error(`${guest.due} commands have no answer`);
      }
      // Whatever was, a driver that begins anew is served.
      const words = new Set(guest.words).add(`faults ${faults}`);
      begin();
      guest.submit(new Draw(new Uint8Array(0)), pipeCommand(1, 1), false);
      device.kicked(1);
      guest.collect(false);
      if (guest.due > 0 || guest.lastAnswer !== Response.VfdNew)
        throw new Error(`a new driver gets ${guest.lastAnswer}, and ${guest.due} answers are due`);
      guest.checkGuards();
      await end();
      if (mapped.size > 0) throw new Error(`${mapped.size} mappings are left after the end`);
      return [...words];
    } finally {
      await end();
    }
  },
};
