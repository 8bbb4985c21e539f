/**
 * The pipes of one context, by id. Those that the guest makes have ids that it chose (it guesses what rutabaga would count,
 * from 0x80000001 on), those that a server sent have ids of the device's. What comes out of one is READ, what goes in WRITE.
 */
import { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import type { HostPipe } from '../guest/pipe.js';
import { encodeRead, READ_ROOM } from './cross-domain.js';
import type { Mailbox } from './mailbox.js';
import type { Streams } from './streams.js';
import { Refused } from './usage.js';
import { Response } from './wire.js';

/** Ids from here on are the guest's. */
const GUEST_IDS = 0x8000_0000;

const NOTHING = new Uint8Array(0);

export class Pipes {
  readonly #pipes = new Map<number, HostPipe>();
  /** Tells the guest also of pipes that nobody reads any more: clients of others do not know of it. */
  tellsGone = false;
  /** Called when there is no pipe any more that the guest reads. */
  onSilent: (() => void) | undefined;

  constructor(
    private readonly all: { readonly streams: Streams },
    private readonly mailbox: Mailbox,
  ) {}

  /** Whether the guest still reads a pipe. */
  get reading(): boolean {
    for (const { direction } of this.#pipes.values()) if (direction === 'read') return true;
    return false;
  }

  has(id: number): boolean {
    return this.#pipes.has(id);
  }

  /**
   * A pipe of the guest's making; `direction` is what it does. Returns the other end, which is the caller's.
   *
   * @throws Refused
   */
  make(id: number, direction: 'read' | 'write'): OwnedFd {
    if (id < GUEST_IDS || this.#pipes.has(id)) {
      throw new Refused(Response.InvalidParameter, `a pipe cannot have the id 0x${id.toString(16)}`);
    }
    const [reader, writer] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const [mine, other] = direction === 'read' ? [reader, writer] : [writer, reader];
    try {
      this.add(id, mine, direction).start();
      return other;
    } catch (error) {
      other.close();
      throw error;
    }
  }

  /** One end of a pipe, which becomes this one's also when it throws `Refused`. Nothing is read before its start. */
  add(id: number, fd: OwnedFd, direction: 'read' | 'write'): HostPipe {
    const pipe = this.all.streams.pipe(fd, direction, {
      arrived: bytes => {
        for (let at = 0; at < bytes.length; at += READ_ROOM)
          this.mailbox.push(encodeRead(id, false, bytes.subarray(at, at + READ_ROOM)));
      },
      hungUp: () => this.#hungUp(id, pipe),
    });
    this.#pipes.set(id, pipe);
    this.mailbox.add(pipe);
    return pipe;
  }

  /** The pipe of this id, if the guest may write to it. */
  written(id: number): HostPipe | undefined {
    const pipe = this.#pipes.get(id);
    return pipe?.direction === 'write' ? pipe : undefined;
  }

  /** The guest closes a pipe: what it wrote is still delivered. Whether there is one; nothing happens without `closes`. */
  drop(id: number, closes: boolean): boolean {
    const pipe = this.#pipes.get(id);
    if (pipe === undefined) return false;
    if (closes) {
      this.#remove(id, pipe);
      pipe.close();
    }
    return true;
  }

  close(): void {
    for (const pipe of this.#pipes.values()) pipe.close();
    this.#pipes.clear();
  }

  #hungUp(id: number, pipe: HostPipe): void {
    if (this.#pipes.get(id) !== pipe) return;
    if (pipe.direction === 'write') {
      // It stays, so that what is still written to it is dropped and not refused.
      if (this.tellsGone) this.mailbox.push(encodeRead(id, true, NOTHING));
      return;
    }
    this.mailbox.push(encodeRead(id, true, NOTHING));
    this.#remove(id, pipe);
    pipe.end();
  }

  #remove(id: number, pipe: HostPipe): void {
    this.#pipes.delete(id);
    this.mailbox.remove(pipe);
    if (!this.reading) this.onSilent?.();
  }
}
