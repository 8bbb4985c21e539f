/**
 * The suite of `suite.ts` on the real device of a VM, whichever it has, to be run in a guest whose host process offers the servers of
 * `peer-servers.ts`. In: nothing. Out: TAP.
 */
import t from 'tap';
import { openDevice } from '../../src/virtwl/device.js';
import { deviceSuite } from './suite.js';

t.test('the device', async t => deviceSuite(t, () => openDevice()));
