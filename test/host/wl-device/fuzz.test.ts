/**
 * The wl device under inputs that nobody wrote: commands of a guest, contents of its rings, messages of its VMM. Each
 * kind knows the structure of what it makes and breaks it here and there. The process lives, answers an honest guest
 * after every round, and holds nothing at the end.
 *
 * FUZZ_SEED: where to begin. VIRTWL_FUZZ_INPUTS: how many inputs of each kind, for long runs.
 */
import t from 'tap';
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { encodeMessage, encodeU64, FrontEnd } from '../../../src/host/vhost-user/message.js';
import { Command, Response } from '../../../src/host/wl-device/wire.js';
import { eventually } from '../../eventually.js';
import { Random } from '../../wayland/random.js';
import { FRONT_END_ADDRESS, GUEST_ADDRESS, GUEST_BYTES } from './front-end.js';
import { contextCommand, numbers, pipeCommand, type GuestDriver } from './guest-driver.js';
import { withHouse, type House } from './house.js';
import { testNative } from '../../test-native.js';

const SEED = Number(process.env.FUZZ_SEED ?? 1);
const INPUTS = Number(process.env.VIRTWL_FUZZ_INPUTS ?? 3_000);
if (process.env.VIRTWL_FUZZ_INPUTS !== undefined) t.setTimeout(0);

const LIMITS = {
  vfds: 60,
  connections: 20,
  pipes: 20,
  mappings: 20,
  allocBytes: 2 ** 20,
  receivedBytes: 1 << 20,
  queuedBytes: 100_000,
};

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** Servers that answer, send what they got back, send vfds, hang up, or do nothing. */
function liveliness(house: House, random: Random): void {
  for (const connection of house.connections) {
    const { socket, fds } = connection;
    connection.data = Buffer.alloc(0);
    if (socket.closed) continue;
    switch (random.below(8)) {
      case 0:
        socket.send(Buffer.alloc(1 + random.below(9000)), fds.splice(0, random.below(28)));
        break;
      case 1: {
        const some = Array.from({ length: random.below(5) }, () => randomFd(random));
        socket.send(Buffer.from('fds'), some);
        break;
      }
      case 2:
        if (random.below(10) === 0) socket.close();
        break;
      case 3:
        socket.pause();
        break;
      default:
        socket.resume();
    }
    closeAll(fds.splice(0));
  }
  house.connections.splice(
    0,
    house.connections.length,
    ...house.connections.filter(({ socket, ended }) => {
      if (ended) socket.close();
      return !socket.closed;
    }),
  );
}

function randomFd(random: Random): OwnedFd {
  const one = (pair: readonly number[]): OwnedFd => {
    const which = random.below(2);
    native.close(pair[1 - which]!);
    return new OwnedFd(pair[which]!);
  };
  switch (random.below(5)) {
    case 0:
      return one(native.pipe());
    case 1:
      return one(native.socketpair());
    case 2:
      return new OwnedFd(testNative.eventfd());
    default:
      return new OwnedFd(native.memfd('virtwl-test', random.pick([0, 1, 4096, 10_000, 65536, 2 ** 33]), 0));
  }
}

const ids = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x3fffffff, 0x40000000, 0x40000001, 0x40000002, 0x40000005, 0x80000000, 0xffffffff,
];

function randomCommand(random: Random): Uint8Array {
  const id = random.pick(ids);
  let command: Uint8Array;
  switch (random.below(9)) {
    case 0:
      command = numbers(
        Command.New,
        0,
        id,
        random.pick([0, 0, 0, 1, 3]),
        0,
        0,
        random.pick([0, 1, 4096, 65536, 2 ** 20, 0xffffffff]),
        0,
      );
      break;
    case 1:
      command = pipeCommand(id, random.pick([1, 2, 1, 2, 0, 3, 9]));
      break;
    case 2:
      command = contextCommand(id, random.pick(['plain', 'plain', 'plain', 'other', '../x', '']));
      break;
    case 3:
      command = numbers(Command.Close, 0, id);
      break;
    case 4:
      command = numbers(random.below(0x200), 0, id, random.below(40), random.below(2 ** 32));
      break;
    default: {
      const vfds = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2, 28]) }, () => random.pick(ids));
      const foreign = random.below(6) === 0;
      const list = foreign ? vfds.flatMap(vfd => [random.below(3), vfd]) : vfds;
      command = Buffer.concat([
        numbers(foreign ? Command.SendForeignId : Command.Send, 0, id, vfds.length, ...list),
        Buffer.alloc(random.pick([0, 1, 10, 1000, 3800])),
      ]);
    }
  }
  const broken = random.below(10);
  if (broken === 0) return command.subarray(0, random.below(command.length + 1));
  if (broken === 1) {
    command = Uint8Array.from(command);
    for (let i = 0; i <= random.below(4); i++) command[random.below(Math.min(64, command.length))] = random.below(256);
  }
  return command.subarray(0, 4096);
}

withHouse(t, `commands (FUZZ_SEED=${SEED})`, LIMITS, async (t, house) => {
  const random = new Random(SEED);
  const guest = await house.guest({ size: 64 });
  let slots: number[] = [];
  const responses = new Map<number, number>();
  for (let input = 0; input < INPUTS; input++) {
    if (slots.length < 60) slots.push(guest.submit(randomCommand(random)));
    if (random.below(4) === 0) liveliness(house, random);
    if (random.below(3) === 0) await turn();
    guest.frontEnd.refuseMaps = random.below(20) === 0;
    slots = slots.filter(slot => {
      if (!guest.answered(slot)) return true;
      const type = guest.takeAnswer(slot).readUInt32LE(0);
      responses.set(type, (responses.get(type) ?? 0) + 1);
      return false;
    });
    guest.messages.length = 0;
    if (slots.length >= 60) for (const { socket } of house.connections) socket.resume();
    const counts = house.server.counts!;
    if (
      counts.vfds > LIMITS.vfds ||
      counts.mappings > LIMITS.mappings ||
      counts.allocBytes > LIMITS.allocBytes ||
      counts.queuedBytes > LIMITS.queuedBytes + 200_000
    ) {
      t.fail('over a limit', { ...counts });
      break;
    }
    if (slots.length >= 60) await turn();
  }
  t.equal(house.logged('stands still'), false);
  t.ok(
    responses.size >= 5,
    `responses: ${[...responses].map(([type, count]) => `${count} of 0x${type.toString(16)}`).join(', ')}`,
  );
});

withHouse(t, `rings (FUZZ_SEED=${SEED})`, LIMITS, async (t, house) => {
  const random = new Random(SEED + 1);
  let stood = 0;
  let guest: GuestDriver | undefined;
  for (let round = 0; round < INPUTS / 20; round++) {
    guest ??= await house.guest(random.pick([{}, { indirect: false }, { eventIndex: false }, { size: 16 }]));
    const { frontEnd } = guest;
    for (const id of [1, 2]) guest.submit(contextCommand(id, 'plain'));
    await turn();
    house.lines.length = 0;
    const memory = new Uint8Array(frontEnd.memory.buffer);
    const places = [guest.in, guest.out].flatMap(ring => [
      { at: ring.descriptors, length: 16 * guest!.size },
      { at: ring.available, length: 6 + 2 * guest!.size },
      { at: ring.used, length: 6 + 8 * guest!.size },
    ]);
    for (let step = 0; step < 20 && !house.logged('stands still'); step++) {
      for (let i = random.below(4); i >= 0; i--) {
        const { at, length } = random.pick(places);
        const place = at + random.below(length);
        switch (random.below(4)) {
          case 0:
            memory[place] = random.below(256);
            break;
          case 1:
            memory[place] = random.pick([0, 1, 2, 3, 4, 0x7f, 0x80, 0xff]);
            break;
          case 2:
            memory.fill(random.pick([0, 0xff]), place, Math.min(place + 8, at + length));
            break;
          default: {
            // A whole descriptor that nearly makes sense.
            const ring = random.pick([guest.in, guest.out]);
            ring.describe(
              random.below(guest.size),
              random.below(GUEST_BYTES + 4096),
              random.pick([0, 1, 16, 4096, 0xffffffff]),
              random.below(8),
              random.below(guest.size + 1),
            );
          }
        }
      }
      if (random.below(2) === 0) random.pick([guest.in, guest.out]).offer(random.below(guest.size + 1));
      frontEnd.kick(random.below(2));
      if (random.below(3) === 0) liveliness(house, random);
      await turn();
    }
    if (house.logged('stands still')) stood++;
    await frontEnd.stopQueue(0);
    await frontEnd.stopQueue(1);
    if (random.below(5) === 0) {
      frontEnd.close();
      await eventually('the VMM to be gone', () => !house.server.connected);
      guest = undefined;
      continue;
    }
    guest.start();
    const answer = await guest.make(pipeCommand(1, 1));
    if (typeof answer === 'number') {
      t.fail(`an honest guest got 0x${answer.toString(16)} in round ${round}`);
      break;
    }
    await guest.close(1);
  }
  t.ok(stood > 0, `${stood} rounds ended with the device standing still`);
});

withHouse(t, `messages of a VMM (FUZZ_SEED=${SEED})`, LIMITS, async (t, house) => {
  const random = new Random(SEED + 2);
  const requests = [...Object.values(FrontEnd), 6, 7, 24, 25, 33, 39, 40, 99];
  const addresses = [
    0,
    1,
    0x1000,
    GUEST_ADDRESS,
    GUEST_ADDRESS + 4096,
    FRONT_END_ADDRESS,
    FRONT_END_ADDRESS + 8192,
    2 ** 40,
    2 ** 52,
  ];
  const sizes = [0, 1, 2, 8, 16, 63, 64, 256, 4096, 8192, 2 ** 20, GUEST_BYTES, 2 ** 32, 2 ** 53];
  let ended = 0;
  let made = 0;
  while (made < INPUTS) {
    const frontEnd = house.frontEnd();
    frontEnd.protocolFeatures = random.pick([0n, frontEnd.protocolFeatures]);
    if (random.below(2) === 0) frontEnd.tell(FrontEnd.SetProtocolFeatures, encodeU64(frontEnd.protocolFeatures));
    if (random.below(2) === 0) frontEnd.connectRequests();
    if (random.below(2) === 0) {
      frontEnd.tell(
        FrontEnd.AddMemReg,
        encodeU64(0n, BigInt(GUEST_ADDRESS), BigInt(GUEST_BYTES), BigInt(FRONT_END_ADDRESS), 0n),
        [new OwnedFd(native.dup(frontEnd.memoryFd.fd))],
      );
    }
    for (let count = random.below(40); count >= 0 && !frontEnd.ended; count--) {
      made++;
      const request = random.pick(requests);
      const words: bigint[] = [];
      switch (request) {
        case FrontEnd.SetVringNum:
        case FrontEnd.SetVringBase:
        case FrontEnd.GetVringBase:
        case FrontEnd.SetVringEnable:
          words.push(
            BigInt(random.pick([0, 1, 0, 1, 2, 255])) | (BigInt(random.pick([0, 1, 4, 64, 256, 65535])) << 32n),
          );
          break;
        case FrontEnd.SetVringAddr:
          words.push(BigInt(random.below(3)), ...Array.from({ length: 4 }, () => BigInt(random.pick(addresses))));
          break;
        case FrontEnd.AddMemReg:
        case FrontEnd.RemMemReg:
          words.push(
            0n,
            BigInt(random.pick(addresses)),
            BigInt(random.pick(sizes)),
            BigInt(random.pick(addresses)),
            BigInt(random.pick([0, 4096, 1])),
          );
          break;
        case FrontEnd.SetMemTable: {
          const regions = random.below(10);
          words.push(BigInt(regions));
          for (let i = 0; i < regions; i++)
            words.push(BigInt(random.pick(addresses)), BigInt(random.pick(sizes)), BigInt(random.pick(addresses)), 0n);
          break;
        }
        case FrontEnd.SetVringKick:
        case FrontEnd.SetVringCall:
        case FrontEnd.SetVringErr:
          words.push(BigInt(random.pick([0, 1, 0, 1, 2, 0x100, 0x101])));
          break;
        case FrontEnd.SetFeatures:
          words.push(BigInt(random.below(2 ** 32)) | (1n << 32n));
          break;
        default:
          for (let i = random.below(4); i > 0; i--) words.push(BigInt(random.below(2 ** 32)));
      }
      let payload = encodeU64(...words);
      if (random.below(15) === 0) payload = payload.subarray(0, random.below(payload.length + 1));
      const fds =
        random.below(2) === 0 ? Array.from({ length: random.pick([1, 1, 1, 2, 8, 20]) }, () => vmmFd(random)) : [];
      const message = encodeMessage(request, random.pick([1, 9, 9, 9, 9, 0, 5]), payload);
      if (random.below(30) === 0) message[random.below(message.length)] = random.below(256);
      frontEnd.raw(random.below(40) === 0 ? message.subarray(0, random.below(message.length) + 1) : message, fds);
      if (random.below(3) === 0) await turn();
      frontEnd.forgetReplies();
    }
    await turn();
    if (frontEnd.ended) ended++;
    frontEnd.close();
    await eventually('it to be noticed gone', () => !house.server.connected);
  }
  t.ok(ended > 0, `${ended} connections were ended by the device`);
  const guest = await house.guest();
  t.equal(await guest.type(numbers(Command.Close, 0, 1)), Response.InvalidId, 'an honest VMM is served');
});

/** What a VMM could send along. */
function vmmFd(random: Random): OwnedFd {
  switch (random.below(4)) {
    case 0:
      return randomFd(random);
    case 1:
      return new OwnedFd(native.memfd('virtwl-test', random.pick([0, 4096, 8192, GUEST_BYTES]), 0));
    default: {
      const fd = new OwnedFd(testNative.eventfd());
      if (random.below(2) === 0) native.write(fd.fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 0, 8);
      return fd;
    }
  }
}
