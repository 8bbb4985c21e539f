/**
 * An input as a list of decisions: a target that makes something with a structure asks it for numbers, so that changing
 * a byte changes a decision and not a length somewhere.
 */
export class Draw {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** Nothing is left; every further decision is 0. */
  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.#at++] ?? 0;
  }

  /** A number of [0, limit), limit at most 65,536. */
  below(limit: number): number {
    if (limit <= 1) return 0;
    return (limit <= 256 ? this.byte() : this.byte() | (this.byte() << 8)) % limit;
  }

  /** Any 32-bit number. */
  word(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** True once in `n` times, for bytes of any value. */
  oneIn(n: number): boolean {
    return this.byte() % n === n - 1;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Up to `most` bytes as they are. */
  take(most: number): Uint8Array {
    const bytes = this.bytes.slice(this.#at, this.#at + most);
    this.#at += most;
    return bytes;
  }
}
