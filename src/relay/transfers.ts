/**
 * Carrying fds that are not vfds over a link. Only vfds can be sent, so what an application or a compositor gives us is
 * brought over by what it is. In Wayland the fds of data transfers are write ends: one side says "write it here" and the
 * other writes. Such a sink stays here, a virtio_wl pipe goes to the other side in its place, and what comes out of the
 * pipe is spliced into the sink.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Device } from '../virtwl/device.js';
import { splice, type Splice } from '../system/splice.js';
import type { PipeRemote } from '../virtwl/vfd.js';

/**
 * Transfers of one VM at the same time. A person pastes one thing at a time and drags another; what goes beyond are
 * peers that never read or never write, and each of theirs costs us two descriptors.
 */
export const MAX_TRANSFERS = 128;

/** The data transfers of one VM. They outlive the connection that asked for them: what was written is still to arrive. */
export class Transfers {
  readonly #device: Device;
  readonly #limit: number;
  readonly #running = new Set<Splice>();

  /** `device` is where pipes are made; lent. */
  constructor(device: Device, limit = MAX_TRANSFERS) {
    this.#device = device;
    this.#limit = limit;
  }

  /** Transfers that run now. */
  get count(): number {
    return this.#running.size;
  }

  /**
   * A pipe end for the other side, whatever is written to it comes out of `sink`, which this function takes ownership of.
   * The transfer ends when either end is closed. Over the limit, it ends at once: who writes finds no reader.
   */
  pipeForSink(sink: OwnedFd): PipeRemote {
    let pair;
    try {
      pair = this.#device.pipe('read');
    } catch (error) {
      sink.close();
      throw error;
    }
    if (this.#running.size >= this.#limit) {
      sink.close();
      pair.local.close();
      return pair.remote;
    }
    const transfer = splice(pair.local, sink);
    this.#running.add(transfer);
    void transfer.done.then(() => this.#running.delete(transfer));
    return pair.remote;
  }

  /** Ends every transfer. */
  close(): void {
    for (const transfer of this.#running) transfer.close();
  }
}
