/**
 * The gpu transport with real VMs: a compositor and its clients in guests with a kernel of Debian's, no module of ours, and
 * a gpu device each. What is promised of the other transport is tested of this one: every pixel of frames, an unmodified
 * application, the clipboard, and the end of each process and VM. Half of it is beside a guest that does its worst with a
 * gpu device of its own, by the kernel's driver; in the end that guest takes the device from the kernel.
 *
 * VIRTWL_WORST_SECONDS: how long the worst goes on, in the guest's seconds, and an eighth of that without the kernel.
 * VIRTWL_WORST_SEED: where it begins.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { takeKernelOfHost } from './host-release.js';
import { killsCompositor } from './kills-compositor.js';
import { killsCompositorVm } from './kills-compositor-vm.js';
import { drawing, fewFrames, goesOn, served, startStack, TIMEOUT_MS, wasRight } from './stack-under-kills.js';
import { applicationsAreEqual, clipboardCrosses, framesAreRight, screenOf, SEAT, SWAY_CONFIG } from './two-vms.js';
import { nothingIsLeft, WorstVm, worstSeconds } from './worst-vm.js';

/** Long enough for some ten thousand calls, and to be there all the while. */
const SECONDS = worstSeconds(120);
const SEED = Number(process.env.VIRTWL_WORST_SEED ?? 1);
/** How long anything may take beyond that, in milliseconds: guests boot and are emulated. */
const PATIENCE_MS = 900_000;
/** How long what was closed may be held, in milliseconds: it may still be delivering. */
const CLOSING_MS = 60_000;

t.setTimeout(SECONDS * 1000 + PATIENCE_MS);
takeKernelOfHost();

const stack = await startStack(t, ['office', 'lab'], {
  ...{ transport: 'gpu', swayConfig: SWAY_CONFIG, budget: '256M', more: { compositor: { parts: [SEAT] } } },
  // Emulated beside the worst, a compositor may need longer to come back than clients wait elsewhere.
  brokerArguments: ['--wait-seconds', String(TIMEOUT_MS / 1000)],
});
const worst = await WorstVm.start(t, {
  ...{ name: 'worst', transport: 'gpu', programs: ['worst_gpu', 'raw_ring_gpu'] },
  hostArguments: ['--wayland', '--probe', '--allocator=64M', '--broker', join(stack.directory, 'broker')],
});
// Its kernel has an error for each refusal: told to a console that is emulated, they would be all that it does.
const over = worst.machine.run(
  `dmesg -n 1; /virtwl/worst_gpu --seconds ${SECONDS} --seed ${SEED}`,
  SECONDS * 1000 + PATIENCE_MS,
);
over.catch(() => undefined);

/** Asks until everything is 0, for as long as what is closed may take. What was seen last. */
async function untilNothing(ask: () => Promise<Record<string, unknown>>): Promise<Record<string, unknown>> {
  let seen = await ask();
  for (const end = Date.now() + CLOSING_MS; Date.now() < end; seen = await ask()) {
    if (Object.values(seen).every(count => count === 0)) break;
    await pause(1000);
  }
  return seen;
}

t.test('no module of ours is in any VM', async t => {
  for (const [name, machine] of stack.machines) {
    const { output } = await machine.run('uname -r; cut -d" " -f1 /proc/modules; ls /dev/dri');
    t.comment(`${name}: ${output.trim().replaceAll('\n', ' ')}`);
    t.match(output, /virtio_gpu\n/);
    t.notMatch(output, /virtio_wl/);
  }
});

framesAreRight(t, stack, 'virtio_gpu');

t.test('applications in the client VM look as they do inside the compositor VM', t =>
  applicationsAreEqual(t, stack, screenOf(stack)),
);

t.test('the clipboard, from one VM to the other and back', t => clipboardCrosses(t, stack));

t.test('nothing is left of them', async t => {
  const seen = await untilNothing(async () => {
    const [compositor, office] = [await stack.status('compositor-host'), await stack.status('office-host')];
    const { used } = compositor.allocator as { used: number };
    const { contexts, resources, mappings } = office.gpu as Record<string, number>;
    return { used, contexts, resources, mappings };
  });
  t.same(seen, { used: 0, contexts: 0, resources: 0, mappings: 0 }, 'in the allocator and in the client VM’s device');
});

t.test('kill -9 of a client VM, beside a client of the lab', async t => {
  const bystander = await drawing(stack, 'lab');
  await drawing(stack, 'office');
  const office = stack.machine('office');
  process.kill(office.pid!, 'SIGKILL');
  t.equal(await office.ended(), 'QEMU was ended by SIGKILL');
  await goesOn(t, stack, 'lab', bystander);
  await stack.boot('office');
  await served(t, await fewFrames(stack, 'office'), 'the VM is served when it is booted again');
  await wasRight(t, bystander, 'the client of the lab has noticed nothing, nor of the guest that does its worst');
});

// From here on what is held is compared, and its clients would be among it.
t.test('the guest that did its worst all the while', async t => {
  const { status, output } = await over;
  t.comment(output);
  // It may take all the memory of its guest, whose kernel then ends one of its processes: not their parent, which counts.
  const { output: kernel } = await worst.machine.run("dmesg | grep -e 'Out of memory' -e 'invoked oom' | tail -5");
  t.equal(status, 0, 'it came to its end', { output, kernel });
  for (const action of ['open', 'poll_event', 'send', 'ask_image', 'new_blob', 'map', 'touch', 'close', 'wild_command'])
    t.match(output, new RegExp(`^${action} [1-9]`, 'm'), `${action} worked now and then`);
  await nothingIsLeft(t, worst, 'program');
});

t.test('kill -9 of the compositor and of its glue', t => killsCompositor(t, stack));

t.test('kill -9 of the compositor VM and of its host process', t => killsCompositorVm(t, stack));

t.test('random rings and registers, by a driver of that guest’s own', async t => {
  // The kernel of 6.1 remembers mappings of the device's memory that are no more, and then refuses other ones.
  await worst.restart();
  const client = await drawing(stack, 'office');
  const { status, output } = await worst.rawRing(t, SECONDS / 8, SEED, SECONDS * 1000 + PATIENCE_MS);
  t.comment(output);
  t.equal(status, 0, 'the program came to its end');
  t.match(
    output,
    /made [1-9].* refused [1-9].* messages [1-9]/,
    'it got things, was refused others, and was told some',
  );
  await goesOn(t, stack, 'office', client);
  await wasRight(t, client, 'the client VM has noticed nothing');
  await nothingIsLeft(t, worst, 'guest');
});
