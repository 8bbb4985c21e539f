/**
 * The servers of one VM that lead to the compositor VM or, on that VM, bring it its clients: their sockets are bound here
 * and registered with the broker, which accepts on them itself.
 *
 * The broker believes every process that reaches its control socket which VM it speaks for. So this is not done by the
 * process that reads what the guest says: where that one is confined, the one outside does it, from its own command
 * line, and the confined one has no way to the control socket. Which VM it is, and whether it is the compositor VM, is
 * settled then before there is a guest, and for as long as the process runs. Nothing is ever read from the sockets
 * here.
 */
import type { Log } from '../observe/log.js';
import { join } from 'node:path';
import { Role } from './protocol.js';
import { BrokerRegistration, type BrokeredServer } from './registration.js';
import { BoundSocket } from '../system/private-listener.js';

/** Names of the servers. */
export const COMPOSITOR = 'compositor';
export const WAYLAND = 'wayland';
/** Comes with `wayland`: says whether clients find a compositor there. */
export const WAYLAND_STATUS = 'wayland-status';

const ROLES: Readonly<Record<string, Role>> = { [WAYLAND]: Role.Wayland, [WAYLAND_STATUS]: Role.WaylandStatus };

/**
 * Connections that may wait in a brokered socket while the broker is not there, or has accepted as many as it does at a time:
 * as many as a VM has clients. The kernel refuses more.
 */
export const BROKERED_BACKLOG = 512;

export interface BrokeredServersOptions {
  readonly vm: string;
  /** The directory of the VM's servers. */
  readonly directory: string;
  /** This is the compositor VM. `relay`: its front-end cannot receive sockets, so the broker carries the bytes. */
  readonly compositor?: 'handover' | 'relay' | undefined;
  /** This VM's applications may reach the compositor VM. */
  readonly wayland?: boolean | undefined;
  /** The broker's directory. */
  readonly broker?: string | undefined;
  readonly log: Log;
  /** Told, once, when another process speaks for the VM and stays. Default: it is logged. */
  readonly taken?: ((why: string) => void) | undefined;
}

/** Which of the brokered servers a VM has, by name. */
export function brokeredNames(options: Pick<BrokeredServersOptions, 'compositor' | 'wayland'>): string[] {
  return [...(options.compositor ? [COMPOSITOR] : []), ...(options.wayland ? [WAYLAND, WAYLAND_STATUS] : [])];
}

export class BrokeredServers {
  readonly #bound: BoundSocket[] = [];
  readonly #registration: BrokerRegistration | undefined;

  /** Binds and registers what is turned on, nothing where nothing is. Where that fails it undoes the rest and throws. */
  constructor(options: BrokeredServersOptions) {
    const { vm, directory, compositor, broker } = options;
    const names = brokeredNames(options);
    if (names.length === 0) return;
    if (broker === undefined) {
      throw new Error(`VM "${vm}": the servers "compositor" and "wayland" need a broker: name its directory`);
    }
    try {
      const servers = names.map((name): BrokeredServer => {
        const bound = new BoundSocket(join(directory, name), 'another host process', BROKERED_BACKLOG);
        this.#bound.push(bound);
        const role = ROLES[name] ?? (compositor === 'relay' ? Role.CompositorRelay : Role.Compositor);
        return { role, socket: bound.socket };
      });
      this.#registration = new BrokerRegistration(broker, vm, servers, options.log, options.taken);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Whether the broker knows this VM; false also where none is needed. */
  get registered(): boolean {
    return this.#registration?.registered ?? false;
  }

  /** Takes the sockets off their paths; connections that wait in them end. Idempotent. */
  close(): void {
    this.#registration?.close();
    for (const bound of this.#bound.splice(0)) {
      bound.socket.close();
      bound.remove();
    }
  }
}
