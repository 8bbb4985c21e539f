/**
 * Popups that the compositor has dismissed, which we do not know yet. To wlroots before 0.16 a picture of such a popup is a
 * mistake, and so is a configure that is acknowledged: it ends Xwayland's connection for that, and with it all X11 programs.
 * sway dismisses the popups of a window when another one gets the keyboard, which each new window does, and when a drag
 * ends. So after what may move the keyboard, what is said of popups waits here until the compositor has answered: by then
 * it has said which ones it has dismissed. Nor is anything said before all is read that has come by then.
 *
 * What the user and other programs have done while a picture is on its way, nobody can know: that is as it is for every
 * program of a compositor.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { guardedBy } from './guarded.js';
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
  /** At the end of the turn there is something to say. */
  #due = false;
  /** In a row. */
  #questions = 0;

  /** `relay`: that of the connection, once it is there. */
  constructor(private readonly relay: () => Pick<Relay, 'sync' | 'flush' | 'resume' | 'close'>) {}

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

  /** Says something of a popup, at the end of the turn or later. `about`: what is said of the same until then takes its place. */
  whenSure(about: object, say: () => void): void {
    this.#waiting.set(about, say);
    this.#sayDue();
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
    this.#sayDue();
  }

  /** When all that came with the event that is dealt with has been: the popup may be dismissed by the next. */
  #sayDue(): void {
    if (this.#due) return;
    this.#due = true;
    const say = guardedBy(this.relay())(() => {
      this.#due = false;
      if (this.#asking) return;
      if (this.#doubt && this.#questions < MAX_QUESTIONS) this.#ask();
      else this.#say();
      this.relay().flush();
    });
    queueMicrotask(say);
  }

  #say(): void {
    this.#doubt = false;
    this.#questions = 0;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const say of waiting) say();
    this.relay().resume('requests');
  }
}
