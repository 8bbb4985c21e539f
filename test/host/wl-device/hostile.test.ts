/**
 * A driver that does its worst with its rings: the device stands still and says why, the process lives, and a reset makes
 * all well. Each case is a mistake of its own; `fuzz.test.ts` has the rest.
 */
import t from 'tap';
import { native } from '../../../src/system/native.js';
import { FrontEnd } from '../../../src/host/vhost-user/message.js';
import { Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { GUEST_ADDRESS, GUEST_BYTES } from './front-end.js';
import { allocCommand, contextCommand, numbers, pipeCommand, sendCommand, type GuestDriver } from './guest-driver.js';
import { withHouse } from './house.js';

const INDIRECT = 4;
const WRITE = 2;
const NEXT = 1;
const SCRATCH = GUEST_BYTES - 0x10000;

/** Spoils the queue `out`; head 0 is offered afterwards. */
const spoiled: Record<string, (guest: GuestDriver) => void> = {
  'a head beyond the table': ({ out }) => void out.offer(64),
  'a head of 65,535': ({ out }) => void out.offer(0xffff),
  'an index far ahead': ({ out, frontEnd }) => native.storeRelease16(frontEnd.memory, out.available + 2, 30_000),
  'an index that went back': ({ out, frontEnd }) => native.storeRelease16(frontEnd.memory, out.available + 2, 0xffff),
  'a chain that is a loop': ({ out }) => {
    out.describe(0, SCRATCH, 16, NEXT, 1);
    out.describe(1, SCRATCH, 16, NEXT, 0);
    out.offer(0);
  },
  'a descriptor that follows itself': ({ out }) => {
    out.describe(0, SCRATCH, 16, NEXT, 0);
    out.offer(0);
  },
  'a next beyond the table': ({ out }) => {
    out.describe(0, SCRATCH, 16, NEXT, 64);
    out.offer(0);
  },
  'something to read after something to write': ({ out }) => {
    out.describe(0, SCRATCH, 16, NEXT | WRITE, 1);
    out.describe(1, SCRATCH, 16, 0);
    out.offer(0);
  },
  'an address below the memory': ({ out }) => {
    out.describe(0, -GUEST_ADDRESS, 16, 0);
    out.offer(0);
  },
  'a length beyond the memory': ({ out }) => {
    out.describe(0, GUEST_BYTES - 8, 16, 0);
    out.offer(0);
  },
  'an address that no memory has': ({ out }) => {
    out.view.setBigUint64(out.descriptors, 0xffff_ffff_ffff_fff0n, true);
    out.view.setUint32(out.descriptors + 8, 16, true);
    out.offer(0);
  },
  'an answer to where no memory is': ({ out }) => {
    out.describe(0, SCRATCH, 12, NEXT, 1);
    out.describe(1, GUEST_BYTES, 64, WRITE);
    out.offer(0);
  },
  'an indirect table of no size': ({ out }) => {
    out.describe(0, SCRATCH, 0, INDIRECT);
    out.offer(0);
  },
  'an indirect table of half a descriptor': ({ out }) => {
    out.describe(0, SCRATCH, 24, INDIRECT);
    out.offer(0);
  },
  'an indirect table larger than the queue': ({ out }) => {
    out.describe(0, SCRATCH, 65 * 16, INDIRECT);
    out.offer(0);
  },
  'an indirect table in an indirect table': ({ out }) => {
    out.describe(0, SCRATCH, 32, INDIRECT);
    out.describeAt(SCRATCH, SCRATCH, 32, INDIRECT);
    out.offer(0);
  },
  'an indirect table with a next': ({ out }) => {
    out.describe(0, SCRATCH, 32, INDIRECT | NEXT, 1);
    out.offer(0);
  },
  'a loop in an indirect table': ({ out }) => {
    out.describe(0, SCRATCH, 32, INDIRECT);
    out.describeAt(SCRATCH, SCRATCH, 16, NEXT, 1);
    out.describeAt(SCRATCH + 16, SCRATCH, 16, NEXT, 0);
    out.offer(0);
  },
  'an indirect table outside': ({ out }) => {
    out.describe(0, GUEST_BYTES - 16, 32, INDIRECT);
    out.offer(0);
  },
};

withHouse(t, 'a ring that makes no sense stops the device until it is reset', {}, async (t, house) => {
  for (const [what, spoil] of Object.entries(spoiled)) {
    const guest = await house.guest();
    await guest.command(contextCommand(1, 'plain'));
    await eventually('the server to see it', () => house.connections.at(-1)?.ended === false);
    house.lines.length = 0;
    spoil(guest);
    guest.frontEnd.kick(1);
    await eventually(`${what} to be noticed`, () => house.logged('stands still'));
    t.ok(guest.frontEnd.signalled(guest.frontEnd.errors, 1), `${what}: the VMM is told`);
    await eventually('the server to learn that', () => house.connections.at(-1)!.ended);
    guest.frontEnd.kick(1);
    await guest.frontEnd.ask(FrontEnd.GetQueueNum);
    t.equal(house.lines.filter(line => line.includes('stands still')).length, 1, 'once');

    await guest.frontEnd.stopQueue(0);
    await guest.frontEnd.stopQueue(1);
    guest.start();
    t.match(await guest.make(pipeCommand(1, 1)), { id: 1 }, 'and after a reset all is well');
    guest.frontEnd.close();
    await eventually('the VMM to be gone', () => !house.server.connected);
  }
});

withHouse(t, 'without the feature, an indirect table is a mistake', {}, async (_t, house) => {
  const guest = await house.guest({ indirect: false });
  guest.out.describe(0, SCRATCH, 32, INDIRECT);
  guest.out.offer(0);
  guest.frontEnd.kick(1);
  await eventually('it to be noticed', () => house.logged('stands still'));
});

withHouse(t, 'buffers too small for what comes', {}, async (t, house) => {
  const guest = await house.guest();
  for (let i = 0; i < guest.size; i++) guest.in.describe(i, SCRATCH, 8, 2);
  await guest.command(contextCommand(1, 'plain'));
  await eventually('the server to see it', () => house.connections.length === 1);
  // Those that the device has read already are as large as they were.
  house.connections[0]!.socket.send(Buffer.alloc(4000 * guest.size, 'x'));
  await eventually('a used buffer', () => {
    for (let used = guest.in.take(); used !== undefined; used = guest.in.take()) guest.in.offer(used.head);
    guest.frontEnd.kick(0);
    return house.logged('stands still');
  });
  t.ok(house.logged('a buffer of 8 bytes'));
});

withHouse(t, 'answers without room for them, and commands without an end', {}, async (t, house) => {
  const guest = await house.guest();
  const memory = new Uint8Array(guest.frontEnd.memory.buffer);
  memory.set(allocCommand(1, 4096), SCRATCH);
  const offered = async (): Promise<number> => {
    guest.out.offer(0);
    guest.frontEnd.kick(1);
    let used: ReturnType<typeof guest.out.take>;
    await eventually('it to come back', () => (used = guest.out.take()) !== undefined);
    return used!.written;
  };
  guest.out.describe(0, SCRATCH, 32, 0);
  t.equal(await offered(), 0, 'nowhere to write');
  guest.out.describe(0, SCRATCH, 12, NEXT, 1);
  guest.out.describe(1, SCRATCH + 4096, 5, WRITE);
  t.equal(await offered(), 5, 'less than the answer has');
  guest.out.describe(0, SCRATCH, 12, NEXT, 1);
  guest.out.describe(1, SCRATCH + 4096, 0, WRITE);
  t.equal(await offered(), 0);
  guest.out.describe(0, 0, 0, NEXT, 1);
  guest.out.describe(1, SCRATCH + 4096, 64, WRITE);
  t.equal(await offered(), 8, 'an empty command');
  t.equal(new DataView(guest.frontEnd.memory.buffer).getUint32(SCRATCH + 4096, true), Response.InvalidCmd);
  // 64 descriptors of the whole memory each: 256 MiB that nobody will copy.
  for (let i = 0; i < 63; i++) guest.out.describe(i, 0, GUEST_BYTES, NEXT, i + 1);
  guest.out.describe(63, SCRATCH + 4096, 64, WRITE);
  t.equal(await offered(), 8);
  t.equal(new DataView(guest.frontEnd.memory.buffer).getUint32(SCRATCH + 4096, true), Response.Err);
});

withHouse(t, 'a chain that is offered again while it is not answered is answered as often', {}, async (t, house) => {
  const guest = await house.guest();
  guest.frontEnd.holdAnswers = true;
  const slot = guest.submit(allocCommand(1, 4096));
  for (let i = 0; i < 5; i++) guest.out.offer(slot);
  guest.frontEnd.kick(1);
  await eventually('the answers that are refusals', () => guest.answered(slot));
  t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.InvalidId);
  guest.frontEnd.held.splice(0).forEach(answer => answer());
  guest.frontEnd.holdAnswers = false;
  await eventually('the first', () => guest.answered(slot));
  t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.VfdNew);
});

withHouse(t, 'a driver that kicks all the time does not keep the device from others', {}, async (t, house) => {
  const guest = await house.guest();
  const noise = setInterval(() => {
    for (let i = 0; i < 100; i++) {
      guest.frontEnd.kick(0);
      guest.frontEnd.kick(1);
    }
  }, 0);
  await guest.command(contextCommand(1, 'plain'));
  for (let i = 0; i < 50; i++) t.equal(await guest.send(1, 'x'), Response.Ok);
  clearInterval(noise);
});

withHouse(
  t,
  'so much for servers that do not read that the device reads no further command, and then goes on',
  {},
  async (t, house) => {
    const guest = await house.guest({ size: 256 });
    for (let id = 1; id <= 100; id++) t.match(await guest.make(contextCommand(id, 'plain')), { id });
    await eventually('the servers to see them', () => house.connections.length === 100);
    for (const { socket } of house.connections) socket.pause();
    // 240 KiB for each is taken at once, and 100 of them are over what may wait in all.
    let slot = -1;
    let sent = 0;
    outer: for (let round = 0; round < 200; round++) {
      for (let id = 1; id <= 100; id++) {
        slot = guest.submit(sendCommand(id, Buffer.alloc(4000, id)));
        await new Promise(resolve => setImmediate(resolve));
        for (let turn = 0; turn < 50 && !guest.answered(slot); turn++)
          await new Promise(resolve => setImmediate(resolve));
        if (!guest.answered(slot)) break outer;
        guest.takeAnswer(slot);
        sent++;
      }
    }
    t.ok(sent * 4000 < 100 * 1_000_000, `${sent} sends were taken`);
    for (const { socket } of house.connections) socket.resume();
    await eventually('the answer', () => guest.answered(slot));
    guest.takeAnswer(slot);
    await eventually(
      'all to arrive',
      () => house.connections.reduce((sum, { data }) => sum + data.length, 0) === (sent + 1) * 4000,
    );
  },
);

withHouse(t, 'thousands of memories, pipes and contexts, closed in every order', {}, async (t, house) => {
  const guest = await house.guest({ size: 256 });
  for (let round = 0; round < 3; round++) {
    const ids = Array.from({ length: 500 }, (_, i) => i + 1);
    const slots = new Map<number, number>();
    const drain = async (): Promise<void> => {
      await eventually('answers', () => [...slots.values()].every(slot => guest.answered(slot)));
      for (const slot of slots.values()) guest.takeAnswer(slot);
      slots.clear();
    };
    for (const id of ids) {
      const make =
        id % 3 === 0
          ? allocCommand(id, 4096)
          : id % 3 === 1
            ? pipeCommand(id, 1 + (id % 2))
            : contextCommand(id, 'plain');
      slots.set(id, guest.submit(make));
      if (slots.size === 200) await drain();
    }
    await drain();
    if (round === 1) ids.reverse();
    if (round === 2) ids.sort((a, b) => ((a * 7919) % 503) - ((b * 7919) % 503));
    for (const id of ids) {
      slots.set(id, guest.submit(numbers(0x101, 0, id)));
      if (slots.size === 200) await drain();
    }
    await drain();
    await eventually(
      'nothing to be left',
      () => house.server.counts!.vfds === 0 && house.server.counts!.mappings === 0,
    );
  }
  t.equal(house.server.counts!.allocBytes, 0);
});
