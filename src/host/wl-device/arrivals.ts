/**
 * What comes from servers, on its way to the guest: bytes become messages in the queue of their vfd, and descriptors
 * become vfds, announced to the guest before the message that brings them; only then are those read. A hang-up is told
 * after all that had come before it, once.
 */
import { closeAll, type OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { writeSealed } from '../guest/write-sealed.js';
import { MAX_FDS } from '../../virtwl/limits.js';
import type { VfdQueue } from './guest-queue.js';
import type { VfdTable } from './vfd-table.js';
import { describe, type ContextVfd, type HostVfd, type PipeVfd } from './vfds.js';
import { encodeHup, encodeRecv, encodeVfdNew, recvRoom, SHARED_MEMORY_BYTES } from './wire.js';

export class Arrivals {
  constructor(
    private readonly table: VfdTable,
    /** VIRTIO_WL_F_TRANS_FLAGS was negotiated: flags say READ and WRITE. */
    private readonly transitionFlags: boolean,
    private readonly log: (line: string) => void,
  ) {}

  /** Bytes and descriptors for the guest. While the descriptors become vfds, the connection is not read. */
  arrived(from: ContextVfd | PipeVfd, bytes: Uint8Array, fds: OwnedFd[]): void {
    const queue = from.queue!;
    if (fds.length === 0) {
      pushData(queue, from.id, bytes);
      return;
    }
    const data = bytes.slice();
    from.hold(true);
    void this.#adoptAll(fds).then(vfds => {
      if (vfds === undefined) {
        this.log('a connection was hung up: what a server sent on it cannot be given to the guest');
        this.hangUp(from);
        return;
      }
      if (this.table.closed || queue.closed) {
        for (const vfd of vfds) this.table.drop(vfd);
        return;
      }
      this.#pushVfds(queue, from.id, vfds, data);
      from.hold(false);
    });
  }

  /** Tells the guest that nothing more comes of a vfd. */
  hangUp(vfd: ContextVfd | PipeVfd): void {
    vfd.queue?.push({ messages: [encodeHup(vfd.id)], read: false });
  }

  /** All of them as vfds, in order, or none and undefined. */
  async #adoptAll(fds: readonly OwnedFd[]): Promise<HostVfd[] | undefined> {
    const vfds: HostVfd[] = [];
    try {
      for (const fd of fds) vfds.push(await this.#adopt(fd));
      return vfds;
    } catch (error) {
      this.log((error as Error).message);
      closeAll(fds.slice(vfds.length));
      for (const vfd of vfds) this.table.drop(vfd);
      return undefined;
    }
  }

  /**
   * Makes a vfd of a descriptor by what it is: what can seek is memory, a socket is a connection, what has one direction
   * is a pipe. Takes ownership; where it throws, `fd` may be closed or not.
   */
  async #adopt(fd: OwnedFd): Promise<HostVfd> {
    const { table } = this;
    if (table.closed) throw new Error('the device was reset');
    if (table.refusedVfd() !== undefined) throw new Error('a descriptor that a server sent is over a limit');
    const info = fd.info();
    const id = table.deviceId();
    // Eventfds can seek, too, in a way.
    if (info.seekable && (info.type === 'regular' || info.size > 0)) {
      if (info.size > SHARED_MEMORY_BYTES - native.pageSize)
        throw new Error(`memory of ${info.size} bytes is larger than the shared memory`);
      const vfd = await table.addReceivedMemory(fd, id, info.size, info.access === 'rw' && !writeSealed(fd));
      if (vfd === undefined) throw new Error(`memory of ${info.size} bytes could not be mapped into the guest`);
      return vfd;
    }
    const refusal = info.type === 'socket' ? table.refusedContext() : table.refusedPipe();
    if (refusal !== undefined) throw new Error('a descriptor that a server sent is over a limit');
    if (info.type === 'socket') return table.addContext(fd, id);
    if (info.access === 'rw') throw new Error('a descriptor that is neither memory, socket nor pipe');
    return table.addPipe(fd, undefined, info.access === 'w' ? 'write' : 'read', id);
  }

  #pushVfds(queue: VfdQueue, id: number, vfds: readonly HostVfd[], data: Uint8Array): void {
    let at = 0;
    for (let first = 0; first < vfds.length; first += MAX_FDS) {
      const some = vfds.slice(first, first + MAX_FDS);
      const part = data.subarray(at, at + recvRoom(some.length));
      at += part.length;
      const ids = some.map(vfd => vfd.id);
      const announcements = some.map(vfd => encodeVfdNew(describe(vfd, this.transitionFlags)));
      queue.push({
        messages: [...announcements, encodeRecv(id, ids, part)],
        read: true,
        // Not before the guest knows it: what came on it must not reach the guest first.
        given: () => some.forEach(vfd => vfd.kind !== 'memory' && vfd.start()),
        dropped: () => some.forEach(vfd => this.table.drop(vfd)),
      });
    }
    pushData(queue, id, data.subarray(at));
  }
}

function pushData(queue: VfdQueue, id: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += recvRoom(0)) {
    queue.push({ messages: [encodeRecv(id, [], data.subarray(at, at + recvRoom(0)))], read: true });
  }
}
