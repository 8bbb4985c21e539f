/**
 * How many windows there are, of each X client and of all: those that are known, those that are shown, those of these that
 * nobody manages, and those that the X server has a surface for. What goes beyond is not known, or not shown; a client
 * that takes so many surfaces that others would soon have none is ended.
 */
import type { Log } from '../observe/log.js';
import type { Setup, XConnection } from './connection.js';
import { MAX_POPUPS, MAX_SHOWN, MAX_SURFACES, MAX_WINDOWS } from './limits.js';
import { killClient } from './requests.js';
import { Shares, type Full } from './shares.js';
import type { XWindow } from './window.js';

export interface PopulationOptions {
  readonly x: Pick<XConnection, 'send'>;
  readonly setup: Pick<Setup, 'idMask'>;
  readonly log: Pick<Log, 'warning'>;
}

export class Population {
  /** Those that are shown, in the order in which they came. */
  readonly shown = new Set<XWindow>();
  /** Of these. */
  readonly places: Shares;
  readonly #options: PopulationOptions;
  readonly #known: Shares;
  readonly #unmanaged: Shares;
  readonly #surfaces: Shares;
  /** Who is told of, until less than half of that is shown: clients, and all of them. */
  readonly #told = new Set<number | 'all'>();

  constructor(options: PopulationOptions) {
    this.#options = options;
    const { setup } = options;
    this.places = new Shares(MAX_SHOWN, setup);
    this.#known = new Shares(MAX_WINDOWS, setup);
    this.#unmanaged = new Shares(MAX_POPUPS, setup);
    this.#surfaces = new Shares(MAX_SURFACES, setup);
  }

  /** Whether a new window may be known; it is then. */
  made(id: number): boolean {
    const full = this.#known.full(id);
    if (full === undefined) this.#known.take(id);
    else this.#warn(full === 'of all' ? `X11 programs have ${MAX_WINDOWS} windows` : this.#one('has', this.#known));
    return full === undefined;
  }

  /** A window that was known is gone. */
  gone(id: number): void {
    this.#known.giveBack(id);
  }

  /** The server has mapped a window, of those that are known or not. */
  mapped(id: number): void {
    const { x, log } = this.#options;
    this.#surfaces.take(id);
    if (this.#surfaces.of(this.#surfaces.clientOf(id)) !== this.#surfaces.mostOfOne + 1) return;
    log.warning(`an X11 program has ${this.#surfaces.mostOfOne} windows mapped, and wants more: it is ended`);
    x.send(killClient(id));
  }

  unmapped(id: number): void {
    this.#surfaces.giveBack(id);
  }

  /** Whether a window that the server has mapped may be shown; it is then. */
  show(window: XWindow, overrideRedirect: boolean): boolean {
    const { id } = window;
    const full = this.places.full(id);
    if (full !== undefined) {
      this.full(id, full);
      return false;
    }
    const menus = overrideRedirect ? this.#unmanaged.full(id) : undefined;
    if (menus !== undefined) {
      const one = this.#one('shows', this.#unmanaged, 'menus and the like');
      this.#warn(menus === 'of all' ? `X11 programs show ${MAX_POPUPS} menus and the like` : one);
      return false;
    }
    this.places.take(id);
    if (overrideRedirect) this.#unmanaged.take(id);
    this.shown.add(window);
    return true;
  }

  hide(window: XWindow): void {
    const { id } = window;
    if (!this.shown.delete(window)) return;
    this.places.giveBack(id);
    if (window.overrideRedirect) this.#unmanaged.giveBack(id);
    const client = this.places.clientOf(id);
    if (this.places.of(client) < this.places.mostOfOne / 2) this.#told.delete(client);
    if (this.places.taken < MAX_SHOWN / 2) this.#told.delete('all');
  }

  /** A window cannot be shown, since there are as many as may be. Told once for many. */
  full(id: number, full: Full): void {
    const who = full === 'of all' ? 'all' : this.places.clientOf(id);
    if (this.#told.has(who)) return;
    this.#told.add(who);
    const what = full === 'of all' ? `X11 programs show ${MAX_SHOWN} windows` : this.#one('shows', this.places);
    this.#options.log.warning(`${what}: others are not shown before some of these are closed`);
  }

  #one(does: 'has' | 'shows', { mostOfOne }: Shares, what = 'windows'): string {
    return `an X11 program ${does} ${mostOfOne} ${what}`;
  }

  #warn(text: string): void {
    this.#options.log.warning(`${text}: others are not shown`);
  }
}
