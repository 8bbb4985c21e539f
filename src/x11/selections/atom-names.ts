/**
 * Names of the atoms that kinds of data are, and atoms of their names. An X server never forgets an atom, so only so many
 * names of Wayland programs are made atoms of; and only so many names of X clients are remembered here.
 */
import type { XConnection } from '../connection.js';
import { atom as atomIn, atomName } from '../replies.js';
import { getAtomName, internAtom } from '../requests.js';
import { MAX_KNOWN_NAMES, MAX_MADE_ATOMS } from './limits.js';

export class AtomNames {
  readonly #atoms = new Map<string, number>();
  readonly #names = new Map<number, string>();
  #made = 0;

  constructor(private readonly x: XConnection) {}

  /** The atoms of names, in their order; those that would be one too many are left out. */
  atoms(names: readonly string[], known: (atoms: ReadonlyMap<string, number>) => void): void {
    const all = new Map<string, number>();
    this.#each(names, known, all, (name, next) => {
      const atom = this.#atoms.get(name);
      if (atom !== undefined) {
        all.set(name, atom);
        next();
      } else if (this.#made >= MAX_MADE_ATOMS) next();
      else {
        this.#made += 1;
        this.x.ask(
          internAtom(name),
          reply => {
            all.set(name, atomIn(reply));
            this.#atoms.set(name, atomIn(reply));
            next();
          },
          next,
        );
      }
    });
  }

  /** The names of atoms; those that have none are left out. */
  names(atoms: readonly number[], known: (names: ReadonlyMap<string, number>) => void): void {
    const all = new Map<string, number>();
    this.#each(atoms, known, all, (atom, next) => {
      const name = this.#names.get(atom);
      if (name !== undefined) {
        all.set(name, atom);
        next();
        return;
      }
      this.x.ask(
        getAtomName(atom),
        reply => {
          const told = atomName(reply);
          all.set(told, atom);
          if (this.#names.size >= MAX_KNOWN_NAMES) this.#names.clear();
          this.#names.set(atom, told);
          next();
        },
        next,
      );
    });
  }

  /** Asks for all at once; `known` is called when the last one is answered. */
  #each<Item>(
    items: readonly Item[],
    known: (all: ReadonlyMap<string, number>) => void,
    all: Map<string, number>,
    ask: (item: Item, next: () => void) => void,
  ): void {
    let waiting = items.length + 1;
    const next = (): void => {
      waiting -= 1;
      if (waiting === 0) known(all);
    };
    for (const item of items) ask(item, next);
    next();
  }
}
