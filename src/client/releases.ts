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
import type { Relay } from '../relay/relay.js';

/** How long a release waits, in milliseconds, where answers are prompt: a frame of a screen, after which its answer was due. */
export const LATEST_RELEASE_MS = 20;
/** How many times as long it may wait where answers are late: no longer than a person sees as a pause. */
export const MOST_TURNS = 5;

/** Those that have releases waiting: one timer for all, so that none is started for each frame. */
const waiting = new Set<Releases>();
let timer: NodeJS.Timeout | undefined;

function look(): void {
  timer = undefined;
  for (const releases of waiting) if (!releases.turn()) waiting.delete(releases);
  if (waiting.size > 0) timer = setTimeout(look, LATEST_RELEASE_MS);
}

export class Releases {
  #waiting: RelayObject<'wl_buffer'>[] = [];
  /** How often the timer has come round since the first of them came. */
  #turns = 0;
  /** How often it may. */
  #mostTurns = 1;

  constructor(private readonly relay: () => Relay) {}

  /** The application may draw into that buffer again: it is told with the batch, or later. */
  add(buffer: RelayObject<'wl_buffer'>): void {
    this.#waiting.push(buffer);
    this.relay().waiting = true;
  }

  /** The end of a batch. `saying`: something is said to the application now, so they go along. */
  batchEnds(saying: boolean): void {
    if (this.#waiting.length === 0) return;
    if (saying || this.relay().callbacks === 0) {
      // As late as this one it may be again, and once more; prompt ones take that back little by little.
      if (this.#turns > 0) this.#mostTurns = Math.min(MOST_TURNS, Math.max(this.#mostTurns, this.#turns + 2));
      else this.#mostTurns = Math.max(1, this.#mostTurns - 1);
      this.#tell();
      return;
    }
    waiting.add(this);
    timer ??= setTimeout(look, LATEST_RELEASE_MS);
  }

  /** The timer has come round. Returns whether any release waits still. @internal */
  turn(): boolean {
    if (this.#waiting.length === 0) return false;
    this.#turns += 1;
    if (this.#turns < this.#mostTurns) return true;
    this.#mostTurns = Math.min(MOST_TURNS, 2 * this.#mostTurns);
    this.#tell();
    this.relay().flush();
    return false;
  }

  close(): void {
    waiting.delete(this);
    this.#waiting = [];
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#turns = 0;
    this.relay().waiting = false;
    // The id of one that is destroyed may be another buffer's by now.
    for (const buffer of waiting) if (!buffer.destroyed) this.relay().emitEvent(buffer, 'release', {});
  }
}
