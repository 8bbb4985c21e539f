/**
 * The application's buffers on their way back. A copy is made at once, so the application's buffer is free long before the
 * compositor answers for the frame; told so by itself, the application would be woken twice for each frame. Where an answer
 * is on its way (`wl_display.sync`, `wl_surface.frame`), the release goes along with whatever is said next, or a little
 * later when nothing is: a hidden window's frames are answered when it is seen again.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';

/** How long a release may wait, in milliseconds: a frame of a screen, after which its answer was due. */
export const LATEST_RELEASE_MS = 20;

export class Releases {
  #waiting: RelayObject<'wl_buffer'>[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly relay: () => Relay) {}

  /** The application may draw into that buffer again: it is told with the batch, or later. */
  add(buffer: RelayObject<'wl_buffer'>): void {
    this.#waiting.push(buffer);
    this.relay().waiting = true;
  }

  /** The end of a batch. `saying`: something is said to the application now, so they go along. */
  batchEnds(saying: boolean): void {
    if (this.#waiting.length === 0) return;
    if (saying || this.relay().callbacks === 0) this.#tell();
    // One for all that come until then: none of them waits longer, and nothing is started for each frame.
    else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#tell();
        this.relay().flush();
      }, LATEST_RELEASE_MS);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.relay().waiting = false;
    // The id of one that is destroyed may be another buffer's by now.
    for (const buffer of waiting) if (!buffer.destroyed) this.relay().emitEvent(buffer, 'release', {});
  }
}
