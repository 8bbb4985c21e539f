/**
 * The host's side of vfds: a connection to a server, a pipe, memory. Each owns its descriptors and closes them; ids
 * and limits are `vfd-table.ts`'s, and what may be sent to whom `state.ts`'s.
 */
import type { OwnedFd } from '../../system/fd.js';
import { HostConnection } from '../guest/connection.js';
import { HostPipe } from '../guest/pipe.js';
import type { StreamEvents } from '../guest/stream.js';
import type { VfdQueue } from './guest-queue.js';
import { VFD_LEGACY_CONTROL, VFD_LEGACY_MAP, VFD_READ, VFD_WRITE, type VfdDescription } from './wire.js';

/** A context: a connected socket. */
export class ContextVfd extends HostConnection {
  readonly kind = 'context';
  /** What waits of it for the guest. */
  declare queue: VfdQueue | undefined;

  /** Takes ownership of the socket, also when it throws. */
  constructor(
    fd: OwnedFd,
    readonly id: number,
    events: StreamEvents,
  ) {
    super(fd, events);
  }

  flags(transitional: boolean): number {
    return transitional ? VFD_READ | VFD_WRITE : VFD_LEGACY_CONTROL;
  }
}

/** A pipe that the guest made, or that a server sent. */
export class PipeVfd extends HostPipe {
  readonly kind = 'pipe';
  /** What waits of it for the guest. */
  declare queue: VfdQueue | undefined;

  /** As `HostPipe`. */
  constructor(
    local: OwnedFd,
    remote: OwnedFd | undefined,
    direction: 'read' | 'write',
    readonly id: number,
    events: StreamEvents,
  ) {
    super(local, remote, direction, events);
  }

  flags(transitional: boolean): number {
    if (!transitional) return 0;
    return this.direction === 'read' ? VFD_READ : VFD_WRITE;
  }
}

/** Memory, mapped into the guest where it has a size. */
export class MemoryVfd {
  readonly kind = 'memory';

  /** Takes ownership of `fd`. `unmap` is called when it is closed. */
  constructor(
    readonly fd: OwnedFd,
    readonly id: number,
    readonly size: number,
    readonly writable: boolean,
    /** In the shared memory, in bytes; undefined for memory of size 0. */
    readonly offset: number | undefined,
    private readonly unmap: () => void,
  ) {}

  flags(transitional: boolean): number {
    if (!transitional) return VFD_LEGACY_MAP | (this.writable ? VFD_WRITE : 0);
    return VFD_READ | (this.writable ? VFD_WRITE : 0);
  }

  close(): void {
    if (this.fd.closed) return;
    this.fd.close();
    this.unmap();
  }

  end(): void {
    this.close();
  }
}

export type HostVfd = ContextVfd | PipeVfd | MemoryVfd;

/** As it is announced to the guest. `transitional`: flags say READ and WRITE (VIRTIO_WL_F_TRANS_FLAGS). */
export function describe(vfd: HostVfd, transitional: boolean): VfdDescription {
  const { id } = vfd;
  const flags = vfd.flags(transitional);
  return vfd.kind === 'memory' ? { id, flags, offset: vfd.offset, size: vfd.size } : { id, flags };
}
