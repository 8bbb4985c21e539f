/**
 * One device of a VM, at the socket to which its VMM connects, with what the VM lends it. Devices of one VM share its
 * resources and its mapping slots; a device that is alone has its own.
 */
import type { Level } from '../../observe/level.js';
import type { OwnedFd } from '../../system/fd.js';
import type { VhostUserDevice } from '../vhost-user/device.js';
import { FrontEndServer } from '../vhost-user/server.js';
import { MappingSlots } from '../vhost-user/shared-memory.js';
import type { Notifications } from './device.js';
import { DEFAULT_GUEST_LIMITS, type GuestLimits } from './limits.js';
import { VmResources } from './resources.js';

/** What all devices of one VM share. */
export interface VmShares {
  readonly resources: VmResources;
  readonly slots: MappingSlots;
}

export interface VmSharesOptions {
  /** The directory of the VM's servers. */
  readonly directory: string;
  /** Those of them that the guest may reach. */
  readonly servers: ReadonlySet<string>;
  /** The one of a context without a name. Default: there is none. */
  readonly defaultServer?: string | undefined;
  /** Default: {@link DEFAULT_GUEST_LIMITS}, each. */
  readonly limits?: Partial<GuestLimits> | undefined;
  /** Receives one line an event that the VM caused. */
  readonly log: (line: string, level?: Level) => void;
}

export interface DeviceServerOptions extends VmSharesOptions {
  /** A listening socket. The server takes ownership of it, also when its constructor throws. */
  readonly socket: OwnedFd;
  /** What it shares with other devices, lent. Default: it has them for itself. */
  readonly shares?: VmShares | undefined;
}

/** What a device shows of itself. */
interface GuestDevice extends VhostUserDevice {
  readonly counts: object;
  notifications: Notifications;
}

export class DeviceServer<D extends GuestDevice> {
  readonly limits: GuestLimits;
  /** Kicks and interrupts since the server began, of all front-ends that came. */
  readonly notifications: Readonly<Notifications>;
  readonly #shares: VmShares;
  readonly #own: VmShares | undefined;
  readonly #server: FrontEndServer<D>;

  /** @throws where the kernel cannot tell who holds memory */
  constructor(options: DeviceServerOptions, make: (shares: VmShares, limits: GuestLimits) => D) {
    this.limits = limitsOf(options.limits);
    const { socket, log } = options;
    try {
      this.#own = options.shares === undefined ? makeShares(options) : undefined;
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#shares = options.shares ?? this.#own!;
    const notifications: Notifications = { kicks: 0, interrupts: 0 };
    this.notifications = notifications;
    const device = (): D => {
      const made = make(this.#shares, this.limits);
      made.notifications = notifications;
      return made;
    };
    try {
      this.#server = new FrontEndServer({ socket, log, device });
    } catch (error) {
      this.#own?.resources.close();
      throw error;
    }
  }

  /** Whether a VMM is connected. */
  get connected(): boolean {
    return this.#server.device !== undefined;
  }

  /** What the guest has. */
  get counts(): (D['counts'] & { allocBytes: number }) | undefined {
    const device = this.#server.device;
    return device && { ...device.counts, allocBytes: this.#shares.resources.allocBytes };
  }

  /** Ends the connection and what the guest had through it. Idempotent. */
  close(): void {
    this.#server.close();
    this.#own?.resources.close();
  }
}

/** What the devices of a VM share. Its resources are the caller's to close. */
export function makeShares(options: VmSharesOptions): VmShares {
  const { allocBytes, receivedBytes, mappings } = limitsOf(options.limits);
  const slots = new MappingSlots(mappings);
  return { resources: new VmResources({ ...options, allocBytes, receivedBytes }), slots };
}

function limitsOf(given: Partial<GuestLimits> = {}): GuestLimits {
  const limits = { ...DEFAULT_GUEST_LIMITS };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) Object.assign(limits, { [name]: value });
  return limits;
}
