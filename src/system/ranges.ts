/**
 * Books over one stretch of memory: which ranges of it are lent out. Pure arithmetic; the memory itself is its owner's.
 *
 * Free ranges are kept in order of their offset and never touch each other (neighbours are merged on `free`), so a
 * free range that holds a request is found whenever one exists. The smallest one that fits is taken, which keeps large
 * ranges for large buffers.
 */

interface Range {
  offset: number;
  length: number;
}

/** Alignment of an allocation in bytes when none is asked for: a page, so that a range can be mapped by itself. */
export const DEFAULT_ALIGNMENT = 4096;

export class Ranges {
  /** Sorted by offset, disjoint, never adjacent, never empty. */
  #free: Range[];
  #lent = new Map<number, number>();
  #used = 0;

  /** `size` is the memory's in bytes: a positive safe integer. */
  constructor(readonly size: number) {
    if (!Number.isSafeInteger(size) || size <= 0)
      throw new RangeError(`memory of ${size} bytes: the size must be positive`);
    this.#free = [{ offset: 0, length: size }];
  }

  /** Bytes lent out, rounding included. */
  get used(): number {
    return this.#used;
  }

  /** Number of ranges lent out. */
  get count(): number {
    return this.#lent.size;
  }

  /** Length of the largest free range in bytes: what can be had at an alignment of 1. */
  get largest(): number {
    return this.#free.reduce((most, range) => Math.max(most, range.length), 0);
  }

  /**
   * Lends a range of at least `bytes` bytes whose offset is a multiple of `align` (a power of two); its length is
   * rounded up to a multiple of it. Returns the offset, or undefined when no free range holds it.
   */
  allocate(bytes: number, align = DEFAULT_ALIGNMENT): number | undefined {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new RangeError(`a range of ${bytes} bytes: the length must be a positive integer`);
    }
    if (!Number.isInteger(align) || align <= 0 || align > 2 ** 30 || (align & (align - 1)) !== 0) {
      throw new RangeError(`an alignment of ${align}: it must be a power of two, at most 1 GiB`);
    }
    const length = Math.ceil(bytes / align) * align;
    let best = -1;
    for (let at = 0; at < this.#free.length; at++) {
      const { offset, length: room } = this.#free[at]!;
      if (alignUp(offset, align) + length > offset + room) continue;
      if (best < 0 || room < this.#free[best]!.length) best = at;
    }
    if (best < 0) return undefined;
    const start = alignUp(this.#free[best]!.offset, align);
    this.#lend(best, start, length);
    return start;
  }

  /** Lends the range of `length` bytes at `offset`; whether all of it was free. Any numbers may be asked for. */
  claim(offset: number, length: number): boolean {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(offset + length) || offset < 0 || length <= 0)
      return false;
    const at = this.#free.findIndex(free => free.offset <= offset && offset + length <= free.offset + free.length);
    if (at < 0) return false;
    this.#lend(at, offset, length);
    return true;
  }

  /** Lends a part of the free range number `at`. */
  #lend(at: number, start: number, length: number): void {
    const { offset, length: room } = this.#free[at]!;
    const rest: Range[] = [];
    if (start > offset) rest.push({ offset, length: start - offset });
    if (start + length < offset + room) rest.push({ offset: start + length, length: offset + room - start - length });
    this.#free.splice(at, 1, ...rest);
    this.#lent.set(start, length);
    this.#used += length;
  }

  /** The length in bytes of the range lent at `offset`, or undefined when none begins there. */
  lengthAt(offset: number): number | undefined {
    return this.#lent.get(offset);
  }

  /** Takes a range back. Throws a RangeError for an offset where none was lent (freed twice, or never). */
  free(offset: number): void {
    const length = this.#lent.get(offset);
    if (length === undefined) throw new RangeError(`no range was lent at offset ${offset}`);
    this.#lent.delete(offset);
    this.#used -= length;

    const at = this.#firstAfter(offset);
    const before = this.#free[at - 1];
    const after = this.#free[at];
    const joinsBefore = before !== undefined && before.offset + before.length === offset;
    // eslint-disable-next-line @typescript-eslint/prefer-optional-chain -- it does not compile
    const joinsAfter = after !== undefined && offset + length === after.offset;
    if (joinsBefore) {
      before.length += length;
      if (joinsAfter) {
        before.length += after.length;
        this.#free.splice(at, 1);
      }
    } else if (joinsAfter) {
      after.offset = offset;
      after.length += length;
    } else {
      this.#free.splice(at, 0, { offset, length });
    }
  }

  /** Index of the first free range beyond `offset`. */
  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#free[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function alignUp(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}
