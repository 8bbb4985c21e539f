/**
 * The connection of a VM's QEMU to the host process that is its wl device or its gpu device. We make it and give QEMU a copy, so that its
 * end can be seen here too: QEMU goes on when its device has gone, tells nobody, and never gets it back. What the guest
 * then asks of the device is never answered, so the program that runs QEMU has to know.
 *
 * Nothing is read or written here. The host process sees the end of QEMU only when our copy is closed as well.
 */
import { statSync } from 'node:fs';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import { OwnedFd } from '../system/fd.js';
import { native, POLL_DISCONNECT, type Poll } from '../system/native.js';

/** A VM's device: its kind, and the path of the vhost-user socket at which its host process listens. */
export interface GuestDevice {
  readonly kind: DeviceKind;
  readonly socket: string;
}

/** The option of `virtwl host` that makes such a device. */
const HOST_OPTION: Readonly<Record<DeviceKind, string>> = { wl: '--socket', gpu: '--gpu-socket' };

function noDevice({ kind, socket }: GuestDevice, error: NodeJS.ErrnoException): Error {
  const advice = `start "virtwl host ${HOST_OPTION[kind]} ${socket}" first`;
  const text = `no ${kind} device at ${socket} (${error.message}): ${advice}`;
  return Object.assign(new Error(text, { cause: error }), { code: error.code });
}

/**
 * Looks whether there is anything at the path of a device, for those who have minutes of work before they connect.
 * @throws Error as the constructor's, where there is nothing
 */
export function lookForDevice(device: GuestDevice): void {
  try {
    statSync(device.socket);
  } catch (error) {
    throw noDevice(device, error as NodeJS.ErrnoException);
  }
}

export class DeviceConnection {
  /** Resolves when the host process has closed its end or has ended; never, when that is after {@link close}. */
  readonly gone: Promise<void>;
  readonly #fd: OwnedFd;
  readonly #poll: Poll;

  /**
   * Connects to the host process.
   * @throws Error that says what to start, with the `code` of connect(2)
   */
  constructor(readonly device: GuestDevice) {
    try {
      this.#fd = new OwnedFd(native.connectUnix(device.socket));
    } catch (error) {
      throw noDevice(device, error as NodeJS.ErrnoException);
    }
    let gone = (): void => {};
    this.gone = new Promise(resolve => (gone = resolve));
    try {
      this.#poll = new native.Poll(this.#fd.fd, () => {
        this.#poll.close();
        gone();
      });
    } catch (error) {
      this.#fd.close();
      throw error;
    }
    this.#poll.start(POLL_DISCONNECT);
    // It is the VM that keeps this process running.
    this.#poll.unref();
  }

  /** To be inherited by QEMU; it stays ours. */
  get fd(): number {
    return this.#fd.fd;
  }

  /** To be called when QEMU has ended. Idempotent. */
  close(): void {
    this.#poll.close();
    this.#fd.close();
  }
}
