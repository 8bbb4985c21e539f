/**
 * The ioctls of the kernel's virtio_gpu driver, on descriptors that are none of it: what answers is this kernel, which says
 * so. What they do on such a device, a VM shows (test/vm/suite.test.ts).
 */
import { openSync } from 'node:fs';
import t from 'tap';
import { native } from '../../src/system/native.js';

const nobody = openSync('/dev/null', 'r+');
t.teardown(() => native.close(nobody));
const page = new Uint8Array(4096);
const about = new Uint8Array(352);

t.test('a file that is no graphics device', async t => {
  const calls: Readonly<Record<string, () => unknown>> = {
    drmDriver: () => native.drmDriver(nobody),
    drmParameter: () => native.drmParameter(nobody, 3),
    drmCapset: () => native.drmCapset(nobody, 5, 1, page),
    drmContext: () => native.drmContext(nobody, 5, 2, 2),
    drmBlob: () => native.drmBlob(nobody, 1, 1, 4096, 0),
    drmCloseHandle: () => native.drmCloseHandle(nobody, 1),
    drmExport: () => native.drmExport(nobody, 1),
    drmImport: () => native.drmImport(nobody, nobody),
    drmMapOffset: () => native.drmMapOffset(nobody, 1),
    drmExecute: () => native.drmExecute(nobody, page, 0, 0),
    drmWait: () => native.drmWait(nobody, 1),
    gpuChannel: () => native.gpuChannel(nobody, 1),
  };
  for (const [name, call] of Object.entries(calls)) t.throws(call, { code: 'ENOTTY', syscall: /^ioctl\(DRM_/ }, name);
});

t.test('a descriptor without a channel', async t => {
  const identifiers = new Uint8Array(336);
  for (const call of [
    () => native.gpuNext(nobody),
    () => native.gpuWait(nobody, 0),
    () => native.gpuHasRoom(nobody),
    () => native.gpuReceive(nobody, page, about),
    () => native.gpuSend(nobody, page, 0, 1, identifiers, 0),
    () => native.gpuSubmit(nobody, page, 0, 8),
  ]) {
    t.throws(call, { name: 'RangeError', message: /one with a channel/ });
  }
});

t.test('a command of 4,096 bytes is given to the kernel, and none that is longer', async t => {
  t.throws(() => native.drmExecute(nobody, page, 0, 0), { code: 'ENOTTY' });
  t.throws(() => native.drmExecute(nobody, new Uint8Array(4097), 0, 0), RangeError);
});
