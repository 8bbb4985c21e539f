/**
 * What owners of XdndSelection have been asked. Who takes it next is asked at once, whether the one before has answered or not:
 * there may be several questions, of which only the last is of interest.
 */
import type { SelectionTransfer } from '../events.js';
import { MAX_DRAG_QUESTIONS } from '../selections/limits.js';
import { TargetsQuestion } from '../selections/targets-question.js';
import type { XSide } from '../selections/x-side.js';
import { Shares } from '../shares.js';

export class DragQuestions {
  readonly #open = new Set<TargetsQuestion>();
  readonly #shares: Shares;

  constructor(
    private readonly side: XSide,
    private readonly selection: number,
  ) {
    this.#shares = new Shares(MAX_DRAG_QUESTIONS, side);
  }

  /** `answered`: as in {@link TargetsQuestion}; also where its client has been asked too often. */
  ask(owner: number, answered: (targets: ReadonlyMap<string, number> | undefined) => void): void {
    if (this.#shares.full(owner) !== undefined) {
      this.side.log.debug('an X11 program that drags is not asked what it has, since too many have not answered');
      answered(undefined);
      return;
    }
    this.#shares.take(owner);
    const question: TargetsQuestion = new TargetsQuestion(this.side, this.selection, targets => {
      this.#open.delete(question);
      this.#shares.giveBack(owner);
      answered(targets);
    });
    this.#open.add(question);
  }

  /** An owner has answered somebody. */
  told(transfer: SelectionTransfer): void {
    for (const question of [...this.#open]) question.told(transfer);
  }

  /** The connection ends. */
  close(): void {
    for (const question of this.#open) question.close();
  }
}
