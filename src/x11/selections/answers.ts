/**
 * We own an X selection on behalf of a Wayland program: X clients ask us for its kinds of data, since when it counts, and
 * the data itself, of several kinds at once too (MULTIPLE).
 */
import type { OwnedFd } from '../../system/fd.js';
import { selectionNotify, type SelectionTransfer } from '../events.js';
import { property } from '../replies.js';
import { changeWords, getProperty, sendEvent } from '../requests.js';
import { wordsOf } from '../wire.js';
import { MAX_MULTIPLE } from './limits.js';
import type { Transfers } from './transfers.js';
import type { XSide } from './x-side.js';

/** What we answer with. */
export interface Answerable {
  /** For what is told of a transfer. */
  readonly name: string;
  /** Since when we own it, of the X server's clock. */
  readonly since: number;
  /** By target, the mime type. */
  readonly targets: ReadonlyMap<number, string>;
  /** Asks the Wayland program. Takes ownership. False: it is gone. */
  receive(type: string, sink: OwnedFd): boolean;
}

export class Answers {
  constructor(
    private readonly side: XSide,
    private readonly transfers: Transfers,
  ) {}

  /** An X client asks for `what`; undefined: there is nothing any more. */
  request(request: SelectionTransfer, what: Answerable | undefined): void {
    const { atoms } = this.side;
    // Clients of old name no property, and mean the target.
    const at = request.property === 0 ? request.target : request.property;
    if (what === undefined) this.#notify(request, 0);
    else if (request.target === atoms.MULTIPLE) this.#multiple(request, what);
    else {
      this.#convert(request.requestor, request.target, at, what, there => this.#notify(request, there ? at : 0));
    }
  }

  #notify(request: SelectionTransfer, at: number): void {
    this.side.x.send(sendEvent(request.requestor, selectionNotify({ ...request, property: at })));
  }

  #convert(requestor: number, target: number, at: number, what: Answerable, answered: (there: boolean) => void): void {
    const { x, atoms } = this.side;
    if (target === atoms.TARGETS) {
      const all = [atoms.TARGETS, atoms.TIMESTAMP, atoms.MULTIPLE, ...what.targets.keys()];
      x.send(changeWords(requestor, at, atoms.ATOM, all));
      answered(true);
      return;
    }
    if (target === atoms.TIMESTAMP) {
      x.send(changeWords(requestor, at, atoms.INTEGER, [what.since]));
      answered(true);
      return;
    }
    const type = what.targets.get(target);
    if (type === undefined) {
      answered(false);
      return;
    }
    // TEXT is any text: in UTF-8, here.
    const propertyType = target === atoms.TEXT ? atoms.UTF8_STRING : target;
    this.transfers.toProperty(
      { requestor, property: at, type: propertyType, answered },
      sink => what.receive(type, sink),
      `${what.name} to an X11 program`,
    );
  }

  /** The property has pairs of a target and a property each; those that cannot be had get none. */
  #multiple(request: SelectionTransfer, what: Answerable): void {
    const { x, atoms } = this.side;
    const { requestor, property: at } = request;
    const refuse = (): void => this.#notify(request, 0);
    if (at === 0) {
      refuse();
      return;
    }
    const converted = (reply: Uint8Array): void => {
      const { format, left, value } = property(reply);
      const pairs = format === 32 ? wordsOf(value) : [];
      if (left > 0 || pairs.length === 0 || pairs.length % 2 !== 0) {
        refuse();
        return;
      }
      let waiting = pairs.length / 2;
      for (let i = 0; i < pairs.length; i += 2) {
        const [target, place] = [pairs[i]!, pairs[i + 1]!];
        const answered = (there: boolean): void => {
          if (!there) pairs[i + 1] = 0;
          waiting -= 1;
          if (waiting > 0) return;
          x.send(changeWords(requestor, at, atoms.ATOM_PAIR, pairs));
          this.#notify(request, at);
        };
        if (target === atoms.MULTIPLE || place === 0) answered(false);
        else this.#convert(requestor, target, place, what, answered);
      }
    };
    x.ask(getProperty(requestor, at, 8 * MAX_MULTIPLE), converted, refuse);
  }
}
