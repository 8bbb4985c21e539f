/** The guest driver in a real VM, before the real wl device: the conformance program, and the driver's comings and goings. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ScriptResult } from '../../src/vm/machine.js';
import { eventually } from '../eventually.js';
import { echoServer } from './echo-server.js';
import { holding, smallGuest } from './guests.js';

// Everything waits for what the guest does, which is slow where it is emulated. A kernel built to look for mistakes is
// slower by far.
const TIMEOUT_MS = process.env.VIRTWL_GUEST_KERNEL === undefined ? 580_000 : 3_600_000;
t.setTimeout(TIMEOUT_MS);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-driver-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
echoServer(t, directory);

const { machine, device } = await smallGuest(t, {
  name: 'driver',
  directory,
  servers: ['echo'],
  programs: ['conformance', 'conformance.32', 'holder'],
  // As many as the ABI has, so that its own limit is seen.
  limits: { pipes: 2047 },
});

const run = (script: string): Promise<ScriptResult> => machine.run(script, TIMEOUT_MS);

async function conforms(t: Test, program: string): Promise<void> {
  const { status, output } = await run(`/virtwl/${program} --strict`);
  const lines = output.split('\n');
  for (const [i, line] of lines.entries()) {
    const [, not, what] = /^(not )?ok \d+ - (.*)/.exec(line) ?? [];
    if (what === undefined) continue;
    t.equal(not, undefined, what);
    if (not !== undefined) t.comment(lines.slice(i + 1, i + 3).join('\n'));
  }
  t.match(output, /^1\.\.\d+$/m, 'the program came to its end');
  t.equal(status, 0);
}

t.test('every ioctl and errno of the ABI, and what this driver promises beyond', t => conforms(t, 'conformance'));

t.test('programs of 32 bits get the same', t => conforms(t, 'conformance.32'));

t.test('the device keeps nothing of programs that have ended', async t => {
  await run('true');
  // The driver closes at the device what a program leaves, some time after its end.
  const holds = (): number => (device?.counts?.vfds ?? NaN) + (device?.counts?.mappings ?? NaN);
  await eventually('nothing', () => holds() === 0);
  t.equal(holds(), 0);
});

t.test('the driver can be taken from its device under users, and given it again', async t => {
  const holder = await holding(machine);
  const { output } = await run(`
    dev=$(basename /sys/bus/virtio/drivers/virtio_wl/virtio*); echo $dev
    echo $dev > /sys/bus/virtio/drivers/virtio_wl/unbind
    ls /dev/wl0 2>/dev/null`);
  const held = await holder.ended(TIMEOUT_MS);
  t.match(held.output, /reader: end\n/, 'who waits to read reads the end');
  t.match(held.output, /shared: SIGBUS\n/, 'who touches memory gets SIGBUS, and not another memory');
  t.match(held.output, /private: SIGBUS\n/);
  t.match(held.output, /write: ENODEV\nmmap: ENODEV\nnew: ENODEV\n/, 'and everything else says ENODEV');
  t.match(output, /^virtio\d+\n$/, 'the node is gone');
  const next = await run(`
    echo ${output.trim()} > /sys/bus/virtio/drivers/virtio_wl/bind
    ls /dev/wl0; /virtwl/conformance --strict | tail -1`);
  t.match(next.output, /^\/dev\/wl0\n# 0 failed/, 'the next driver starts with nothing wrong');
});

t.test('the module can be unloaded, but under nobody, and loaded again', async t => {
  const { output } = await run(`
    sleep 1000 < /dev/wl0 & until readlink /proc/$!/fd/0 | grep -q wl0; do sleep 0.1; done
    rmmod virtio_wl 2>/dev/null || echo in use; kill $!; wait $! 2>/dev/null
    rmmod virtio_wl && echo unloaded; ls /dev/wl0 2>/dev/null
    insmod /modules/virtio_wl.ko && ls /dev/wl0; /virtwl/conformance --strict | tail -1`);
  t.match(output, /^in use\n(?:Terminated\n)?unloaded\n\/dev\/wl0\n# 0 failed/);
});

t.test('the kernel has nothing to complain of', async t => {
  // A kernel with kmemleak looks for what nobody points to any more, where it is old enough.
  const { output } = await run(`
    dmesg | grep -E "WARNING:|BUG:|INFO:|Oops:|UBSAN:|ODEBUG:|memtype|lockup|refcount_t|leaked"
    mount -t debugfs none /sys/kernel/debug 2>/dev/null && [ -e /sys/kernel/debug/kmemleak ] || exit 0
    sleep 6; echo scan > /sys/kernel/debug/kmemleak; echo scan > /sys/kernel/debug/kmemleak; cat /sys/kernel/debug/kmemleak`);
  t.equal(output, '');
});
