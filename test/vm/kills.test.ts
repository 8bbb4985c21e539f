/**
 * kill -9, with real VMs, of what stands between a client and the compositor's side while frames run: of the client proxy
 * and of the broker. After each: what ended is what docs/failures.md says, nothing else did, the frames of the VM beside
 * went on without one wrong pixel, and what was killed serves again when it is started again.
 * `kills-client-vm.test.ts` and `kills-compositor.test.ts` kill the rest.
 */
import t from 'tap';
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
  startStack,
  type StackHoldings,
  TIMEOUT_MS,
  wasRight,
} from './stack-under-kills.js';

t.setTimeout(590_000);

const stack = await startStack(t, ['office', 'lab']);
const glue = stack.compositor;
const bystander = await drawing(stack, 'lab');
let before: StackHoldings;

/** `virtwl run` in the office, and the display that it offers. */
async function startProxy(): Promise<{ proxy: GuestProgram; display: string }> {
  const proxy = await stack.virtwl('office', ['run']);
  const said = /^WAYLAND_DISPLAY=(.*)$/m;
  const { output } = await proxy.until('word of its display', state => said.test(state.output), TIMEOUT_MS);
  return { proxy, display: said.exec(output)![1]! };
}

t.test('before the first kill', async t => {
  await served(t, await fewFrames(stack, 'office'), 'a client is served');
  before = await holdings(stack, glue);
});

t.test('the client proxy', async t => {
  const { proxy, display } = await startProxy();
  const client = await drawing(stack, 'office', ['--display', display, '--no-capture']);
  await proxy.signalAlone('KILL');
  await hasEnded(t, client, /closed the connection/);
  await goesOn(t, stack, 'lab', bystander);
  await holdsAsBefore(t, before, () => holdings(stack, glue));

  const again = await startProxy();
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

t.test('the broker', async t => {
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

t.test('the frames of the VM beside', t => wasRight(t, bystander, 'went on through all of this'));
