/**
 * The life of a front-end: it connects and negotiates, its guest starts, pauses, reboots, crashes; it goes and another
 * one comes. And what it may not do.
 */
import t from 'tap';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import {
  encodeMessage,
  encodeU64,
  FLAG_NEED_REPLY,
  FrontEnd,
  ProtocolFeature,
  VERSION,
} from '../../../src/host/vhost-user/message.js';
import { Command, SHARED_MEMORY_BYTES, Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { FRONT_END_ADDRESS, GUEST_ADDRESS, GUEST_BYTES, state } from '../wl-device/front-end.js';
import { allocCommand, contextCommand, GuestDriver, pipeCommand, sendCommand } from '../wl-device/guest-driver.js';
import { withHouse, type House } from '../wl-device/house.js';
import { testNative } from '../../test-native.js';

const number = (payload: Buffer): bigint => payload.readBigUInt64LE(0);

async function connected(house: House, guest: GuestDriver, id: number): Promise<House['connections'][0]> {
  const before = house.connections.length;
  await guest.command(contextCommand(id, 'plain'));
  await eventually('the server to see it', () => house.connections.length > before);
  return house.connections[before]!;
}

withHouse(t, 'what is offered', {}, async (t, house) => {
  const vmm = house.frontEnd();
  const features = number(await vmm.ask(FrontEnd.GetFeatures));
  for (const bit of [1, 3, 28, 29, 30, 32]) t.ok(features & (1n << BigInt(bit)), `feature ${bit}`);
  t.notOk(features & (1n << 2n), 'no fences');
  const protocol = number(await vmm.ask(FrontEnd.GetProtocolFeatures));
  for (const bit of [0, 3, 5, 10, 15, 22]) t.ok(protocol & (1n << BigInt(bit)), `protocol feature ${bit}`);
  t.equal(number(await vmm.ask(FrontEnd.GetQueueNum)), 2n);
  t.ok(number(await vmm.ask(FrontEnd.GetMaxMemSlots)) >= 509n);
  const config = Buffer.from(await vmm.ask(FrontEnd.GetShmemConfig));
  t.equal(config.length, 72);
  t.equal(config.readUInt32LE(0), 1);
  t.equal(config.readBigUInt64LE(8), BigInt(SHARED_MEMORY_BYTES));
});

withHouse(
  t,
  'a VMM that pauses its guest stops the queues and starts them where they were: nothing is lost',
  {},
  async (t, house) => {
    const guest = await house.guest();
    const server = await connected(house, guest, 1);
    await guest.command(allocCommand(2, 4096));
    server.socket.pause();
    let slot: number;
    // One that has no answer after so many turns of the loop, which is the device's too, waits for the server.
    const answeredSoon = async (): Promise<boolean> => {
      for (let turns = 0; turns < 200 && !guest.answered(slot); turns++) {
        await new Promise(resolve => setTimeout(resolve, 1));
      }
      return guest.answered(slot);
    };
    do {
      slot = guest.submit(sendCommand(1, Buffer.alloc(4000)));
    } while ((await answeredSoon()) && guest.takeAnswer(slot).length > 0);
    for (let round = 0; round < 3; round++) {
      const bases = [await guest.frontEnd.stopQueue(0), await guest.frontEnd.stopQueue(1)] as const;
      server.socket.send(Buffer.from(`while paused ${round}`));
      await new Promise(resolve => setTimeout(resolve, 5));
      t.equal(guest.received(1).length, 14 * round);
      guest.resume(...bases);
      await guest.has(1, 14 * (round + 1));
    }
    t.notOk(guest.answered(slot));
    await guest.frontEnd.stopQueue(0);
    const outBase = await guest.frontEnd.stopQueue(1);
    server.socket.resume();
    await eventually('the server to read all', () => server.data.length >= 4000 * 3);
    const inBase = await guest.frontEnd.stopQueue(0);
    guest.resume(inBase, outBase);
    await eventually('the answer that came meanwhile', () => guest.answered(slot));
    guest.takeAnswer(slot);
    t.equal(await guest.close(2), Response.Ok);
    await eventually('the memory to be unmapped', () => guest.frontEnd.mappings.size === 0);
  },
);

withHouse(t, 'a guest that reboots finds nothing of its former life', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connected(house, guest, 1);
  await guest.command(allocCommand(2, 4096));
  await guest.frontEnd.stopQueue(0);
  await guest.frontEnd.stopQueue(1);
  t.equal(guest.frontEnd.unmaps, 0, 'nothing is unmapped while the device does not run');
  guest.start();
  await eventually('the server to learn that', () => server.ended);
  await eventually('the memory to be unmapped', () => guest.frontEnd.mappings.size === 0);
  t.equal(await guest.close(1), Response.InvalidId);
  t.equal(house.server.counts!.allocBytes, 0);
  await connected(house, guest, 1);
  t.notOk(guest.hungUp(0));
});

withHouse(t, 'a reset of the device releases at once', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connected(house, guest, 1);
  await guest.command(pipeCommand(2, 1));
  guest.frontEnd.tell(FrontEnd.ResetDevice, new Uint8Array(0));
  await eventually('the server to learn that', () => server.ended);
  t.equal(house.server.counts!.vfds, 0);
  guest.start();
  await connected(house, guest, 1);
});

withHouse(t, 'a VMM that dies: all is released, and the next one finds a new device', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connected(house, guest, 1);
  await guest.command(allocCommand(2, 4096));
  guest.frontEnd.close();
  await eventually('the server to learn that', () => server.ended && !house.server.connected);
  const next = await house.guest();
  await connected(house, next, 1);
  t.equal(house.server.counts!.vfds, 1);
});

withHouse(t, 'a guest that was there before the device is told that its vfds are gone', {}, async (t, house) => {
  // As after a device process was killed: the VMM comes back with queues that have run.
  const frontEnd = house.frontEnd();
  const guest = new GuestDriver(frontEnd);
  await frontEnd.negotiate(guest.features);
  guest.start();
  await connected(house, guest, 1);
  const bases = [await frontEnd.stopQueue(0), await frontEnd.stopQueue(1)] as const;
  const other = house.frontEnd();
  const moved = new GuestDriver(other);
  new Uint8Array(other.memory.buffer).set(new Uint8Array(frontEnd.memory.buffer));
  for (const ring of ['in', 'out'] as const) {
    moved[ring].availableIndex = guest[ring].availableIndex;
    moved[ring].usedIndex = guest[ring].usedIndex;
  }
  frontEnd.close();
  await other.negotiate(moved.features);
  moved.resume(...bases);
  await moved.hangUp(0);
  t.pass('the hang-up of id 0 stands for all');
});

withHouse(t, 'one front-end at a time', {}, async (t, house) => {
  const guest = await house.guest();
  const second = house.frontEnd();
  await eventually('it to be turned away', () => second.ended);
  t.ok(house.logged('turned away'));
  await connected(house, guest, 1);
  const third = house.frontEnd();
  guest.frontEnd.close();
  t.equal(number(await third.ask(FrontEnd.GetQueueNum)), 2n, 'one that comes as the other goes is served');
});

withHouse(t, 'no mapping is asked for unless the queues run', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connected(house, guest, 1);
  const bases = [await guest.frontEnd.stopQueue(0), await guest.frontEnd.stopQueue(1)] as const;
  server.socket.send(Buffer.from('m'), [new OwnedFd(native.memfd('virtwl-test', 4096, 0))]);
  await new Promise(resolve => setTimeout(resolve, 20));
  t.equal(guest.frontEnd.maps, 0);
  guest.resume(...bases);
  await guest.has(1, 1, 1);
  t.equal(guest.frontEnd.maps, 1);
});

withHouse(t, 'rings in the wrong place, and queues that cannot be', {}, async (t, house) => {
  const attempts: ((guest: GuestDriver) => void)[] = [
    guest => guest.frontEnd.startQueue(0, 64, { ...guest.in.rings, used: GUEST_ADDRESS + GUEST_BYTES - 16 }, 0),
    guest => guest.frontEnd.startQueue(0, 64, { ...guest.in.rings, descriptors: 0x1000 }, 0),
    guest => guest.frontEnd.startQueue(0, 64, { ...guest.in.rings, available: guest.in.rings.available + 1 }, 0),
    guest => guest.frontEnd.startQueue(0, 63, guest.in.rings, 0),
    guest => guest.frontEnd.startQueue(0, 0, guest.in.rings, 0),
    guest => guest.frontEnd.startQueue(0, 2 ** 31, guest.in.rings, 0),
  ];
  for (const attempt of attempts) {
    const frontEnd = house.frontEnd();
    const guest = new GuestDriver(frontEnd);
    await frontEnd.negotiate(guest.features);
    attempt(guest);
    frontEnd.startQueue(1, 64, guest.out.rings, 0);
    await eventually('the front-end to be left', () => frontEnd.ended);
    t.pass(String(attempt));
    await eventually('the next to be welcome', () => !house.server.connected);
  }
});

withHouse(t, 'a queue that could not start is no hindrance to the next start of all', {}, async (t, house) => {
  const guest = await house.guest();
  const vmm = guest.frontEnd;
  await connected(house, guest, 1);
  const address = ({ descriptors, available, used }: GuestDriver['in']['rings'], index: number): Uint8Array =>
    encodeU64(
      BigInt(index),
      ...[descriptors, used, available].map(at => BigInt(at - GUEST_ADDRESS + FRONT_END_ADDRESS)),
      0n,
    );
  const kick = (index: number): Promise<number> =>
    vmm.acknowledged(FrontEnd.SetVringKick, encodeU64(BigInt(index)), [new OwnedFd(native.dup(vmm.kicks[index]!.fd))]);
  const enable = (index: number): Promise<number> => vmm.acknowledged(FrontEnd.SetVringEnable, state(index, 1));
  await vmm.stopQueue(0);
  await vmm.stopQueue(1);
  const nowhere = { ...guest.out.rings, used: 0x1000 };
  for (const start of ['the first', 'the next'] as const) {
    // As QEMU does it, queue by queue, in the order of requests that it has.
    vmm.tell(FrontEnd.SetVringBase, state(0, 0));
    vmm.tell(FrontEnd.SetVringAddr, address(guest.in.rings, 0));
    t.equal(await kick(0), 0, `${start} start: what is wrong with the other queue is not this one's fault`);
    vmm.tell(FrontEnd.SetVringBase, state(1, 0));
    vmm.tell(FrontEnd.SetVringAddr, address(nowhere, 1));
    t.equal(await kick(1), 1, 'a queue whose ring is nowhere is refused');
    // QEMU stops those that it has started before.
    await vmm.stopQueue(0);
  }
  vmm.tell(FrontEnd.SetVringEnable, state(1, 0));
  vmm.tell(FrontEnd.SetVringBase, state(0, 0));
  t.equal(await kick(0), 0);
  vmm.tell(FrontEnd.SetVringBase, state(1, 0));
  t.equal(await kick(1), 0, 'a queue that is not enabled is not opened yet');
  t.equal(await enable(1), 1, 'and is refused when it is');
  await vmm.stopQueue(0);
  await vmm.stopQueue(1);
  guest.start();
  await connected(house, guest, 1);
  t.pass('a guest that does it right is served');
});

withHouse(t, 'requests that make no sense are refused where an answer is asked for', {}, async (t, house) => {
  const guest = await house.guest();
  const vmm = guest.frontEnd;
  const memfd = (): OwnedFd => new OwnedFd(native.memfd('virtwl-test', 8192, 0));
  const region = (guestAddress: number, size: number, at: number, offset = 0): Uint8Array =>
    encodeU64(0n, BigInt(guestAddress), BigInt(size), BigInt(at), BigInt(offset));
  const refused = async (what: string, request: number, payload: Uint8Array, fds: OwnedFd[] = []): Promise<void> =>
    void t.equal(await vmm.acknowledged(request, payload, fds), 1, what);
  await refused('unknown', 99, new Uint8Array(0));
  await refused('features that are not offered', FrontEnd.SetFeatures, encodeU64(1n << 60n));
  await refused(
    'protocol features that are not offered',
    FrontEnd.SetProtocolFeatures,
    encodeU64((1n << 3n) | (1n << 40n)),
  );
  await refused('a payload of the wrong size', FrontEnd.SetVringNum, new Uint8Array(4));
  await refused('a third queue', FrontEnd.SetVringNum, state(2, 64));
  await refused('a kick without a descriptor', FrontEnd.SetVringKick, encodeU64(0n));
  await refused('no kick at all', FrontEnd.SetVringKick, encodeU64(0x100n));
  await refused('a kick that is a file', FrontEnd.SetVringKick, encodeU64(0n), [memfd()]);
  await refused(
    'a call that is a socket',
    FrontEnd.SetVringCall,
    encodeU64(0n),
    native.socketpair().map(fd => new OwnedFd(fd)),
  );
  await refused('memory without a descriptor', FrontEnd.AddMemReg, region(0x9000000, 4096, 0x9000000));
  await refused('memory larger than its file', FrontEnd.AddMemReg, region(0x9000000, 16384, 0x9000000), [memfd()]);
  await refused('memory beyond its file', FrontEnd.AddMemReg, region(0x9000000, 4096, 0x9000000, 8192), [memfd()]);
  await refused('memory over other memory', FrontEnd.AddMemReg, region(GUEST_ADDRESS + 4096, 4096, FRONT_END_ADDRESS), [
    memfd(),
  ]);
  await refused('memory off a page', FrontEnd.AddMemReg, region(0x9000001, 4096, 0x9000000), [memfd()]);
  await refused('memory of size 0', FrontEnd.AddMemReg, region(0x9000000, 0, 0x9000000), [memfd()]);
  await refused(
    'memory of a socket',
    FrontEnd.AddMemReg,
    region(0x9000000, 4096, 0x9000000),
    native.socketpair().map(fd => new OwnedFd(fd)),
  );
  await refused('removing what is not there', FrontEnd.RemMemReg, region(0x9000000, 4096, 0x9000000));
  await refused('a table of too many', FrontEnd.SetMemTable, encodeU64(9n, ...Array.from({ length: 36 }, () => 0n)));
  await refused('a table without descriptors', FrontEnd.SetMemTable, encodeU64(1n, 0n, 4096n, 0n, 0n));
  await connected(house, guest, 1);
  t.pass('and the guest goes on');
});

withHouse(t, 'regions come and go while the device runs', {}, async (t, house) => {
  const guest = await house.guest();
  for (let round = 0; round < 600; round++) {
    const payload = encodeU64(0n, 0x8000_0000n, 8192n, 0x8000_0000n, 0n);
    t.equal(
      await guest.frontEnd.acknowledged(FrontEnd.AddMemReg, payload, [
        new OwnedFd(native.memfd('virtwl-test', 8192, 0)),
      ]),
      0,
    );
    t.equal(await guest.frontEnd.acknowledged(FrontEnd.RemMemReg, payload), 0);
  }
  await connected(house, guest, 1);
});

withHouse(t, 'messages in parts, and messages that are too long or end early', {}, async (t, house) => {
  const vmm = house.frontEnd();
  for (const byte of encodeMessage(FrontEnd.GetQueueNum, VERSION, new Uint8Array(0))) {
    vmm.raw(Uint8Array.of(byte));
    await new Promise(resolve => setImmediate(resolve));
  }
  t.equal(number(await vmm.reply(FrontEnd.GetQueueNum)), 2n);
  const twice = encodeMessage(FrontEnd.GetQueueNum, VERSION, new Uint8Array(0));
  vmm.raw(Buffer.concat([twice, twice]));
  await vmm.reply(FrontEnd.GetQueueNum);
  await vmm.reply(FrontEnd.GetQueueNum);
  vmm.raw(encodeMessage(FrontEnd.SetFeatures, VERSION, new Uint8Array(5000)));
  await eventually('it to be left', () => vmm.ended);
  for (const bytes of [
    encodeMessage(FrontEnd.GetQueueNum, 2, new Uint8Array(0)),
    encodeMessage(99, VERSION, new Uint8Array(0)),
    encodeMessage(FrontEnd.GetVringBase, VERSION, state(7, 0)),
    encodeMessage(FrontEnd.SetFeatures, VERSION | FLAG_NEED_REPLY, encodeU64(1n << 60n)),
  ]) {
    const next = house.frontEnd();
    next.raw(bytes);
    await eventually('it to be left', () => next.ended);
  }
  const last = house.frontEnd();
  last.raw(encodeMessage(FrontEnd.SetFeatures, VERSION, encodeU64(0n)).subarray(0, 15));
  last.close();
  await eventually('it to be noticed', () => house.logged('within a message'));
});

withHouse(t, 'an answer that nobody asked for ends the connection', {}, async (t, house) => {
  const guest = await house.guest();
  guest.frontEnd.rawAnswer(encodeMessage(9, 5, encodeU64(0n)));
  await eventually('it to be left', () => guest.frontEnd.ended);
  t.ok(house.logged('to what was not asked'));
});

withHouse(t, 'a VMM that takes its memory away is left', {}, async (t, house) => {
  const guest = await house.guest();
  await connected(house, guest, 1);
  testNative.truncate(guest.frontEnd.memoryFd.fd, 0);
  guest.frontEnd.kick(1);
  await eventually('it to be left', () => guest.frontEnd.ended);
  t.ok(house.logged('took away memory'));
});

withHouse(t, 'a VMM without shared memory regions has everything but memory', {}, async (t, house) => {
  const frontEnd = house.frontEnd();
  frontEnd.protocolFeatures = 1n << BigInt(ProtocolFeature.ReplyAck);
  const guest = new GuestDriver(frontEnd);
  frontEnd.tell(FrontEnd.SetProtocolFeatures, encodeU64(frontEnd.protocolFeatures));
  frontEnd.tell(FrontEnd.SetFeatures, encodeU64(guest.features));
  frontEnd.tell(
    FrontEnd.SetMemTable,
    encodeU64(1n, BigInt(GUEST_ADDRESS), BigInt(GUEST_BYTES), BigInt(FRONT_END_ADDRESS), 0n),
    [new OwnedFd(native.dup(frontEnd.memoryFd.fd))],
  );
  guest.start();
  t.equal(await guest.make(allocCommand(1, 4096)), Response.OutOfMemory);
  const server = await connected(house, guest, 1);
  server.socket.send(Buffer.from('hello'));
  await guest.has(1, 5);
  t.equal(guest.messages[0]!.type, Command.Recv);
});
