/**
 * One selection, CLIPBOARD or PRIMARY, between the X server and the compositor. Whoever took it last has it on both sides: an
 * X client has a source of ours stand for it at the compositor, and a Wayland program has a window of ours stand for it as
 * the owner at the X server.
 */
import type { OwnedFd } from '../../system/fd.js';
import type { SelectionTransfer } from '../events.js';
import { createWindow, EventMask, NONE, setSelectionOwner } from '../requests.js';
import type { Answerable, Answers } from './answers.js';
import { mimeTypesOf, targetsOf } from './targets.js';
import { TargetsQuestion } from './targets-question.js';
import type { Transfers } from './transfers.js';
import type { Offer, SelectionWatch, Source, WaylandSelection } from './wayland-selection.js';
import type { XSide } from './x-side.js';

export class Bridge implements SelectionWatch {
  /** Owns the selection while a Wayland program has it. */
  #window: number;
  #owner = 0;
  /** How often we have taken it, and not been told so yet: what is told before that is over already. */
  #taking = 0;
  #question: TargetsQuestion | undefined;
  /** Another has it since that was asked. */
  #askAgain = false;
  #answerable: Answerable | undefined;
  /** What waits for its atoms. */
  #offer: Offer | undefined;

  constructor(
    private readonly side: XSide,
    readonly selection: number,
    private readonly transfers: Transfers,
    private readonly answers: Answers,
    private readonly wayland: () => WaylandSelection,
  ) {
    this.#window = this.#makeWindow();
  }

  // ---- what the X server says --------------------------------------------------------------------------------------

  /** It has another owner since `time`; 0: none. */
  owned(owner: number, time: number): void {
    if (owner === this.#window) this.#taking -= 1;
    else if (this.#taking > 0) return;
    this.#owner = owner;
    if (owner === this.#window) {
      if (this.#answerable !== undefined) this.#answerable = { ...this.#answerable, since: time };
      this.wayland().unselect();
      return;
    }
    this.#answerable = undefined;
    this.#offer = undefined;
    if (owner === 0) this.wayland().unselect();
    else this.#ask();
  }

  /** A window is gone. Any X client can destroy ours, of which the server tells before it tells of the selection. */
  destroyed(window: number): void {
    if (window !== this.#window) return;
    if (this.#owner === window) this.#owner = 0;
    // What we asked for by it was told already, or was refused.
    this.#taking = 0;
    this.#window = this.#makeWindow();
    if (this.#answerable !== undefined) this.#take();
  }

  /** An X client asks us. */
  requested(request: SelectionTransfer, of: number): void {
    this.answers.request(request, of === this.#window ? this.#answerable : undefined);
  }

  /** An owner has answered somebody. */
  told(transfer: SelectionTransfer): void {
    this.#question?.told(transfer);
  }

  close(): void {
    this.#question?.close();
  }

  /** One question at a time, however often an X client takes the selection. */
  #ask(): void {
    if (this.#question !== undefined) {
      this.#askAgain = true;
      return;
    }
    const owner = this.#owner;
    this.#question = new TargetsQuestion(this.side, this.selection, found => {
      this.#question = undefined;
      if (this.#owner === 0 || this.#owner === this.#window) this.#askAgain = false;
      else if (this.#askAgain) {
        this.#askAgain = false;
        this.#ask();
      } else if (this.#owner === owner) this.#offerTargets(found);
    });
  }

  #offerTargets(found: ReadonlyMap<string, number> | undefined): void {
    const types = new Map<string, number>();
    for (const [type, target] of mimeTypesOf([...(found?.keys() ?? [])])) types.set(type, found!.get(target)!);
    if (types.size === 0) this.wayland().unselect();
    else this.wayland().select(types);
  }

  // ---- what the compositor says ------------------------------------------------------------------------------------

  offered(offer: Offer | undefined): void {
    const { x, names } = this.side;
    this.#offer = offer;
    if (offer === undefined) {
      const since = this.#answerable?.since;
      this.#answerable = undefined;
      // By the time since when it is ours: what an X client has taken after that stays its.
      if (this.#owner === this.#window) x.send(setSelectionOwner(NONE, this.selection, since));
      return;
    }
    const targets = targetsOf(offer.types);
    names.atoms([...targets.keys()], atoms => {
      if (this.#offer !== offer) return;
      const byAtom = new Map<number, string>();
      for (const [name, atom] of atoms) byAtom.set(atom, targets.get(name)!);
      const wayland = this.wayland();
      this.#answerable = {
        name: wayland.name,
        since: 0,
        targets: byAtom,
        receive: (type, sink) => wayland.receive(offer, type, sink),
      };
      this.#take();
      x.flush();
    });
    x.flush();
  }

  #makeWindow(): number {
    const { x, root } = this.side;
    const id = x.newId();
    x.send(createWindow(id, root, true, EventMask.structureNotify));
    return id;
  }

  #take(): void {
    this.#taking += 1;
    this.side.x.send(setSelectionOwner(this.#window, this.selection));
  }

  asked(source: Source, type: string, sink: OwnedFd): void {
    const target = source.targets.get(type);
    const { selection } = this;
    if (target === undefined || this.#owner === 0 || this.#owner === this.#window) sink.close();
    else {
      const what = `${this.wayland().name} of an X11 program`;
      this.transfers.toPipe({ selection, target, sink }, what);
    }
    this.side.x.flush();
  }
}
