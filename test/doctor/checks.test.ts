/** The doctor's single checks, on both sides of each line that they draw. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { tellMemory } from '../../src/doctor/budget.js';
import { tellCompositors } from '../../src/doctor/guest.js';
import { driverless } from '../../src/doctor/guest-device.js';
import {
  checkDescriptors,
  checkNode,
  checkRuntimeDirectory,
  checkSharedMemory,
  compareVersions,
  describeBytes,
} from '../../src/doctor/machine.js';
import { tellKvm, tellQemu } from '../../src/doctor/vms.js';
import { fakePath } from '../fake-path.js';

function makeDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-doctor-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

t.test('versions are compared by their numbers', async t => {
  for (const [older, newer] of [
    ['20.4.9', '20.5'],
    ['9.9', '10'],
    ['11.0.99', '11.1'],
    ['1.2', '1.2.1'],
  ]) {
    t.ok(compareVersions(older!, newer!) < 0, `${older} < ${newer}`);
    t.ok(compareVersions(newer!, older!) > 0);
  }
  t.equal(compareVersions('20.5', '20.5.0'), 0);
});

t.test('a device that waits for its driver is told with the module that has it', async t => {
  const directory = makeDirectory(t);
  const device = (name: string, id: string, driver: boolean): void => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'device'), `${id}\n`);
    if (driver) mkdirSync(join(directory, name, 'driver'));
  };
  device('virtio0', '0x0003', false);
  device('virtio1', '0x0010', true);
  t.same(driverless(directory), [], 'another one, and one that has its driver');
  device('virtio2', '0x0010', false);
  device('virtio3', '0x001e', false);
  device('virtio4', '0x003f', false);
  mkdirSync(join(directory, 'virtio5'));
  t.same(driverless(directory).sort(), [
    'a gpu device is there (virtio2) and has no driver: modprobe virtio_gpu',
    'a wl device is there (virtio3) and has no driver: modprobe virtio_wl',
    'a wl device is there (virtio4) and has no driver: modprobe virtio_wl',
  ]);
  t.same(driverless(join(directory, 'nowhere')), [], 'a machine without virtio');
});

t.test('Node.js has to be as new as package.json says', async t => {
  t.match(checkNode('20.4.0'), { state: 'fails', detail: '20.4.0, and 20.5 is the oldest that we run on' });
  t.match(checkNode('20.5.0'), { state: 'holds' });
  t.match(checkNode('24.1.0'), { state: 'holds' });
});

t.test('descriptors', async t => {
  const limits = (hard: string) =>
    `Limit               Soft Limit  Hard Limit  Units\nMax open files      1024      ${hard}     files\n`;
  t.match(checkDescriptors(limits('4095')), { state: 'lacks', detail: /4095/, advice: /LimitNOFILE/ });
  t.match(checkDescriptors(limits('4096')), { state: 'holds' });
  t.match(checkDescriptors(limits('unlimited')), { state: 'holds' });
});

t.test('the runtime directory', async t => {
  const directory = makeDirectory(t);
  t.match(checkRuntimeDirectory(directory), { state: 'holds', detail: directory });
  t.match(checkRuntimeDirectory(''), { state: 'note', advice: /mkdir/ });
  t.match(checkRuntimeDirectory(join(directory, 'not-there')), { state: 'fails', detail: /ENOENT/ });
  const open = join(directory, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  t.match(checkRuntimeDirectory(open), { state: 'fails', detail: /can be written by others/ });
});

t.test('shared memory', async t => {
  t.match(checkSharedMemory('/', 0), { state: 'holds', detail: /free$/ });
  t.match(checkSharedMemory('/', Infinity), { state: 'lacks', advice: /remount/ });
  t.match(checkSharedMemory('/not-there'), { state: 'lacks', detail: /ENOENT/ });
});

t.test('memory', async t => {
  t.match(tellMemory('MemTotal: 9 kB\nMemAvailable:    2097152 kB\n'), { state: 'note', detail: /^2\.0 GiB/ });
  t.match(tellMemory(''), { state: 'note', detail: /not told/ });
  t.equal(describeBytes(1.5 * 2 ** 20), '1.5 MiB');
});

t.test('compositors', async t => {
  const some = fakePath(t, { sway: 'echo sway version 1.10.1', cage: 'echo Cage version 0.2.0 >&2', labwc: null });
  t.match(tellCompositors(some), { state: 'holds', detail: 'sway 1.10.1, cage 0.2.0' });
  const none = fakePath(t, { sway: null, cage: 'exit 1', labwc: null });
  t.match(tellCompositors(none), { state: 'lacks', detail: /none of sway, cage, labwc/, advice: /apt-get/ });
});

t.test('QEMU', async t => {
  const program = `qemu-system-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
  const says = (version: string) =>
    tellQemu(fakePath(t, { [program]: `echo "QEMU emulator version ${version} (Debian)"` }));
  t.match(says('11.1.3'), { state: 'holds', detail: '11.1.3' });
  t.match(says('11.0.9'), { state: 'note', detail: /too old/, advice: /backports/ });
  const other = join(fakePath(t, { other: 'echo "QEMU emulator version 12.0.0"' }), 'other');
  t.match(tellQemu(process.env.PATH, other), { state: 'holds', detail: '12.0.0' }, 'the one that is named counts');
  t.match(tellQemu(fakePath(t, { [program]: null })), { state: 'note', detail: new RegExp(`no ${program}`) });
});

t.test('KVM', async t => {
  t.match(tellKvm('/dev/null'), { state: 'holds' });
  t.match(tellKvm('/not-there'), { state: 'note', detail: /no \/not-there: VMs run by emulation/, advice: /firmware/ });
});
