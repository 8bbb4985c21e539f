/**
 * A host process's side of the broker's control socket: passes its listening sockets on, keeps the connection, and does
 * it again when the broker comes back.
 */
import type { Log } from '../observe/log.js';
import { join } from 'node:path';
import { closeAll, OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { UnixSocket } from '../system/unix-socket.js';
import { Backoff } from '../system/backoff.js';
import { CONTROL_SOCKET } from './broker.js';
import { encodeRecord, encodeRegistrant, Kind, RecordReader, Role, type BrokerRecord } from './protocol.js';

/** How long the name of a VM may be found taken until it counts, in milliseconds: by a process that has just ended. */
const TAKEN_GRACE_MS = 1_000;

/** A listening socket that the broker is to accept on. */
export interface BrokeredServer {
  readonly role: Role;
  /** Lent: it stays the host process's, which keeps it open so that connections can wait while no broker runs. */
  readonly socket: OwnedFd;
}

export class BrokerRegistration {
  #socket: UnixSocket | undefined;
  #backoff = new Backoff();
  #accepted = 0;
  /** The last trouble that was logged: the same one again is not news. */
  #trouble: string | undefined;
  /** It was accepted once: a process that has the name then came later, and is the one to end. */
  #everRegistered = false;
  /** Since when another process has been found to speak for the VM, of `performance.now()`. */
  #takenSince: number | undefined;
  #closed = false;

  /**
   * Starts at once, and keeps trying until `close()`. `directory` is the broker's. `taken` is told, once, when another
   * process speaks for the VM and does not go away; nothing is tried any more then.
   */
  constructor(
    private readonly directory: string,
    private readonly vm: string,
    private readonly servers: readonly BrokeredServer[],
    private readonly log: Log,
    private readonly taken: (why: string) => void = why => log.error(why),
  ) {
    this.#connect();
  }

  /** Whether the broker has accepted every server and the connection stands. */
  get registered(): boolean {
    return this.#socket !== undefined && this.#accepted === this.servers.length;
  }

  /** Idempotent. The listening sockets stay open. */
  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #connect(): void {
    const path = join(this.directory, CONTROL_SOCKET);
    let socket: UnixSocket;
    try {
      socket = UnixSocket.connect(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
      const what = absent ? 'nobody listens there' : (error as Error).message;
      this.#retry(`no broker at ${path} (${what}); start "virtwl broker --directory ${this.directory}"`);
      return;
    }
    this.#socket = socket;
    this.#accepted = 0;
    const reader = new RecordReader();
    socket.on('data', (bytes, fds) => {
      closeAll(fds);
      try {
        for (const record of reader.push(bytes)) {
          if (this.#socket === socket) this.#answered(record);
        }
      } catch (error) {
        this.#lost(`the broker at ${path} was left: ${(error as Error).message}`);
      }
    });
    socket.on('end', () => this.#lost(`the broker at ${path} is gone; clients wait until it is back`));
    socket.on('error', error => this.#lost(`the connection to the broker at ${path} broke: ${error.message}`));
    socket.start();
    for (const { role, socket: listening } of this.servers) {
      const record = encodeRecord({ kind: Kind.Register, detail: role, text: encodeRegistrant(this.vm, process.pid) });
      socket.send(record, [new OwnedFd(native.dup(listening.fd))]);
    }
  }

  #answered(record: BrokerRecord): void {
    if (record.kind === Kind.Taken) {
      this.#another(record.text);
      return;
    }
    // A broker that is older than this process does not know that server; the VM is served without it.
    if (record.kind === Kind.Refused && record.detail === Role.WaylandStatus)
      record = { ...record, kind: Kind.Accepted };
    if (record.kind === Kind.Refused) throw new Error(`it refused this VM: ${record.text}`);
    if (record.kind !== Kind.Accepted) throw new Error(`it sent a record of kind ${record.kind}`);
    this.#accepted++;
    if (!this.registered) return;
    this.#backoff.reset();
    this.#trouble = undefined;
    this.#everRegistered = true;
    this.#takenSince = undefined;
    this.log.info(`registered with the broker in ${this.directory}`);
  }

  /** The one before us may have died this moment, and the broker not have noticed. */
  #another(why: string): void {
    if (this.#everRegistered) throw new Error(why);
    this.#takenSince ??= performance.now();
    this.#socket?.close();
    this.#socket = undefined;
    if (performance.now() - this.#takenSince < TAKEN_GRACE_MS) {
      this.#backoff.schedule(() => this.#connect());
      return;
    }
    this.close();
    this.taken(why);
  }

  #lost(trouble: string): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#retry(trouble);
  }

  #retry(trouble: string): void {
    if (this.#closed) return;
    if (trouble !== this.#trouble) this.log.warning(`${trouble}; trying again`);
    this.#trouble = trouble;
    this.#backoff.schedule(() => this.#connect());
  }
}
