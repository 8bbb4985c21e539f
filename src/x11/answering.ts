/**
 * Whether the X server answers its window manager. One that hangs, or that X clients keep busy, has all X11 programs hang.
 * It is looked for when the user does something in an X window: nobody else would see it, and an idle server is not asked.
 * Nothing is ended: it may just be slow. (GrabServer, by which any other X server serves one client alone, does nothing
 * in Xwayland.)
 */
import type { Log } from '../observe/log.js';
import type { XConnection } from './connection.js';
import { getInputFocus } from './requests.js';

/** How long the server may be silent before it is told, in milliseconds: one on an emulated processor takes a second. */
export const SILENT_MS = 5_000;

export interface AnsweringOptions {
  readonly x: Pick<XConnection, 'ask' | 'flush'>;
  readonly log: Pick<Log, 'warning' | 'info'>;
  /** Whether what it answers is read at the moment; default: always. */
  readonly isHeard?: () => boolean;
  /** Default: {@link SILENT_MS}. */
  readonly silentMs?: number;
}

export class Answering {
  readonly #options: AnsweringOptions;
  #timer: NodeJS.Timeout | undefined;
  #asked = false;

  constructor(options: AnsweringOptions) {
    this.#options = options;
  }

  /** The user has done something. One question is open at a time. */
  look(): void {
    if (this.#asked) return;
    const { x, log, isHeard = () => true, silentMs = SILENT_MS } = this.#options;
    this.#asked = true;
    let told = false;
    const silent = (): void => {
      if (!isHeard()) {
        this.#timer = setTimeout(silent, silentMs);
        return;
      }
      told = true;
      log.warning(
        `Xwayland has not answered for ${silentMs / 1000} s: it hangs, or X11 programs keep it busy. They are served ` +
          'when it goes on; ending them, or it, is up to you',
      );
    };
    this.#timer = setTimeout(silent, silentMs);
    const answered = (): void => {
      this.close();
      this.#asked = false;
      if (told) log.info('Xwayland answers again');
    };
    x.ask(getInputFocus(), answered, () => this.close());
    x.flush();
  }

  /** Nothing is told any more. Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
