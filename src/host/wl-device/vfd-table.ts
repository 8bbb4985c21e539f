/**
 * Which vfds a guest has, by id, and the making and ending of them within the guest's limits. What is on its way to the
 * guest, and what the guest may send where, is not known here.
 *
 * A vfd's life: a command of the guest makes it, or a descriptor that came on a connection does. It lives until the guest
 * closes it, and then, where the guest had sent something, until that is delivered. A hang-up leaves it there.
 */
import { OwnedFd } from '../../system/fd.js';
import type { GuestLimits } from '../guest/limits.js';
import type { ReceivedBytes } from '../guest/resources.js';
import type { StreamEvents } from '../guest/stream.js';
import { Unsent } from '../guest/unsent.js';
import type { SharedMemory } from '../vhost-user/shared-memory.js';
import type { GuestQueue } from './guest-queue.js';
import { ContextVfd, MemoryVfd, PipeVfd, type HostVfd } from './vfds.js';
import { DEVICE_ID, Response } from './wire.js';

/** Ids that the device makes: this many, in turn, so that one that was closed does not come back at once. */
const DEVICE_IDS = 2 ** 16;

/** Takes the place of a vfd whose memory is not mapped yet. */
const PENDING = Symbol('pending');

export interface VfdTableOptions {
  readonly limits: GuestLimits;
  readonly received: ReceivedBytes;
  /** Where memory is shown to the guest; undefined where the guest would not find it. */
  readonly sharedMemory: Pick<SharedMemory, 'map' | 'unmap'> | undefined;
  readonly log: (line: string) => void;
}

/** What comes out of the connections and pipes of a table. */
export interface TableEvents {
  /** The bytes are valid during the call only; the fds become the listener's. */
  readonly arrived: (from: ContextVfd | PipeVfd, bytes: Uint8Array, fds: OwnedFd[]) => void;
  /** Nothing more comes of it. Once. */
  readonly hungUp: (vfd: ContextVfd | PipeVfd) => void;
  /** What waited for a server has left, or is not wanted any more. */
  readonly drained: () => void;
}

export interface VfdCounts {
  readonly vfds: number;
  readonly connections: number;
  readonly pipes: number;
  /** Bytes of servers' memory that the guest has open. */
  readonly receivedBytes: number;
}

export class VfdTable {
  readonly #vfds = new Map<number, HostVfd | typeof PENDING>();
  /** Closed by the guest, and still delivering. */
  readonly #lingering = new Set<HostVfd>();
  readonly #unsent = new Unsent();
  #contexts = 0;
  #pipes = 0;
  #nextDeviceId = 0;
  #closed = false;

  /** Each connection and pipe gets a queue of its own in `queue`. */
  constructor(
    private readonly queue: GuestQueue,
    private readonly options: VfdTableOptions,
    private readonly events: TableEvents,
  ) {}

  get closed(): boolean {
    return this.#closed;
  }

  get counts(): VfdCounts {
    return {
      vfds: this.#vfds.size,
      connections: this.#contexts,
      pipes: this.#pipes,
      receivedBytes: this.options.received.used,
    };
  }

  /** Whether more waits for servers than may, so that no further command should be handled. */
  get overUnsent(): boolean {
    return this.#unsent.over;
  }

  /** A vfd that the guest has. One that is pending is not the guest's yet. */
  get(id: number): HostVfd | undefined {
    const vfd = this.#vfds.get(id);
    return vfd === PENDING ? undefined : vfd;
  }

  /** It is about to be sent something, which may have to wait. */
  mayWait(vfd: ContextVfd | PipeVfd): void {
    this.#unsent.mayWait(vfd);
  }

  /** The guest closes a vfd; whether there was one. What it had sent is still delivered. */
  close(id: number): boolean {
    const vfd = this.get(id);
    if (vfd === undefined) return false;
    this.#vfds.delete(id);
    if (vfd.kind !== 'memory') this.#lingering.add(vfd);
    vfd.close();
    return true;
  }

  /** Closes a vfd that was never announced to the guest. */
  drop(vfd: HostVfd): void {
    if (this.#vfds.get(vfd.id) === vfd) this.#vfds.delete(vfd.id);
    vfd.end();
  }

  /** Ends all of them. Idempotent. */
  closeAll(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const vfd of this.#vfds.values()) if (vfd !== PENDING) vfd.end();
    for (const vfd of [...this.#lingering]) vfd.end();
    this.#vfds.clear();
  }

  // ---- what the guest may not have -----------------------------------------------------------------------------------

  /** Why the guest may not make a vfd of this id, or undefined. */
  refusedId(id: number): Response | undefined {
    if (id === 0 || id >= DEVICE_ID || this.#vfds.has(id)) return Response.InvalidId;
    return this.refusedVfd();
  }

  /** Why there may be no further vfd, or undefined. */
  refusedVfd(): Response | undefined {
    return this.#refused('vfd', this.#vfds.size, this.options.limits.vfds);
  }

  refusedContext(): Response | undefined {
    return this.#refused('connection', this.#contexts, this.options.limits.connections);
  }

  refusedPipe(): Response | undefined {
    return this.#refused('pipe', this.#pipes, this.options.limits.pipes);
  }

  #refused(what: string, count: number, limit: number): Response | undefined {
    if (count < limit) return undefined;
    this.options.log(`no further ${what}: ${count} are there`);
    return Response.OutOfMemory;
  }

  // ---- making vfds -------------------------------------------------------------------------------------------------

  /** An id for a vfd that a server sent. */
  deviceId(): number {
    for (;;) {
      const id = DEVICE_ID + (this.#nextDeviceId++ % DEVICE_IDS);
      // There are fewer vfds than ids: limits.ts.
      if (!this.#vfds.has(id)) return id;
    }
  }

  /** A connected socket, which becomes the vfd's, also when this throws. Nothing is read before its `start()`. */
  addContext(fd: OwnedFd, id: number): ContextVfd {
    const vfd: ContextVfd = new ContextVfd(
      fd,
      id,
      this.#eventsOf(
        () => vfd,
        () => this.#contexts--,
      ),
    );
    this.#contexts++;
    return this.#add(vfd);
  }

  /** One end of a pipe, and the other where it is here. As {@link addContext}; `direction` is what the guest does. */
  addPipe(local: OwnedFd, remote: OwnedFd | undefined, direction: 'read' | 'write', id: number): PipeVfd {
    const vfd: PipeVfd = new PipeVfd(
      local,
      remote,
      direction,
      id,
      this.#eventsOf(
        () => vfd,
        () => this.#pipes--,
      ),
    );
    this.#pipes++;
    return this.#add(vfd);
  }

  /** Memory, mapped into the guest. Takes ownership of `fd`. Undefined where it could not be, or all was closed. */
  async addMemory(fd: OwnedFd, id: number, bytes: number, writable: boolean): Promise<MemoryVfd | undefined> {
    return this.#addMapped(fd, id, bytes, writable, () => {});
  }

  /** The same for memory of a server, which counts as such until it is closed. Throws where it would be too much. */
  async addReceivedMemory(fd: OwnedFd, id: number, bytes: number, writable: boolean): Promise<MemoryVfd | undefined> {
    const { received } = this.options;
    received.take(bytes);
    return this.#addMapped(fd, id, bytes, writable, () => received.give(bytes));
  }

  #add<V extends ContextVfd | PipeVfd>(vfd: V): V {
    vfd.queue = this.queue.open(held => vfd.hold(held));
    this.#vfds.set(vfd.id, vfd);
    return vfd;
  }

  /** `closed` is called once, when the vfd is closed or has not come about. */
  async #addMapped(
    fd: OwnedFd,
    id: number,
    bytes: number,
    writable: boolean,
    closed: () => void,
  ): Promise<MemoryVfd | undefined> {
    this.#vfds.set(id, PENDING);
    const { sharedMemory } = this.options;
    const offset = bytes === 0 ? undefined : await sharedMemory?.map(fd, bytes, writable);
    if ((offset === undefined && bytes > 0) || this.#closed) {
      this.#vfds.delete(id);
      closed();
      fd.close();
      if (offset !== undefined) sharedMemory?.unmap(offset);
      return undefined;
    }
    const vfd = new MemoryVfd(fd, id, bytes, writable, offset, () => {
      if (offset !== undefined) sharedMemory?.unmap(offset);
      closed();
    });
    this.#vfds.set(id, vfd);
    return vfd;
  }

  #eventsOf(vfd: () => ContextVfd | PipeVfd, uncount: () => void): StreamEvents {
    return {
      arrived: (bytes, fds) => this.events.arrived(vfd(), bytes, fds),
      hungUp: () => this.events.hungUp(vfd()),
      drained: () => this.events.drained(),
      ended: () => {
        uncount();
        this.#lingering.delete(vfd());
        this.#unsent.forget(vfd());
        this.events.drained();
      },
    };
  }
}
