/**
 * The state of a virtio_wl device: which vfds there are, and what each command and each thing that comes from a server
 * does to them. It knows neither queues nor guest memory: commands come as bytes and are answered with bytes, now or
 * later; what is for the guest waits in a {@link GuestQueue} until somebody fetches it. Where memory, connections and the
 * region come from is the {@link WlHost}'s.
 *
 * A guest's mistake is a response code. What the host cannot do is one too, and a line in the log. Nothing that a guest
 * sends throws.
 *
 * A vfd's life: a command of the guest makes it, or a descriptor that came on a connection does, and is announced to the
 * guest before the message that brings it; only then is it read. It lives until the guest closes it. A hang-up is told
 * after all that had come before it, once, and leaves the vfd there.
 */
import type { Grant } from '../../allocator/budget.js';
import { closeAll, OwnedFd } from '../../system/fd.js';
import { native, SEAL_WRITE } from '../../system/native.js';
import { checkName, MAX_FDS } from '../../virtwl/limits.js';
import { ContextVfd } from './context-vfd.js';
import { GuestQueue, type Taken, type Line } from './guest-queue.js';
import { MAX_ALL_UNSENT_BYTES, MAX_ALL_UNSENT_FDS, type WlLimits } from './limits.js';
import { PipeVfd } from './pipe-vfd.js';
import type { SendDone, VfdEvents } from './stream-vfd.js';
import { MemoryVfd, type HostVfd } from './vfds.js';
import {
  DEVICE_ID,
  encodeHup,
  encodeRecv,
  encodeResponse,
  encodeVfdNew,
  encodeVfdNewResponse,
  parseCommand,
  recvRoom,
  REGION_BYTES,
  Response,
  VFD_READ,
  VFD_WRITE,
  type VfdDescription,
} from './wire.js';

/** What the state asks of the process and the VMM. */
export interface WlHost {
  /** A connection to this VM's server of that name, the caller's. Throws as connect(2) does. */
  connect(name: string): OwnedFd;
  /** Memory for NEW_ALLOC. */
  allocate(bytes: number): Grant;
  /**
   * Shows memory to the guest, and resolves to its place in the region, or to undefined when there is no place or the
   * VMM refuses. `memory` is lent until then. Never rejects.
   */
  map(memory: OwnedFd, bytes: number, writable: boolean): Promise<number | undefined>;
  unmap(offset: number): void;
  /** Something waits to be fetched by {@link WlState.take}. */
  wake(): void;
  /** {@link WlState.busy} is over. */
  ready(): void;
  /** A line for the log that the guest caused, or a server. */
  log(line: string): void;
}

export interface WlStateOptions {
  readonly limits: WlLimits;
  /** VIRTIO_WL_F_TRANS_FLAGS was negotiated: flags say READ and WRITE. */
  readonly transitionFlags: boolean;
  /** VIRTIO_WL_F_USE_SHMEM was negotiated. Without it, memory has no place that the guest would find. */
  readonly sharedMemory: boolean;
}

type Respond = (response: Uint8Array) => void;

/** Ids that the device makes: this many, in turn, so that one that was closed does not come back at once. */
const DEVICE_IDS = 2 ** 16;

/** F_SEAL_FUTURE_WRITE of fcntl(2): it may not be mapped writable any more, though whoever has done so still writes. */
const SEAL_FUTURE_WRITE = 0x10;

/** Takes the place of a vfd whose memory is not mapped yet. */
const BEING_MADE = Symbol('being made');

export class WlState {
  readonly queue: GuestQueue;
  readonly #vfds = new Map<number, HostVfd | typeof BEING_MADE>();
  /** Closed by the guest, and still delivering. */
  readonly #lingering = new Set<HostVfd>();
  /** Those that may have something unsent. */
  readonly #unsent = new Set<ContextVfd | PipeVfd>();
  #contexts = 0;
  #pipes = 0;
  #receivedBytes = 0;
  #nextDeviceId = 0;
  #busy = false;
  #closed = false;

  constructor(
    private readonly host: WlHost,
    private readonly options: WlStateOptions,
  ) {
    this.queue = new GuestQueue(options.limits.queuedBytes, () => host.wake());
  }

  /** What there is, for whoever asks how the process is. */
  get counts(): { vfds: number; connections: number; pipes: number; queuedBytes: number; receivedBytes: number } {
    return {
      vfds: this.#vfds.size,
      connections: this.#contexts,
      pipes: this.#pipes,
      queuedBytes: this.queue.bytes,
      receivedBytes: this.#receivedBytes,
    };
  }

  /** So much waits for servers that no command should be handled before `WlHost.ready` is called. */
  get busy(): boolean {
    let bytes = 0;
    let fds = 0;
    for (const vfd of this.#unsent) {
      if (vfd.unsentBytes === 0) this.#unsent.delete(vfd);
      bytes += vfd.unsentBytes;
      fds += vfd.unsentFds;
    }
    this.#busy = bytes > MAX_ALL_UNSENT_BYTES || fds > MAX_ALL_UNSENT_FDS;
    return this.#busy;
  }

  /** What is next for the guest, if it fits in so many of its buffers. */
  take(room: number): Taken | undefined {
    return this.queue.take(room);
  }

  /** Tells the guest that none of its vfds is there any more: for a guest that this device knows nothing of. */
  hangUpAll(): void {
    this.queue.line(() => {}).push({ messages: [encodeHup(0)], read: false });
  }

  /** Closes everything. No response and nothing else comes afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const vfd of this.#vfds.values()) if (vfd !== BEING_MADE) vfd.end();
    for (const vfd of [...this.#lingering]) vfd.end();
    this.#vfds.clear();
    this.queue.close();
  }

  /**
   * Handles one command of the guest. `command` is valid during the call only. `respond` is called once, now or later,
   * unless the state is closed before.
   */
  handle(command: Uint8Array, respond: Respond): void {
    const answer = (response: Response): void => {
      if (!this.#closed) respond(encodeResponse(response));
    };
    if (this.#closed) return;
    const parsed = parseCommand(command);
    try {
      switch (parsed.type) {
        case 'refused':
          this.host.log(`refused: ${parsed.why}`);
          return answer(parsed.response);
        case 'alloc':
          return this.#alloc(parsed.id, parsed.flags, parsed.size, respond, answer);
        case 'pipe':
          return this.#pipe(parsed.id, parsed.flags, respond, answer);
        case 'context':
          return this.#context(parsed.id, parsed.name, respond, answer);
        case 'close':
          return answer(this.#close(parsed.id));
        case 'send':
          return this.#send(parsed.id, parsed.vfds, parsed.data, answer);
      }
    } catch (error) {
      this.host.log(`a command failed: ${(error as Error).message}`);
      answer(isExhausted(error) ? Response.OutOfMemory : Response.Err);
    }
  }

  // ---- commands ------------------------------------------------------------------------------------------------

  /** Why the guest may not have a vfd of this id, or undefined. */
  #refusedId(id: number): Response | undefined {
    if (id === 0 || id >= DEVICE_ID || this.#vfds.has(id)) return Response.InvalidId;
    if (this.#vfds.size >= this.options.limits.vfds) {
      this.host.log(`no further vfd: ${this.#vfds.size} are there`);
      return Response.OutOfMemory;
    }
    return undefined;
  }

  #alloc(id: number, flags: number, size: number, respond: Respond, answer: (response: Response) => void): void {
    const allowed = this.options.transitionFlags ? 0 : VFD_READ | VFD_WRITE;
    if ((flags & ~allowed) !== 0) return answer(Response.InvalidFlags);
    const refusal = this.#refusedId(id);
    if (refusal !== undefined) return answer(refusal);
    if (size === 0) return answer(Response.Err);
    const grant = this.host.allocate(size);
    if (grant.status !== 0) {
      this.host.log(`memory of ${size} bytes refused: ${grant.reason}`);
      return answer(Response.OutOfMemory);
    }
    this.#vfds.set(id, BEING_MADE);
    void this.#mapped(grant.memory, id, grant.bytes, true).then(vfd => {
      if (this.#closed) return;
      if (vfd === undefined) {
        this.#vfds.delete(id);
        answer(Response.OutOfMemory);
        return;
      }
      this.#vfds.set(id, vfd);
      respond(encodeVfdNewResponse(this.#describe(vfd)));
    });
  }

  #pipe(id: number, flags: number, respond: Respond, answer: (response: Response) => void): void {
    if (flags !== VFD_READ && flags !== VFD_WRITE) return answer(Response.InvalidFlags);
    const refusal = this.#refusedId(id) ?? this.#refusedPipe();
    if (refusal !== undefined) return answer(refusal);
    const [reader, writer] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const vfd =
      flags === VFD_READ ? this.#newPipe(reader, writer, 'read', id) : this.#newPipe(writer, reader, 'write', id);
    this.#vfds.set(id, vfd);
    vfd.start();
    respond(encodeVfdNewResponse(this.#describe(vfd)));
  }

  #refusedPipe(): Response | undefined {
    if (this.#pipes < this.options.limits.pipes) return undefined;
    this.host.log(`no further pipe: ${this.#pipes} are there`);
    return Response.OutOfMemory;
  }

  #refusedContext(): Response | undefined {
    if (this.#contexts < this.options.limits.connections) return undefined;
    this.host.log(`no further connection: ${this.#contexts} are there`);
    return Response.OutOfMemory;
  }

  #context(id: number, name: string, respond: Respond, answer: (response: Response) => void): void {
    const refusal = this.#refusedId(id) ?? this.#refusedContext();
    if (refusal !== undefined) return answer(refusal);
    let fd: OwnedFd;
    try {
      checkName(name);
      fd = this.host.connect(name);
    } catch (error) {
      this.host.log(`no connection to the server ${JSON.stringify(name)}: ${(error as Error).message}`);
      const { code } = error as NodeJS.ErrnoException;
      const absent = code === 'ENOENT' || code === 'EINVAL';
      return answer(absent ? Response.InvalidId : isExhausted(error) ? Response.OutOfMemory : Response.Err);
    }
    const vfd = this.#newContext(fd, id);
    this.#vfds.set(id, vfd);
    vfd.start();
    respond(encodeVfdNewResponse(this.#describe(vfd)));
  }

  #close(id: number): Response {
    const vfd = this.#vfds.get(id);
    // One that is being made is not the guest's yet.
    if (vfd === undefined || vfd === BEING_MADE) return Response.InvalidId;
    this.#vfds.delete(id);
    if (vfd.kind !== 'memory') this.#lingering.add(vfd);
    vfd.close();
    return Response.Ok;
  }

  #send(id: number, ids: readonly number[], data: Uint8Array, answer: (response: Response) => void): void {
    const to = this.#vfds.get(id);
    if (to === undefined || to === BEING_MADE) return answer(Response.InvalidId);
    if (to.kind === 'memory' || (to.kind === 'pipe' && (to.direction === 'read' || ids.length > 0))) {
      return answer(Response.InvalidType);
    }
    if (data.length === 0) {
      if (ids.length === 0) return answer(Response.Ok);
      this.host.log(`${ids.length} vfds were sent without a byte to carry them`);
      return answer(Response.Err);
    }
    // All is looked at before anything is taken, so that what is refused has not changed anything.
    const sent: (MemoryVfd | PipeVfd)[] = [];
    for (const each of ids) {
      const vfd = this.#vfds.get(each);
      if (vfd === undefined || vfd === BEING_MADE) return answer(Response.InvalidId);
      if (vfd.kind === 'context' || (vfd.kind === 'pipe' && (!vfd.hasRemote || sent.includes(vfd)))) {
        return answer(Response.InvalidType);
      }
      sent.push(vfd);
    }
    const done: SendDone = result => answer(result === 'taken' ? Response.Ok : Response.Err);
    this.#unsent.add(to);
    if (to.kind === 'pipe') {
      to.send(data, done);
      return;
    }
    const fds: OwnedFd[] = [];
    try {
      for (const vfd of sent) if (vfd.kind === 'memory') fds.push(new OwnedFd(native.dup(vfd.fd.fd)));
    } catch (error) {
      closeAll(fds);
      throw error;
    }
    // In the order of the ids. The device keeps no copy of a pipe's end, or nobody would ever hear of its hang-up.
    let copies = 0;
    to.send(
      data,
      sent.map(vfd => (vfd.kind === 'memory' ? fds[copies++]! : vfd.takeRemote()!)),
      done,
    );
  }

  // ---- what comes from servers -----------------------------------------------------------------------------------

  /** Bytes and descriptors for the guest. While the descriptors become vfds, the connection is not read. */
  #arrived(from: ContextVfd | PipeVfd, bytes: Uint8Array, fds: OwnedFd[]): void {
    const line = from.line!;
    if (fds.length === 0) {
      pushData(line, from.id, [], bytes);
      return;
    }
    const data = bytes.slice();
    from.hold(true);
    void this.#adoptAll(fds).then(vfds => {
      if (vfds === undefined) {
        this.host.log('a connection was hung up: what a server sent on it cannot be given to the guest');
        this.#hangUp(from);
        return;
      }
      if (this.#closed || line.closed) {
        for (const vfd of vfds) this.#drop(vfd);
        return;
      }
      this.#pushVfds(line, from.id, vfds, data);
      from.hold(false);
    });
  }

  /** All of them as vfds, in order, or none and undefined. */
  async #adoptAll(fds: readonly OwnedFd[]): Promise<HostVfd[] | undefined> {
    const vfds: HostVfd[] = [];
    try {
      for (const fd of fds) vfds.push(await this.#adopt(fd));
      return vfds;
    } catch (error) {
      this.host.log((error as Error).message);
      closeAll(fds.slice(vfds.length));
      for (const vfd of vfds) this.#drop(vfd);
      return undefined;
    }
  }

  /**
   * Makes a vfd of a descriptor by what it is: what can seek is memory, a socket is a connection, what has one direction
   * is a pipe. Takes ownership; where it throws, `fd` may be closed or not.
   */
  async #adopt(fd: OwnedFd): Promise<HostVfd> {
    if (this.#closed) throw new Error('the device was reset');
    if (this.#vfds.size >= this.options.limits.vfds) throw new Error(`no further vfd: ${this.#vfds.size} are there`);
    const info = fd.info();
    const id = this.#deviceId();
    // Eventfds can seek, too, in a way.
    if (info.seekable && (info.type === 'regular' || info.size > 0)) {
      if (info.size > REGION_BYTES - native.pageSize)
        throw new Error(`memory of ${info.size} bytes is larger than the region`);
      const { receivedBytes: limit } = this.options.limits;
      if (this.#receivedBytes + info.size > limit) {
        throw new Error(
          `the guest has ${this.#receivedBytes} of ${limit} bytes of servers' memory open, and was sent ${info.size} more ` +
            '(--max-received)',
        );
      }
      this.#vfds.set(id, BEING_MADE);
      this.#receivedBytes += info.size;
      const closed = (): void => void (this.#receivedBytes -= info.size);
      const vfd = await this.#mapped(fd, id, info.size, info.access === 'rw' && !writeSealed(fd), closed);
      if (this.#closed || vfd === undefined) {
        this.#vfds.delete(id);
        vfd?.close();
        throw new Error(`memory of ${info.size} bytes could not be mapped into the guest`);
      }
      this.#vfds.set(id, vfd);
      return vfd;
    }
    const refusal = info.type === 'socket' ? this.#refusedContext() : this.#refusedPipe();
    if (refusal !== undefined) throw new Error('a descriptor that a server sent is over a limit');
    if (info.type !== 'socket' && info.access === 'rw')
      throw new Error('a descriptor that is neither memory, socket nor pipe');
    const vfd =
      info.type === 'socket'
        ? this.#newContext(fd, id)
        : this.#newPipe(fd, undefined, info.access === 'w' ? 'write' : 'read', id);
    this.#vfds.set(id, vfd);
    return vfd;
  }

  #pushVfds(line: Line, id: number, vfds: readonly HostVfd[], data: Uint8Array): void {
    let at = 0;
    for (let first = 0; first < vfds.length; first += MAX_FDS) {
      const some = vfds.slice(first, first + MAX_FDS);
      const part = data.subarray(at, at + recvRoom(some.length));
      at += part.length;
      line.push({
        messages: [
          ...some.map(vfd => encodeVfdNew(this.#describe(vfd))),
          encodeRecv(
            id,
            some.map(vfd => vfd.id),
            part,
          ),
        ],
        read: true,
        // Not before the guest knows it: what came on it must not reach the guest first.
        given: () => some.forEach(vfd => vfd.kind !== 'memory' && vfd.start()),
        dropped: () => some.forEach(vfd => this.#drop(vfd)),
      });
    }
    pushData(line, id, [], data.subarray(at));
  }

  /** Closes a vfd that the guest was never told of. */
  #drop(vfd: HostVfd): void {
    if (this.#vfds.get(vfd.id) === vfd) this.#vfds.delete(vfd.id);
    vfd.end();
  }

  #hangUp(vfd: ContextVfd | PipeVfd): void {
    vfd.line?.push({ messages: [encodeHup(vfd.id)], read: false });
  }

  // ---- making vfds -------------------------------------------------------------------------------------------------

  #deviceId(): number {
    for (;;) {
      const id = DEVICE_ID + (this.#nextDeviceId++ % DEVICE_IDS);
      // There are fewer vfds than ids: limits.ts.
      if (!this.#vfds.has(id)) return id;
    }
  }

  #newContext(fd: OwnedFd, id: number): ContextVfd {
    const vfd: ContextVfd = new ContextVfd(
      fd,
      id,
      this.#events(
        () => vfd,
        () => this.#contexts--,
      ),
    );
    this.#contexts++;
    vfd.line = this.queue.line(held => vfd.hold(held));
    return vfd;
  }

  #newPipe(local: OwnedFd, remote: OwnedFd | undefined, direction: 'read' | 'write', id: number): PipeVfd {
    const vfd: PipeVfd = new PipeVfd(
      local,
      remote,
      direction,
      id,
      this.#events(
        () => vfd,
        () => this.#pipes--,
      ),
    );
    this.#pipes++;
    vfd.line = this.queue.line(held => vfd.hold(held));
    return vfd;
  }

  #events(vfd: () => ContextVfd | PipeVfd, uncount: () => void): VfdEvents {
    return {
      arrived: (bytes, fds) => this.#arrived(vfd(), bytes, fds),
      hungUp: () => this.#hangUp(vfd()),
      drained: () => this.#drained(),
      ended: () => {
        uncount();
        this.#lingering.delete(vfd());
        this.#unsent.delete(vfd());
        this.#drained();
      },
    };
  }

  /**
   * Memory with its place in the region. Takes ownership of `fd` in every case. `closed` is called once the vfd is closed,
   * or has not come about.
   */
  async #mapped(
    fd: OwnedFd,
    id: number,
    bytes: number,
    writable: boolean,
    closed: () => void = () => {},
  ): Promise<MemoryVfd | undefined> {
    if (bytes === 0) return new MemoryVfd(fd, id, 0, writable, undefined, closed);
    const offset = this.options.sharedMemory ? await this.host.map(fd, bytes, writable) : undefined;
    if (offset !== undefined && !this.#closed) {
      const unmap = (): void => {
        this.host.unmap(offset);
        closed();
      };
      return new MemoryVfd(fd, id, bytes, writable, offset, unmap);
    }
    closed();
    fd.close();
    if (offset !== undefined) this.host.unmap(offset);
    return undefined;
  }

  #describe(vfd: HostVfd): VfdDescription {
    const flags = vfd.flags(this.options.transitionFlags);
    return vfd.kind === 'memory' ? { id: vfd.id, flags, offset: vfd.offset, size: vfd.size } : { id: vfd.id, flags };
  }

  #drained(): void {
    if (this.#busy && !this.#closed && !this.busy) this.host.ready();
  }
}

function pushData(line: Line, id: number, vfds: readonly number[], data: Uint8Array): void {
  for (let at = 0; at < data.length; at += recvRoom(0)) {
    line.push({ messages: [encodeRecv(id, vfds, data.subarray(at, at + recvRoom(0)))], read: true });
  }
}

function writeSealed(fd: OwnedFd): boolean {
  try {
    return (native.seals(fd.fd) & (SEAL_WRITE | SEAL_FUTURE_WRITE)) !== 0;
  } catch {
    return false; // a file that cannot have seals
  }
}

/** Whether the process or the machine has run out of something. */
function isExhausted(error: unknown): boolean {
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '');
}
