/**
 * Two real VMs: a compositor in one, its clients in the other, and nothing between them but their wl devices and the
 * processes of the host. What loopback promises is tested here for real: the probe, every pixel of frames, unmodified
 * applications, the clipboard, and times, of which each VM has its own.
 */
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { MAX_DRIFT_PPM } from '../../src/client/clock-offset.js';
import { VmStack } from '../../src/demo/vm-stack.js';
import { inOrder, presentedFrames } from '../loopback/presented-frames.js';
import {
  applicationsAreEqual,
  clipboardCrosses,
  framesAreRight,
  screenOf,
  SEAT,
  SWAY_CONFIG,
  TIMEOUT_MS,
} from './two-vms.js';

/** The program that asks for times, in this checkout and in the client VM. */
const PRESENTED_WINDOW = ['dist/test/loopback/presented-window.js'];

t.setTimeout(590_000);

const stack = await VmStack.start({
  clients: ['office'],
  policies: { office: 'capture yes\n' },
  swayConfig: SWAY_CONFIG,
  more: { office: { parts: PRESENTED_WINDOW }, compositor: { parts: [SEAT] } },
  hostArguments: { compositor: ['--probe'], office: ['--probe'] },
  say: line => t.comment(line),
  log: (part, line) => t.comment(`${part}: ${line}`),
});
t.teardown(() => stack.stop());

t.test('virtwl probe, in both VMs', async t => {
  const compositor = await stack.run('compositor', ['/virtwl/virtwl', 'probe']);
  t.equal(compositor.status, 0);
  t.match(compositor.output, /All of it worked/);
  // A client VM has no allocator, and is told why.
  const client = await stack.run('office', ['/virtwl/virtwl', 'probe']);
  t.equal(client.status, 1);
  t.match(client.output, /ok +open the device .*\/dev\/wl0[^]*FAILED connect to the allocator[^]*--allocator=BUDGET/);
});

framesAreRight(t, stack, 'virtio_wl');

/** Frames whose times are compared. */
const TIMED_FRAMES = 5;

t.test('times of frames are by the clock of the client VM', async t => {
  const program = ['node', `/virtwl/package/${PRESENTED_WINDOW[0]!}`, 'Infinity'];
  const window = await stack.virtwl('office', ['run', '--', ...program]);
  t.teardown(() => window.signal('TERM'));
  const shown = async (count: number) => {
    const { output } = await window.until(
      `${count} frames`,
      s => presentedFrames(s.output).length >= count,
      TIMEOUT_MS,
    );
    return presentedFrames(output);
  };
  await shown(1);
  // From here on a reading of the clock is replaced by better ones only: the bound grows by what clocks drift apart.
  const { error } = (await stack.statusOf(window)).clock as { error: number };
  const early = presentedFrames((await window.state()).output).length;
  const frames = (await shown(early + TIMED_FRAMES)).slice(early);
  const lasted = BigInt(frames.at(-1)!.after) - BigInt(frames[0]!.before);

  // Between the two looks at the one clock, there was that at the other.
  const [before, office, after] = [await uptime('compositor'), await uptime('office'), await uptime('compositor')];
  const ahead = [before - office, after - office];
  const bound = BigInt(error) + (lasted * MAX_DRIFT_PPM) / 1_000_000n;
  t.comment(`the compositor VM's clock is ${ahead.join(' to ')} ns ahead, the bound ${bound} ns`);
  t.ok(
    ahead.every(ns => ns > bound + UPTIME_UNIT_NS) || ahead.every(ns => ns < -bound - UPTIME_UNIT_NS),
    'the clocks differ by more',
  );
  inOrder(t, frames, bound);
});

/** /proc/uptime has hundredths. */
const UPTIME_UNIT_NS = 10_000_000n;

/** A VM's CLOCK_MONOTONIC in nanoseconds, as /proc/uptime has it: none of them is ever suspended. */
async function uptime(vm: string): Promise<bigint> {
  const { output } = await stack.run(vm, ['cat', '/proc/uptime']);
  return BigInt(Math.round(Number(output.split(' ')[0]) * 1000)) * 1_000_000n;
}

t.test('applications in the client VM look as they do inside the compositor VM', t =>
  applicationsAreEqual(t, stack, screenOf(stack)),
);

t.test('the clipboard, from one VM to the other and back', t => clipboardCrosses(t, stack));

t.test('nothing is left of them', async t => {
  const books = async (): Promise<unknown> => {
    const [compositor, office] = [await stack.status('compositor-host'), await stack.status('office-host')];
    return {
      used: (compositor.allocator as { used: number }).used,
      vfds: (office.device as { vfds: number }).vfds,
    };
  };
  let seen = await books();
  for (const end = Date.now() + 30_000; !isNothing(seen) && Date.now() < end; await pause(500)) seen = await books();
  t.match(seen, { used: 0, vfds: 0 }, 'no memory on the allocator’s books, no vfd of the client VM');
});

function isNothing(books: unknown): boolean {
  return JSON.stringify(books) === JSON.stringify({ used: 0, vfds: 0 });
}
