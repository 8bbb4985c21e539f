/**
 * What the device asks of the front-end, each request with its answer. Answers come in the order of the requests. A
 * front-end that does not answer holds up only those that wait for it, and the end of its connection ends the waiting.
 *
 * QEMU (11.1) crashes on a request that it reads after the device was stopped, and its guest can stop the device at any
 * moment, also between our sending and QEMU's reading. What is in a socket cannot be taken back, so a request is sent in
 * two parts. QEMU holds the lock of its machine from the first byte of a message to the last, and no processor of the
 * guest gets at the device meanwhile. So when the first byte was read, the device either runs until QEMU has done what we
 * ask, or it has been stopped already and has told us so by then; and what the rest of the message asks for is decided
 * only there: nothing, where it was stopped.
 */
import { closeAll, OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { VhostUserConnection } from './connection.js';
import {
  BackEnd,
  decodeU64,
  encodeMessage,
  encodeShmemRange,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  VERSION,
} from './message.js';

/** What became of a request. `stopped`: the device was, and nothing was done. */
export type Outcome = 'done' | 'refused' | 'stopped';

/**
 * Added to a request that is not wanted any more when its first byte, its number's lowest, has left already: no
 * front-end knows it, and it is refused.
 */
const WITHDRAWN = 0x7f00_0000;

/** How often to look at once whether a first byte was read; later, less and less often, up to this many milliseconds. */
const LOOKS = 20;
const MAX_LOOK_INTERVAL_MS = 64;

interface Request {
  readonly number: number;
  readonly payload: Uint8Array;
  /** Sent along; none where it is undefined. */
  readonly fd: OwnedFd | undefined;
  readonly answered: (outcome: Outcome) => void;
}

export interface BackendRequestsOptions {
  /** Set for a front-end that crashes on requests after the device was stopped; others may not take a part alone. */
  readonly inParts: boolean;
  /** Whether the front-end runs the device, after handling what it has said by now. */
  readonly running: () => boolean;
  /** Told when the front-end answers nonsense. */
  readonly broken: (error: Error) => void;
}

export class BackendRequests {
  readonly #connection: VhostUserConnection;
  /** Not sent yet. */
  #waiting: Request[] = [];
  /** Sent whole, not answered yet, oldest first. */
  #sent: { readonly number: number; readonly answered: (accepted: boolean) => void }[] = [];
  /** The first byte of this one was sent. */
  #begun: Request | undefined;
  /** The next look at it, in this turn or later. One of them, and each is ended by its own kind: Node.js does not check. */
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;

  /** Takes ownership of `socket`, also when it throws. */
  constructor(
    socket: OwnedFd,
    private readonly options: BackendRequestsOptions,
  ) {
    this.#connection = new VhostUserConnection(socket, {
      message: ({ request, flags }, payload, fds) => {
        closeAll(fds);
        const [first] = this.#sent;
        if (request !== first?.number || (flags & FLAG_REPLY) === 0 || payload.length !== 8) {
          throw new Error(`an answer (request ${request}, ${payload.length} bytes) to what was not asked`);
        }
        this.#sent.shift();
        first.answered(decodeU64(payload) === 0n);
        this.#next();
      },
      ended: error => {
        this.#refuseAll();
        if (error !== undefined) options.broken(error);
      },
    });
  }

  /**
   * Maps `length` bytes of `memory` at `offset` of the shared memory `id`. Both are multiples of the page size. The
   * descriptor is lent for the call. Never rejects.
   */
  map(id: number, memory: OwnedFd, offset: number, length: number, writable: boolean): Promise<Outcome> {
    let copy: OwnedFd;
    try {
      copy = new OwnedFd(native.dup(memory.fd));
    } catch {
      return Promise.resolve('refused'); // no descriptor left
    }
    return this.#ask(BackEnd.ShmemMap, encodeShmemRange({ id, offset, length, writable }), copy);
  }

  /** Undoes a mapping. As {@link map}. */
  unmap(id: number, offset: number, length: number): Promise<Outcome> {
    return this.#ask(BackEnd.ShmemUnmap, encodeShmemRange({ id, offset, length, writable: false }), undefined);
  }

  /** What waits is refused. Idempotent. */
  close(): void {
    this.#connection.close();
    this.#refuseAll();
  }

  #ask(number: number, payload: Uint8Array, fd: OwnedFd | undefined): Promise<Outcome> {
    if (this.#connection.closed) {
      fd?.close();
      return Promise.resolve('refused');
    }
    return new Promise(answered => {
      this.#waiting.push({ number, payload, fd, answered });
      this.#next();
    });
  }

  /** Sends what can be sent now. In parts, that is one at a time. */
  #next(): void {
    while (this.#begun === undefined && !this.#connection.closed) {
      if (this.options.inParts && this.#sent.length > 0) return;
      const request = this.#waiting.shift();
      if (request === undefined) return;
      const fds = request.fd === undefined ? [] : [request.fd];
      if (!this.options.inParts) {
        this.#expect(request, request.number, 'refused');
        this.#connection.send(encodeMessage(request.number, VERSION | FLAG_NEED_REPLY, request.payload), fds);
      } else {
        this.#begun = request;
        this.#connection.send(encodeMessage(request.number, 0, request.payload).subarray(0, 1), fds);
        // Not at once: `running` may stop the device, which may be what asks.
        this.#soon = setImmediate(() => this.#lookFor(request, 0));
      }
    }
  }

  /** Sends the rest of a request once its first byte was read. */
  #lookFor(request: Request, looks: number): void {
    const again = (): void => this.#lookFor(request, looks + 1);
    if (this.#begun !== request) return;
    if (this.#connection.unread) {
      if (looks < LOOKS) this.#soon = setImmediate(again);
      else this.#later = setTimeout(again, Math.min(looks - LOOKS + 1, MAX_LOOK_INTERVAL_MS));
      return;
    }
    const running = this.options.running();
    // What the front-end said may have ended this connection.
    if (this.#begun !== request) return;
    this.#begun = undefined;
    const number = running ? request.number : request.number + WITHDRAWN;
    this.#expect(request, number, running ? 'refused' : 'stopped');
    this.#connection.send(encodeMessage(number, VERSION | FLAG_NEED_REPLY, request.payload).subarray(1));
  }

  #expect({ answered }: Request, number: number, otherwise: Outcome): void {
    this.#sent.push({ number, answered: accepted => answered(accepted ? 'done' : otherwise) });
  }

  #refuseAll(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    const begun = this.#begun;
    this.#begun = undefined;
    for (const { answered } of this.#sent.splice(0)) answered(false);
    begun?.answered('refused');
    for (const { fd, answered } of this.#waiting.splice(0)) {
      fd?.close();
      answered('refused');
    }
  }
}
