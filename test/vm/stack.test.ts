/**
 * What a stack of real VMs goes through, on one stack for all of it, since making one takes a minute where guests are
 * emulated: two client VMs, office and lab, and a compositor VM. Each part is a module of its own, and leaves the stack
 * as it was. A client in the lab draws while parts of the office's way to the compositor are killed, and none of its
 * frames may be wrong.
 */
import t from 'tap';
import { kills } from './kills.js';
import { killsClientVm } from './kills-client-vm.js';
import { killsCompositor } from './kills-compositor.js';
import { killsCompositorVm } from './kills-compositor-vm.js';
import { drawing, startStack, TIMEOUT_MS, wasRight } from './stack-under-kills.js';
import { WORST_BESIDE_MS, worstBesideVms } from './worst-beside-vms.js';

/** How long all may take but the worst, in milliseconds: five minutes, and twice that on a busy machine. */
const KILLS_MS = 900_000;

t.setTimeout(KILLS_MS + WORST_BESIDE_MS);

// Emulated on a busy machine, a compositor may need longer to come back than clients wait elsewhere.
const stack = await startStack(t, ['office', 'lab'], {
  brokerArguments: ['--wait-seconds', String(TIMEOUT_MS / 1000)],
});
const bystander = await drawing(stack, 'lab');

t.test('kill -9 of the client proxy and of the broker', t => kills(t, stack, bystander));

t.test('kill -9 of a client VM and of its host process', t => killsClientVm(t, stack, bystander));

t.test('the frames of the VM beside', t => wasRight(t, bystander, 'went on through all of this'));

t.test('kill -9 of the compositor and of its glue', t => killsCompositor(t, stack));

t.test('kill -9 of the compositor VM and of its host process', t => killsCompositorVm(t, stack));

t.test('a guest that does its worst beside them', t => worstBesideVms(t, stack));
