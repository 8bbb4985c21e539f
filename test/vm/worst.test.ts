/**
 * A guest that does its worst, first with a program that uses /dev/wl0, then with a driver that takes the device from the
 * kernel and writes what it likes into rings and registers; while a client of another VM draws, whose every pixel is
 * compared. QEMU lives, the device lives, and the neighbour notices nothing.
 * `gpu-stack.test.ts` does the same to a gpu device.
 *
 * VIRTWL_WORST_SECONDS: how long, in the guest's seconds, half of it for each. VIRTWL_WORST_SEED: where they begin; what
 * the programs print tells it, too.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { startSway } from '../compositors.js';
import { framesJson } from '../frames/run-frames.js';
import { nothingIsLeft, WorstVm, worstSeconds } from './worst-vm.js';

const SECONDS = worstSeconds(40);
const SEED = Number(process.env.VIRTWL_WORST_SEED ?? 1);
/** Of the neighbour, in one run. A guest that does its worst leaves it a part of a processor. */
const FRAMES = 20;
/** How long anything may take beyond that: a guest boots, programs are compiled. Milliseconds. */
const PATIENCE_MS = 400_000;

t.setTimeout(SECONDS * 1000 + PATIENCE_MS);

const sway = await startSway(t, { width: 320, height: 240 });
const stack = await LoopbackStack.start({ clients: ['neighbour'], compositor: { attach: sway.display } });
t.teardown(() => stack.stop());

const servers = ['--wayland', '--probe', '--broker', join(stack.directory, 'broker')];
const [program, driver] = await Promise.all([
  WorstVm.start(t, { name: 'worst', programs: ['worst'], hostArguments: servers }),
  WorstVm.start(t, { name: 'raw', programs: ['worst', 'raw_ring'], hostArguments: [...servers, '--allocator=64M'] }),
]);

/** Runs `worst`, with the neighbour drawing before, all the while, and after. */
async function besideFrames(t: Test, worst: () => Promise<void>): Promise<void> {
  const neighbour = ['--loopback', stack.loopback('neighbour'), '--capture', sway.display, '--size', '203x117'];
  const good = { status: 0, frames: { sent: FRAMES, shown: FRAMES, wrong: 0, missing: 0 } };
  const draw = async (when: string): Promise<void> => {
    t.match(await framesJson(...neighbour, '--frames', String(FRAMES)), good, `the neighbour's frames, ${when}`);
  };
  await draw('before');
  let over = false;
  let runs = 0;
  const beside = (async () => {
    for (; !over; runs++) await draw('meanwhile');
  })();
  try {
    await worst();
  } finally {
    over = true;
    await beside;
  }
  t.ok(runs > 0, `${runs} runs of ${FRAMES} frames meanwhile`);
  await draw('after');
}

t.test('random calls of /dev/wl0, by processes that are killed', async t => {
  const vm = program;
  await besideFrames(t, async () => {
    const { status, output } = await vm.machine.run(
      `/virtwl/worst --seconds ${SECONDS / 2} --seed ${SEED}`,
      SECONDS * 1000 + PATIENCE_MS,
    );
    t.comment(output);
    t.equal(status, 0, 'the program came to its end');
    for (const action of [
      'new_memory',
      'new_context',
      'new_pipe',
      'send',
      'receive',
      'map',
      'touch',
      'close',
      'fork',
    ]) {
      t.match(output, new RegExp(`^${action} [1-9]`, 'm'), `${action} worked now and then`);
    }
  });
  await nothingIsLeft(t, vm, 'program');
});

t.test('random rings and registers, by a driver of the guest’s own', async t => {
  const vm = driver;
  await besideFrames(t, async () => {
    const { status, output } = await vm.rawRing(t, SECONDS / 2, SEED, SECONDS * 1000 + PATIENCE_MS);
    t.comment(output);
    t.equal(status, 0, 'the program came to its end');
    t.match(
      output,
      /made [1-9].* refused [1-9].* messages [1-9]/,
      'it got things, was refused others, and was told some',
    );
  });
  await nothingIsLeft(t, vm, 'guest');
});
