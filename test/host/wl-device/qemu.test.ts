/**
 * What the device does so that QEMU survives its guest. QEMU crashes on a request that it reads after its guest has reset
 * the device, and, when the device starts again, over memory that it had told us of and that the reset has unmapped.
 */
import t from 'tap';
import { OwnedFd } from '../../../src/system/fd.js';
import { encodeU64, FrontEnd, ProtocolFeature } from '../../../src/host/vhost-user/message.js';
import { native } from '../../../src/system/native.js';
import { Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { allocCommand, GuestDriver, pipeCommand } from './guest-driver.js';
import { withHouse, type House } from './house.js';

const LIMIT = 8;

/** A guest below a VMM that acknowledges what QEMU does. */
async function guestOfQemu(house: House): Promise<GuestDriver> {
  const frontEnd = house.frontEnd();
  frontEnd.protocolFeatures |= 1n << BigInt(ProtocolFeature.ResetDevice);
  const guest = new GuestDriver(frontEnd);
  await frontEnd.negotiate(guest.features);
  guest.start();
  return guest;
}

async function stop(guest: GuestDriver): Promise<[number, number]> {
  return [await guest.frontEnd.stopQueue(0), await guest.frontEnd.stopQueue(1)];
}

/** Has memory asked for that the VMM does not get to look at, and the device stopped meanwhile. */
async function stoppedWithin(guest: GuestDriver): Promise<{ slot: number; bases: [number, number] }> {
  guest.frontEnd.readRequests(false);
  const slot = guest.submit(allocCommand(1, 4096));
  guest.frontEnd.kick(1);
  // The command was handled: what comes after it is answered.
  await guest.make(pipeCommand(2, 1));
  const bases = await stop(guest);
  guest.frontEnd.readRequests(true);
  return { slot, bases };
}

withHouse(
  t,
  'a mapping that was on its way when the VM was paused is asked for again when it goes on',
  {},
  async (t, house) => {
    const guest = await guestOfQemu(house);
    const { slot, bases } = await stoppedWithin(guest);
    await eventually('the request to be withdrawn', () => guest.frontEnd.unknown.length === 1);
    t.equal(guest.frontEnd.maps, 0, 'it does not ask for a mapping, since there is no device that has a guest');
    guest.resume(...bases);
    await eventually('the answer', () => guest.answered(slot));
    t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.VfdNew);
    t.equal(guest.frontEnd.maps, 1);
  },
);

withHouse(t, 'and when the guest has reset the device meanwhile, it is not', {}, async (t, house) => {
  const guest = await guestOfQemu(house);
  await stoppedWithin(guest);
  await eventually('the request to be withdrawn', () => guest.frontEnd.unknown.length === 1);
  guest.start();
  t.match(await guest.make(allocCommand(1, 4096)), { id: 1 });
  t.equal(guest.frontEnd.maps, 1, 'one mapping, of the one that the new guest asked for');
});

withHouse(t, 'an unmapping that was on its way is done when the device runs again', {}, async (t, house) => {
  const guest = await guestOfQemu(house);
  await guest.make(allocCommand(1, 4096));
  guest.frontEnd.readRequests(false);
  t.equal(await guest.close(1), Response.Ok);
  const bases = await stop(guest);
  guest.frontEnd.readRequests(true);
  await eventually('the request to be withdrawn', () => guest.frontEnd.unknown.length === 1);
  t.equal(guest.frontEnd.unmaps, 0);
  guest.resume(...bases);
  await eventually('it to be unmapped', () => guest.frontEnd.mappings.size === 0);
  await eventually('the books to say so', () => house.server.counts!.mappings === 0);
});

withHouse(
  t,
  'a reset that takes all mappings away leaves all places to the next guest',
  { mappings: LIMIT },
  async (t, house) => {
    const guest = await guestOfQemu(house);
    for (let life = 0; life < 5; life++) {
      for (let id = 1; id <= LIMIT; id++)
        t.match(await guest.make(allocCommand(id, 4096)), { id }, `life ${life}: memory ${id}`);
      t.equal(
        (await guest.command(allocCommand(LIMIT + 1, 4096))).readUInt32LE(0),
        Response.OutOfMemory,
        'and no further',
      );
      await stop(guest);
      guest.frontEnd.dropMappings();
      guest.start();
    }
  },
);

withHouse(
  t,
  'a reset that leaves all mappings there, as crosvm’s does, gives the next guest no place before it is unmapped',
  { mappings: LIMIT },
  async (t, house) => {
    const guest = await guestOfQemu(house);
    for (let life = 0; life < 3; life++) {
      // The front-end refuses a mapping over another, so a place that was given too soon is seen.
      for (let id = 1; id <= LIMIT; id++)
        t.match(await guest.make(allocCommand(id, 4096 * (life + 1))), { id }, `life ${life}: memory ${id}`);
      t.equal(guest.frontEnd.unmaps, life * LIMIT, 'each of the former guest was unmapped, once');
      t.equal(guest.frontEnd.mappings.size, LIMIT);
      await stop(guest);
      guest.start();
    }
    await eventually('the last ones to be unmapped', () => guest.frontEnd.mappings.size === 0);
  },
);

withHouse(t, 'memory that is mapped is no memory of the guest’s', {}, async (t, house) => {
  const guest = await guestOfQemu(house);
  await guest.make(allocCommand(1, 4096));
  const [mapping] = guest.frontEnd.mappings.values();
  const told = encodeU64(0n, 0x1_0000_0000n, 4096n, 0x7e00_0000_0000n, 0n);
  const tell = (): Promise<number> =>
    guest.frontEnd.acknowledged(FrontEnd.AddMemReg, told, [new OwnedFd(native.dup(mapping!.fd.fd))]);
  t.equal(await tell(), 1, 'the VMM is told so: it need not take it back, and QEMU could not');
  const bases = await stop(guest);
  t.equal(await tell(), 0, 'but a device that is about to start takes it, or QEMU would not start it');
  guest.resume(...bases);
  t.match(await guest.make(pipeCommand(2, 1)), { id: 2 });
});
