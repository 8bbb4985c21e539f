/**
 * Opening the device: /dev/wl0 of a guest, the kernel's own virtio_gpu driver, or loopback, where a directory of Unix sockets
 * stands in for the host's servers. All give the same {@link Device}, with the same limits.
 */
import { existsSync } from 'node:fs';
import type { Context } from './context.js';
import { GpuDevice } from './gpu.js';
import { findNode, isGpuPath } from './gpu-node.js';
import { LoopbackDevice } from './loopback.js';
import type { Memory, PipePair, SocketVfd } from './vfd.js';
import { Wl0Device } from './wl0.js';

export * from './limits.js';
export * from './vfd.js';
export { Context } from './context.js';

/** The way from this machine to its host. */
export interface Device {
  readonly kind: 'virtio_wl' | 'virtio_gpu' | 'loopback';
  /** The path that was opened: the device or the loopback directory. */
  readonly path: string;
  /**
   * A new connection to the host server `name`, the caller's to close; it delivers nothing before `start()`. Throws
   * EINVAL for a name that cannot be carried and ENOENT where the host offers this VM no such server.
   */
  connect(name: string): Context;
  /** Makes a context of a connected socket that was received. Takes ownership of it, also when it throws. */
  adopt(socket: SocketVfd): Context;
  /** Host memory of `size` bytes that this guest brings itself (NEW_ALLOC), the caller's to close. */
  allocate(size: number): Memory;
  /** A pipe. `direction` is what this side does with the local end. */
  pipe(direction: 'read' | 'write'): PipePair;
  /** Idempotent. Contexts and vfds stay open: they are their holders'. */
  close(): void;
}

/** A device in words: "virtio_wl device /dev/wl0". */
export function describeDevice({ kind, path }: Device): string {
  return kind === 'loopback' ? `loopback directory ${path}` : `${kind} device ${path}`;
}

/** Where to look; a field left out comes from the environment. */
export interface DeviceOptions {
  /**
   * Path of the device: of virtio_wl, or a render node of virtio_gpu. Environment: VIRTWL_DEVICE. Default: /dev/wl0; where
   * there is none, the first of /dev/dri/renderD* that leads to servers.
   */
  readonly device?: string | undefined;
  /** A loopback directory instead of a device. Environment: VIRTWL_LOOPBACK, which comes before VIRTWL_DEVICE. */
  readonly loopback?: string | undefined;
}

/** The device node that the guest driver makes. */
export const DEFAULT_DEVICE = '/dev/wl0';

/** Opens the device or the loopback directory. The result is the caller's to close. */
export function openDevice(options: DeviceOptions = {}): Device {
  if (options.loopback !== undefined && options.device !== undefined) {
    throw new Error(
      `both a device (${options.device}) and a loopback directory (${options.loopback}) were given: choose one`,
    );
  }
  if (options.loopback !== undefined) return new LoopbackDevice(options.loopback);
  if (options.device !== undefined) return openPath(options.device);
  const loopback = process.env.VIRTWL_LOOPBACK;
  if (loopback) return new LoopbackDevice(loopback);
  const named = process.env.VIRTWL_DEVICE;
  if (named || existsSync(DEFAULT_DEVICE)) return openPath(named || DEFAULT_DEVICE, true);
  const found = findNode();
  if (found.path !== undefined) return new GpuDevice(found.path);
  throw noDevice(DEFAULT_DEVICE, found.reasons);
}

/** Opens what is at a path. `helps`: where nothing is, the error says what else there may be. */
function openPath(path: string, helps = false): Device {
  if (isGpuPath(path)) return new GpuDevice(path);
  if (helps && !existsSync(path)) throw noDevice(path, []);
  return new Wl0Device(path);
}

/** `reasons`: why what there is in its place is none. */
function noDevice(path: string, reasons: readonly string[]): Error {
  const instead = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return Object.assign(
    new Error(
      `there is no ${path} here${instead}: in a VM, load the virtio_wl driver and give the VM a wl device, or load ` +
        'virtio_gpu and give it a gpu device; ' +
        'without a VM, start "virtwl host --loopback DIR" and pass --loopback DIR or set VIRTWL_LOOPBACK=DIR',
    ),
    { code: 'ENOENT' },
  );
}

/** What connecting fails with where the host offers this VM no such server: in loopback, and by the driver. */
const NO_SUCH_SERVER: readonly (string | undefined)[] = ['ENOENT', 'ENODEV', 'EINVAL', 'ENOTSUP'];
/** The same where what was given as the device is none: that does not change either. */
const NO_DEVICE = 'ENOTTY';

/** Whether `connect` threw because the host offers this VM no such server, or the device is none: waiting does not help. */
export function isNoSuchServer(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === NO_DEVICE || NO_SUCH_SERVER.includes(code);
}
