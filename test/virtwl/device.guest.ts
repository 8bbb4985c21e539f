/**
 * The suite of `suite.ts` on the real device of a VM, whichever it has, to be run in a guest whose host process offers the servers of
 * `peer-servers.ts`. In: how many mappings the device allows. Out: TAP.
 */
import t from 'tap';
import { openDevice } from '../../src/virtwl/device.js';
import { gpuSuite } from './gpu-suite.js';
import { deviceSuite } from './suite.js';

const device = openDevice();
const { kind } = device;
device.close();

t.test('the device', async t => {
  // A context of virtio_gpu costs an emulated guest a tenth of a second.
  deviceSuite(t, () => openDevice(), kind === 'virtio_gpu' ? 300 : 1000);
  if (kind === 'virtio_gpu') gpuSuite(t, () => openDevice(), Number(process.argv[2]));
});
