/**
 * kill -9, with real VMs, of the compositor and of its glue while frames run. Each costs the clients, as docs/failures.md
 * says: they end and say why. It costs nothing else, neither in the client VM nor on the host, and when the piece is back,
 * so is service. `kills-compositor-vm.ts` does it to their VM as a whole.
 */
import type { Test } from 'tap';
import type { VmStack } from '../../src/demo/vm-stack.js';
import {
  beforeTheFirstKill,
  costsTheClient,
  fewFrames,
  isBack,
  TIMEOUT_MS,
  waits,
  type ClientSide,
} from './stack-under-kills.js';

export async function killsCompositor(t: Test, stack: VmStack): Promise<void> {
  let side: ClientSide;

  await t.test('before the first kill', async t => {
    side = await beforeTheFirstKill(t, stack);
  });

  await t.test('the compositor', async t => {
    const glue = stack.compositor;
    await costsTheClient(t, stack, side, () => stack.machine('compositor').run('pkill -KILL -x sway'));
    const { status, errors } = await glue.ended(TIMEOUT_MS);
    t.equal(status, 137, '"virtwl compositor" ends with its status');
    t.match(errors, /sway ended with status 137/);

    const client = await waits(t, stack, () => fewFrames(stack, 'office'));
    await stack.startCompositor();
    await isBack(t, stack, side, client, 'and is served by the next compositor');
  });

  await t.test('the glue', async t => {
    const glue = stack.compositor;
    await costsTheClient(t, stack, side, () => glue.signalAlone('KILL'));
    t.equal((await glue.ended(TIMEOUT_MS)).status, 137);
    const { output } = await stack
      .machine('compositor')
      .run('until ! pgrep -x sway; do sleep 0.1; done > /dev/null; echo gone');
    t.equal(output, 'gone\n', 'the compositor that it started goes with it');

    const client = await waits(t, stack, () => fewFrames(stack, 'office'));
    await stack.startCompositor();
    await isBack(t, stack, side, client, 'and is served by the next glue');
  });

  await side!.sleeper.signal('KILL');
}
