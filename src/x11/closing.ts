/**
 * Closing windows. A window whose program knows how is asked to close itself (`WM_DELETE_WINDOW`); any other ends with its
 * program's connection. One that has said so is asked at the same time whether it still listens (`_NET_WM_PING`): where it
 * has not answered for a while, the next wish to close it ends the program.
 *
 * A ping of the compositor's is not passed on to X programs, but answered at once: it is about the connection, which all
 * of them share, and does not say which window it means. One program that hangs would have them all called hung, and
 * ended together.
 */
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { clientMessage } from './events.js';
import { CURRENT_TIME, killClient, sendEvent } from './requests.js';
import type { XWindow } from './window.js';

/**
 * How long a program may leave the question whether it listens without an answer, in milliseconds, before a window of its that
 * is to be closed once more ends it. Programs that work answer between two events; window managers wait as long.
 */
export const UNANSWERED_MS = 5_000;

export interface ClosingOptions {
  readonly x: Pick<XConnection, 'send'>;
  readonly atoms: Pick<Atoms, 'WM_DELETE_WINDOW' | 'WM_PROTOCOLS' | '_NET_WM_PING'>;
  /** In milliseconds, from any beginning. */
  readonly now?: () => number;
}

export class Closing {
  readonly #options: ClosingOptions;
  readonly #now: () => number;
  /** Since when windows have been asked without an answer. */
  readonly #asked = new WeakMap<XWindow, number>();

  constructor(options: ClosingOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The user, or another X client, wants the window closed. */
  close(window: XWindow): void {
    const { x, atoms } = this.#options;
    const { id, properties } = window;
    const since = this.#asked.get(window);
    const hangs = since !== undefined && this.#now() - since >= UNANSWERED_MS;
    if (hangs || !properties.protocols.includes(atoms.WM_DELETE_WINDOW)) {
      x.send(killClient(id));
      return;
    }
    x.send(sendEvent(id, clientMessage(id, atoms.WM_PROTOCOLS, [atoms.WM_DELETE_WINDOW, CURRENT_TIME])));
    if (since !== undefined || !properties.protocols.includes(atoms._NET_WM_PING)) return;
    this.#asked.set(window, this.#now());
    x.send(sendEvent(id, clientMessage(id, atoms.WM_PROTOCOLS, [atoms._NET_WM_PING, CURRENT_TIME, id])));
  }

  /** A client says that it listens: that of the window, or another that does it this favour. */
  answered(window: XWindow): void {
    this.#asked.delete(window);
  }
}
