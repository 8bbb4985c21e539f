/**
 * What tests of real VMs share: one QEMU and one kernel, a wl device of the test's own process, and a small guest (kernel
 * and RAM disk, no disk) that runs a script in seconds, under software emulation as well.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { WlDeviceServer } from '../../src/host/wl-device/server.js';
import type { GuestLimits } from '../../src/host/guest/limits.js';
import { GuestProgram } from '../../src/vm/guest-program.js';
import { accelerator } from '../../src/vm/accelerator.js';
import { guestFiles, initramfs } from '../../src/vm/initramfs.js';
import type { GuestDevice } from '../../src/vm/device-connection.js';
import { kernelFor } from '../../src/vm/guest.js';
import { guestProgram } from '../../src/vm/kernel.js';
import { Machine } from '../../src/vm/machine.js';
import { findQemu } from '../../src/vm/qemu.js';

/** The sources of a test's C programs, which are not compiled with the tests. */
export const SOURCES = fileURLToPath(new URL('../../../test/vm/', import.meta.url));

/** A small guest's memory. Where a kernel keeps a shadow of all that it maps (KASAN), the device's 4 GiB alone take 512 MiB. */
const MEMORY_BYTES = (process.env.VIRTWL_GUEST_KERNEL === undefined ? 512 : 2048) * 2 ** 20;

export interface GuestOptions {
  readonly name: string;
  /** The wl device's servers: sockets in this directory. Without it the guest has no wl device. */
  readonly directory?: string | undefined;
  readonly servers?: readonly string[];
  /** Instead of a directory: devices of the test's own, one of a kind at most. */
  readonly devices?: readonly GuestDevice[];
  readonly limits?: Partial<GuestLimits>;
  /** A guest that restarts does so in the same QEMU. */
  readonly mayRestart?: boolean;
  /** C programs of this directory that the guest finds in /virtwl. NAME.32 is NAME compiled for the ABI of 32 bits. */
  readonly programs?: readonly string[];
  /** Programs by the name that they get in /virtwl: paths of static ones on this machine. */
  readonly built?: Readonly<Record<string, string>>;
}

/** A running small guest, with its device; both end with the test. */
export async function smallGuest(
  t: Test,
  options: GuestOptions,
): Promise<{ machine: Machine; device: WlDeviceServer | undefined }> {
  const say = (line: string): void => t.comment(line);
  const qemu = await findQemu(say);
  const kernel = await kernelFor(
    (options.devices ?? []).map(({ kind }) => kind),
    say,
  );
  const programs: Record<string, string> = { ...options.built };
  for (const name of options.programs ?? []) {
    const bits = name.endsWith('.32') ? 32 : 64;
    programs[name] = await guestProgram(join(SOURCES, `${name.replace(/\.32$/, '')}.c`), say, bits);
  }

  const own = mkdtempSync(join(tmpdir(), 'virtwl-guest-'));
  t.teardown(() => rmSync(own, { recursive: true, force: true }));
  let device: WlDeviceServer | undefined;
  const attached =
    options.directory === undefined ? (options.devices ?? []) : [{ kind: 'wl' as const, socket: join(own, 'wl') }];
  if (options.directory !== undefined) {
    device = new WlDeviceServer({
      socket: new OwnedFd(native.listenUnix(join(own, 'wl'), 4)),
      directory: options.directory,
      servers: new Set(options.servers ?? []),
      limits: options.limits,
      log: line => t.comment(`device: ${line}`),
    });
    t.teardown(() => device?.close());
  }
  const machine = await Machine.start({
    name: options.name,
    qemu,
    accelerator: await accelerator(qemu, kernel, say),
    kernel: kernel.image,
    initramfs: initramfs(kernel, guestFiles(programs)),
    memoryBytes: MEMORY_BYTES,
    // As the machine's other alarms: a processor of the guest that stands still is the emulation's doing.
    kernelArguments: 'rcupdate.rcu_cpu_stall_suppress=1',
    devices: attached,
    mayRestart: options.mayRestart ?? false,
  });
  t.teardown(() => machine.stop());
  t.comment(`${options.name}: up after ${(machine.bootMs / 1000).toFixed(1)} s (${machine.options.accelerator})`);
  return { machine, device };
}

/** How long a program may take to have what it holds, in milliseconds. */
const HOLDING_MS = 120_000;

/** Starts `program`, which must be among the guest's programs, and resolves when it holds the device. */
export async function holding(machine: Machine, program = 'holder'): Promise<GuestProgram> {
  const holder = await GuestProgram.start(machine, program, `exec /virtwl/${program}`);
  await holder.until('word of holding it', ({ output }) => output.includes('ready\n'), HOLDING_MS);
  return holder;
}
