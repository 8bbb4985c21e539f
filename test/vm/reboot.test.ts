/**
 * A guest that starts again in the same QEMU, in order or without shutting down, with memory of the device mapped: QEMU
 * and the device live, nothing of the life before is left, and the next driver finds everything as it should be.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { GpuDeviceServer } from '../../src/host/gpu-device/server.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { READY_LINE } from '../../src/vm/initramfs.js';
import { eventually } from '../eventually.js';
import { echoServer } from './echo-server.js';
import { holding, smallGuest } from './guests.js';
import { takeKernelOfHost } from './host-release.js';

/** How long a guest may take to be there again, in milliseconds. */
const BOOT_MS = 180_000;

/** Ways to restart a guest. */
const WAYS = [
  ['in order', 'reboot -f'],
  ['without asking its drivers', 'echo b > /proc/sysrq-trigger'],
  ['once more', 'echo b > /proc/sysrq-trigger'],
] as const;

t.setTimeout(1_160_000);

t.test('a guest restarts', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-reboot-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  echoServer(t, directory);
  const guest = { name: 'reboot', directory, servers: ['echo'], programs: ['conformance', 'holder'], mayRestart: true };
  const { machine, device } = await smallGuest(t, { ...guest, limits: { pipes: 2047 } });
  let lives = 1;
  machine.console.on('line', line => (lives += line.includes(READY_LINE) ? 1 : 0));

  for (const [what, command] of WAYS) {
    await t.test(what, async t => {
      await holding(machine);
      t.ok((device?.counts?.mappings ?? 0) > 0, 'it has memory mapped');
      const before = lives;
      // The answer may get out, or not.
      machine.run(`(sleep 0.5; ${command}) > /dev/null 2>&1 &`, BOOT_MS).catch(() => {});
      await eventually('the next life', () => lives > before || !machine.running, BOOT_MS);
      t.ok(machine.running, 'QEMU lives');
      const { output } = await machine.run('/virtwl/conformance --strict | tail -1', BOOT_MS);
      t.match(output, /^# 0 failed/, 'the next driver starts with nothing wrong');
      await machine.run('true');
      await eventually('nothing of the life before', () => device?.counts?.vfds === 0);
      t.match(device?.counts, { vfds: 0, mappings: 0, allocBytes: 0 }, 'nothing of the life before is left');
    });
  }
});

t.test('a guest with a gpu device restarts', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-reboot-gpu-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  echoServer(t, directory);
  const socket = join(directory, 'gpu');
  const device = new GpuDeviceServer({
    socket: new OwnedFd(native.listenUnix(socket, 4)),
    directory,
    servers: new Set(['echo']),
    log: line => t.comment(`device: ${line}`),
  });
  t.teardown(() => device.close());
  takeKernelOfHost();
  const { machine } = await smallGuest(t, {
    name: 'reboot-gpu',
    devices: [{ kind: 'gpu', socket }],
    programs: ['gpu_holder'],
    mayRestart: true,
  });
  let lives = 1;
  machine.console.on('line', line => (lives += line.includes(READY_LINE) ? 1 : 0));
  for (const [what, command] of WAYS) {
    await t.test(what, async t => {
      // At the places where the life before had it.
      await holding(machine, 'gpu_holder');
      t.match(device.counts, { contexts: 2, connections: 1, polls: 0, mappings: 3 }, 'it has memory mapped');
      const before = lives;
      machine.run(`(sleep 0.5; ${command}) > /dev/null 2>&1 &`, BOOT_MS).catch(() => {});
      await eventually('the next life', () => lives > before || !machine.running, BOOT_MS);
      t.ok(machine.running, 'QEMU lives');
      await machine.run('true');
      await eventually(
        'nothing of the life before',
        () => device.counts?.contexts === 0 && device.counts.mappings === 0,
      );
      t.match(device.counts, { resources: 0, connections: 0, allocBytes: 0 }, 'nothing of the life before is left');
    });
  }
});
