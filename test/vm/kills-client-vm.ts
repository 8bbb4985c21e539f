/**
 * kill -9 of a client VM's QEMU and of its host process, which is its wl device, while frames run there and in the VM
 * beside. Either costs that VM and nothing else: the frames of the VM beside go on without one wrong pixel, everybody who
 * is left holds what was held before, and when it is started again it is served.
 */
import type { Test } from 'tap';
import type { VmStack } from '../../src/demo/vm-stack.js';
import type { GuestProgram } from '../../src/vm/guest-program.js';
import {
  deviceOf,
  drawing,
  fewFrames,
  goesOn,
  holdings,
  holdsAsBefore,
  served,
  type StackHoldings,
} from './stack-under-kills.js';

/** @param bystander a client of the lab that draws */
export async function killsClientVm(t: Test, stack: VmStack, bystander: GuestProgram): Promise<void> {
  const glue = stack.compositor;
  let before: StackHoldings;

  await t.test('before the first kill', async t => {
    await served(t, await fewFrames(stack, 'office'), 'a client is served');
    before = await holdings(stack, glue);
  });

  await t.test('QEMU', async t => {
    await drawing(stack, 'office');
    const machine = stack.machine('office');
    process.kill(machine.pid!, 'SIGKILL');
    t.equal(await machine.ended(), 'QEMU was ended by SIGKILL');
    await goesOn(t, stack, 'lab', bystander);
    t.match(await deviceOf(stack, 'office'), { connected: false }, 'its host process waits for the next');

    await stack.boot('office');
    await served(
      t,
      await fewFrames(stack, 'office'),
      'the VM is served when it is booted again, by the same host process',
    );
    await holdsAsBefore(t, before, () => holdings(stack, glue));
  });

  await t.test('the host process', async t => {
    await drawing(stack, 'office');
    const machine = stack.machine('office');
    await stack.kill('office-host', 'SIGKILL');
    t.match(
      await machine.ended(),
      /^its host process is gone: .*office\.(wl|gpu)/,
      'the VM is ended, and it is said why',
    );
    t.match(
      machine.console.last(20).join('\n'),
      /virtwl: VM "office": its host process is gone/,
      'also where its console is shown',
    );
    await t.rejects(
      machine.run('true'),
      /the VM "office" .*its host process is gone/,
      'and in the error of a command for it',
    );
    await goesOn(t, stack, 'lab', bystander);

    await stack.startClientHost('office');
    await stack.boot('office');
    await served(t, await fewFrames(stack, 'office'), 'both are back: clients are served');
    await holdsAsBefore(t, before, () => holdings(stack, glue));
  });
}
