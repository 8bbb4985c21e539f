/**
 * Deliberate faults, to show that the frame checker catches them: each changes what is drawn in one frame, after it was
 * drawn rightly and before it is committed, the least that its kind can be.
 */
import type { Rect } from '../wayland/rect.js';
import { BLOCK_PIXELS, type Pattern } from './pattern.js';
import { reorder } from './locate.js';
import { COLOUR_MASK } from './picture.js';

/** The kinds of faults. */
export const FAULT_KINDS = ['pixel', 'stale', 'channel', 'row'] as const;

/**
 * - `pixel`: one pixel differs in the lowest bit of blue.
 * - `stale`: the frame before is shown again.
 * - `channel`: red and blue are swapped.
 * - `row`: one row of pixels is moved by one pixel.
 */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A fault and the frame that gets it (the first is 1). */
export interface Fault {
  readonly kind: FaultKind;
  readonly frame: number;
}

/**
 * Reads `pixel`, `stale@3` and so on.
 *
 * @param frames how many frames the run has
 * @param every which of them are captured: a fault in a frame that is not captured would prove nothing. Without a
 *   frame of its own the fault goes into the captured frame in the middle of the run.
 * @throws RangeError when the text is no fault, or its frame is not one that is captured and, for `stale`, has one
 *   before it
 */
export function parseFault(text: string, frames: number, every = 1): Fault {
  const match = /^([a-z]+)(?:@([0-9]+))?$/.exec(text);
  const kind = FAULT_KINDS.find(name => name === match?.[1]);
  if (match === null || kind === undefined) {
    throw new RangeError(`fault '${text}': expected one of ${FAULT_KINDS.join(', ')}, with @FRAME or without`);
  }
  const first = kind === 'stale' && every === 1 ? 2 : every;
  const middle = Math.max(first, Math.ceil(frames / 2 / every) * every);
  const frame = match[2] === undefined ? middle : Number(match[2]);
  if (frame < first || frame > frames || frame % every !== 0) {
    throw new RangeError(
      `fault '${text}': frame ${frame} is not one of those that can show it ` +
        `(from ${first} to ${frames}${every > 1 ? `, each ${every}th` : ''})`,
    );
  }
  return { kind, frame };
}

/**
 * Spoils the frame that was just drawn. Everything happens within what the frame changed, so that the compositor looks
 * at it.
 *
 * @param target starts at the picture's first pixel; `stride` in 32-bit words
 * @param changed the frame's damage
 * @returns what was touched: to be drawn anew in the next frame, else the fault would stay
 */
export function applyFault(
  kind: FaultKind,
  pattern: Pattern,
  target: Uint32Array,
  stride: number,
  changed: readonly Rect[],
): readonly Rect[] {
  const rect = changed[0];
  if (rect === undefined) return [];
  switch (kind) {
    case 'pixel': {
      // Neither the first nor the last of its block.
      const at = (rect.y + (rect.height >> 1)) * stride + rect.x + 3;
      target[at] = target[at]! ^ 1;
      return [rect];
    }
    case 'stale':
      pattern.draw(target, stride, changed, 1);
      return changed;
    case 'channel':
      for (const part of changed) {
        // Rectangles may overlap; drawing each rightly before swapping keeps a part from being swapped back.
        pattern.draw(target, stride, [part]);
        for (let y = part.y; y < part.y + part.height; y++) {
          const row = target.subarray(y * stride + part.x, y * stride + part.x + part.width);
          for (let x = 0; x < row.length; x++) {
            row[x] = (0xff000000 | reorder(row[x]! & COLOUR_MASK, 'bgr')) >>> 0;
          }
        }
      }
      return changed;
    case 'row': {
      // A rectangle less than two blocks wide is of one colour: moved by a pixel, it would stay the same.
      const wide = changed.find(({ width }) => width > BLOCK_PIXELS);
      if (wide === undefined)
        throw new RangeError('a row can only be shifted where two blocks beside each other change');
      const start = (wide.y + (wide.height >> 1)) * stride + wide.x;
      const row = target.slice(start, start + wide.width);
      target.set(row.subarray(0, -1), start + 1);
      target[start] = row[row.length - 1]!;
      return [wide];
    }
  }
}
