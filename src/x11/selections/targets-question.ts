/**
 * Asks the owner of an X selection which kinds of data it has. It gets so long to answer, and so many kinds are heard.
 *
 * Owners like xclip write their answer without looking, and end where our window is gone. So it stays until the one that was
 * asked has answered or is gone, whether somebody wants to know it still or not. Which one was asked, the X server is asked:
 * who had the selection by what we knew may have lost it.
 */
import type { SelectionTransfer } from '../events.js';
import { property, window as windowIn } from '../replies.js';
import { convertSelection, createWindow, destroyWindow, getProperty, getSelectionOwner } from '../requests.js';
import { wordsOf } from '../wire.js';
import { MAX_TARGETS } from './limits.js';
import type { XSide } from './x-side.js';

export class TargetsQuestion {
  readonly #window: number;
  readonly #timer: NodeJS.Timeout;
  /** Whoever answers is watched since the X server has said who that is. */
  #forget: (() => void) | undefined;
  #state: 'asked' | 'answered' | 'over' = 'asked';

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
    x.ask(getSelectionOwner(selection), reply => this.#watch(windowIn(reply)));
  }

  /** 0: there is none, and the X server answers. */
  #watch(owner: number): void {
    if (this.#state !== 'asked' || owner === 0) return;
    this.#forget = this.side.watch.add(owner, { destroyed: () => this.#end(undefined) });
  }

  /** An owner has answered somebody. */
  told({ requestor, selection, property: at }: SelectionTransfer): void {
    const { x, atoms, names } = this.side;
    if (requestor !== this.#window || selection !== this.selection || this.#state !== 'asked') return;
    this.#state = 'answered';
    this.#unwatch();
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

  /** The connection ends, and the window with it. Idempotent. */
  close(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#unwatch();
    this.side.x.send(destroyWindow(this.#window));
    this.side.x.freeId(this.#window);
  }

  #unwatch(): void {
    this.#forget?.();
    this.#forget = undefined;
  }

  #end(targets: ReadonlyMap<string, number> | undefined): void {
    if (this.#state === 'over') return;
    this.close();
    this.answered(targets);
  }
}
