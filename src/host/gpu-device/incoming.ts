/**
 * What comes from a context's server, on its way to the guest: bytes become RECEIVEs, descriptors become identifiers in the
 * RECEIVE that brings them. Memory waits here, by the id that the guest was told, until the guest makes a blob of it.
 *
 * The end of a channel is told after all that came before. Pipes of that channel may still have something by then: on a named
 * channel they go on; on others, where nothing comes after the end, they have a moment for it.
 */
import { closeAll, type OwnedFd } from '../../system/fd.js';
import type { HostConnection } from '../guest/connection.js';
import type { GuestHost } from '../guest/resources.js';
import type { HostMemory } from './blobs.js';
import { encodeReceive, END, IdType, MAX_IDS, receiveRoom } from './cross-domain.js';
import { identify } from './descriptors.js';
import { PIPE_GRACE_MS } from './limits.js';
import type { Mailbox } from './mailbox.js';
import type { Pipes } from './pipes.js';
import type { Streams } from './streams.js';
import type { Untaken } from './untaken.js';
import type { Usage } from './usage.js';

/** Ids that the device makes, in turn: below those of images. */
const IDS = 2 ** 30;

interface Identified {
  readonly id: number;
  readonly type: IdType;
  readonly size: number;
  /** Called when the guest knows of it. */
  readonly given?: () => void;
}

interface IncomingSurroundings {
  readonly host: GuestHost;
  readonly streams: Streams;
  readonly untaken: Untaken;
  readonly usage: Usage;
}

export class Incoming {
  /** The channel is of our own type: it carries connections, and pipes that the guest reads. */
  named = false;
  /** Identifiers that a RECEIVE has room for: as this client's SENDs have it. */
  room: number = MAX_IDS;
  readonly #memory = new Map<number, HostMemory>();
  #nextId = 0;
  #connection: HostConnection | undefined;
  /** The guest is told, or about to be told, that nothing more comes. */
  ended = false;
  #told = false;
  #grace: NodeJS.Timeout | undefined;

  constructor(
    private readonly context: number,
    private readonly all: IncomingSurroundings,
    private readonly mailbox: Mailbox,
    private readonly pipes: Pipes,
  ) {}

  /** The stream of a connected socket, which becomes its own, also when this throws `Refused`. It is not started. */
  listen(socket: OwnedFd): HostConnection {
    this.pipes.tellsGone = this.named;
    const connection = this.all.streams.connection(socket, {
      arrived: (bytes, fds) => this.#arrived(bytes, fds),
      hungUp: () => this.end(),
    });
    this.#connection = connection;
    this.mailbox.add(connection);
    return connection;
  }

  /** Memory that the guest was told of, which is the caller's then; undefined where there is none of this id. */
  takeMemory(id: number): HostMemory | undefined {
    const memory = this.#memory.get(id);
    if (memory === undefined) return undefined;
    this.#memory.delete(id);
    this.all.usage.give('resource');
    return memory;
  }

  /** How much memory of this id there is, in whole pages. */
  memoryBytes(id: number): number | undefined {
    return this.#memory.get(id)?.bytes;
  }

  /** Nothing more comes from the server: tells the guest, once its pipes are silent, or a moment later. Idempotent. */
  end(): void {
    this.ended = true;
    if (this.named || !this.pipes.reading) {
      this.#tellEnd();
      return;
    }
    this.pipes.onSilent = () => this.#tellEnd();
    this.#grace ??= setTimeout(() => this.#tellEnd(), PIPE_GRACE_MS);
  }

  close(): void {
    clearTimeout(this.#grace);
    this.pipes.onSilent = undefined;
    for (const id of [...this.#memory.keys()]) closeMemory(this.takeMemory(id)!);
  }

  #tellEnd(): void {
    if (this.#told) return;
    this.#told = true;
    clearTimeout(this.#grace);
    this.pipes.onSilent = undefined;
    if (!this.named) this.pipes.close();
    this.mailbox.push(END);
  }

  #arrived(bytes: Uint8Array, fds: OwnedFd[]): void {
    let ids: Identified[];
    try {
      ids = this.#identifyAll(fds);
    } catch (error) {
      this.all.host.log(
        `a channel has ended: what a server sent on it cannot be given to the guest: ${(error as Error).message}`,
      );
      this.#connection?.end();
      this.end();
      return;
    }
    const { room } = this;
    const space = receiveRoom(room);
    let at = 0;
    for (let first = 0; first < ids.length || at < bytes.length; first += room) {
      const some = ids.slice(first, first + room);
      // A RECEIVE without a byte would be taken for nothing at all: each that follows with descriptors has one left.
      const later = Math.max(0, Math.ceil((ids.length - first - some.length) / room));
      const data = bytes.subarray(at, Math.max(at, Math.min(at + space, bytes.length - later)));
      at += data.length;
      this.mailbox.push(encodeReceive(room, some, data), () => some.forEach(({ given }) => given?.()));
    }
  }

  /** All of them, in order, or none, and it throws. */
  #identifyAll(fds: readonly OwnedFd[]): Identified[] {
    const ids: Identified[] = [];
    let taken = 0;
    try {
      for (const fd of fds) {
        taken++;
        ids.push(this.#identify(fd));
      }
      return ids;
    } catch (error) {
      // What was identified goes with the channel.
      closeAll(fds.slice(taken));
      throw error;
    }
  }

  #identify(fd: OwnedFd): Identified {
    const { host, usage, untaken } = this.all;
    const arrival = identify(fd, host.received);
    switch (arrival.kind) {
      case 'memory': {
        const { memory, size } = arrival;
        try {
          usage.take('resource');
        } catch (error) {
          closeMemory(memory);
          throw error;
        }
        const id = this.#newId();
        this.#memory.set(id, memory);
        return { id, type: IdType.Blob, size };
      }
      case 'connection':
        if (this.named) return { id: untaken.add(fd, this.context), type: IdType.Connection, size: 0 };
        break;
      case 'pipe': {
        const { direction } = arrival;
        if (direction === 'read' && !this.named) break;
        const id = this.#newId();
        const pipe = this.pipes.add(id, fd, direction);
        const type = direction === 'read' ? IdType.ReadPipe : IdType.WritePipe;
        return { id, type, size: 0, given: () => pipe.start() };
      }
    }
    fd.close();
    throw new Error(`this channel cannot carry a ${arrival.kind}`);
  }

  #newId(): number {
    do this.#nextId = (this.#nextId + 1) % IDS;
    while (this.#nextId === 0 || this.#memory.has(this.#nextId) || this.pipes.has(this.#nextId));
    return this.#nextId;
  }
}

function closeMemory({ fd, closed }: HostMemory): void {
  fd.close();
  closed?.();
}
