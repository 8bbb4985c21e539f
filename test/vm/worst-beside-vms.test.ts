/**
 * As `worst.test.ts`, where the neighbours are real VMs too: a compositor VM, and a client VM whose client draws from
 * before the worst to after it.
 *
 * VIRTWL_WORST_SECONDS: how long, in the guest's seconds, half of it for each. VIRTWL_WORST_SEED: where they begin.
 */
import { join } from 'node:path';
import t from 'tap';
import { drawing, goesOn, startStack, wasRight } from './stack-under-kills.js';
import { WorstVm } from './worst-vm.js';

const SECONDS = Number(process.env.VIRTWL_WORST_SECONDS ?? 60);
const SEED = Number(process.env.VIRTWL_WORST_SEED ?? 2);
/** How long anything may take beyond that: three guests boot, sway and Node.js start in them. Milliseconds. */
const PATIENCE_MS = 500_000;

t.setTimeout(SECONDS * 1000 + PATIENCE_MS);

const stack = await startStack(t, ['office']);
const vm = await WorstVm.start(t, {
  name: 'worst',
  programs: ['worst', 'raw_ring'],
  hostArguments: ['--wayland', '--probe', '--allocator=64M', '--broker', join(stack.directory, 'broker')],
});

t.test('a guest that does its worst beside a client VM and a compositor VM', async t => {
  const client = await drawing(stack, 'office');
  for (const program of ['worst', 'raw_ring']) {
    const { status, output } = await vm.machine.run(
      `/virtwl/${program} --seconds ${SECONDS / 2} --seed ${SEED}`,
      SECONDS * 1000 + PATIENCE_MS,
    );
    t.comment(output);
    t.equal(status, 0, `${program} came to its end`);
    await goesOn(t, stack, 'office', client);
  }
  await wasRight(t, client, 'the client VM has noticed nothing');
  t.ok(vm.machine.running, 'QEMU lives');
  t.ok(vm.served, 'the device lives');
  await vm.restart();
  t.match(await vm.machine.run('/virtwl/worst check'), { status: 0 }, 'the next guest finds the device as it was');
});
