/**
 * A guest's resources, by the ids that its driver chose. A blob of the guest's own memory can be a ring. A blob of the
 * host's memory is one file, which can be sent to servers and mapped into the guest, where the driver says.
 *
 * The driver's commands overtake each other here, since mapping takes the VMM's answer: a blob that is closed while it is
 * being mapped is unmapped, and its file closed, when that has come.
 */
import type { OwnedFd } from '../../system/fd.js';
import { GuestFault, type GuestMemory } from '../vhost-user/guest-memory.js';
import type { SharedMemory } from '../vhost-user/shared-memory.js';
import { RING_BYTES } from './cross-domain.js';
import { Refused, type Usage } from './usage.js';
import { Response, type GuestRange } from './wire.js';

/** Memory of the host, on its way to becoming a blob. */
export interface HostMemory {
  readonly fd: OwnedFd;
  /** Whole pages. */
  readonly bytes: number;
  readonly writable: boolean;
  /** Called once, when the memory is closed. */
  readonly closed?: (() => void) | undefined;
}

abstract class Resource {
  /** Contexts that it is attached to. */
  readonly contexts = new Set<number>();
  closed = false;
}

/** Memory of the guest's own. */
export class GuestBlob extends Resource {
  readonly kind = 'guest';

  /** `entries`: where it lies; undefined where that makes no ring. */
  constructor(private readonly entries: readonly GuestRange[] | undefined) {
    super();
  }

  get isRing(): boolean {
    return this.entries !== undefined && !this.closed;
  }

  /**
   * Writes a message to the beginning of the ring.
   *
   * @throws GuestFault where it is no ring any more, or does not lie in guest memory
   */
  write(memory: Pick<GuestMemory, 'segments'>, message: Uint8Array): void {
    if (this.entries === undefined || this.closed) throw new GuestFault('a ring that is there no more');
    let at = 0;
    for (const { address, length } of this.entries) {
      for (const segment of memory.segments(address, Math.min(length, message.length - at))) {
        segment.set(message.subarray(at, at + segment.length));
        at += segment.length;
      }
      if (at === message.length) return;
    }
  }

  close(): void {
    this.closed = true;
  }
}

/** Memory of the host's. */
export class HostBlob extends Resource {
  readonly kind = 'host';
  /** While it is being mapped; resolves to undefined where it could not be. */
  #mapping: Promise<number | undefined> | undefined;
  /** Where it is mapped. */
  #offset: number | undefined;

  /** Takes ownership of the memory. */
  constructor(
    private readonly memory: HostMemory,
    private readonly shared: Pick<SharedMemory, 'map' | 'unmap'>,
  ) {
    super();
  }

  /** To be sent, or copied; lent. */
  get fd(): OwnedFd {
    return this.memory.fd;
  }

  /** Maps it at `offset` of the host-visible memory. Rejects with {@link Refused}. */
  async map(offset: number): Promise<void> {
    if (this.#mapping !== undefined || this.#offset !== undefined) {
      throw new Refused(Response.InvalidParameter, 'a blob is to be mapped twice');
    }
    const { fd, bytes, writable } = this.memory;
    this.#mapping = this.shared.map(fd, bytes, writable, offset);
    const at = await this.#mapping;
    this.#mapping = undefined;
    if (this.closed) {
      if (at !== undefined) this.shared.unmap(at);
      this.#release();
      return;
    }
    this.#offset = at;
    if (at === undefined) throw new Refused(Response.Unspecified, `a blob of ${bytes} bytes was not mapped`);
  }

  /** Unmaps it. Rejects with {@link Refused} where it is not mapped. */
  async unmap(): Promise<void> {
    // The driver lets go of it right behind this command: without a mapping to wait for, it is unmapped before.
    if (this.#mapping !== undefined) await this.#mapping;
    if (this.closed) return;
    const offset = this.#offset;
    if (offset === undefined)
      throw new Refused(Response.InvalidParameter, 'a blob that is not mapped is to be unmapped');
    this.#offset = undefined;
    this.shared.unmap(offset);
  }

  /** Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#mapping !== undefined) return; // `map` ends it
    if (this.#offset !== undefined) this.shared.unmap(this.#offset);
    this.#offset = undefined;
    this.#release();
  }

  #release(): void {
    this.memory.fd.close();
    this.memory.closed?.();
  }
}

export type Blob = GuestBlob | HostBlob;

export class BlobTable {
  readonly #blobs = new Map<number, Blob>();
  #closed = false;

  constructor(
    private readonly usage: Usage,
    private readonly shared: Pick<SharedMemory, 'map' | 'unmap'>,
  ) {}

  /** A blob of the guest's. Throws {@link Refused}. */
  addGuest(id: number, entries: readonly GuestRange[]): void {
    this.checkNew(id);
    const bytes = entries.reduce((sum, { length }) => sum + length, 0);
    this.#add(id, new GuestBlob(bytes >= RING_BYTES ? entries : undefined));
  }

  /** A blob of the host's. Takes ownership of the memory, unless it throws {@link Refused}. */
  addHost(id: number, memory: HostMemory): void {
    this.checkNew(id);
    this.#add(id, new HostBlob(memory, this.shared));
  }

  /** Throws {@link Refused} where no resource can have this id. */
  checkNew(id: number): void {
    if (id === 0 || this.#blobs.has(id)) throw new Refused(Response.InvalidResource, `resource ${id} cannot be made`);
  }

  /** Throws {@link Refused} where there is none. */
  get(id: number): Blob {
    const blob = this.#blobs.get(id);
    if (blob === undefined) throw new Refused(Response.InvalidResource, `there is no resource ${id}`);
    return blob;
  }

  /** As {@link get}, and of the host's memory. */
  getHost(id: number): HostBlob {
    const blob = this.get(id);
    if (blob.kind !== 'host') throw new Refused(Response.InvalidResource, `resource ${id} is the guest's own memory`);
    return blob;
  }

  attach(id: number, context: number): void {
    const { contexts } = this.get(id);
    if (contexts.has(context)) return;
    this.usage.take('attachment');
    contexts.add(context);
  }

  detach(id: number, context: number): void {
    if (this.get(id).contexts.delete(context)) this.usage.give('attachment');
  }

  /** A context is gone. */
  detachAll(context: number): void {
    for (const { contexts } of this.#blobs.values()) if (contexts.delete(context)) this.usage.give('attachment');
  }

  unref(id: number): void {
    const blob = this.get(id);
    this.#blobs.delete(id);
    this.usage.give('resource');
    this.usage.give('attachment', blob.contexts.size);
    blob.close();
  }

  /** Closes all of them. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const blob of this.#blobs.values()) blob.close();
    this.#blobs.clear();
  }

  #add(id: number, blob: Blob): void {
    this.usage.take('resource');
    this.#blobs.set(id, blob);
  }
}
