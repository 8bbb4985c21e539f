/** The connections and pipes of a guest, counted, from their making until they hold nothing any more. */
import type { OwnedFd } from '../../system/fd.js';
import { HostConnection } from '../guest/connection.js';
import { HostPipe } from '../guest/pipe.js';
import type { HostStream, StreamEvents } from '../guest/stream.js';
import { Unsent } from '../guest/unsent.js';
import type { Usage } from './usage.js';

/** What their owner wants to know of them. */
export type OwnerEvents = Pick<StreamEvents, 'arrived' | 'hungUp'>;

export class Streams {
  readonly unsent = new Unsent();
  /** Also those that the guest has closed and that still deliver. */
  readonly #all = new Set<HostStream>();

  /** `drained`: what waited for a server has left, or is not wanted any more. */
  constructor(
    private readonly usage: Usage,
    private readonly drained: () => void,
  ) {}

  /** Of a connected socket, which becomes the stream's, also when this throws `Refused`. Nothing is read before its start. */
  connection(fd: OwnedFd, events: OwnerEvents): HostConnection {
    return this.#make('connection', fd, events, all => new HostConnection(fd, all));
  }

  /** Of one end of a pipe, as {@link connection}; `direction` is what the guest does. */
  pipe(fd: OwnedFd, direction: 'read' | 'write', events: OwnerEvents): HostPipe {
    return this.#make('pipe', fd, events, all => new HostPipe(fd, undefined, direction, all));
  }

  /** Ends all of them, delivered or not. */
  endAll(): void {
    for (const stream of [...this.#all]) stream.end();
  }

  #make<S extends HostStream>(
    what: 'connection' | 'pipe',
    fd: OwnedFd,
    { arrived, hungUp }: OwnerEvents,
    make: (events: StreamEvents) => S,
  ): S {
    try {
      this.usage.take(what);
    } catch (error) {
      fd.close();
      throw error;
    }
    try {
      const { drained } = this;
      const ended = (): void => {
        this.usage.give(what);
        this.#all.delete(stream);
        this.unsent.forget(stream);
        drained();
      };
      const stream: S = make({ arrived, hungUp, drained, ended });
      this.#all.add(stream);
      return stream;
    } catch (error) {
      this.usage.give(what);
      throw error;
    }
  }
}
