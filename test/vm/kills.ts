/**
 * kill -9, with real VMs, of what stands between a client and the compositor's side while frames run: of the client proxy
 * and of the broker. After each: what ended is what docs/failures.md says, nothing else did, the frames of the VM beside
 * went on without one wrong pixel, and what was killed serves again when it is started again.
 * `kills-client-vm.ts` and `kills-compositor.ts` kill the rest.
 */
import type { Test } from 'tap';
import type { VmStack } from '../../src/demo/vm-stack.js';
import type { GuestProgram } from '../../src/vm/guest-program.js';
import {
  drawing,
  fewFrames,
  goesOn,
  hasEnded,
  holdings,
  holdsAsBefore,
  reportOf,
  served,
  type StackHoldings,
  TIMEOUT_MS,
  wasRight,
} from './stack-under-kills.js';

/** `virtwl run` in the office, and the display that it offers. */
async function startProxy(stack: VmStack): Promise<{ proxy: GuestProgram; display: string }> {
  const proxy = await stack.virtwl('office', ['run']);
  const said = /^WAYLAND_DISPLAY=(.*)$/m;
  const { output } = await proxy.until('word of its display', state => said.test(state.output), TIMEOUT_MS);
  return { proxy, display: said.exec(output)![1]! };
}

/** @param bystander a client of the lab that draws */
export async function kills(t: Test, stack: VmStack, bystander: GuestProgram): Promise<void> {
  const glue = stack.compositor;
  let before: StackHoldings;

  await t.test('before the first kill', async t => {
    await served(t, await fewFrames(stack, 'office'), 'a client is served');
    before = await holdings(stack, glue);
  });

  await t.test('the client proxy', async t => {
    const { proxy, display } = await startProxy(stack);
    const client = await drawing(stack, 'office', ['--display', display, '--no-capture']);
    await proxy.signalAlone('KILL');
    await hasEnded(t, client, /closed the connection/);
    await goesOn(t, stack, 'lab', bystander);
    await holdsAsBefore(t, before, () => holdings(stack, glue));

    const again = await startProxy(stack);
    // Nobody captures through it; that what it copies is right, two-vms.test.ts shows.
    const shown = await (
      await fewFrames(stack, 'office', ['--display', again.display, '--no-capture'])
    ).ended(TIMEOUT_MS);
    t.match(
      reportOf(shown),
      { frames: { sent: 3, missing: 0 }, failures: [], error: undefined },
      'a new one serves: every frame is answered',
    );
    await again.proxy.signalAlone('TERM');
    await again.proxy.ended(TIMEOUT_MS);
  });

  await t.test('the broker', async t => {
    const client = await drawing(stack, 'office');
    await stack.kill('broker', 'SIGKILL');
    const late = await fewFrames(stack, 'office');
    await goesOn(t, stack, 'office', client);
    await goesOn(t, stack, 'lab', bystander);
    t.equal((await late.state()).status, undefined, 'who comes meanwhile waits');

    await stack.startBroker();
    await served(t, late, 'and is served when the broker is back');
    await wasRight(t, client, 'a client that was served before goes on, to the end that it was told');
    await holdsAsBefore(t, before, () => holdings(stack, glue));
  });
}
