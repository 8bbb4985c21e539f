/**
 * The compositor is asked to activate windows (`xdg_activation_v1`): for one that its client wants in front, and for one that
 * wants attention. Each takes a token, of which one is under way at a time, since a client may ask as often as it likes;
 * windows that are wanted meanwhile have their turn after that, each once.
 */
import type { Focus } from './focus.js';
import type { Shell } from './shell.js';
import type { Press } from './user-input.js';
import type { XWindow } from './window.js';

export interface ActivationWish {
  /** The token is to say who asks. */
  readonly who: boolean;
  /** What the user had done last. */
  readonly press: Press | undefined;
}

export class Activation {
  /** A token is on its way. */
  #asking = false;
  /** Those whose turn comes, in the order in which they were wanted. */
  readonly #waiting = new Map<XWindow, ActivationWish>();

  constructor(
    private readonly shell: Shell,
    private readonly focus: Pick<Focus, 'window'>,
  ) {}

  /**
   * A client wants the window to be active. The token says who asks: the window with the focus, where there is one, and what
   * the user has pressed; a compositor that finds this not enough shows that the window wants attention.
   */
  wanted(window: XWindow, press: Press | undefined): void {
    this.#ask(window, { who: true, press });
  }

  /**
   * A window wants attention. The token says nothing of who asks: a compositor that gives the keyboard to whom the user has just
   * clicked would give it away, for a message that has come.
   */
  attention(window: XWindow): void {
    this.#ask(window, { who: false, press: undefined });
  }

  /** A picture of it is about to go to the compositor: before, there was nothing to activate. */
  shown(window: XWindow): void {
    const { early } = window;
    if (early === undefined) return;
    window.early = undefined;
    this.#ask(window, early);
  }

  /** The window is not shown any more. */
  forget(window: XWindow): void {
    window.early = undefined;
    this.#waiting.delete(window);
  }

  #ask(window: XWindow, wish: ActivationWish): void {
    if (window.states.activated) return;
    const shown = window.toplevel?.shown === true;
    const before = shown ? this.#waiting.get(window) : window.early;
    // To be active is more than attention, whichever came first.
    const both = wish.who ? wish : (before ?? wish);
    if (!shown) {
      window.early = both;
      return;
    }
    this.#waiting.set(window, both);
    this.#next();
  }

  #next(): void {
    const [next] = this.#waiting;
    const { shell } = this;
    const activation = shell.global('xdg_activation_v1');
    if (activation === undefined) this.#waiting.clear();
    if (activation === undefined || next === undefined || this.#asking) return;
    const [window, { who, press }] = next;
    this.#waiting.delete(window);
    this.#asking = true;
    const { relay } = shell;
    const from = who ? this.focus.window?.surface : undefined;
    const token = relay.inject('xdg_activation_token_v1', activation.version);
    token.data = {
      token: (text: string) => {
        this.#asking = false;
        relay.request(token, 'destroy', {});
        const { surface, toplevel } = window;
        if (surface !== undefined && toplevel !== undefined) {
          relay.request(activation, 'activate', { token: text, surface: surface.object });
          shell.dismissals.doubt();
        }
        this.#next();
        relay.flush();
      },
    };
    relay.request(activation, 'get_activation_token', { id: token });
    // A seat may have been unplugged since.
    if (press?.seat.destroyed === false) relay.request(token, 'set_serial', press);
    if (from !== undefined) relay.request(token, 'set_surface', { surface: from.object });
    relay.request(token, 'commit', {});
  }
}
