/**
 * Whether the compositor of this VM still answers, by a connection of the glue's own: it is asked as long as remote clients
 * say something, and when a status is asked for. Not by the connection of a client: what is said there waits for what that
 * client has said before.
 */
import { Liveness } from '../src/relay/liveness.js';
import type { Relay } from '../src/relay/relay.js';
import { Display } from '../src/wayland-client/display.js';

/** After how long without an answer that is told, in milliseconds. */
export const TELL_SILENT_MS = 3_000;

export interface CompositorLivenessOptions {
  /** The compositor's Wayland socket. */
  readonly display: string;
  /** Told once that there was no answer for {@link TELL_SILENT_MS}; and that there is one again, after so many milliseconds. */
  readonly tell: (silent: boolean, ms: number) => void;
}

export class CompositorLiveness {
  readonly #options: CompositorLivenessOptions;
  readonly #liveness: Liveness;
  #display: Display | undefined;
  #connecting: Promise<void> | undefined;
  #spoken: (() => void) | undefined;
  readonly #heard = new Set<Relay>();
  /** Answers that those had which are closed. */
  #ended = 0;
  #timer: NodeJS.Timeout | undefined;
  /** It was told that there is no answer since then. */
  #told: number | undefined;
  #closed = false;

  constructor(options: CompositorLivenessOptions) {
    this.#options = options;
    this.#liveness = new Liveness({
      ask: answered => this.#ask(answered),
      listen: spoken => {
        this.#spoken = spoken;
        for (const relay of this.#heard) this.#listen(relay);
      },
      answers: () => this.#answers,
      changed: () => this.#changed(),
    });
  }

  /** Since when it does not answer, of `performance.now()`; undefined where it does. */
  get silentSince(): number | undefined {
    return this.#liveness.silentSince;
  }

  /**
   * Its clients are reason to ask, until it is closed. From now on there is something to ask by: a compositor that hangs
   * takes nobody.
   */
  hear(relay: Relay): void {
    this.#heard.add(relay);
    // One that takes nobody is found out by who asks.
    if (this.#display === undefined) this.#connect().catch(() => {});
    relay.on('close', () => {
      if (this.#heard.delete(relay)) this.#ended += relay.answers;
    });
    this.#listen(relay);
  }

  /** Asks now. */
  ask(): void {
    this.#liveness.ask();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#liveness.close();
    this.#display?.close();
    this.#display = undefined;
  }

  get #answers(): number {
    let answers = this.#ended;
    for (const relay of this.#heard) answers += relay.answers;
    return answers;
  }

  #listen(relay: Relay): void {
    relay.whenSpoken(() => {
      const spoken = this.#spoken;
      this.#spoken = undefined;
      spoken?.();
    });
  }

  #ask(answered: () => void): void {
    const ended = this.#display === undefined || this.#display.ended !== undefined;
    const answer = ended ? this.#connect() : this.#display!.roundtrip();
    // One that is gone is not one that does not answer: clients find that out, and so does who waits for its end.
    answer.then(answered, answered);
  }

  #connect(): Promise<void> {
    this.#connecting ??= Display.connect(this.#options.display)
      .then(display => {
        if (this.#closed) display.close();
        else this.#display = display;
      })
      .finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  #changed(): void {
    const { silentSince } = this;
    clearTimeout(this.#timer);
    if (silentSince !== undefined) {
      const left = TELL_SILENT_MS - (performance.now() - silentSince);
      this.#timer = setTimeout(() => {
        this.#told = silentSince;
        this.#options.tell(true, performance.now() - silentSince);
      }, left);
      this.#timer.unref();
    } else if (this.#told !== undefined) {
      const ms = performance.now() - this.#told;
      this.#told = undefined;
      this.#options.tell(false, ms);
    }
  }
}
