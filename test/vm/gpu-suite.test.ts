/** The suite that the guest library passes in loopback, in a VM: by virtio_gpu, with the driver of an ordinary Debian kernel. */
import t from 'tap';
import { takeKernelOfHost } from './host-release.js';
import { suiteInVm, SUITE_TIMEOUT_MS } from './suite-in-vm.js';

t.setTimeout(SUITE_TIMEOUT_MS);
takeKernelOfHost();

t.test('the suite of the guest library, which loopback passes, by virtio_gpu', async t => suiteInVm(t, 'gpu'));
