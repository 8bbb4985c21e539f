/**
 * kill -9 of the compositor VM's QEMU, and of the host process that is its wl device and the allocator, while frames run.
 * Each costs that VM and the clients, as docs/failures.md says: they end and say why. It costs the client VM nothing else,
 * and when host process, VM and compositor are back, so is service.
 */
import t from 'tap';
import {
  beforeTheFirstKill,
  costsTheClient,
  fewFrames,
  isBack,
  startStack,
  TIMEOUT_MS,
  waits,
  type ClientSide,
} from './stack-under-kills.js';

t.setTimeout(590_000);

// Emulated on a busy machine, a compositor may need longer to come back than clients wait elsewhere.
const stack = await startStack(t, ['office'], { brokerArguments: ['--wait-seconds', String(TIMEOUT_MS / 1000)] });
let side: ClientSide;

t.test('before the first kill', async t => {
  side = await beforeTheFirstKill(t, stack);
});

t.test('QEMU', async t => {
  const machine = stack.machine('compositor');
  await costsTheClient(t, stack, side, async () => process.kill(machine.pid!, 'SIGKILL'));
  t.equal(await machine.ended(), 'QEMU was ended by SIGKILL');

  const client = await waits(t, stack, () => fewFrames(stack, 'office'));
  t.match(
    await stack.status('compositor-host'),
    { device: { connected: false }, allocator: { used: 0, pieces: 0 } },
    "the VM's host process waits for the next, and the allocator's books say zero",
  );
  await stack.boot('compositor');
  await stack.startCompositor();
  await isBack(t, stack, side, client, 'and is served when VM and compositor are back, by the same host process');
});

t.test('the host process', async t => {
  const machine = stack.machine('compositor');
  await costsTheClient(t, stack, side, () => stack.kill('compositor-host', 'SIGKILL'));
  t.match(
    await machine.ended(),
    /^its host process is gone: .*compositor\.wl/,
    'the compositor VM is ended, and it is said why',
  );

  const client = await waits(t, stack, () => fewFrames(stack, 'office'));
  await stack.startCompositorHost();
  await stack.boot('compositor');
  await stack.startCompositor();
  await isBack(t, stack, side, client, 'and is served when all three are back');
});
