/**
 * KVM or software emulation. A machine may have a /dev/kvm on which an ordinary guest does not run, or not for this
 * user, so KVM is chosen only where a guest with that kernel was seen to come up on it; what was seen is kept until the
 * machine or QEMU changes. Where one of Debian's kernels did not come up, no other is tried: it is the machine then, and
 * each trial takes as long as it may. A kernel that was built by hand has its own fault, and its own trial.
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
  const ofDebian = process.env.VIRTWL_GUEST_KERNEL === undefined;
  const first = ofDebian ? await trial('kvm', [], qemu, kernel, say) : undefined;
  const found =
    first === undefined || (first.accelerator === 'kvm' && first.kernel !== kernel.release)
      ? await trial('kvm-kernel', [kernel.release], qemu, kernel, say)
      : first;
  if (found.accelerator === 'tcg') say('/dev/kvm is there, but no guest came up on it: software emulation');
  return found.accelerator;
}

/** What was seen, and with which kernel. */
interface Seen {
  readonly accelerator: Accelerator;
  readonly kernel: string;
}

/** What was seen on this machine with this QEMU; `more`: what else it depends on. */
async function trial(name: string, more: readonly string[], qemu: Qemu, kernel: GuestKernel, say: Say): Promise<Seen> {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const place = await artifact(
    {
      name,
      inputs: [qemu.version, release(), boot, ...more],
      build: async directory => {
        const accelerator = (await runsOnKvm(qemu, kernel)) ? 'kvm' : 'tcg';
        const seen: Seen = { accelerator, kernel: kernel.release };
        writeFileSync(join(directory, 'seen'), JSON.stringify(seen));
      },
    },
    say,
  );
  return JSON.parse(readFileSync(join(place, 'seen'), 'utf8')) as Seen;
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
