/**
 * The wl device's back-end under a VMM that says anything over a real socket: messages of every kind with numbers that
 * nearly make sense, descriptors of the wrong kind and number, memory that it takes away, answers that were not asked
 * for. Each reply belongs to a request, in order; limits hold; a front-end whose messages were whole is still answered in
 * the end, unless it was left; and when it is gone, so is all that it had.
 */
import { Status } from '../../../src/allocator/protocol.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { BACKEND_FEATURES, PROTOCOL_FEATURES, VhostUserBackend } from '../../../src/host/vhost-user/backend.js';
import {
  encodeMessage,
  encodeU64,
  FLAG_NEED_REPLY,
  FrontEnd,
  PAYLOAD_BYTES,
  VERSION,
} from '../../../src/host/vhost-user/message.js';
import { DEVICE_FEATURES, WlDevice } from '../../../src/host/wl-device/device.js';
import { native } from '../../../src/system/native.js';
import { ReceivedBytes, type GuestHost } from '../../../src/host/guest/resources.js';
import { FRONT_END_ADDRESS, GUEST_ADDRESS, state } from '../../host/wl-device/front-end.js';
import type { DriverRing } from '../../host/wl-device/guest-driver.js';
import { Draw } from '../draw.js';
import { drawCommand, WL_LIMITS } from '../draw-command.js';
import { drawFd } from '../draw-fd.js';
import { FuzzGuest, MEMORY_BYTES, MEMORY_OFFSET, RING_SIZE, ringsOf } from '../guest.js';
import { turn, turnsUntil } from '../held.js';
import { FuzzServers } from '../servers.js';
import type { Target } from '../target.js';
import { FuzzVmm } from '../vmm.js';
import { testNative } from '../../test-native.js';

const FEATURES = BACKEND_FEATURES | DEVICE_FEATURES;

/** All that there is, and some that is unknown. */
const REQUESTS = [...Object.values(FrontEnd), 0, 6, 7, 24, 25, 33, 39, 40, 99, 0xffffffff];
const ADDRESSES = [
  0,
  1,
  4096,
  GUEST_ADDRESS,
  GUEST_ADDRESS + 4096,
  FRONT_END_ADDRESS,
  FRONT_END_ADDRESS + 8192,
  2 ** 40,
  2 ** 52,
  2 ** 60,
];
const SIZES = [0, 1, 2, 8, 16, 64, 256, 4096, 8192, MEMORY_BYTES, 2 ** 20, 2 ** 32, 2 ** 53];
const NUMBERS = [0, 1, 2, 3, 4, 16, 64, 255, 256, 32768, 65535, 0xffffffff];

export const vhostUser: Target = {
  name: 'vhost-user',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(0, 0, 0, 0, 3, 0, 0, 1, 4, 0, 5, 2, 0, 4, 0, 1, 4, 6, 0, 4),
    Uint8Array.of(0, 0, 0, 1, 0, 4, 1, 1, 2, 0, 0, 4, 1, 2, 2, 0, 4, 9, 8, 8, 4, 6),
    Uint8Array.of(0, 2, 5, 2, 10, 0, 4, 2, 14, 1, 4, 2, 4, 3, 4, 7, 10, 20, 30),
  ],
  dictionary: Object.values(FrontEnd).map(request =>
    encodeMessage(request, VERSION | FLAG_NEED_REPLY, new Uint8Array(PAYLOAD_BYTES.get(request) ?? 8)),
  ),
  async run(input) {
    const draw = new Draw(input);
    const features = { indirect: !draw.oneIn(4), eventIndex: !draw.oneIn(4) };
    const guest = new FuzzGuest(features);
    const servers = new FuzzServers();
    const [ours, theirs] = native.socketpair();
    const vmm = new FuzzVmm(new OwnedFd(ours));
    const words = new Set<string>();
    let granted = 0;
    let ended = 0;
    const kicks: OwnedFd[] = [];
    const host: GuestHost = {
      defaultServer: undefined,
      received: new ReceivedBytes(WL_LIMITS.receivedBytes),
      connect: name => servers.connect(name),
      allocate(bytes) {
        if (granted + bytes > WL_LIMITS.allocBytes) return { status: Status.OverBudget, reason: 'over' };
        granted += bytes;
        const rounded = Math.ceil(bytes / native.pageSize) * native.pageSize;
        return { status: Status.Ok, memory: new OwnedFd(native.memfd('fuzz', rounded, 0)), bytes: rounded };
      },
      log: line => void words.add(line.replace(/\d+|0x[\da-f]+/g, '').slice(0, 80)),
    };
    const device = new WlDevice(host, WL_LIMITS);
    const backend = new VhostUserBackend(new OwnedFd(theirs), device, {
      log: line => host.log(line),
      ended: () => void (ended += 1),
    });
    /** What a VMM says before the queues. */
    const negotiate = (): void => {
      if (!draw.oneIn(8)) vmm.say(FrontEnd.SetProtocolFeatures, encodeU64(PROTOCOL_FEATURES));
      if (!draw.oneIn(8)) vmm.say(FrontEnd.SetBackendReqFd, undefined, [vmm.newRequests()]);
      const all = FEATURES & ~(features.indirect ? 0n : 1n << 28n) & ~(features.eventIndex ? 0n : 1n << 29n);
      vmm.say(FrontEnd.SetFeatures, encodeU64(draw.oneIn(16) ? 1n << 32n : all));
      const region = [
        BigInt(GUEST_ADDRESS),
        BigInt(MEMORY_BYTES),
        BigInt(FRONT_END_ADDRESS),
        BigInt(MEMORY_OFFSET),
      ] as const;
      const shared = new OwnedFd(native.dup(guest.fd.fd));
      if (draw.oneIn(3)) vmm.say(FrontEnd.SetMemTable, encodeU64(1n, ...region), [shared]);
      else vmm.say(FrontEnd.AddMemReg, encodeU64(0n, ...region), [shared]);
    };
    const startQueue = (index: number, ring: DriverRing, base: number): void => {
      vmm.say(FrontEnd.SetVringNum, state(index, RING_SIZE));
      vmm.say(FrontEnd.SetVringBase, state(index, base));
      const { descriptors, available, used } = ringsOf(ring);
      const at = (address: number): bigint => BigInt(address - GUEST_ADDRESS + FRONT_END_ADDRESS);
      vmm.say(FrontEnd.SetVringAddr, encodeU64(BigInt(index), at(descriptors), at(used), at(available), 0n));
      vmm.say(FrontEnd.SetVringCall, encodeU64(BigInt(index)), [new OwnedFd(testNative.eventfd())]);
      kicks[index]?.close();
      kicks[index] = new OwnedFd(testNative.eventfd());
      vmm.say(FrontEnd.SetVringKick, encodeU64(BigInt(index)), [new OwnedFd(native.dup(kicks[index].fd))]);
      vmm.say(FrontEnd.SetVringEnable, state(index, 1));
    };
    const kick = (index: number): void => {
      const fd = kicks[index];
      if (fd !== undefined) native.write(fd.fd, ONE, 0, 8);
    };
    const close = async (): Promise<void> => {
      backend.close();
      vmm.close();
      servers.close();
      for (const fd of kicks) fd?.close();
      if (!guest.fd.closed) guest.close();
      await turn();
      await turn();
    };
    try {
      while (!draw.done && ended === 0) {
        switch (draw.below(13)) {
          case 0:
            negotiate();
            break;
          case 1:
            guest.start();
            startQueue(0, guest.in, 0);
            startQueue(1, guest.out, 0);
            break;
          case 2:
          case 3:
            sayAnything(draw, vmm);
            break;
          case 4:
            await turn();
            break;
          case 5: {
            const { bytes, mayWait } = drawCommand(draw);
            guest.submit(draw, bytes, mayWait);
            kick(1);
            break;
          }
          case 6:
            vmm.listen();
            guest.collect(draw.oneIn(4));
            kick(0);
            break;
          case 7:
            vmm.answer(!draw.oneIn(4));
            break;
          case 8:
            servers.act(draw);
            break;
          case 9:
            guest.spoil(draw);
            kick(draw.below(2));
            break;
          case 10:
            // Stopped, and started where it was.
            for (const index of [0, 1]) vmm.say(FrontEnd.GetVringBase, state(index, 0));
            break;
          case 11: {
            if (!draw.oneIn(4)) {
              startQueue(0, guest.in, draw.below(RING_SIZE));
              startQueue(1, guest.out, draw.below(4));
              guest.spoiled = true;
            } else if (draw.oneIn(2)) {
              vmm.dropRequests();
            } else {
              vmm.answerWith(draw.take(1 + draw.below(24)));
            }
            break;
          }
          default:
            if (draw.oneIn(4)) {
              vmm.broken = true;
              vmm.raw(draw.take(1 + draw.below(40)), draw.oneIn(3) ? [drawFd(draw)] : []);
              // eslint-disable-next-line no-dupe-else-if -- each draws anew
            } else if (draw.oneIn(4)) {
              // The memory goes away while it is in use.
              guest.spoiled = true;
              testNative.truncate(guest.fd.fd, draw.pick([0, 4096, MEMORY_OFFSET + MEMORY_BYTES / 2]));
            }
        }
        // What comes back is not checked for what the guest got: queues may have been moved at any time.
        guest.spoiled = true;
        const { counts } = device;
        const over =
          counts.vfds > WL_LIMITS.vfds ||
          counts.connections > WL_LIMITS.connections ||
          counts.pipes > WL_LIMITS.pipes ||
          counts.mappings > WL_LIMITS.mappings;
        if (over) throw new Error(`over a limit: ${JSON.stringify(counts)}`);
      }
      await proveAnswers(vmm, () => ended > 0);
      for (const word of vmm.words) words.add(word);
      if (draw.oneIn(2)) vmm.close();
      await turnsUntil(() => ended > 0 || !draw.done);
      await close();
      if (ended !== 1) throw new Error(`the end was told ${ended} times`);
      return [...words];
    } finally {
      await close();
    }
  },
};

const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** A front-end that has said only whole messages is answered, unless the device has closed the connection. */
async function proveAnswers(vmm: FuzzVmm, ended: () => boolean): Promise<void> {
  if (!vmm.broken) vmm.say(FrontEnd.GetFeatures);
  await turnsUntil(() => {
    vmm.listen();
    while (vmm.asked.length > 0) vmm.answer(true);
    return vmm.broken || ended() || vmm.settled;
  });
  if (vmm.broken || ended()) return;
  if (!vmm.settled || vmm.replies.get(FrontEnd.GetFeatures)?.readBigUInt64LE(0) !== FEATURES)
    throw new Error('no answer, or a wrong one, to GET_FEATURES');
}

/** A message of any kind, with a payload that nearly makes sense. */
function sayAnything(draw: Draw, vmm: FuzzVmm): void {
  const request = draw.pick(REQUESTS);
  const address = (): bigint => BigInt(draw.oneIn(8) ? draw.word() * 4096 : draw.pick(ADDRESSES));
  const region = (): bigint[] => [
    address(),
    BigInt(draw.pick(SIZES)),
    address(),
    BigInt(draw.pick([0, 4096, 1, MEMORY_OFFSET])),
  ];
  let payload: Uint8Array;
  let kinds: 'memory' | 'event' | 'any' = 'any';
  switch (request) {
    case FrontEnd.SetVringNum:
    case FrontEnd.SetVringBase:
    case FrontEnd.GetVringBase:
    case FrontEnd.SetVringEnable:
      payload = state(draw.pick([0, 1, 0, 1, 2, 0xffffffff]), draw.pick(NUMBERS));
      break;
    case FrontEnd.SetVringAddr:
      payload = encodeU64(BigInt(draw.below(3)), address(), address(), address(), address());
      break;
    case FrontEnd.AddMemReg:
    case FrontEnd.RemMemReg:
      kinds = 'memory';
      payload = encodeU64(0n, ...region());
      break;
    case FrontEnd.SetMemTable: {
      kinds = 'memory';
      const count = draw.below(10);
      payload = encodeU64(BigInt(draw.oneIn(8) ? draw.word() : count), ...Array.from({ length: count }, region).flat());
      break;
    }
    case FrontEnd.SetVringKick:
    case FrontEnd.SetVringCall:
    case FrontEnd.SetVringErr:
      kinds = 'event';
      payload = encodeU64(BigInt(draw.pick([0, 1, 0, 1, 2, 0x100, 0x101, 0xffffffff])));
      break;
    case FrontEnd.SetFeatures:
    case FrontEnd.SetProtocolFeatures:
      payload = encodeU64(
        draw.oneIn(2) ? BigInt(draw.word()) : request === FrontEnd.SetFeatures ? FEATURES : PROTOCOL_FEATURES,
      );
      break;
    default:
      payload = draw.take(draw.oneIn(2) ? 0 : draw.below(48));
  }
  if (draw.oneIn(16)) payload = payload.subarray(0, draw.below(payload.length + 1));
  const fds = Array.from({ length: draw.pick([0, 1, 1, 1, 2, 8, 12]) }, () => {
    if (kinds === 'event' && !draw.oneIn(4)) return new OwnedFd(testNative.eventfd());
    if (kinds === 'memory' && !draw.oneIn(4))
      return new OwnedFd(native.memfd('fuzz', draw.pick([4096, 8192, MEMORY_BYTES]), 0));
    return drawFd(draw);
  });
  vmm.say(request, payload, fds, draw.oneIn(8) ? draw.below(16) : VERSION | FLAG_NEED_REPLY);
}
