/**
 * One selection on the Wayland side: what a Wayland program offers comes in, what an X client offers goes out, both on
 * Xwayland's own connection. That is the one that the compositor gives the keyboard, and with it the right to exchange selections.
 *
 * To offer something takes the serial of an input event, so a source waits for the first. The compositor tells us of our
 * own sources as of others'; ours are known by a kind of data that only they have, as long as they count.
 */
import { randomBytes } from 'node:crypto';
import type { RelayObject } from '../../relay/object-map.js';
import type { OwnedFd } from '../../system/fd.js';
import type { Shell } from '../shell.js';
import { MAX_TARGETS } from './limits.js';
import type { DeviceProtocol } from './wayland-devices.js';

/** What a Wayland program offers; `data` of the object. */
export class Offer {
  readonly types: string[] = [];
  /** The compositor was told that we have done with it. */
  ended = false;
  /** Of a drag: what its source lets be done with it, as bits, and what will be. */
  sourceActions = 0;
  action = 0;

  constructor(
    readonly selection: WaylandSelection,
    readonly object: RelayObject,
  ) {}

  /** One more kind of data. */
  has(type: string): void {
    if (this.types.length < MAX_TARGETS) this.types.push(type);
  }
}

/** What an X client offers; `data` of the object. */
export class Source {
  constructor(
    readonly selection: WaylandSelection,
    /** By mime type, the X target. */
    readonly targets: ReadonlyMap<string, number>,
  ) {}
}

export interface SelectionWatch {
  /** A Wayland program's offer counts from now on; undefined: nobody offers anything. */
  offered(offer: Offer | undefined): void;
  /** A Wayland program wants what `source` offers. `sink` is the callee's. */
  asked(source: Source, type: string, sink: OwnedFd): void;
}

export class WaylandSelection {
  /** A kind of data by which sources of this X server are known. */
  readonly #mark = `application/x-virtwl-x11.${randomBytes(8).toString('hex')}`;
  #device: RelayObject | undefined;
  #source: { readonly object: RelayObject; readonly data: Source } | undefined;
  /** Waits for a serial, or a device. */
  #waiting: Source | undefined;
  /** The compositor may not have read yet what we have selected: what it says is from before. */
  #unsettled = 0;
  #offer: Offer | undefined;

  constructor(
    private readonly shell: Shell,
    private readonly protocol: DeviceProtocol,
    private readonly watch: SelectionWatch,
    /** Of the last input event. */
    private readonly serial: () => number | undefined,
  ) {}

  get name(): string {
    return this.protocol.name;
  }

  /** Undefined: the compositor has none, or the seat is not known yet. */
  get device(): RelayObject | undefined {
    return this.#device;
  }

  /** The seat is known. */
  begin(seat: RelayObject<'wl_seat'>): void {
    this.#device ??= this.protocol.device(this.shell, seat, this);
    this.shell.relay.flush();
  }

  // ---- what X clients offer ----------------------------------------------------------------------------------------

  /** Offers it to Wayland programs, by mime type. */
  select(targets: ReadonlyMap<string, number>): void {
    this.#waiting = new Source(this, targets);
    this.serialCame();
  }

  /** An input event has come. */
  serialCame(): void {
    const { protocol, shell } = this;
    const { relay } = shell;
    const serial = this.serial();
    const data = this.#waiting;
    if (data === undefined || serial === undefined || this.#device === undefined || relay.closed) return;
    this.#waiting = undefined;
    const object = protocol.source(shell, data);
    for (const type of [...data.targets.keys(), this.#mark]) protocol.offer(relay, object, type);
    protocol.select(relay, this.#device, object, serial);
    const before = this.#source;
    this.#source = { object, data };
    if (before !== undefined) protocol.endSource(relay, before.object);
    this.#unsettled += 1;
    relay.sync(() => (this.#unsettled -= 1));
    relay.flush();
  }

  /** No X client offers anything any more. */
  unselect(): void {
    this.#waiting = undefined;
    const source = this.#source;
    this.#source = undefined;
    if (source === undefined || this.shell.relay.closed) return;
    this.protocol.endSource(this.shell.relay, source.object);
    this.shell.relay.flush();
  }

  /** Another program offers something instead. */
  cancelled(data: Source): void {
    if (this.#source?.data === data) this.unselect();
    // One that was replaced by us is destroyed already.
  }

  sent(source: Source, type: string, sink: OwnedFd): void {
    this.watch.asked(source, type, sink);
  }

  // ---- what Wayland programs offer ---------------------------------------------------------------------------------

  /** The compositor says what counts. */
  selected(offer: Offer | undefined): void {
    if (this.#offer !== undefined) this.endOffer(this.#offer);
    this.#offer = undefined;
    const own = this.#source !== undefined && offer?.types.includes(this.#mark) === true;
    if (own || this.#unsettled > 0) {
      if (offer !== undefined) this.endOffer(offer);
      return;
    }
    this.#offer = offer;
    this.watch.offered(offer);
  }

  /** What is not to count, or does not any more. */
  endOffer(offer: Offer): void {
    if (offer.ended) return;
    offer.ended = true;
    this.protocol.endOffer(this.shell.relay, offer.object);
    this.shell.relay.flush();
  }

  /** Asks for data; it comes out of `sink`'s other end. Takes ownership. False: the offer does not count any more. */
  receive(offer: Offer, type: string, sink: OwnedFd): boolean {
    if (this.#offer !== offer || this.shell.relay.closed) {
      sink.close();
      return false;
    }
    this.protocol.receive(this.shell.relay, offer.object, type, sink);
    this.shell.relay.flush();
    return true;
  }
}
