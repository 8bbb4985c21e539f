/**
 * The allocator's server: requests come in, memory goes out, for one VM and within its budget.
 *
 * Requests of a connection are answered strictly in order, large ones in turns with those of other connections. Each is
 * handled only while the connection's reply queue is short, and no more is read meanwhile, so a client that asks
 * without reading costs a few queued replies. A request that stays incomplete ends its connection after a while. Every
 * refusal is logged with the VM and the client's id for the request, up to a rate that keeps a broken client from
 * filling the disk (`observe/log-limit.ts`).
 */
import type { Channel } from '../system/channel.js';
import { closeAll } from '../system/fd.js';
import { Budget, Reservation, type BudgetOptions, type Grant } from './budget.js';
import { SILENT, type Log } from '../observe/log.js';
import type { UnixSocketOptions } from '../system/unix-socket.js';
import { RequestRate } from './request-rate.js';
import { STEP_BYTES, Turns } from './turns.js';
import {
  BUDGET_REQUEST,
  decodeRequest,
  describeStatus,
  encodeBudget,
  encodeNotice,
  NOTICES_REQUEST,
  REQUEST_BYTES,
  Status,
  type Request,
} from './protocol.js';

/**
 * Connections at a time: a compositor VM's glue has one for each client VM, of which there are 256 at most, so that they
 * take turns; and each program that allocates itself has one.
 */
export const DEFAULT_MAX_CONNECTIONS = 320;

/** How long the rest of a request may take, in milliseconds: it is 16 bytes, sent at once by any honest client. */
export const DEFAULT_PARTIAL_TIMEOUT_MS = 10_000;

/**
 * Replies (bytes, each perhaps with an fd) waiting to be sent on one connection when reading stops. The kernel's socket
 * buffer holds some 300 more.
 */
export const MAX_QUEUED_REPLIES = 64;

/** Requests answered for one connection before others have their turn. */
const REQUESTS_PER_TURN = 64;

/** Options for the sockets that are served: their `drain` is what starts the next requests. */
export const ALLOCATOR_SOCKET: UnixSocketOptions = { highWaterBytes: MAX_QUEUED_REPLIES };

export interface AllocatorServerOptions extends BudgetOptions {
  /** The VM this serves, for the log. */
  readonly vm: string;
  /** Default: nobody listens. */
  readonly log?: Log | undefined;
  /** Default: {@link DEFAULT_MAX_CONNECTIONS}. */
  readonly maxConnections?: number | undefined;
  /** Requests answered a second, of all connections; more wait. Default: `DEFAULT_REQUESTS_PER_SECOND`. */
  readonly requestsPerSecond?: number | undefined;
  /** Default: {@link DEFAULT_PARTIAL_TIMEOUT_MS}. */
  readonly partialTimeoutMs?: number | undefined;
}

export class AllocatorServer {
  readonly budget: Budget;
  readonly vm: string;
  granted = 0;
  refused = 0;
  readonly #connections = new Set<Connection>();
  readonly #maxConnections: number;
  readonly partialTimeoutMs: number;
  readonly rate: RequestRate;
  readonly turns = new Turns();
  readonly #log: Log;

  /** Makes the budget. Throws where that fails. */
  constructor(options: AllocatorServerOptions) {
    this.vm = options.vm;
    this.#log = (options.log ?? SILENT).part('allocator').causedBy(this.vm);
    this.#maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    this.partialTimeoutMs = options.partialTimeoutMs ?? DEFAULT_PARTIAL_TIMEOUT_MS;
    this.rate = new RequestRate(options.requestsPerSecond);
    this.budget = new Budget(options);
  }

  /** Logs what this VM did wrong, or was refused. */
  log(line: string): void {
    this.#log.warning(line);
  }

  /** What there is and was, for the status of the process. */
  get counts(): Record<'budget' | 'used' | 'pieces' | 'connections' | 'granted' | 'refused', number> {
    const { bytes: budget, used, pieces } = this.budget;
    return { budget, used, pieces, connections: this.connections, granted: this.granted, refused: this.refused };
  }

  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Serves a connection of the VM. Takes ownership of the channel, which must not have been started. A socket should be
   * made with {@link ALLOCATOR_SOCKET}: the high-water mark is what bounds the replies of a client that never reads.
   */
  serve(channel: Channel): void {
    if (this.#connections.size >= this.#maxConnections) {
      this.log(`a connection was refused: ${this.#maxConnections} are open already`);
      channel.close();
      return;
    }
    const connection = new Connection(channel, this, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    channel.start();
  }

  /** Ends all connections and lets go of the budget; memory that is out stays valid. Idempotent. */
  close(): void {
    for (const connection of this.#connections) connection.close();
    this.turns.close();
    this.budget.close();
    this.#log.output.forget(this.vm);
  }
}

/** A request that may have been granted. */
interface Asked extends Request {
  granted: boolean;
}

/** One client. */
class Connection {
  /** Bytes received and not yet answered: less than one `data` and one request. */
  #pending: Uint8Array = new Uint8Array(0);
  #partialTimer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  /** Set while requests wait for the rate to allow them. */
  #rateTimer: NodeJS.Timeout | undefined;
  /** The client wants to know what is gone. */
  #notices = false;
  /** A large request that is being answered, in steps. */
  #reservation: Reservation | undefined;
  /** Bytes that may still be reserved at once. */
  #stepLeft = STEP_BYTES;
  /** Replies are queued beyond the high-water mark; no request is handled before they have left. */
  #full = false;

  constructor(
    private readonly channel: Channel,
    private readonly server: AllocatorServer,
    private readonly closed: () => void,
  ) {
    channel.on('data', (bytes, fds) => {
      // Nobody sends fds to an allocator; they are closed so that they cost nothing.
      closeAll(fds);
      this.#pending = this.#pending.length === 0 ? bytes.slice() : Buffer.concat([this.#pending, bytes]);
      if (!this.#busy) this.#answer();
    });
    channel.on('drain', () => {
      this.#full = false;
      if (!this.#busy) this.#answer();
    });
    channel.on('end', () => {
      if (this.#pending.length % REQUEST_BYTES !== 0) {
        server.log(`a connection ended within a request, after ${this.#pending.length % REQUEST_BYTES} bytes of it`);
      }
      // Nobody is there any more to take what is still unanswered.
      this.close();
    });
    channel.on('error', error => {
      server.log(error.message);
      this.close();
    });
  }

  close(): void {
    clearTimeout(this.#partialTimer);
    clearImmediate(this.#turn);
    clearTimeout(this.#rateTimer);
    this.#reservation?.abandon();
    this.#reservation = undefined;
    this.channel.close();
    this.closed();
  }

  /** Whether a request is being answered, or has to wait for the rate: the next is not handled before. */
  get #busy(): boolean {
    return this.#rateTimer !== undefined || this.#reservation !== undefined;
  }

  #answer(): void {
    let offset = 0;
    this.#stepLeft = STEP_BYTES;
    for (let count = 0; count < REQUESTS_PER_TURN; count++) {
      if (this.#pending.length - offset < REQUEST_BYTES || this.#full || this.#busy) break;
      const wait = this.server.rate.take();
      if (wait > 0) {
        this.#rateTimer = setTimeout(() => {
          this.#rateTimer = undefined;
          this.#answer();
        }, wait);
        break;
      }
      const request = decodeRequest(this.#pending, offset);
      offset += REQUEST_BYTES;
      this.#reply(request);
      if (this.channel.closed) return;
    }
    this.#pending = this.#pending.subarray(offset);
    // The time runs from a request's first byte: one that comes byte by byte does not get more.
    if (offset > 0 || this.#pending.length === 0) {
      clearTimeout(this.#partialTimer);
      this.#partialTimer = undefined;
    }

    if (this.#pending.length >= REQUEST_BYTES || this.#reservation !== undefined) {
      this.channel.pause();
      if (!this.#full && !this.#busy) this.#turn = setImmediate(() => this.#answer());
      return;
    }
    this.channel.resume();
    if (this.#pending.length > 0 && this.#partialTimer === undefined) {
      this.#partialTimer = setTimeout(() => {
        this.server.log(
          `a connection was closed: the rest of a request did not come in ${this.server.partialTimeoutMs} ms`,
        );
        this.close();
      }, this.server.partialTimeoutMs);
    }
  }

  #reply(request: Request): void {
    if (request.id === BUDGET_REQUEST.id && request.size === BUDGET_REQUEST.size) {
      this.#full = !this.channel.send(encodeBudget(this.server.budget.bytes));
      return;
    }
    if (request.id === NOTICES_REQUEST.id && request.size === NOTICES_REQUEST.size) {
      this.#notices = true;
      this.#full = !this.channel.send(Uint8Array.of(Status.Notices));
      return;
    }
    const asked = { ...request, granted: false };
    const begun = this.server.budget.begin(request.size, () => this.#gone(asked));
    if (!(begun instanceof Reservation)) {
      this.#say(asked, begun);
    } else if (begun.bytes <= this.#stepLeft) {
      this.#stepLeft -= begun.bytes;
      this.#say(asked, begun.advance(begun.bytes)!);
    } else {
      this.#reservation = begun;
      this.server.turns.add(() => this.#step(asked, begun));
    }
  }

  /** Nobody holds what was granted any more. There are fewer of these than pieces at a time, so none has to wait. */
  #gone(request: Asked): void {
    if (!this.#notices || !request.granted || this.channel.closed) return;
    if (!this.channel.send(encodeNotice(request.id))) this.#full = true;
  }

  /** A large request's turn. */
  #step(request: Asked, reservation: Reservation): boolean {
    // Closed meanwhile.
    if (this.#reservation !== reservation) return false;
    const grant = reservation.advance(STEP_BYTES);
    if (grant === undefined) return true;
    this.#reservation = undefined;
    this.#say(request, grant);
    if (!this.channel.closed) this.#answer();
    return false;
  }

  #say(request: Asked, grant: Grant): void {
    if (grant.status !== Status.Ok) {
      this.server.refused++;
      this.server.log(
        `request ${request.id} for ${request.size} bytes refused: ${describeStatus(grant.status)} (${grant.reason})`,
      );
      this.#full = !this.channel.send(Uint8Array.of(grant.status));
      return;
    }
    this.server.granted++;
    request.granted = true;
    this.#full = !this.channel.send(Uint8Array.of(Status.Ok), [grant.memory]);
  }
}
