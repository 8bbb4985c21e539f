/**
 * As `worst.test.ts`, where the neighbours are real VMs too: a compositor VM, and a client VM whose client draws from
 * before the worst to after it.
 *
 * VIRTWL_WORST_SECONDS: how long, in the guest's seconds, half of it for each. VIRTWL_WORST_SEED: where they begin.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import type { VmStack } from '../../src/demo/vm-stack.js';
import { drawing, goesOn, wasRight } from './stack-under-kills.js';
import { WorstVm, worstSeconds } from './worst-vm.js';

/** Where nobody says otherwise: long enough for thousands of calls and hundreds of the driver's lives. */
const SECONDS = worstSeconds(24);
const SEED = Number(process.env.VIRTWL_WORST_SEED ?? 2);
/** How long anything may take beyond that. Milliseconds. */
const PATIENCE_MS = 500_000;

/** The most that all of it may take, in milliseconds. */
export const WORST_BESIDE_MS = SECONDS * 1000 + PATIENCE_MS;

export async function worstBesideVms(t: Test, stack: VmStack): Promise<void> {
  const vm = await WorstVm.start(t, {
    name: 'worst',
    programs: ['worst', 'raw_ring'],
    hostArguments: ['--wayland', '--probe', '--allocator=64M', '--broker', join(stack.directory, 'broker')],
  });
  const client = await drawing(stack, 'office');
  for (const program of ['worst', 'raw_ring']) {
    const { status, output } = await (program === 'worst'
      ? vm.machine.run(`/virtwl/worst --seconds ${SECONDS / 2} --seed ${SEED}`, WORST_BESIDE_MS)
      : vm.rawRing(t, SECONDS / 2, SEED, WORST_BESIDE_MS));
    t.comment(output);
    t.equal(status, 0, `${program} came to its end`);
    await goesOn(t, stack, 'office', client);
  }
  await wasRight(t, client, 'the client VM has noticed nothing');
  t.ok(vm.machine.running, 'QEMU lives');
  t.ok(vm.served, 'the device lives');
  await vm.restart();
  t.match(await vm.machine.run('/virtwl/worst check'), { status: 0 }, 'the next guest finds the device as it was');
}
