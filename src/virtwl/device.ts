/**
 * DRAFT CONTRACT of the guest library; the owner of src/virtwl replaces it.
 */
import type { Channel } from '../channel.js';
import { OwnedFd } from '../fd.js';

/** Most fds in one transaction: VIRTWL_SEND_MAX_ALLOCS of linux/virtwl.h. */
export const MAX_FDS = 28;
/** Longest name of a named socket in bytes: char name[32] with its NUL. */
export const MAX_NAME_BYTES = 31;
/** The most data in one transaction: a 4,096-byte buffer less the header (16) and 28 ids of 4 bytes. */
export const MAX_CHUNK_BYTES = 4096 - 16 - 4 * MAX_FDS;

export type VfdKind = 'memory' | 'pipe' | 'context';

/** A descriptor that came from virtio_wl, or from loopback standing in for it. Only these can be sent. */
export abstract class Vfd extends OwnedFd {
  abstract readonly kind: VfdKind;
}

/** Shared memory. `size` in bytes as given by the protocol that delivered it; 0 when unknown (a vfd has no fstat). */
export declare class Memory extends Vfd {
  readonly kind: 'memory';
}
/** One end of a pipe. For a pipe made here, sending it sends the other end, and this end stays usable. */
export declare class Pipe extends Vfd {
  readonly kind: 'pipe';
  readonly direction: 'read' | 'write';
}

export interface Device {
  readonly kind: 'virtio_wl' | 'loopback';
  /** A new connection to the host socket `name`. */
  connect(name: string): Channel;
  /** NEW_ALLOC: host memory that this guest brings itself. */
  allocate(size: number): Memory;
  /** direction is what this side does with the end it keeps. */
  pipe(direction: 'read' | 'write'): Pipe;
  close(): void;
}
