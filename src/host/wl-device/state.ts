/**
 * The state of a virtio_wl device: what each command of the guest does to its vfds (`vfd-table.ts`), and with what it is
 * answered. It knows neither virtqueues nor guest memory: commands come as bytes and are answered with bytes, now or
 * later; what is for the guest (`arrivals.ts`) waits in a {@link GuestQueue} until the device fetches it.
 *
 * A guest's mistake is a response code. What the host cannot do is one too, and a line in the log. Nothing that a guest
 * sends throws.
 */
import { closeAll, OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { checkName } from '../../virtwl/limits.js';
import type { SharedMemory } from '../vhost-user/shared-memory.js';
import { Arrivals } from './arrivals.js';
import { GuestQueue } from './guest-queue.js';
import type { GuestState } from '../guest/device.js';
import { isExhausted } from '../guest/exhausted.js';
import type { GuestLimits } from '../guest/limits.js';
import type { GuestHost } from '../guest/resources.js';
import type { SendDone } from '../guest/stream.js';
import { VfdTable, type VfdCounts } from './vfd-table.js';
import { describe, type HostVfd, type MemoryVfd, type PipeVfd } from './vfds.js';
import {
  encodeHup,
  encodeResponse,
  encodeVfdNewResponse,
  parseCommand,
  Response,
  VFD_READ,
  VFD_WRITE,
} from './wire.js';

export interface WlStateOptions {
  readonly limits: GuestLimits;
  /** VIRTIO_WL_F_TRANS_FLAGS was negotiated: flags say READ and WRITE. */
  readonly transitionFlags: boolean;
  /** Where memory is shown to the guest. Undefined without VIRTIO_WL_F_USE_SHMEM: it would not find it. */
  readonly sharedMemory: Pick<SharedMemory, 'map' | 'unmap'> | undefined;
  /** Something waits in {@link WlState.queue}. */
  readonly wake: () => void;
  /** {@link WlState.busy} is over. */
  readonly ready: () => void;
}

type Respond = (response: Uint8Array) => void;

export class WlState implements GuestState {
  /** What waits for the guest. */
  readonly queue: GuestQueue;
  readonly #vfds: VfdTable;
  #busy = false;
  #closed = false;

  constructor(
    private readonly host: GuestHost,
    private readonly options: WlStateOptions,
  ) {
    const { limits, sharedMemory, transitionFlags, wake } = options;
    const log = (line: string): void => host.log(line);
    this.queue = new GuestQueue(limits.queuedBytes, wake);
    this.#vfds = new VfdTable(
      this.queue,
      { limits, sharedMemory, received: host.received, log },
      {
        arrived: (from, bytes, fds) => arrivals.arrived(from, bytes, fds),
        hungUp: vfd => arrivals.hangUp(vfd),
        drained: () => this.#drained(),
      },
    );
    const arrivals = new Arrivals(this.#vfds, transitionFlags, log);
  }

  /** What there is. */
  get counts(): VfdCounts & { readonly queuedBytes: number } {
    return { ...this.#vfds.counts, queuedBytes: this.queue.bytes };
  }

  /** So much waits for servers that no command should be handled before `ready` is called. */
  get busy(): boolean {
    this.#busy = this.#vfds.overUnsent;
    return this.#busy;
  }

  /** Tells the guest that none of its vfds is there any more: for a guest that this device knows nothing of. */
  hangUpAll(): void {
    this.queue.open(() => {}).push({ messages: [encodeHup(0)], read: false });
  }

  /** Closes everything. No response and nothing else comes afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#vfds.closeAll();
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
          return answer(this.#vfds.close(parsed.id) ? Response.Ok : Response.InvalidId);
        case 'send':
          return this.#send(parsed.id, parsed.vfds, parsed.data, answer);
      }
    } catch (error) {
      this.host.log(`a command failed: ${(error as Error).message}`);
      answer(isExhausted(error) ? Response.OutOfMemory : Response.Err);
    }
  }

  #alloc(id: number, flags: number, size: number, respond: Respond, answer: (response: Response) => void): void {
    const allowed = this.options.transitionFlags ? 0 : VFD_READ | VFD_WRITE;
    if ((flags & ~allowed) !== 0) return answer(Response.InvalidFlags);
    const refusal = this.#vfds.refusedId(id);
    if (refusal !== undefined) return answer(refusal);
    if (size === 0) return answer(Response.Err);
    const grant = this.host.allocate(size);
    if (grant.status !== 0) {
      this.host.log(`memory of ${size} bytes refused: ${grant.reason}`);
      return answer(Response.OutOfMemory);
    }
    void this.#vfds.addMemory(grant.memory, id, grant.bytes, true).then(vfd => {
      if (vfd === undefined) answer(Response.OutOfMemory);
      else this.#made(vfd, respond);
    });
  }

  #pipe(id: number, flags: number, respond: Respond, answer: (response: Response) => void): void {
    if (flags !== VFD_READ && flags !== VFD_WRITE) return answer(Response.InvalidFlags);
    const refusal = this.#vfds.refusedId(id) ?? this.#vfds.refusedPipe();
    if (refusal !== undefined) return answer(refusal);
    const [reader, writer] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const vfd =
      flags === VFD_READ
        ? this.#vfds.addPipe(reader, writer, 'read', id)
        : this.#vfds.addPipe(writer, reader, 'write', id);
    vfd.start();
    this.#made(vfd, respond);
  }

  #context(id: number, asked: string | undefined, respond: Respond, answer: (response: Response) => void): void {
    const name = asked ?? this.host.defaultServer;
    if (name === undefined) {
      this.host.log('a context without a name was asked for: this VM has no default server');
      return answer(Response.InvalidCmd);
    }
    const refusal = this.#vfds.refusedId(id) ?? this.#vfds.refusedContext();
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
    const vfd = this.#vfds.addContext(fd, id);
    vfd.start();
    this.#made(vfd, respond);
  }

  #made(vfd: HostVfd, respond: Respond): void {
    if (!this.#closed) respond(encodeVfdNewResponse(describe(vfd, this.options.transitionFlags)));
  }

  #send(id: number, ids: readonly number[], data: Uint8Array, answer: (response: Response) => void): void {
    const to = this.#vfds.get(id);
    if (to === undefined) return answer(Response.InvalidId);
    if (to.kind === 'memory' || (to.kind === 'pipe' && (to.direction === 'read' || ids.length > 0))) {
      return answer(Response.InvalidType);
    }
    if (data.length === 0) {
      if (ids.length === 0) return answer(Response.Ok);
      this.host.log(`${ids.length} vfds were sent without a byte to carry them`);
      return answer(Response.Err);
    }
    // All is checked before anything is taken, so that what is refused has not changed anything.
    const sent: (MemoryVfd | PipeVfd)[] = [];
    for (const each of ids) {
      const vfd = this.#vfds.get(each);
      if (vfd === undefined) return answer(Response.InvalidId);
      if (vfd.kind === 'context' || (vfd.kind === 'pipe' && (!vfd.hasRemote || sent.includes(vfd)))) {
        return answer(Response.InvalidType);
      }
      sent.push(vfd);
    }
    const done: SendDone = result => answer(result === 'taken' ? Response.Ok : Response.Err);
    this.#vfds.mayWait(to);
    if (to.kind === 'pipe') {
      to.send(data, done);
      return;
    }
    to.send(data, descriptorsOf(sent), done);
  }

  #drained(): void {
    if (this.#busy && !this.#closed && !this.busy) this.options.ready();
  }
}

/** What goes out for vfds, in their order. Of memory a copy; of a pipe the end itself, or its hang-up would never show. */
function descriptorsOf(vfds: readonly (MemoryVfd | PipeVfd)[]): OwnedFd[] {
  const copies: OwnedFd[] = [];
  try {
    for (const vfd of vfds) if (vfd.kind === 'memory') copies.push(new OwnedFd(native.dup(vfd.fd.fd)));
  } catch (error) {
    closeAll(copies);
    throw error;
  }
  return vfds.map(vfd => (vfd.kind === 'memory' ? copies.shift()! : vfd.takeRemote()!));
}
