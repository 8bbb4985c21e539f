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
import type { XSide } from './x-side.js';

export class Transfers {
  readonly #toPipes = new Map<number, ToPipe>();
  readonly #toProperties = new Set<ToProperty>();

  constructor(private readonly side: XSide) {}

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
    const pipe = this.#full(what) ? undefined : this.#made(what, () => native.pipe());
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
      this.#toProperties.delete(transfer!);
      this.#tell(what, why);
    };
    if (transfer === undefined) options.answered(false);
    else this.#toProperties.add(transfer);
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

  #full(what: string): boolean {
    if (this.count < MAX_TRANSFERS) return false;
    this.side.log.warning(`${what}: refused, since ${MAX_TRANSFERS} transfers of X11 selections run already`);
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
