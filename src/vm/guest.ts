/**
 * Guests by name, from what the cache holds to a machine that takes scripts: `test` runs from its RAM disk alone, the
 * others from their disks, with this package in them.
 */
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import { accelerator } from './accelerator.js';
import type { Say } from './cache.js';
import type { CpioEntry } from './cpio.js';
import { initramfs, SYSTEM_ARGUMENT } from './initramfs.js';
import { diskImage, IMAGES, packageFiles, type ImageName, type MorePackageFiles } from './images.js';
import { guestKernel, type GuestKernel } from './kernel.js';
import { Machine } from './machine.js';
import { findQemu } from './qemu.js';
import { lookForDevice, type GuestDevice } from './device-connection.js';
import { stockKernel } from './stock-kernel.js';
import { stockKernelWithDriver } from './stock-kernel-with-driver.js';

export const GUESTS = ['test', ...IMAGES] as const;
export type GuestName = (typeof GUESTS)[number];

/** Memory of a guest where nobody says otherwise, in bytes. sway and Node.js need half of it. */
export const DEFAULT_MEMORY_BYTES = 1024 * 2 ** 20;

export interface GuestOptions {
  readonly guest: GuestName;
  /** As it shows in messages. Default: the guest's name. */
  readonly name?: string;
  readonly memoryBytes?: number;
  /** Its devices of ours, one of a kind at most, whose sockets must listen already. */
  readonly devices?: readonly GuestDevice[];
  /** For which kind of device its kernel is. Default: those of its devices, else wl. */
  readonly transport?: DeviceKind | undefined;
  /** More files for it; a guest with a disk finds those under `virtwl/` in `/virtwl`. */
  readonly files?: readonly CpioEntry[];
  /** It restarts in the same QEMU; else that ends the machine. */
  readonly mayRestart?: boolean;
  /** The init of its disk's own system (systemd) starts it, and not ours: the compositor's disk has one. */
  readonly system?: boolean;
  /** More packages of Debian's on its disk. */
  readonly packages?: readonly string[] | undefined;
  /** More of this checkout for a guest with a disk. */
  readonly more?: MorePackageFiles;
  readonly onLine?: (line: string) => void;
  readonly say: Say;
}

/**
 * The kernel of guests with such devices: with our driver, Debian's ordinary one with nothing of ours, or that one with our
 * driver too.
 */
export function kernelFor(kinds: readonly DeviceKind[], say: Say): Promise<GuestKernel> {
  if (!kinds.includes('gpu')) return guestKernel(say);
  return kinds.includes('wl') ? stockKernelWithDriver(say) : stockKernel(say);
}

/** Makes what is missing for these guests. */
export async function buildGuests(guests: readonly GuestName[], say: Say, transport: DeviceKind = 'wl'): Promise<void> {
  const qemu = await findQemu(say);
  const kernel = await kernelFor([transport], say);
  for (const guest of guests) if (guest !== 'test') await diskImage(guest satisfies ImageName, say);
  await accelerator(qemu, kernel, say);
}

/** Boots a guest, after making what is missing. The machine is the caller's to stop. */
export async function bootGuest(options: GuestOptions): Promise<Machine> {
  const { guest, say, devices = [], transport } = options;
  for (const device of devices) {
    if (transport !== undefined && device.kind !== transport)
      throw new Error(`a guest for the ${transport} transport has no driver for a ${device.kind} device`);
    lookForDevice(device);
  }
  const qemu = await findQemu(say);
  const kernel = await kernelFor(transport === undefined ? devices.map(({ kind }) => kind) : [transport], say);
  const disk = guest === 'test' ? undefined : await diskImage(guest, say, options.packages);
  return Machine.start({
    name: options.name ?? guest,
    qemu,
    accelerator: await accelerator(qemu, kernel, say),
    kernel: kernel.image,
    initramfs: initramfs(kernel, [...(guest === 'test' ? [] : packageFiles(options.more)), ...(options.files ?? [])]),
    memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
    disk,
    devices,
    mayRestart: options.mayRestart ?? false,
    ...(options.system === true && { kernelArguments: SYSTEM_ARGUMENT }),
    onLine: options.onLine,
  });
}
