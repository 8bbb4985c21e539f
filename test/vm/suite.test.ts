/** The suite that the guest library passes in loopback, in a VM: by /dev/wl0, with our driver. */
import t from 'tap';
import { suiteInVm, SUITE_TIMEOUT_MS } from './suite-in-vm.js';

t.setTimeout(SUITE_TIMEOUT_MS);

t.test('the suite of the guest library, which loopback passes, by /dev/wl0', async t => suiteInVm(t, 'wl'));
