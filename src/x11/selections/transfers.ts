/**
 * The transfers of one X server, both ways: their number is bounded, each ends by itself, and what the X server says finds the
 * one that it is about.
 */
import { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import type { SelectionTransfer, XEvent } from '../events.js';
import { MAX_TRANSFERS } from './limits.js';
import { ToPipe, type ToPipeOptions } from './to-pipe.js';
import { ToProperty, type ToPropertyOptions } from './to-property.js';
import { Shares } from '../shares.js';
import type { XSide } from './x-side.js';

export class Transfers {
  readonly #toPipes = new Map<number, ToPipe>();
  readonly #toProperties = new Set<ToProperty>();
  /** Of {@link #toProperties}, by the clients that they go to. */
  readonly #asked: Shares;

  constructor(private readonly side: XSide) {
    this.#asked = new Shares(MAX_TRANSFERS, side);
  }

  /** Those that run. */
  get count(): number {
    return this.#toPipes.size + this.#toProperties.size;
  }

  /** From an X client to a Wayland program. Where there are too many, the sink is closed: its reader finds the end. */
  toPipe(options: Omit<ToPipeOptions, 'ended'>, what: string): void {
    if (this.#full(what)) {
      options.sink.close();
      return;
    }
    const transfer = this.#made(what, () => new ToPipe(this.side, { ...options, ended: why => ended(why) }));
    const ended = (why: string | undefined): void => {
      this.#toPipes.delete(transfer!.window);
      this.#tell(what, why);
    };
    if (transfer !== undefined) this.#toPipes.set(transfer.window, transfer);
  }

  /**
   * From a Wayland program to an X client. `receive` gets the write end of a pipe, its to keep, and asks the program; false:
   * there is none. Where nothing comes of it, `answered` is told so at once.
   */
  toProperty(
    options: Omit<ToPropertyOptions, 'ended' | 'source'>,
    receive: (sink: OwnedFd) => boolean,
    what: string,
  ): void {
    const { requestor } = options;
    const pipe = this.#full(what, requestor) ? undefined : this.#made(what, () => native.pipe());
    if (pipe === undefined) {
      options.answered(false);
      return;
    }
    const [source, sink] = pipe.map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    if (!receive(sink)) {
      source.close();
      options.answered(false);
      return;
    }
    const transfer = this.#made(
      what,
      () => new ToProperty(this.side, { ...options, source, ended: why => ended(why) }),
    );
    const ended = (why: string | undefined): void => {
      if (this.#toProperties.delete(transfer!)) this.#asked.giveBack(requestor);
      this.#tell(what, why);
    };
    if (transfer === undefined) options.answered(false);
    else {
      this.#toProperties.add(transfer);
      this.#asked.take(requestor);
    }
  }

  /** What the X server says of windows of ours. */
  event(event: XEvent): void {
    if (event.is === 'PropertyNotify') this.#toPipes.get(event.window)?.event(event);
  }

  /** An owner has answered. */
  answered(transfer: SelectionTransfer): void {
    this.#toPipes.get(transfer.requestor)?.answered(transfer);
  }

  /** Ends all. */
  close(): void {
    for (const transfer of [...this.#toPipes.values(), ...this.#toProperties]) transfer.close('the X server ends');
  }

  /** `requestor`: a window of the client that wants one. */
  #full(what: string, requestor?: number): boolean {
    const all = this.count >= MAX_TRANSFERS;
    if (!all && (requestor === undefined || this.#asked.full(requestor) === undefined)) return false;
    const most = all ? MAX_TRANSFERS : this.#asked.mostOfOne;
    const whose = all ? 'X11 selections' : 'X11 selections to one program';
    this.side.log.warning(`${what}: refused, since ${most} transfers of ${whose} run already`);
    return true;
  }

  /** Descriptors may be short, or of a kind that cannot be used: that ends one transfer. */
  #made<T>(what: string, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      this.side.log.warning(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  }

  #tell(what: string, why: string | undefined): void {
    this.side.log.debug(`${what}: ${why === undefined ? 'all of it was carried over' : `ended, since ${why}`}`);
  }
}
