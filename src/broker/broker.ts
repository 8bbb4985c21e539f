/**
 * The broker pairs the connections of client VMs with the compositor VM.
 *
 * A guest can only connect, never listen, so both sides connect to the host: clients to their VM's `wayland` server,
 * the compositor's glue to its `compositor` server. The listening sockets of both are made by the VMs' host processes
 * and passed to the broker over its control socket, so a client's VM is known by the socket that it came in on and
 * nothing that a guest says can change it. Where the front-end can receive a socket, the broker hands the client's over
 * and is out of the way; else it relays (`compositor-links.ts`). Clients wait while there is no compositor
 * (`waiting-clients.ts`).
 *
 * A connection on the control socket speaks for one VM, and what it registered ends with it; as long as it is there, no
 * other speaks for that VM. A process that reaches that socket is believed which VM it speaks for. So no process that
 * reads from a guest may reach it; the processes outside of the sandbox register (`brokered-servers.ts`). While no
 * broker runs, connections wait in the listening sockets, which those keep.
 */
import { join } from 'node:path';
import { closeAll, OwnedFd } from '../system/fd.js';
import { SILENT, type Log } from '../observe/log.js';
import { UnixSocket } from '../system/unix-socket.js';
import { AcceptingSocket } from '../system/accepting-socket.js';
import {
  CompositorState,
  decodeRegistrant,
  encodeRecord,
  Kind,
  Mode,
  moment,
  RecordReader,
  Role,
  type BrokerRecord,
} from './protocol.js';
import { CompositorLinks, type LinkOptions } from './compositor-links.js';
import { makePrivateDirectory } from '../system/private-directory.js';
import { BoundSocket } from '../system/private-listener.js';
import { StateWatchers } from './state-watchers.js';
import { WaitingClients, type ArrivedClient, type WaitingLimits } from './waiting-clients.js';

/** The broker's socket in its directory. */
export const CONTROL_SOCKET = 'control';

/** Host processes that may wait to be accepted on it: many start with the machine. The kernel refuses more. */
const CONTROL_BACKLOG = 128;
/**
 * How many of a VM's programs may arrive in a second. Each costs the glue a millisecond before it has said anything, and
 * the compositor a list of its globals: a VM that connects over and over would stand in the way of all others. Those that
 * wait do so in the kernel (`BROKERED_BACKLOG`), and those of other VMs do not wait behind them.
 */
export const DEFAULT_ARRIVALS = 200;
/** How many may arrive at once, beyond that: a session's programs that start together. */
const ARRIVALS_AT_ONCE = 16;

/** Host processes registered at a time, one for each running VM. */
export const DEFAULT_MAX_REGISTRATIONS = 256;

export interface BrokerOptions extends WaitingLimits, LinkOptions {
  /** The directory of the control socket. */
  readonly directory: string;
  /**
   * The control socket where it listens already ({@link bindControl}): a broker that is confined has no directory. Given
   * away, also when the constructor throws. Default: it is bound.
   */
  readonly control?: OwnedFd | undefined;
  /** Default: nobody listens. */
  readonly log?: Log | undefined;
  /** Programs of one VM that may connect in a second. Default: {@link DEFAULT_ARRIVALS}. */
  readonly arrivals?: number | undefined;
  /** Default: {@link DEFAULT_MAX_REGISTRATIONS}. */
  readonly maxRegistrations?: number | undefined;
}

/** One connection on the control socket. */
interface Registration {
  readonly socket: UnixSocket;
  readonly reader: RecordReader;
  /** Descriptors that came and whose records have not. */
  readonly fds: OwnedFd[];
  vm: string | undefined;
  /** Its process, by its own word. */
  pid: number | undefined;
  readonly since: Date;
  wayland: AcceptingSocket | undefined;
  waylandStatus: AcceptingSocket | undefined;
  compositor: AcceptingSocket | undefined;
}

/**
 * Binds the control socket in `directory`, which is made (mode 0700) when it is not there; the directory that it is in must
 * be. Throws when another broker listens there.
 */
export function bindControl(directory: string): BoundSocket {
  makePrivateDirectory(directory);
  return new BoundSocket(join(directory, CONTROL_SOCKET), 'a broker', CONTROL_BACKLOG);
}

export class Broker {
  readonly path: string;
  readonly #log: Log;
  readonly #options: BrokerOptions;
  readonly #waiting: WaitingClients;
  readonly #watchers = new StateWatchers(() => this.compositorState);
  readonly #registrations = new Set<Registration>();
  readonly #control: AcceptingSocket;
  /** Where this broker has bound the control socket itself. */
  readonly #bound: BoundSocket | undefined;
  #links: CompositorLinks | undefined;
  /** Links of compositor VMs that are gone, for the clients they still relay. */
  readonly #formerLinks = new Set<CompositorLinks>();

  /** Listens. Throws when another broker does so in this directory. */
  constructor(options: BrokerOptions) {
    this.#log = (options.log ?? SILENT).part('broker');
    this.#options = options;
    this.path = join(options.directory, CONTROL_SOCKET);
    this.#waiting = new WaitingClients(options, (vm, why) =>
      this.#log.causedBy(vm).warning(`a waiting client: ${why}`),
    );
    this.#bound = options.control === undefined ? bindControl(options.directory) : undefined;
    this.#control = new AcceptingSocket(
      options.control ?? this.#bound!.socket,
      fd => this.#serveControl(new UnixSocket(fd)),
      error => this.#log.error(error.message),
    );
  }

  /** Clients that wait for a compositor. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Connections of the compositor VM that can be given clients. */
  get links(): number {
    return this.#links?.size ?? 0;
  }

  /** Whether clients find a compositor. */
  get compositorState(): CompositorState {
    if (this.#links === undefined) return CompositorState.NoVm;
    return this.#links.served ? CompositorState.There : CompositorState.NoGlue;
  }

  /** Since when that is so, of `performance.now()`. */
  get compositorSince(): number {
    return this.#watchers.since;
  }

  /** Clients whose bytes pass through this process. */
  get relayed(): number {
    let count = this.#links?.relayed ?? 0;
    for (const links of this.#formerLinks) count += links.relayed;
    return count;
  }

  /** Names of the VMs that are registered. */
  get vms(): string[] {
    return [...this.#registrations].flatMap(({ vm }) => vm ?? []);
  }

  /** Ends everything, relayed clients too; those handed over go on. Idempotent. */
  close(): void {
    this.#control.close();
    this.#bound?.remove();
    for (const registration of [...this.#registrations]) this.#drop(registration);
    this.#waiting.dropAll();
    this.#watchers.close();
    for (const links of this.#formerLinks) links.close(true);
    this.#formerLinks.clear();
  }

  #serveControl(socket: UnixSocket): void {
    const most = this.#options.maxRegistrations ?? DEFAULT_MAX_REGISTRATIONS;
    if (this.#registrations.size >= most) {
      this.#log.warning(`a host process was refused: ${most} are registered already`);
      socket.close();
      return;
    }
    const registration: Registration = {
      socket,
      reader: new RecordReader(),
      fds: [],
      vm: undefined,
      pid: undefined,
      since: new Date(),
      wayland: undefined,
      waylandStatus: undefined,
      compositor: undefined,
    };
    this.#registrations.add(registration);
    socket.on('data', (bytes, fds) => {
      registration.fds.push(...fds);
      try {
        const records = registration.reader.push(bytes);
        const announced = records.length + (registration.reader.partial ? 1 : 0);
        if (registration.fds.length > announced) throw new Error('descriptors came without a record');
        for (const record of records) this.#register(registration, record);
      } catch (error) {
        this.#log.warning(`a host process was dropped: ${(error as Error).message}`);
        this.#drop(registration);
      }
    });
    socket.on('end', () => this.#drop(registration));
    socket.on('error', error => {
      this.#log.warning(`a host process was dropped: ${error.message}`);
      this.#drop(registration);
    });
    socket.start();
  }

  #register(registration: Registration, record: BrokerRecord): void {
    const listening = registration.fds.shift();
    if (listening === undefined) throw new Error('a registration came without its listening socket');
    let refusal: Error | undefined;
    try {
      this.#accept(registration, record, listening);
    } catch (error) {
      listening.close();
      refusal = error as Error;
    }
    const [vm] = record.text.split('\n');
    const what = `${roleName(record.detail)} of VM ${JSON.stringify(vm)}`;
    if (refusal === undefined) this.#log.info(`${what} registered`);
    else this.#log.warning(`${what} refused: ${refusal.message}`);
    const answer = refusal === undefined ? Kind.Accepted : refusal instanceof NameTaken ? Kind.Taken : Kind.Refused;
    registration.socket.send(encodeRecord({ kind: answer, detail: record.detail, text: refusal?.message ?? vm! }));
  }

  /** Takes ownership of `listening`; throws what the host process is to be told. */
  #accept(registration: Registration, record: BrokerRecord, listening: OwnedFd): void {
    if (record.kind !== Kind.Register) throw new Error(`a record of kind ${record.kind} is none of a host process`);
    const { vm, pid } = decodeRegistrant(record.text);
    if (registration.vm !== undefined && registration.vm !== vm) {
      throw new Error(`this connection speaks for VM "${registration.vm}"`);
    }
    const failed = (error: Error): void => this.#log.causedBy(vm).error(error.message);
    const others = [...this.#registrations].filter(other => other !== registration);
    const speaker = others.find(other => other.vm === vm);
    if (speaker !== undefined) throw new NameTaken(vm, speaker);
    switch (record.detail) {
      case Role.Wayland: {
        if (registration.wayland !== undefined) throw new Error('its wayland server is registered already');
        const arrive = (fd: OwnedFd): void => this.#arrive({ vm, fd });
        const rate = { burst: ARRIVALS_AT_ONCE, perSecond: this.#options.arrivals ?? DEFAULT_ARRIVALS };
        registration.wayland = new AcceptingSocket(listening, arrive, failed, rate);
        break;
      }
      case Role.WaylandStatus: {
        if (registration.waylandStatus !== undefined)
          throw new Error('its wayland-status server is registered already');
        registration.waylandStatus = new AcceptingSocket(listening, fd => this.#watchers.add(vm, fd), failed);
        break;
      }
      case Role.Compositor:
      case Role.CompositorRelay: {
        const holder = others.find(other => other.compositor !== undefined && other.vm !== vm);
        if (holder !== undefined) throw new Error(`VM "${holder.vm}" is the compositor VM already`);
        if (registration.compositor !== undefined) throw new Error('its compositor server is registered already');
        registration.compositor = new AcceptingSocket(
          listening,
          fd => {
            if (this.#links === undefined) fd.close();
            else this.#links.add(fd);
          },
          failed,
        );
        break;
      }
      default:
        throw new Error(`unknown role ${record.detail}`);
    }
    registration.vm = vm;
    registration.pid = pid;
    if (record.detail === Role.Compositor || record.detail === Role.CompositorRelay) {
      this.#links = new CompositorLinks(
        record.detail === Role.CompositorRelay ? Mode.Relay : Mode.Handover,
        {
          ready: () => this.#pair(),
          changed: () => this.#watchers.changed(),
          returned: client => {
            this.#waiting.add(client, true);
            this.#pair();
          },
          log: line => this.#log.causedBy(vm).warning(line),
        },
        this.#options,
      );
      this.#watchers.changed();
    }
  }

  #drop(registration: Registration): void {
    if (!this.#registrations.delete(registration)) return;
    closeAll(registration.fds);
    registration.socket.close();
    registration.wayland?.close();
    registration.waylandStatus?.close();
    registration.compositor?.close();
    if (registration.vm === undefined) return;
    if (registration.waylandStatus !== undefined) this.#watchers.dropAll(registration.vm);
    if (registration.wayland !== undefined) this.#waiting.dropAll(registration.vm);
    if (registration.compositor !== undefined && this.#links !== undefined) {
      const links = this.#links;
      this.#links = undefined;
      links.close(false);
      this.#watchers.changed();
      for (const former of this.#formerLinks) if (former.relayed === 0) this.#formerLinks.delete(former);
      if (links.relayed > 0) this.#formerLinks.add(links);
    }
    if (!this.vms.includes(registration.vm)) this.#log.output.forget(registration.vm);
    this.#log.about(registration.vm).info('the host process is gone');
  }

  #arrive(client: ArrivedClient): void {
    this.#waiting.add(client);
    this.#pair();
  }

  /** Gives waiting clients to links as long as there are both. */
  #pair(): void {
    while (this.#waiting.size > 0 && this.#links?.hasRoom) this.#links.give(this.#waiting.take()!);
  }
}

/** Another host process speaks for the VM. */
class NameTaken extends Error {
  constructor(vm: string, { pid, since }: Registration) {
    const which = pid === undefined ? '' : `process ${pid}, `;
    super(
      `VM "${vm}" has a host process already (${which}since ${moment(since)}): end that one, or choose another name`,
    );
  }
}

function roleName(role: number): string {
  if (role === Role.Wayland) return 'server "wayland"';
  if (role === Role.WaylandStatus) return 'server "wayland-status"';
  return role === Role.CompositorRelay ? 'server "compositor" (relay)' : 'server "compositor"';
}
