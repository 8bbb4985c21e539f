/**
 * What the devices of a guest ask of the process that they are in: connections to its VM's servers, memory, a line for the
 * log. All devices of a VM share one such object, so that what bounds the VM bounds them together.
 */
import { join } from 'node:path';
import { Budget, type Grant } from '../../allocator/budget.js';
import { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';

/** Bytes of memory that came from servers and that the guest has open. */
export class ReceivedBytes {
  #used = 0;

  constructor(private readonly limit: number) {}

  get used(): number {
    return this.#used;
  }

  /** Counts memory of a server. Throws where it would be too much. */
  take(bytes: number): void {
    if (this.#used + bytes > this.limit) {
      throw new Error(
        `the guest has ${this.#used} of ${this.limit} bytes of servers' memory open, and was sent ${bytes} more ` +
          '(--max-received)',
      );
    }
    this.#used += bytes;
  }

  /** The guest has closed it. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}

export interface GuestHost {
  /** Whose a context is that is asked for without a name; undefined: nobody's. */
  readonly defaultServer: string | undefined;
  readonly received: ReceivedBytes;
  /** A connection to this VM's server of that name, the caller's. Throws as connect(2) does: ENOENT where it has none. */
  connect(name: string): OwnedFd;
  /** Memory that the guest asks for, whole pages, the caller's; or why not. */
  allocate(bytes: number): Grant;
  /** A line for the log that the guest caused, or a server. */
  log(line: string): void;
}

export interface VmResourcesOptions {
  /** The directory of the VM's servers. */
  readonly directory: string;
  /** Those of them that the guest may reach. */
  readonly servers: ReadonlySet<string>;
  /** The one of a context without a name. Default: there is none. */
  readonly defaultServer?: string | undefined;
  /** Bytes of memory that the guest may make itself, for as long as it is held anywhere. */
  readonly allocBytes: number;
  /** Bytes of memory that came from servers and that the guest has not closed. */
  readonly receivedBytes: number;
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string) => void;
}

/** Of a VM whose servers are sockets in a directory. */
export class VmResources implements GuestHost {
  readonly received: ReceivedBytes;
  readonly #memory: Budget;

  constructor(private readonly options: VmResourcesOptions) {
    const { allocBytes } = options;
    this.received = new ReceivedBytes(options.receivedBytes);
    this.#memory = new Budget({ bytes: allocBytes, requestLimit: allocBytes });
  }

  get defaultServer(): string | undefined {
    return this.options.defaultServer;
  }

  /** Bytes that the guest has made and that are still held. */
  get allocBytes(): number {
    return this.#memory.used;
  }

  connect(name: string): OwnedFd {
    if (!this.options.servers.has(name)) {
      throw Object.assign(new Error('this VM has no such server'), { code: 'ENOENT' });
    }
    return new OwnedFd(native.connectUnix(join(this.options.directory, name)));
  }

  allocate(bytes: number): Grant {
    return this.#memory.grant(BigInt(bytes));
  }

  log(line: string): void {
    this.options.log(line);
  }

  /** Memory that was granted stays its holders'. Idempotent. */
  close(): void {
    this.#memory.close();
  }
}
