/**
 * The contract of channels, for the contexts of one device. In: a directory, where this makes the socket `raw`, and the
 * path of a device whose server of that name it is; without one, that directory is the device. Out: TAP.
 */
import { join } from 'node:path';
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { HIGH_WATER_BYTES, MAX_QUEUED_BYTES, MAX_QUEUED_FDS, openDevice } from '../../src/virtwl/device.js';
import { streamContract } from '../system/stream-contract.js';

const [directory, path] = process.argv.slice(2) as [string, string?];
const listening = new OwnedFd(native.listenUnix(join(directory, 'raw'), 4));
const device = openDevice(path === undefined ? { loopback: directory } : { device: path });
t.teardown(() => {
  device.close();
  listening.close();
});

t.test(`a context of ${device.kind} is a channel`, async t => {
  streamContract(t, {
    connect: () => ({ channel: device.connect('raw'), peer: new OwnedFd(native.accept(listening.fd)) }),
    highWaterBytes: HIGH_WATER_BYTES,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxQueuedFds: MAX_QUEUED_FDS,
    afterEnd: 'dropped',
  });
});
