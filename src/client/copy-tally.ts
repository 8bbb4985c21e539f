/** What is counted of an application's frames, in an array that the native pass counts in as well (`relay/rules.ts`). */

/** What is counted of commits. */
export interface CopyCounters {
  /** Commits that brought a buffer. */
  frames: number;
  /** Commits that had to wait for the compositor to release a buffer. */
  held: number;
  bytesCopied: number;
  /** Of the frames that were shown: bytes that did not change, and so were not copied. */
  bytesNotCopied: number;
}

/** Places in the array: the same as in `bindings/frame_copies.h`. */
const enum Place {
  Frames,
  BytesCopied,
  BytesNotCopied,
  Count,
}

/** How often any link buffer was used so far. */
const uses = new Float64Array(1);

export class CopyTally {
  readonly uses = uses;
  readonly numbers = new Float64Array(Place.Count);
  held = 0;

  /** A commit has brought a buffer, of which so many bytes were not copied. */
  shown(bytesNotCopied: number): void {
    this.numbers[Place.Frames]! += 1;
    this.numbers[Place.BytesNotCopied]! += bytesNotCopied;
  }

  /** A link buffer is used: the number of that, by which it can be told which was used last. */
  use(): number {
    return (uses[0]! += 1);
  }

  copied(bytes: number): void {
    this.numbers[Place.BytesCopied]! += bytes;
  }

  get counters(): CopyCounters {
    const [frames, bytesCopied, bytesNotCopied] = this.numbers as unknown as [number, number, number];
    return { frames, held: this.held, bytesCopied, bytesNotCopied };
  }
}
