/**
 * The glue's connection to the broker: remote clients arrive here, each as a context of its own with the name of its VM.
 *
 * The broker decides how a client comes: as a connected socket on this link (handover), or as this very connection
 * (relay), in which case a new one is opened for the next client. When the broker goes away the clients that came stay,
 * and the link is opened anew, with growing pauses.
 */
import { EventEmitter } from 'eventemitter3';
import { closeAll, OwnedFd } from '../system/fd.js';
import { Backoff } from '../system/backoff.js';
import { ALIVE, GO, Kind, Mode, PROTOCOL_VERSION, RecordError, RecordReader, type BrokerRecord } from './protocol.js';
import { SocketVfd, type Context, type Device } from '../virtwl/device.js';

/**
 * Records that may wait for their descriptors, and descriptors for theirs. The broker offers one client at a time and
 * waits for the answer.
 */
export const MAX_WAITING = 64;

export interface BrokerLinkEvents {
  /** A remote client. The context, not started yet, is the listener's; without a listener it is closed. */
  client: (vm: string, context: Context) => void;
  /** The broker greeted us: clients can come. */
  up: () => void;
  /** The broker is not there (any more), and why. Told once per change; the link keeps trying. */
  down: (reason: Error) => void;
  /** Another glue serves this VM's clients, and why it is not us. The link is closed. Not once it has been up. */
  taken: (reason: Error) => void;
}

export interface BrokerLinkOptions {
  /** The server to connect to. Default: `compositor`. */
  readonly server?: string | undefined;
  /** The pauses between attempts. */
  readonly backoff?: Backoff | undefined;
}

export class BrokerLink extends EventEmitter<BrokerLinkEvents> {
  readonly #server: string;
  readonly #backoff: Backoff;
  #context: Context | undefined;
  #reader = new RecordReader();
  /** Records and descriptors that came and wait for each other. */
  #records: BrokerRecord[] = [];
  #fds: OwnedFd[] = [];
  #up = false;
  #downSince = performance.now();
  #everUp = false;
  #trouble: string | undefined;
  #closed = false;

  /** `device` is lent. Nothing happens before `start()`. */
  constructor(
    private readonly device: Device,
    options: BrokerLinkOptions = {},
  ) {
    super();
    this.#server = options.server ?? 'compositor';
    this.#backoff = options.backoff ?? new Backoff();
  }

  /** Whether the broker has greeted us on the present connection. */
  get up(): boolean {
    return this.#up;
  }

  /** Since when it has not, of `performance.now()`; undefined where it has. */
  get downSince(): number | undefined {
    return this.#up ? undefined : this.#downSince;
  }

  start(): void {
    if (this.#closed) throw new Error('the link to the broker was started after it was closed');
    this.#open();
  }

  /** Closes the link; contexts of clients stay. Idempotent. No event comes afterwards. */
  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
    this.removeAllListeners();
    this.#reset();
  }

  #open(): void {
    let context: Context;
    try {
      context = this.device.connect(this.#server);
    } catch (error) {
      this.#down(error as Error);
      return;
    }
    this.#context = context;
    context.on('data', (bytes, fds) => {
      this.#fds.push(...fds);
      try {
        this.#records.push(...this.#reader.push(bytes));
        this.#handle(context);
        if (Math.max(this.#records.length, this.#fds.length) > MAX_WAITING) {
          throw new RecordError(`over ${MAX_WAITING} records came that did not bring what they announce`);
        }
      } catch (error) {
        this.#down(error as Error);
      }
    });
    context.on('end', () => this.#down(new Error('the broker closed the connection')));
    context.on('error', error => this.#down(error));
    context.start();
  }

  #handle(context: Context): void {
    while (this.#records.length > 0 && this.#context === context) {
      const record = this.#records[0]!;
      if (record.kind === Kind.Welcome) {
        this.#welcome(record);
      } else if (record.kind === Kind.Ping) {
        context.send(Uint8Array.of(ALIVE));
      } else if (record.kind === Kind.Taken) {
        this.#taken(new Error(record.text));
        return;
      } else if (record.kind !== Kind.Client) {
        throw new RecordError(`a record of kind ${record.kind} is none for a compositor`);
      } else if (record.detail === Mode.Relay) {
        this.#records.shift();
        this.#becomeClient(record.text, context);
        return;
      } else if (record.detail === Mode.Handover) {
        // Where more descriptors were queued than one transaction carries, a record can come before its own.
        const fd = this.#fds.shift();
        if (fd === undefined) return;
        this.#receive(record.text, fd);
      } else {
        throw new RecordError(`a client in the unknown mode ${record.detail}`);
      }
      this.#records.shift();
    }
    if (this.#fds.length > 0) throw new RecordError('descriptors came that no record announced');
  }

  #welcome(record: BrokerRecord): void {
    if (record.detail !== PROTOCOL_VERSION) {
      throw new RecordError(`the broker speaks version ${record.detail}, this glue ${PROTOCOL_VERSION}: update both`);
    }
    this.#backoff.reset();
    this.#trouble = undefined;
    if (this.#up) return;
    this.#up = true;
    this.#everUp = true;
    this.emit('up');
  }

  /** Who has been up came first: the other one is to end, or has taken over from us while we hung. */
  #taken(reason: Error): void {
    if (this.#everUp) throw reason;
    const listeners = this.listeners('taken');
    this.close();
    for (const listener of listeners) listener(reason);
  }

  #receive(vm: string, fd: OwnedFd): void {
    if (!(fd instanceof SocketVfd)) {
      fd.close();
      throw new RecordError(
        "a client's socket did not arrive as one: where the VM's front-end cannot pass sockets, start the host process " +
          'with --compositor=relay',
      );
    }
    const context = this.device.adopt(fd);
    this.#context?.send(Uint8Array.of(GO));
    if (!this.emit('client', vm, context)) context.close();
  }

  /** Mode relay: this connection is the client's from now on. */
  #becomeClient(vm: string, context: Context): void {
    if (this.#records.length > 0 || this.#fds.length > 0 || this.#reader.partial) {
      throw new RecordError('the broker sent more than a client on a connection that becomes that client');
    }
    this.#context = undefined;
    context.hold();
    context.send(Uint8Array.of(GO));
    this.#open();
    if (!this.emit('client', vm, context)) context.close();
  }

  #down(error: Error): void {
    this.#reset();
    if (this.#closed) return;
    if (this.#up) this.#downSince = performance.now();
    this.#up = false;
    this.#backoff.schedule(() => this.#open());
    if (error.message === this.#trouble) return;
    this.#trouble = error.message;
    this.emit('down', error);
  }

  #reset(): void {
    this.#context?.close();
    this.#context = undefined;
    closeAll(this.#fds);
    this.#fds = [];
    this.#records = [];
    this.#reader = new RecordReader();
  }
}
