/**
 * What the wl device asks of the process that it is in: connections to its VM's servers, memory, a line for the log. It is
 * passed as one object from the process's start to the device's state.
 */
import { join } from 'node:path';
import { Budget, type Grant } from '../../allocator/budget.js';
import { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';

export interface WlHost {
  /** Whose a context is that is asked for without a name; undefined: nobody's. */
  readonly defaultServer: string | undefined;
  /** A connection to this VM's server of that name, the caller's. Throws as connect(2) does: ENOENT where it has none. */
  connect(name: string): OwnedFd;
  /** Memory for NEW_ALLOC, whole pages, the caller's; or why not. */
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
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string) => void;
}

/** Of a VM whose servers are sockets in a directory. */
export class VmResources implements WlHost {
  readonly #memory: Budget;

  constructor(private readonly options: VmResourcesOptions) {
    const { allocBytes } = options;
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
