/**
 * The suite of `suite.ts` on the device that its guest has, /dev/wl0 or the kernel's virtio_gpu. The guest's host process offers the servers of
 * `peer-servers.ts`. In: nothing. Out: TAP.
 */
import t from 'tap';
import { openDevice } from '../../src/virtwl/device.js';
import { deviceSuite } from './suite.js';

t.test('the device', async t => deviceSuite(t, () => openDevice()));
