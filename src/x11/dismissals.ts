/**
 * Popups that the compositor has dismissed, which we do not know yet. To wlroots before 0.16 a picture of such a popup is a
 * mistake, and so is a configure that is acknowledged: it ends Xwayland's connection for that, and with it all X11 programs.
 * sway dismisses the popups of a window when another one gets the keyboard, which each new window does. So after what may
 * move the keyboard, what is said of popups waits here until the compositor has answered: by then it has said which ones it
 * has dismissed.
 *
 * What the user and other programs have done while a picture is on its way, nobody can know: that is as it is for every
 * program of a compositor.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Surface } from './surfaces.js';

/**
 * Answers that are waited for in a row, where the keyboard may have moved meanwhile each time. A hundred windows that come at
 * once are two or three. A program that moves the keyboard without end, by messages say, would have all others wait for ever.
 */
export const MAX_QUESTIONS = 16;

export class Dismissals {
  /** Their surfaces. */
  readonly #popups = new Set<RelayObject>();
  /** What waits for an answer; of each the last. */
  readonly #waiting = new Map<object, () => void>();
  /** Popups may have been dismissed since the last question. */
  #doubt = false;
  #asking = false;
  /** In a row. */
  #questions = 0;

  /** `relay`: that of the connection, once it is there. */
  constructor(private readonly relay: () => Pick<Relay, 'sync' | 'flush' | 'resume'>) {}

  opened(surface: RelayObject): void {
    this.#popups.add(surface);
  }

  closed(surface: RelayObject): void {
    this.#popups.delete(surface);
  }

  /** With what is said in this turn, the compositor may give the keyboard to another window. */
  doubt(): void {
    if (this.#popups.size > 0) this.#doubt = true;
  }

  /** Says something of a popup, at once or later. `about`: what is said of the same later takes its place. */
  whenSure(about: object, say: () => void): void {
    if (!this.#inDoubt) {
      say();
      return;
    }
    this.#waiting.set(about, say);
    this.#ask();
  }

  /** Pictures that Xwayland draws, with all that it says behind them. */
  readonly concern: Concern = {
    name: 'x11 dismissals',
    requests: {
      wl_surface: {
        commit: ({ object }) => {
          const drawn = this.#popups.has(object) && (object.data as Surface).shown;
          if (!drawn || !this.#inDoubt) return Verdict.Forward;
          this.#ask();
          return Verdict.Stall;
        },
      },
    },
  };

  get #inDoubt(): boolean {
    return this.#doubt || this.#asking;
  }

  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#doubt = false;
    this.#questions += 1;
    this.relay().sync(() => this.#answered());
    this.relay().flush();
  }

  #answered(): void {
    this.#asking = false;
    if (this.#doubt && this.#questions < MAX_QUESTIONS) {
      this.#ask();
      return;
    }
    this.#doubt = false;
    this.#questions = 0;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const say of waiting) say();
    this.relay().resume('requests');
  }
}
