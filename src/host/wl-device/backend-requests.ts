/**
 * What the device asks of the front-end, each request with its answer. Answers come in the order of the requests. A
 * front-end that does not answer holds up only those that wait for it, and the end of its connection ends the waiting.
 */
import { closeAll, OwnedFd } from '../../fd.js';
import { native } from '../../native.js';
import { VhostUserConnection } from './connection.js';
import { BackEnd, decodeU64, encodeMessage, encodeShmemRange, FLAG_NEED_REPLY, FLAG_REPLY, VERSION } from './message.js';

interface Waiting {
  readonly request: number;
  readonly answered: (accepted: boolean) => void;
}

export class BackendRequests {
  readonly #connection: VhostUserConnection;
  #waiting: Waiting[] = [];

  /** Takes ownership of `socket`, also when it throws. `broken` is told when the front-end answers nonsense. */
  constructor(socket: OwnedFd, broken: (error: Error) => void) {
    this.#connection = new VhostUserConnection(socket, {
      message: ({ request, flags }, payload, fds) => {
        closeAll(fds);
        const waiting = this.#waiting.shift();
        if (waiting === undefined || request !== waiting.request || (flags & FLAG_REPLY) === 0 || payload.length !== 8) {
          if (waiting !== undefined) this.#waiting.unshift(waiting);
          throw new Error(`an answer (request ${request}, ${payload.length} bytes) to what was not asked`);
        }
        waiting.answered(decodeU64(payload) === 0n);
      },
      ended: (error) => {
        this.#refuseAll();
        if (error !== undefined) broken(error);
      },
    });
  }

  /**
   * Maps `length` bytes of `memory` at `offset` of the shared memory region. Both are multiples of the page size. The
   * descriptor is lent for the call. Resolves to whether the front-end did it; never rejects.
   */
  map(memory: OwnedFd, offset: number, length: number, writable: boolean): Promise<boolean> {
    let copy: OwnedFd;
    try {
      copy = new OwnedFd(native.dup(memory.fd));
    } catch {
      return Promise.resolve(false); // no descriptor left
    }
    return this.#ask(BackEnd.ShmemMap, encodeShmemRange({ offset, length, writable }), [copy]);
  }

  /** Undoes a mapping. As {@link map}. */
  unmap(offset: number, length: number): Promise<boolean> {
    return this.#ask(BackEnd.ShmemUnmap, encodeShmemRange({ offset, length, writable: false }), []);
  }

  /** Whoever waits is refused. Idempotent. */
  close(): void {
    this.#connection.close();
    this.#refuseAll();
  }

  #ask(request: number, payload: Uint8Array, fds: OwnedFd[]): Promise<boolean> {
    if (this.#connection.closed) {
      closeAll(fds);
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      this.#waiting.push({ request, answered: resolve });
      this.#connection.send(encodeMessage(request, VERSION | FLAG_NEED_REPLY, payload), fds);
    });
  }

  #refuseAll(): void {
    for (const { answered } of this.#waiting.splice(0)) answered(false);
  }
}
