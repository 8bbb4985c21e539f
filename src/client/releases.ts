/**
 * The application's buffers on their way back. A copy is made at once, so the application's buffer is free long before the
 * compositor answers for the frame; told so by itself, the application would be woken twice for each frame. Where an answer
 * is on its way (`wl_display.sync`, `wl_surface.frame`), the release goes along with whatever is said next, or a little
 * later when nothing is: a hidden window's frames are answered when it is seen again.
 *
 * How much later is learnt: where answers are late, since many programs draw or the compositor is busy, a release that did
 * not wait for its answer would wake the application once more just then.
 */
import type { RelayObject } from '../relay/object-map.js';
import { MOST_RELEASES, RELEASED, Word, WORDS } from '../relay/pass-words.js';
import type { Relay } from '../relay/relay.js';

/** How long a release waits, in milliseconds, where answers are prompt: a frame of a screen, after which its answer was due. */
export const LATEST_RELEASE_MS = 20;
/** How many times as long it may wait where answers are late: no longer than a person sees as a pause. */
export const MOST_TURNS = 5;
/** After how many prompt answers it waits a turn less: of five hundred programs every other answer may be a turn late. */
export const PROMPT_ENOUGH = 16;

/** Those that have releases waiting: one timer for all, so that none is started for each frame. */
const waiting = new Set<Releases>();
let timer: NodeJS.Timeout | undefined;

function look(): void {
  timer = undefined;
  for (const releases of waiting) if (!releases.turn()) waiting.delete(releases);
  if (waiting.size > 0) timer = setTimeout(look, LATEST_RELEASE_MS);
}

/** How often the timer comes round in vain until it stops, where frames pass natively: it would be started for each. */
const QUIET_TURNS = 8;

/** What is waited for is noted where the native pass notes it too (`relay/pass-words.ts`): either tells of all. */
export class Releases {
  #words: Int32Array | undefined;
  /** How often the timer has come round since a frame passed natively; how many had then. */
  #quiet = 0;
  #passed = 0;

  constructor(private readonly relay: () => Relay) {}

  get #noted(): Int32Array {
    return (this.#words ??= this.relay().pass?.words ?? new Int32Array(WORDS));
  }

  /** The application may draw into that buffer again: it is told with the batch, or later. */
  add({ clientId, destroyed }: RelayObject<'wl_buffer'>): void {
    // Its id may be another buffer's by now.
    if (destroyed) return;
    const words = this.#noted;
    if (words[Word.Releases] === MOST_RELEASES) this.#tell();
    words[RELEASED + words[Word.Releases]!] = clientId;
    words[Word.Releases]! += 1;
  }

  /** The application destroys that buffer: it is told nothing more, and the id may be another's then. */
  forget({ clientId }: RelayObject<'wl_buffer'>): void {
    const words = this.#noted;
    const waiting = words.subarray(RELEASED, RELEASED + words[Word.Releases]!);
    const others = waiting.filter(id => id !== clientId);
    waiting.set(others);
    words[Word.Releases] = others.length;
  }

  /** The end of a batch. `saying`: something is said to the application now, so they go along. */
  batchEnds(saying: boolean): void {
    const words = this.#noted;
    if (words[Word.Releases] === 0) return;
    if (saying || this.relay().callbacks === 0) {
      this.#learn(words[Word.ReleaseTurns]!);
      this.#tell();
      return;
    }
    waiting.add(this);
    words[Word.ReleasesTimed] = 1;
    timer ??= setTimeout(look, LATEST_RELEASE_MS);
  }

  /** The timer has come round. Returns whether it is to come again. @internal */
  turn(): boolean {
    const words = this.#noted;
    if (words[Word.Releases] === 0) return this.#mayComeAgain();
    words[Word.ReleaseTurns]! += 1;
    if (words[Word.ReleaseTurns]! < Math.max(1, words[Word.MostReleaseTurns]!)) return true;
    words[Word.MostReleaseTurns] = Math.min(MOST_TURNS, 2 * Math.max(1, words[Word.MostReleaseTurns]!));
    this.#tell();
    this.relay().flush();
    return this.#mayComeAgain();
  }

  /** As late as this answer the next may be, and once more; prompt ones take that back little by little. */
  #learn(turns: number): void {
    const words = this.#noted;
    const most = words[Word.MostReleaseTurns]!;
    if (turns > 0) {
      words[Word.MostReleaseTurns] = Math.min(MOST_TURNS, Math.max(most, turns + 2));
      words[Word.PromptAnswers] = 0;
      return;
    }
    words[Word.PromptAnswers]! += 1;
    if (words[Word.PromptAnswers]! < PROMPT_ENOUGH) return;
    words[Word.MostReleaseTurns] = Math.max(1, most - 1);
    words[Word.PromptAnswers] = 0;
  }

  close(): void {
    waiting.delete(this);
    this.#noted[Word.Releases] = 0;
  }

  #mayComeAgain(): boolean {
    const passed = this.relay().passedFrames;
    this.#quiet = passed === this.#passed ? this.#quiet + 1 : 0;
    this.#passed = passed;
    const again = passed > 0 && this.#quiet < QUIET_TURNS;
    if (!again) this.#noted[Word.ReleasesTimed] = 0;
    return again;
  }

  #tell(): void {
    const words = this.#noted;
    const relay = this.relay();
    const count = words[Word.Releases]!;
    words[Word.Releases] = words[Word.ReleaseTurns] = 0;
    for (const id of words.slice(RELEASED, RELEASED + count)) {
      const buffer = relay.clientObject(id);
      if (buffer?.is('wl_buffer') === true) relay.emitEvent(buffer, 'release', {});
    }
  }
}
