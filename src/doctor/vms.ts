/**
 * What running VMs takes: a VMM with a vhost-user device of ours, and KVM, without which they run and are slow.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { messageOf, type Finding } from './finding.js';
import { compareVersions } from './machine.js';

/** The oldest QEMU that has vhost-user-test-device-pci with shared memory. */
export const OLDEST_QEMU = '11.1';

/** How long a program may take to tell its version, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Whether QEMU for this machine is there and new enough, as `virtwl vm` would take it. Loopback needs none. */
export function tellQemu(path = process.env.PATH, named = process.env.VIRTWL_QEMU): Finding {
  const name = 'QEMU';
  const program = named ?? `qemu-system-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
  const { status, stdout } = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, PATH: path },
  });
  const advice =
    `for VMs, QEMU ${OLDEST_QEMU} or newer: "virtwl vm" unpacks one of its own from Debian's backports, ` +
    'or name one in VIRTWL_QEMU';
  if (status !== 0) return { name, state: 'note', detail: `no ${program}: no VMs but those of another VMM`, advice };
  const version = /version (\S+)/.exec(stdout)?.[1] ?? '0';
  if (compareVersions(version, OLDEST_QEMU) >= 0) return { name, state: 'holds', detail: version };
  return { name, state: 'note', detail: `${version}: too old for our device, which takes ${OLDEST_QEMU}`, advice };
}

/** Whether KVM may be opened. That a guest runs on it, only a guest shows. */
export function tellKvm(path = '/dev/kvm'): Finding {
  const name = 'KVM';
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return { name, state: 'holds', detail: `${path} may be opened` };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const detail = missing ? `no ${path}` : messageOf(error);
    const advice = missing ? 'turn virtualization on in the firmware' : 'add yourself to the group kvm';
    return { name, state: 'note', detail: `${detail}: VMs run by emulation, some hundred times slower`, advice };
  }
}
