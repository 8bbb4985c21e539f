/**
 * What TypeScript and the native pass (`pass.ts`) both know of the ids of a connection: which side's object an id names on
 * the other, whose it is, which of the compositor's are free. In pages of 64 ids, of which there are as many as have objects
 * that the pass knows: most of a client's ids are in the first, and those behind the block of an order are far away from it.
 */
import { Word, WORDS } from './pass-words.js';

/** Whose an id is. Over 0: the number of its type; with `MADE_HERE`: and the object is the pass's. */
const NOBODYS = 0;
const TYPESCRIPTS = -1;
const MADE_HERE = 1 << 30;

/** Words of an id: the other side's id, whose it is, and its picture (of a surface and a buffer) or version (of a callback). */
const ROW_WORDS = 3;
/** Ids of a page; both numbers as in `bindings/message_pass.h`. */
const PAGE_ROWS = 64;
/** Free ids that there is room for at first. */
const FIRST_IDS = 16;

/** Which side's object an id names on the other, and whose it is. */
export class Rows {
  readonly #pages: (Int32Array | undefined)[] = [];

  /** `opened` is told each new page. */
  constructor(private readonly opened: (page: number, words: Int32Array) => void) {}

  #page(id: number): Int32Array | undefined {
    return this.#pages[Math.floor(id / PAGE_ROWS)];
  }

  /** The page of an id, which is there from now on. Of its ids TypeScript knows best, but those of {@link clear}. */
  #opened(id: number): Int32Array {
    const place = Math.floor(id / PAGE_ROWS);
    let page = this.#pages[place];
    if (page === undefined) {
      page = new Int32Array(PAGE_ROWS * ROW_WORDS);
      for (let at = 1; at < page.length; at += ROW_WORDS) page[at] = TYPESCRIPTS;
      // No more room than is needed, where an array would grow by half.
      if (place >= this.#pages.length) this.#pages.length = place + 1;
      this.#pages[place] = page;
      this.opened(place, page);
    }
    return page;
  }

  /** An object of TypeScript's; `type` 0: the pass knows nothing of it. */
  set(id: number, other: number, type: number): void {
    if (type === 0) {
      this.leave(id);
      return;
    }
    const page = this.#opened(id);
    const at = (id % PAGE_ROWS) * ROW_WORDS;
    page[at] = other;
    page[at + 1] = type;
    page[at + 2] = 0;
  }

  /** Nobody's: the pass may give it to an object. */
  clear(id: number): void {
    this.#opened(id)[(id % PAGE_ROWS) * ROW_WORDS + 1] = NOBODYS;
  }

  /** From now on it is TypeScript's alone. */
  leave(id: number): void {
    const page = this.#page(id);
    if (page !== undefined) page[(id % PAGE_ROWS) * ROW_WORDS + 1] = TYPESCRIPTS;
  }

  /** Of a buffer, or a surface: what its pictures are alike in; 0: nothing. */
  setPicture(id: number, picture: number): void {
    const page = this.#page(id);
    if (page !== undefined) page[(id % PAGE_ROWS) * ROW_WORDS + 2] = picture;
  }

  /** The other side's id of an object that the pass has made; 0 for any other. */
  madeAs(id: number): number {
    const page = this.#page(id);
    const at = (id % PAGE_ROWS) * ROW_WORDS;
    return page !== undefined && page[at + 1]! >= MADE_HERE ? page[at]! : 0;
  }

  /** The version of such an object. */
  versionOf(id: number): number {
    return this.#page(id)![(id % PAGE_ROWS) * ROW_WORDS + 2]!;
  }
}

/** Ids that are free to be used again, the one that came free last first. */
export class FreeIds {
  ids = new Int32Array(FIRST_IDS);

  constructor(
    private readonly words = new Int32Array(WORDS),
    private readonly grew: (ids: Int32Array) => void = () => {},
  ) {}

  push(id: number): void {
    const count = this.words[Word.FreeCount]!;
    if (count === this.ids.length) {
      const ids = new Int32Array(2 * count);
      ids.set(this.ids);
      this.ids = ids;
      this.grew(ids);
    }
    this.ids[count] = id;
    this.words[Word.FreeCount] = count + 1;
  }

  /** 0: none is free. */
  pop(): number {
    const count = this.words[Word.FreeCount]!;
    if (count === 0) return 0;
    this.words[Word.FreeCount] = count - 1;
    return this.ids[count - 1]!;
  }

  /** None is free, and none below `first` will be. */
  forget(first: number): void {
    this.words[Word.FreeCount] = 0;
    this.words[Word.FirstReused] = first;
  }
}
