/**
 * The client proxy: a Wayland socket for unmodified applications. Each connection of an application gets a link of its
 * own to the host's server (`wayland`: a compositor in another VM; `display`: a compositor on the host), and an
 * {@link AppConnection} between the two.
 */
import { EventEmitter } from 'eventemitter3';
import { AllocatorClient } from '../allocator/client.js';
import type { OwnedFd } from '../system/fd.js';
import { type UnixSocket } from '../system/unix-socket.js';
import { UnixListener } from '../system/unix-listener.js';
import type { Device } from '../virtwl/device.js';
import type { TraceOutput } from '../relay/trace.js';
import { Transfers } from '../relay/transfers.js';
import { SlabArena } from '../slabs/slab-arena.js';
import { THREAD_BYTES } from './pixel-copy.js';
import { AppConnection } from './app-connection.js';
import { Arrivals } from './arrivals.js';
import { PoolLimit } from './app-pool.js';
import type { CopyCounters } from './copy-tally.js';
import { IdleBuffers } from './idle-buffers.js';
import { Latencies } from '../observe/latencies.js';
import { MOST_CLIENTS_TOLD, type LatencyReport, type ProgramReport } from '../observe/status-report.js';
import { Program } from './program.js';

export interface ClientProxyOptions {
  /** The way to the host. Lent. */
  readonly device: Device;
  /** Where the Wayland socket is made; WAYLAND_DISPLAY of the applications. */
  readonly path: string;
  /** A socket that listens at `path` already; the proxy's, also when its constructor throws. */
  readonly listening?: OwnedFd | undefined;
  /** The host server that links connect to. Default: `wayland`. */
  readonly server?: string;
  /** `wl_shm` pools of all applications at a time. Default: 16,384, `DEFAULT_MAX_POOLS` in `app-pool.ts`. */
  readonly maxPools?: number | undefined;
  /** Is told every message of every connection. */
  readonly trace?: TraceOutput | undefined;
}

export interface ClientProxyEvents {
  /**
   * A connection ended for a reason that the user should read: not when an application just leaves. `client` is its
   * number, from 1 on.
   */
  problem: (error: Error, client?: number) => void;
  /** An application waits for memory, or does not any more. */
  shortage: (text: string, client: number) => void;
  connection: (connection: AppConnection) => void;
  /** The compositor has answered a connection for the first time, or that has ended without it. */
  answered: (ended: boolean) => void;
  /** {@link ClientProxy.silentSince} is another one. */
  silent: () => void;
  /** The last connection or transfer has ended. */
  idle: () => void;
}

export class ClientProxy extends EventEmitter<ClientProxyEvents> {
  readonly path: string;
  /** Of all connections that have ended. */
  readonly #ended: CopyCounters = { frames: 0, held: 0, bytesCopied: 0, bytesNotCopied: 0 };
  readonly #device: Device;
  readonly #transfers: Transfers;
  readonly #pools: PoolLimit;
  readonly #arena = new SlabArena();
  readonly #idle = new IdleBuffers(this.#arena);
  readonly #server: string;
  readonly #listener: UnixListener;
  readonly #connections = new Map<AppConnection, Program>();
  /** Those that the compositor has not answered. */
  readonly #unanswered = new Set<AppConnection>();
  readonly #arrivals = new Arrivals<AppConnection>((app, number) => this.#connect(app, number));
  #allocator: AllocatorClient | undefined;
  readonly #trace: TraceOutput | undefined;
  /** Connections so far. */
  #accepted = 0;

  constructor(options: ClientProxyOptions) {
    super();
    this.#trace = options.trace;
    this.#pools = new PoolLimit(options.maxPools);
    this.path = options.path;
    this.#device = options.device;
    this.#transfers = new Transfers(options.device, { ended: () => this.#left() });
    this.#server = options.server ?? 'wayland';
    const { path, listening } = options;
    this.#listener = listening === undefined ? UnixListener.listen(path) : UnixListener.adopt(listening, path);
    this.#listener.on('connection', app => this.#arrivals.add(app, ++this.#accepted));
    this.#listener.on('error', error => this.emit('problem', error));
  }

  /** Connections open at the moment. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** How many have not been answered, those that have no link yet among them. */
  get unansweredCount(): number {
    return this.#unanswered.size + this.#arrivals.waiting;
  }

  /**
   * Since when a program waits that was answered before, of `performance.now()`: of several, the one that has waited
   * longest. Undefined where none does.
   */
  get silentSince(): number | undefined {
    const since = [...this.#connections.values()].flatMap(program => program.silentSince ?? []);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** The programs that are connected, and asks for each whether the compositor answers: the next report tells. */
  report(): { readonly programs: readonly ProgramReport[]; readonly latency?: LatencyReport } {
    const programs = [...this.#connections.values()];
    for (const program of programs) program.ask();
    const latency = Latencies.report(programs.map(({ connection }) => connection.latencies));
    const told = programs.slice(0, MOST_CLIENTS_TOLD).map(program => program.report);
    return { programs: told, ...(latency !== undefined && { latency }) };
  }

  /** Transfers that run at the moment; they outlive the connections that asked for them. */
  get transferCount(): number {
    return this.#transfers.count;
  }

  /** Accepts what waits; then whether nobody is connected and no transfer runs. */
  isIdle(): boolean {
    this.#listener.acceptWaiting();
    return this.#connections.size === 0 && this.#transfers.count === 0;
  }

  /** Slabs that all connections together have mapped, their bytes, and bytes of link buffers that were given up. */
  get memory(): Record<'slabs' | 'bytes' | 'givenUp', number> {
    return { slabs: this.#arena.slabCount, bytes: this.#arena.bytes, givenUp: this.#idle.bytesGivenUp };
  }

  /** The most by which a time of a frame is wrong that an application is told now, in nanoseconds; none where none wants any. */
  get clock(): { readonly error: number } | undefined {
    const errors = [...this.#connections.keys()].flatMap(({ clockErrorNs }) => clockErrorNs ?? []);
    return errors.length === 0 ? undefined : { error: Math.max(...errors) };
  }

  /** Of all connections so far. */
  get counters(): CopyCounters {
    const sum = { ...this.#ended };
    for (const { counters } of this.#connections.keys()) add(sum, counters);
    return sum;
  }

  /** Closes the socket and every connection. */
  close(): void {
    this.#listener.close();
    this.#arrivals.close();
    for (const connection of [...this.#connections.keys()]) connection.close();
    this.#transfers.close();
    this.#allocator?.close();
    this.#allocator = undefined;
  }

  #connect(app: UnixSocket, number: number): AppConnection | undefined {
    let connection: AppConnection;
    try {
      const link = this.#device.connect(this.#server);
      connection = new AppConnection(app, link, {
        transfers: this.#transfers,
        allocator: () => this.#ownAllocator(),
        pools: this.#pools,
        arena: this.#arena,
        idle: this.#idle,
        // Others would wait for it.
        inThread: bytes => bytes >= THREAD_BYTES && this.#connections.size > 1,
        trace: this.#trace?.connection('app', number),
      });
    } catch (error) {
      app.close();
      this.emit('problem', error as Error, number);
      return undefined;
    }
    const program = new Program(connection, number, pidOf(app), () => this.emit('silent'));
    this.#connections.set(connection, program);
    this.#unanswered.add(connection);
    const answered = (ended: boolean): void => {
      program.answered = true;
      if (ended) this.#arrivals.ended(connection);
      else this.#arrivals.answered(connection);
      if (this.#unanswered.delete(connection)) this.emit('answered', ended);
    };
    connection.on('shortage', text => this.emit('shortage', text, number));
    connection.once('answered', () => answered(false));
    connection.on('close', reason => {
      this.#connections.delete(connection);
      const silent = program.silentSince !== undefined;
      program.close();
      answered(true);
      if (silent) this.emit('silent');
      add(this.#ended, connection.counters);
      if (reason !== undefined) this.emit('problem', reason, number);
      this.#left();
    });
    this.emit('connection', connection);
    return connection;
  }

  #left(): void {
    if (this.#connections.size === 0 && this.#transfers.count === 0) this.emit('idle');
  }

  #ownAllocator(): AllocatorClient {
    if (this.#allocator === undefined || this.#allocator.closed) {
      this.#allocator = new AllocatorClient(this.#device.connect('allocator'));
    }
    return this.#allocator;
  }
}

function add(sum: CopyCounters, more: CopyCounters): void {
  for (const name of Object.keys(sum) as (keyof CopyCounters)[]) sum[name] += more[name];
}

/** The process that has connected, as the kernel has noted it. */
function pidOf(app: UnixSocket): number | undefined {
  try {
    const { pid } = app.peerCredentials();
    return pid > 0 ? pid : undefined; // 0: it is of another PID namespace
  } catch {
    return undefined;
  }
}
