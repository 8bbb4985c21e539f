/**
 * The globals that a compositor has announced, with those remembered that it has just removed. Each follower of a
 * registry keeps one: a relay, and a client of our own. What a compositor can make us remember is bounded here.
 */
/**
 * Globals of one compositor at a time. A desktop has some 60, of which outputs and seats are the only ones that come in
 * numbers; each costs some 200 bytes in a table.
 */
export const MAX_GLOBALS = 1024;

/**
 * Removed globals that are remembered, the newest ones, for binds that were on their way. An output that is plugged in
 * and out is one more each time.
 */
export const MAX_REMOVED_GLOBALS = 64;

/** A global as it was announced. */
export interface Global {
  /** The registry's number for it. */
  readonly name: number;
  readonly interface: string;
  readonly version: number;
}

/** Of each name what was announced under it last, in any table: a compositor says the same to each of its clients. */
const announced = new Map<number, Global>();

/** The same global, and where it has been announced before, the same object. */
function oneOf(global: Global): Global {
  const known = announced.get(global.name);
  if (known?.interface === global.interface && known.version === global.version) return known;
  if (known !== undefined || announced.size < MAX_GLOBALS) announced.set(global.name, global);
  return global;
}

/** The globals that a compositor has announced, by name. */
export class GlobalTable {
  /** A list, since there are few, and clients that look for one are rare. */
  readonly #globals: Global[] = [];
  /** Names of removed ones that are still remembered, oldest first. */
  readonly #removed = new Set<number>();

  /** Those that are there now, first announced first. */
  *[Symbol.iterator](): IterableIterator<Global> {
    for (const global of this.#globals) if (!this.#removed.has(global.name)) yield global;
  }

  /** One that is there, or was until a short while ago. */
  get(name: number): Global | undefined {
    return this.#globals.find(global => global.name === name);
  }

  /** @throws Error when the compositor has announced {@link MAX_GLOBALS} others */
  add(global: Global): void {
    const { name } = global;
    const place = this.#globals.findIndex(other => other.name === name);
    const again = place >= 0 && !this.#removed.has(name);
    if (!again && this.#globals.length - this.#removed.size >= MAX_GLOBALS) {
      throw new Error(`the compositor announced over ${MAX_GLOBALS} globals`);
    }
    this.#removed.delete(name);
    if (place >= 0) this.#globals[place] = oneOf(global);
    else this.#globals.push(oneOf(global));
  }

  /** It is not there any more; it is remembered for a while. */
  remove(name: number): void {
    if (this.get(name) === undefined || this.#removed.has(name)) return;
    this.#removed.add(name);
    if (this.#removed.size <= MAX_REMOVED_GLOBALS) return;
    const [oldest] = this.#removed;
    this.delete(oldest!);
  }

  /** Forgets it. */
  delete(name: number): void {
    this.#removed.delete(name);
    const place = this.#globals.findIndex(global => global.name === name);
    if (place >= 0) this.#globals.splice(place, 1);
  }
}
