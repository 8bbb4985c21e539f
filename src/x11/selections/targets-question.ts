/** Asks the owner of an X selection which kinds of data it has. It gets so long to answer, and so many kinds are heard. */
import type { SelectionTransfer } from '../events.js';
import { property } from '../replies.js';
import { convertSelection, createWindow, destroyWindow, getProperty } from '../requests.js';
import { wordsOf } from '../wire.js';
import { MAX_TARGETS } from './limits.js';
import type { XSide } from './x-side.js';

export class TargetsQuestion {
  readonly #window: number;
  readonly #timer: NodeJS.Timeout;
  #over = false;

  /** `answered`: the names of its targets, with their atoms; undefined: it does not say. Called once. */
  constructor(
    private readonly side: XSide,
    private readonly selection: number,
    private readonly answered: (targets: ReadonlyMap<string, number> | undefined) => void,
  ) {
    const { x, root, atoms, idleMs, guarded } = side;
    this.#window = x.newId();
    this.#timer = setTimeout(
      guarded(() => this.#end(undefined)),
      idleMs,
    );
    x.send(createWindow(this.#window, root, true));
    x.send(convertSelection(this.#window, selection, atoms.TARGETS, atoms._VIRTWL_SELECTION));
  }

  /** An owner has answered somebody. */
  told({ requestor, selection, property: at }: SelectionTransfer): void {
    const { x, atoms, names } = this.side;
    if (requestor !== this.#window || selection !== this.selection || this.#over) return;
    if (at !== atoms._VIRTWL_SELECTION) {
      this.#end(undefined);
      return;
    }
    x.ask(
      getProperty(this.#window, at, 4 * MAX_TARGETS),
      reply => {
        const { format, type, value } = property(reply);
        // Some old clients give the list the type TARGETS.
        if (format !== 32 || (type !== atoms.ATOM && type !== atoms.TARGETS)) this.#end(undefined);
        else names.names(wordsOf(value), found => this.#end(found));
      },
      () => this.#end(undefined),
    );
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.side.x.send(destroyWindow(this.#window));
    this.side.x.freeId(this.#window);
  }

  #end(targets: ReadonlyMap<string, number> | undefined): void {
    if (this.#over) return;
    this.close();
    this.answered(targets);
  }
}
