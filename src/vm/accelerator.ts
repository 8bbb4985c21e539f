/**
 * KVM or software emulation. A machine may have a /dev/kvm on which an ordinary guest does not run, or not for this
 * user, so KVM is chosen only where a guest was seen to come up on it; what was seen is kept until the machine or QEMU
 * changes.
 */
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { artifact, type Say } from './cache.js';
import { initramfs } from './initramfs.js';
import type { GuestKernel } from './kernel.js';
import { Machine, type Accelerator } from './machine.js';
import type { Qemu } from './qemu.js';

/** How long the trial may take, in milliseconds. On a KVM that works a guest is up in two or three seconds. */
const TRIAL_MS = 30_000;

function kvmIsThere(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** `VIRTWL_ACCELERATOR` (kvm, tcg) if set, else what was tried. */
export async function accelerator(qemu: Qemu, kernel: GuestKernel, say: Say): Promise<Accelerator> {
  const named = process.env.VIRTWL_ACCELERATOR;
  if (named === 'kvm' || named === 'tcg') return named;
  if (named !== undefined) throw new Error(`VIRTWL_ACCELERATOR is "${named}": it can be kvm or tcg`);
  if (!kvmIsThere()) return 'tcg';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const place = await artifact(
    {
      name: 'accelerator',
      inputs: [qemu.version, kernel.release, release(), boot],
      build: async directory => {
        writeFileSync(join(directory, 'accelerator'), (await runsOnKvm(qemu, kernel)) ? 'kvm' : 'tcg');
      },
    },
    say,
  );
  const found = readFileSync(join(place, 'accelerator'), 'utf8') as Accelerator;
  if (found === 'tcg') say('/dev/kvm is there, but no guest came up on it: software emulation');
  return found;
}

async function runsOnKvm(qemu: Qemu, kernel: GuestKernel): Promise<boolean> {
  try {
    const machine = await Machine.start({
      name: 'trial',
      qemu,
      accelerator: 'kvm',
      kernel: kernel.image,
      initramfs: initramfs(kernel),
      memoryBytes: 256 * 1024 * 1024,
      abort: AbortSignal.timeout(TRIAL_MS),
    });
    const { status } = await machine.run('true', TRIAL_MS);
    await machine.stop();
    return status === 0;
  } catch {
    return false;
  }
}
