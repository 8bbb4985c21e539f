/**
 * What one guest may cost its devices, whichever they are. Each bound has a name and a default; `virtwl host` has a flag for
 * those that an owner may want to change. Memory and mappings are the VM's; of the others, each of its devices has as much.
 */
import { MAX_MAPPINGS } from '../vhost-user/shared-memory.js';

export interface GuestLimits {
  /** Vfds at a time, of any kind, the guest's and the device's; of a gpu device, its resources. */
  readonly vfds: number;
  /** Connections at a time: contexts that the guest opened and sockets that were handed over to it. */
  readonly connections: number;
  /** Pipes at a time. Each takes two descriptors until its remote end was sent. */
  readonly pipes: number;
  /** Bytes of memory that the guest made itself (NEW_ALLOC) and that are still held, by the guest or by a process. */
  readonly allocBytes: number;
  /**
   * Bytes of memory that came from servers and that the guest has not closed. What a client VM is given is the compositor
   * VM's: without this bound, a guest that gives it back by Wayland's rules, and keeps it, could have all of that.
   */
  readonly receivedBytes: number;
  /** Pieces of memory mapped into the guest at a time. At most MAX_MAPPINGS. */
  readonly mappings: number;
  /** Bytes that wait for the guest to give buffers for them. Over it, nothing is read for the guest. */
  readonly queuedBytes: number;
}

export { MAX_MAPPINGS };

export const DEFAULT_GUEST_LIMITS: GuestLimits = {
  // The driver makes at most 2,047, and the device as many again.
  vfds: 4096,
  // A descriptor each. With two for each pipe and one for each mapping it stays within a confined process's 4,096.
  connections: 1024,
  pipes: 512,
  // A client that brings its own memory uses some 30 MiB for a window of 1080p.
  allocBytes: 256 * 2 ** 20,
  // Half of a budget of 4 GiB, which the glue lends a client VM at a time, and a quarter for what is on its way back.
  receivedBytes: 2560 * 2 ** 20,
  // All that there are: a client that brings a pool for each buffer, as sommelier does, has nineteen for one terminal.
  mappings: MAX_MAPPINGS,
  queuedBytes: 4 * 2 ** 20,
};

/**
 * Bytes of one connection that wait for its server before the guest's SEND is left unanswered, which holds the sender
 * back. Below it, a busy server does not hold up the guest.
 */
export const MAX_UNSENT_BYTES = 256 * 1024;

/** Bytes and descriptors of all connections that wait for servers, over which no further command is handled. */
export const MAX_ALL_UNSENT_BYTES = 16 * 2 ** 20;
export const MAX_ALL_UNSENT_FDS = 512;

/** Descriptors of a queue at most. QEMU's VIRTQUEUE_MAX_SIZE. */
export const MAX_QUEUE_DESCRIPTORS = 1024;

/** Bytes of a command that is accepted: a transaction of 1 MiB, the most that our guest library and driver send. */
export const MAX_COMMAND_BYTES = 2 ** 20 + 4096;
