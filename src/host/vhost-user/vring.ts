/**
 * One queue of a front-end's, before it runs and while it does: where it lies, where to go on, and the eventfds by which
 * driver and device tell each other that there is something.
 */
import type { OwnedFd } from '../../system/fd.js';
import { native, POLL_READABLE, type Poll } from '../../system/native.js';
import type { RunningQueue } from './device.js';
import type { VringAddress } from './message.js';

/** What an eventfd takes and gives: a count of 8 bytes. Longer than V8 keeps in its heap. */
const one = new Uint8Array(128);
one[0] = 1;
const count = new Uint8Array(128);

/** One queue as the front-end has set it up. */
export class Vring {
  size = 0;
  address: VringAddress | undefined;
  /** Where to go on in the available ring. */
  base = 0;
  /** Where it was stopped last. */
  stoppedAt: number | undefined;
  started = false;
  enabled = false;
  running: RunningQueue | undefined;
  #call: OwnedFd | undefined;
  #error: OwnedFd | undefined;
  #kick: OwnedFd | undefined;
  #poll: Poll | undefined;

  /** Takes ownership of `fd`, also when it throws. */
  setKick(fd: OwnedFd, kicked: () => void): void {
    this.dropKick();
    try {
      this.#poll = new native.Poll(fd.fd, (_events, status) => {
        // What cannot be read would be ready for ever.
        if (status < 0 || !takeCount(fd)) this.#poll?.stop();
        else kicked();
      });
      this.#poll.start(POLL_READABLE);
      this.#kick = fd;
    } catch (error) {
      this.#poll?.close();
      fd.close();
      throw error;
    }
  }

  dropKick(): void {
    this.#poll?.close();
    this.#poll = undefined;
    this.#kick?.close();
    this.#kick = undefined;
  }

  /** By which the driver is told; undefined for not at all. Takes ownership. */
  setCall(fd: OwnedFd | undefined): void {
    this.#call?.close();
    this.#call = fd;
  }

  /** By which the VMM is told that the device stands still. As {@link setCall}. */
  setError(fd: OwnedFd | undefined): void {
    this.#error?.close();
    this.#error = fd;
  }

  /** Tells the driver that something was completed. */
  signal(): void {
    addCount(this.#call);
  }

  /** Tells the VMM that the device stands still. */
  signalError(): void {
    addCount(this.#error);
  }

  /** Closes the queue that runs, and notes where to go on. */
  halt(): void {
    if (this.running === undefined) return;
    this.base = this.running.queue.nextAvailable;
    this.stoppedAt = this.base;
    this.running.queue.close();
    this.running = undefined;
  }

  /** As it was at first, but for its descriptors. It must not run. */
  reset(): void {
    this.dropKick();
    this.started = false;
    this.enabled = false;
    this.base = 0;
    this.stoppedAt = undefined;
    this.address = undefined;
  }

  /** Closes all descriptors. It must not run. */
  close(): void {
    this.dropKick();
    this.setCall(undefined);
    this.setError(undefined);
  }
}

/** Whatever the count, it says only that something is there. False where it cannot be read. */
function takeCount(fd: OwnedFd): boolean {
  try {
    native.read(fd.fd, count);
    return true;
  } catch {
    return false;
  }
}

/** Tells; without an eventfd, nobody. */
function addCount(fd: OwnedFd | undefined): void {
  if (fd === undefined) return;
  try {
    native.write(fd.fd, one, 0, 8);
  } catch {
    // A front-end that hands over what cannot be written to is told nothing.
  }
}
