/**
 * The X side of selections: our connection for them, its atoms, and the windows of others that a transfer depends on. It
 * is a connection beside the window manager's, since a client has one set of events of each window.
 */
import type { Log } from '../../observe/log.js';
import type { XConnection } from '../connection.js';
import type { XEvent } from '../events.js';
import { changeWindowEvents, EventMask, getGeometry } from '../requests.js';
import type { Guarded } from '../guarded.js';
import type { AtomNames } from './atom-names.js';

/** Those that are used here. */
export const SELECTION_ATOMS = [
  ...['ATOM', 'ATOM_PAIR', 'CLIPBOARD', 'INCR', 'INTEGER', 'MULTIPLE', 'PRIMARY', 'STRING', 'TARGETS', 'TEXT'],
  ...['TIMESTAMP', 'UTF8_STRING', '_VIRTWL_SELECTION'],
] as const;
export type SelectionAtoms = Readonly<Record<(typeof SELECTION_ATOMS)[number], number>>;

export interface XSide {
  readonly x: XConnection;
  readonly root: number;
  /** As in `Setup`. */
  readonly idMask: number;
  readonly atoms: SelectionAtoms;
  readonly names: AtomNames;
  readonly watch: WindowWatch;
  readonly log: Log;
  /** Of what timers and pipes call. */
  readonly guarded: Guarded;
  /** How long a transfer may stand still, in milliseconds. */
  readonly idleMs: number;
}

/** What is said of a window to those that depend on it. */
export interface WindowWatcher {
  /** A property was deleted: whoever reads it has taken it. */
  deleted?(atom: number): void;
  /** The window is gone, or there was none. */
  destroyed(): void;
}

/**
 * A window of ours, which any X client may name as its own, keeps its set of events: by that we hear of its end, and nobody waits
 * for its properties to be taken.
 */
export class WindowWatch {
  readonly #watchers = new Map<number, Set<WindowWatcher>>();

  constructor(private readonly x: XConnection) {}

  /** Returns what ends it. */
  add(window: number, watcher: WindowWatcher): () => void {
    let watchers = this.#watchers.get(window);
    if (watchers === undefined) {
      watchers = new Set();
      this.#watchers.set(window, watchers);
      this.#hear(window, EventMask.propertyChange | EventMask.structureNotify);
      // Says whether there is such a window, which the request before does not.
      this.x.ask(
        getGeometry(window),
        () => {},
        () => this.#destroyed(window),
      );
    }
    const all = watchers;
    all.add(watcher);
    return () => {
      all.delete(watcher);
      if (all.size > 0 || this.#watchers.get(window) !== all) return;
      this.#watchers.delete(window);
      this.#hear(window, 0);
    };
  }

  #hear(window: number, events: number): void {
    if (!this.x.hasId(window)) this.x.send(changeWindowEvents(window, events));
  }

  event(event: XEvent): void {
    if (event.is === 'DestroyNotify') this.#destroyed(event.window);
    else if (event.is === 'PropertyNotify' && event.deleted) {
      for (const watcher of [...(this.#watchers.get(event.window) ?? [])]) watcher.deleted?.(event.atom);
    }
  }

  #destroyed(window: number): void {
    const watchers = this.#watchers.get(window);
    this.#watchers.delete(window);
    for (const watcher of [...(watchers ?? [])]) watcher.destroyed();
  }
}
