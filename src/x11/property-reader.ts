/**
 * Reads what windows say of themselves, when they are mapped and whenever it changes. A client may change a property at any
 * rate: of each there is one question at a time, and one more when it has changed meanwhile.
 */
import type { AtomName, Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { PROPERTIES, readTogether } from './properties.js';
import { property } from './replies.js';
import { getProperty } from './requests.js';
import type { XWindow } from './window.js';

export class PropertyReader {
  readonly #names: ReadonlyMap<number, AtomName>;

  /** `read`: what was asked for has come, all of it. */
  constructor(
    private readonly x: XConnection,
    private readonly atoms: Atoms,
    private readonly read: (window: XWindow) => void,
  ) {
    this.#names = new Map([...PROPERTIES.keys()].map(name => [atoms[name], name]));
  }

  /** Reads all of them. */
  readAll(window: XWindow): void {
    for (const name of PROPERTIES.keys()) this.#ask(window, name);
  }

  /** One has changed. */
  changed(window: XWindow, atom: number): void {
    const name = this.#names.get(atom);
    if (name === undefined) return;
    // Once the window is there, its states are ours to say; the client asks for others by a message.
    if (name === '_NET_WM_STATE' && window.toplevel !== undefined) return;
    for (const each of readTogether(name)) this.#ask(window, each);
  }

  #ask(window: XWindow, name: AtomName): void {
    const atom = this.atoms[name];
    if (window.asked.has(atom)) {
      window.asked.set(atom, true);
      return;
    }
    window.asked.set(atom, false);
    window.awaited += 1;
    const { maxBytes, read } = PROPERTIES.get(name)!;
    const come = (): void => {
      const again = window.asked.get(atom) === true;
      window.asked.delete(atom);
      window.awaited -= 1;
      if (again) this.#ask(window, name);
      else if (window.awaited === 0) this.read(window);
    };
    this.x.ask(
      getProperty(window.id, atom, maxBytes),
      reply => {
        read(window.properties, property(reply), this.atoms);
        come();
      },
      come,
    );
  }
}
