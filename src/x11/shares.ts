/**
 * Places that X clients share, of which there are so many: one client has half of them at most, so that there are some for others
 * whatever one of them does. The bits of a number that a client does not choose say whose it is.
 */
import type { Setup } from './connection.js';

/** What there is no place left of: of one client's, or of all. */
export type Full = 'of one' | 'of all';

export class Shares {
  #taken = 0;
  readonly #byClient = new Map<number, number>();

  constructor(
    readonly most: number,
    private readonly setup: Pick<Setup, 'idMask'>,
  ) {}

  /** Places that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Most of one client. */
  get mostOfOne(): number {
    return Math.floor(this.most / 2);
  }

  /** Whose number it is. */
  clientOf(id: number): number {
    return (id & ~this.setup.idMask) >>> 0;
  }

  /** Places that this client has. */
  of(client: number): number {
    return this.#byClient.get(client) ?? 0;
  }

  /**
   * What there is too much of where something with this number wants a place, `coming` of its client's and `all` being on
   * their way to one; undefined: there is one.
   */
  full(id: number, coming = 0, all = 0): Full | undefined {
    if (this.#taken + all >= this.most) return 'of all';
    return this.of(this.clientOf(id)) + coming >= this.mostOfOne ? 'of one' : undefined;
  }

  /** Gives a place to what has this number, also where there is none. */
  take(id: number): void {
    this.#count(id, 1);
  }

  giveBack(id: number): void {
    this.#count(id, -1);
  }

  #count(id: number, change: number): void {
    const client = this.clientOf(id);
    const count = this.of(client) + change;
    if (count < 0) return;
    this.#taken += change;
    if (count === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, count);
  }
}
