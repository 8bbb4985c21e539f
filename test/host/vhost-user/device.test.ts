/**
 * What the back-end does with a device, whichever it is: here one that does nothing but write down how it is used. It has
 * three queues and two shared memories.
 */
import t, { type Test } from 'tap';
import { VhostUserBackend } from '../../../src/host/vhost-user/backend.js';
import type { DeviceStart, VhostUserDevice } from '../../../src/host/vhost-user/device.js';
import { FrontEnd } from '../../../src/host/vhost-user/message.js';
import { MAX_MAPPINGS, MappingSlots, SharedMemory } from '../../../src/host/vhost-user/shared-memory.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { eventually } from '../../eventually.js';
import { Holdings } from '../../holdings.js';
import { GUEST_ADDRESS, TestFrontEnd } from '../wl-device/front-end.js';

const FEATURE = 1n << 7n;
const VIRTIO_FEATURES = (1n << 30n) | (1n << 32n);
const QUEUE_SIZES = [8, 16, 64];
const PAGE = 4096;

class NotingDevice implements VhostUserDevice {
  readonly features = FEATURE;
  readonly queueSizes = QUEUE_SIZES;
  readonly sharedMemory = [1, 2].map(
    pages => new SharedMemory(PAGE * pages, new MappingSlots(4), line => this.lines.push(line)),
  );
  readonly lines: string[] = [];
  /** What was called, in order. */
  readonly calls: string[] = [];
  started: DeviceStart | undefined;

  start(start: DeviceStart): void {
    this.started = start;
    this.calls.push(`start ${start.since}`);
  }

  stop(): void {
    this.started = undefined;
    this.calls.push('stop');
  }

  reset(): void {
    this.calls.push('reset');
  }

  kicked(queue: number): void {
    this.calls.push(`kicked ${queue}`);
  }
}

interface Scene {
  readonly device: NotingDevice;
  readonly vmm: TestFrontEnd;
  readonly backend: VhostUserBackend;
  readonly lines: string[];
}

function check(name: string, body: (t: Test, scene: Scene) => Promise<void>): void {
  t.test(name, async t => {
    const holdings = new Holdings();
    const device = new NotingDevice();
    const lines: string[] = [];
    const [ours, theirs] = native.socketpair();
    const vmm = new TestFrontEnd(new OwnedFd(ours));
    const options = { log: (line: string): void => void lines.push(line), ended: (): void => {} };
    const backend = new VhostUserBackend(new OwnedFd(theirs), device, options);
    try {
      await body(t, { device, vmm, backend, lines });
    } finally {
      backend.close();
      vmm.close();
    }
    await holdings.assertSame(t);
  });
}

/** Starts one queue with rings of its own. */
function startQueue(vmm: TestFrontEnd, index: number, size = QUEUE_SIZES[index]!, base = 0): void {
  const at = GUEST_ADDRESS + index * 4 * PAGE;
  vmm.startQueue(index, size, { descriptors: at, available: at + PAGE, used: at + 2 * PAGE }, base);
}

const number = (payload: Buffer): bigint => payload.readBigUInt64LE(0);

check('a front-end is told what the device says of itself', async (t, { vmm }) => {
  const features = number(await vmm.ask(FrontEnd.GetFeatures));
  t.ok(features & FEATURE, "the device's feature");
  t.ok(features & (1n << 32n), "and virtio's");
  t.notOk(features & 1n);
  t.equal(number(await vmm.ask(FrontEnd.GetQueueNum)), 3n);
  const config = await vmm.ask(FrontEnd.GetShmemConfig);
  t.equal(config.readUInt32LE(0), 2);
  t.same([config.readBigUInt64LE(8), config.readBigUInt64LE(16)], [BigInt(PAGE), BigInt(2 * PAGE)]);
});

check('it runs while all of its queues do, and is told of kicks', async (t, { device, vmm }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  startQueue(vmm, 0);
  startQueue(vmm, 2);
  await vmm.ask(FrontEnd.GetQueueNum);
  t.same(device.calls, [], 'not before the last');
  startQueue(vmm, 1);
  await eventually('the start', () => device.started !== undefined);
  t.same(device.calls, ['reset', 'start new']);
  t.equal(device.started!.features, FEATURE | VIRTIO_FEATURES);
  t.same(
    device.started!.queues.map(({ queue }) => queue.size),
    QUEUE_SIZES,
  );
  vmm.kick(2);
  await eventually('the kick', () => device.calls.at(-1) === 'kicked 2');

  t.equal(await vmm.stopQueue(1), 0);
  t.equal(device.started, undefined, 'one that stops stops it');
  startQueue(vmm, 1);
  await eventually('the start', () => device.started !== undefined);
  t.equal(device.calls.at(-1), 'start new', 'a base of 0 is a new driver');
});

check('how a start is told from a going on', async (t, { device, vmm }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  for (const index of [0, 1, 2]) startQueue(vmm, index, QUEUE_SIZES[index], 5);
  await eventually('the start', () => device.started !== undefined);
  t.same(device.calls, ['reset', 'start unknown'], 'the queues have run, elsewhere');
  for (const index of [0, 1, 2]) t.equal(await vmm.stopQueue(index), 5);
  for (const index of [0, 1, 2]) startQueue(vmm, index, QUEUE_SIZES[index], 5);
  await eventually('the start', () => device.started !== undefined);
  t.same(device.calls.slice(2), ['stop', 'start stopped'], 'and is not reset');
  vmm.tell(FrontEnd.ResetDevice, new Uint8Array(0));
  await eventually('the reset', () => device.calls.at(-1) === 'reset');
  t.same(device.calls.slice(-2), ['stop', 'reset']);
});

check('a queue of the size that the device takes, and one that is larger', async (t, { device, vmm, lines }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  startQueue(vmm, 1, 16);
  startQueue(vmm, 2);
  startQueue(vmm, 0, 16);
  await eventually('the front-end to be left', () => vmm.ended);
  t.notOk(device.calls.some(call => call.startsWith('start')));
  t.match(lines.join('\n'), /a queue of 16 descriptors; the device takes 8/);
});

check('a device that its driver has broken tells the VMM', async (t, { device, vmm, lines }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  for (const index of [0, 1, 2]) startQueue(vmm, index);
  await eventually('the start', () => device.started !== undefined);
  device.started!.faulted(new Error('nonsense'));
  for (const index of [0, 1, 2]) t.ok(vmm.signalled(vmm.errors, index));
  t.match(lines.join('\n'), /stands still until the guest resets it: the driver has offered nonsense/);
});

check('each shared memory has places of its own, by its id', async (t, { device, vmm }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  for (const index of [0, 1, 2]) startQueue(vmm, index);
  await eventually('the start', () => device.started !== undefined);
  const memory = new OwnedFd(native.memfd('virtwl-test', PAGE, 0));
  const [first, second] = device.sharedMemory as [SharedMemory, SharedMemory];
  t.equal(await first.map(memory, PAGE, true), 0);
  t.equal(await first.map(memory, 1, true), undefined, 'it is full');
  t.match(device.lines, [/no place for 1 bytes in the shared memory: 4096 of 4096 are in use/]);
  // The test's front-end has one space for both, so what is there goes first.
  vmm.dropMappings();
  t.equal(await second.map(memory, PAGE, false), 0);
  t.same(vmm.ids, [0, 1]);
  memory.close();
});

t.test('as many mappings as QEMU has room for, and no more', async t => {
  t.ok(new MappingSlots(MAX_MAPPINGS));
  t.throws(() => new MappingSlots(MAX_MAPPINGS + 1), /481 mappings: the VMM has room for 480/);
});

check('the end of the connection resets the device', async (t, { device, vmm }) => {
  await vmm.negotiate(FEATURE | VIRTIO_FEATURES);
  for (const index of [0, 1, 2]) startQueue(vmm, index);
  await eventually('the start', () => device.started !== undefined);
  vmm.close();
  await eventually('the reset', () => device.calls.at(-1) === 'reset');
  t.same(device.calls.slice(-2), ['stop', 'reset']);
});
