/**
 * Virtual file descriptors: what a transaction can carry. Nothing else can be sent, and a vfd can do less than a file:
 * read, write, map, poll, close. There is no truncate, no seal and no size to ask for, so sizes come from the protocol
 * that delivered the memory.
 *
 * A vfd is an {@link OwnedFd}: one owner, one closer. `Channel.send` takes ownership of what it is given, so memory
 * that its sender goes on using is sent as `memory.share()`, and of a pipe only the {@link PipeRemote} is sent.
 */
import { codeOf } from '../system/errno.js';
import { native, type Mapping } from '../system/native.js';
import { OwnedFd } from '../system/fd.js';
import { heldPieces } from './held-pieces.js';

export type VfdKind = 'memory' | 'pipe' | 'pipe-remote' | 'socket';

/** A descriptor that came from virtio_wl, or from loopback standing in for it. */
export abstract class Vfd extends OwnedFd {
  abstract readonly kind: VfdKind;
  /**
   * Whether a context can carry it. Only memory and the remote end of a pipe made here can travel: for a pipe or
   * socket that was received, the device holds no second end to give away (crosvm answers INVALID_TYPE).
   */
  abstract readonly sendable: boolean;
}

/** Shared memory of the host. */
export class Memory extends Vfd {
  override readonly kind = 'memory';
  override readonly sendable = true;

  /**
   * Takes ownership of `fd`. `size` is in bytes as the delivering protocol gave it, 0 when unknown. `mappable` is how
   * far the device lets it be mapped, where that is not left to the driver; `whole`: by others only so far and no less.
   */
  constructor(
    fd: number,
    readonly size = 0,
    private readonly mappable = Infinity,
    private readonly whole = false,
  ) {
    super(fd);
  }

  /**
   * How large a `wl_shm_pool` has to be that is to have `size` bytes of it: compositors map all of a pool, and memory of
   * virtio_gpu can be mapped only as a whole.
   */
  poolBytes(size: number): number {
    return this.whole ? Math.max(size, this.mappable) : size;
  }

  /**
   * Maps `length` bytes from `offset` (a multiple of the page size). The mapping is the caller's to unmap and outlives
   * this object. Throws EINVAL where the memory is smaller, EACCES for a writable mapping of read-only memory, ENOMEM where
   * the host has no place left to show it (virtio_gpu).
   */
  map(length: number, writable: boolean, offset = 0): Mapping {
    if (offset + length > this.mappable) {
      throw Object.assign(
        new Error(`cannot map ${length} bytes at offset ${offset}: the memory has ${this.mappable} bytes (EINVAL)`),
        { code: 'EINVAL', errno: 22, syscall: 'mmap' },
      );
    }
    try {
      return native.map(this.fd, offset, length, writable);
    } catch (error) {
      if (this.whole && codeOf(error) === 'ENOMEM') {
        (error as Error).message += `; of the VM's places, this process holds ${heldPieces()}`;
      }
      throw error;
    }
  }

  /** The same memory under another descriptor, the caller's to close: what to send when this one stays in use. */
  share(): Memory {
    return new Memory(native.dup(this.fd), this.size, this.mappable, this.whole);
  }

  /** The same memory with the size that the protocol gave it. Takes this object's descriptor away from it. */
  withSize(size: number): Memory {
    return new Memory(this.release(), size, this.mappable, this.whole);
  }
}

/** One end of a pipe: the end that stays here of a pipe made here, or one that was received. Cannot be sent. */
export class Pipe extends Vfd {
  override readonly kind = 'pipe';
  override readonly sendable = false;

  /** Takes ownership of `fd`. `direction` is what this side does with it. */
  constructor(
    fd: number,
    readonly direction: 'read' | 'write',
  ) {
    super(fd);
  }
}

/**
 * The other end of a pipe made here; its only use is to be sent. Once it was sent, the local end notices when its
 * last holder closes it. One that is not sent must be closed like any fd; on /dev/wl0 the local end meets no hang-up then,
 * since the device still holds the other end: close both.
 */
export class PipeRemote extends Vfd {
  override readonly kind = 'pipe-remote';
  override readonly sendable = true;
}

/** A connected socket that was received: `device.adopt` makes it a context. Cannot be sent on. */
export class SocketVfd extends Vfd {
  override readonly kind = 'socket';
  override readonly sendable = false;
}

/** What `device.pipe` makes. Both are the caller's. */
export interface PipePair {
  /** The end that is used here. */
  readonly local: Pipe;
  /** The end to send away. */
  readonly remote: PipeRemote;
}

/** A device's pipe where both ends are this kernel's, and only what goes through them crosses. @internal */
export function kernelPipe(direction: 'read' | 'write'): PipePair {
  const [read, write] = native.pipe();
  return direction === 'read'
    ? { local: new Pipe(read, 'read'), remote: new PipeRemote(write) }
    : { local: new Pipe(write, 'write'), remote: new PipeRemote(read) };
}
