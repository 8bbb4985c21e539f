/**
 * kill -9 of the compositor VM's QEMU, and of the host process that is its device and the allocator, while frames run.
 * Each costs that VM and the clients, as docs/failures.md says: they end and say why. It costs the client VM nothing else,
 * and when host process, VM and compositor are back, so is service.
 */
import type { Test } from 'tap';
import type { VmStack } from '../../src/demo/vm-stack.js';
import {
  beforeTheFirstKill,
  costsTheClient,
  deviceOf,
  fewFrames,
  isBack,
  waits,
  type ClientSide,
} from './stack-under-kills.js';

export async function killsCompositorVm(t: Test, stack: VmStack): Promise<void> {
  let side: ClientSide;

  await t.test('before the first kill', async t => {
    side = await beforeTheFirstKill(t, stack);
  });

  await t.test('QEMU', async t => {
    const machine = stack.machine('compositor');
    await costsTheClient(t, stack, side, async () => process.kill(machine.pid!, 'SIGKILL'));
    t.equal(await machine.ended(), 'QEMU was ended by SIGKILL');

    const client = await waits(t, stack, () => fewFrames(stack, 'office'));
    t.match(await deviceOf(stack, 'compositor'), { connected: false }, "the VM's host process waits for the next");
    t.match(await stack.status('compositor-host'), { allocator: { used: 0, pieces: 0 } }, 'the books say zero');
    await stack.boot('compositor');
    await stack.startCompositor();
    await isBack(t, stack, side, client, 'and is served when VM and compositor are back, by the same host process');
  });

  await t.test('the host process', async t => {
    const machine = stack.machine('compositor');
    await costsTheClient(t, stack, side, () => stack.kill('compositor-host', 'SIGKILL'));
    t.match(
      await machine.ended(),
      /^its host process is gone: .*compositor\.(wl|gpu)/,
      'the compositor VM is ended, and it is said why',
    );

    const client = await waits(t, stack, () => fewFrames(stack, 'office'));
    await stack.startCompositorHost();
    await stack.boot('compositor');
    await stack.startCompositor();
    await isBack(t, stack, side, client, 'and is served when all three are back');
  });

  await side!.sleeper.signal('KILL');
}
