/**
 * Finds the window in a capture of the whole output: the compositor places it where it likes, with borders or without.
 *
 * Four blocks meet in each inner corner of the pattern's grid, and two of their colours, diagonally across, name that
 * corner nearly without doubt. Each such corner seen in the capture votes for the offset that it implies, and the
 * offset with the most votes is the place. So wrong pixels, shifted rows, or a window half covered only cost votes.
 */
import { BLOCK_PIXELS, blockColour, type Pattern } from './pattern.js';
import { COLOUR_MASK, type Picture } from './picture.js';

/** Corners looked for, spread over the picture. More cost time for each table, and find nothing that these do not. */
const MAX_ANCHORS = 1024;

/** A place in a capture, in pixels from its top left; negative where the window reaches out of the output. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Which channel is found in place of red, green and blue: 'bgr' is red and blue swapped. */
export type ChannelOrder = 'rgb' | 'bgr' | 'rbg' | 'grb' | 'gbr' | 'brg';

/** All orders but the right one. */
export const WRONG_ORDERS: readonly ChannelOrder[] = ['bgr', 'rbg', 'grb', 'gbr', 'brg'];

/** A colour 0xRRGGBB with its channels exchanged. */
export function reorder(colour: number, order: ChannelOrder): number {
  const channel = { r: (colour >>> 16) & 0xff, g: (colour >>> 8) & 0xff, b: colour & 0xff };
  return (channel[order[0] as 'r'] << 16) | (channel[order[1] as 'g'] << 8) | channel[order[2] as 'b'];
}

/**
 * Looks for the pattern as it was `behind` frames ago.
 *
 * @param order the channel order to look for it in
 * @returns the place of the pattern's first pixel, or undefined when not one corner of it is in the capture
 */
export function locate(
  captured: Picture,
  pattern: Pattern,
  behind = 0,
  order: ChannelOrder = 'rgb',
): Point | undefined {
  const corners = cornerTable(pattern, behind, order);
  if (corners.size === 0) return undefined;
  const votes = new Map<number, number>();
  const { width, height, pixels } = captured;
  // Offsets are kept in one number; they lie between minus the pattern's size and the capture's.
  const span = width + pattern.width;
  for (let y = 0; y + 1 < height; y++) {
    for (let at = y * width, end = at + width - 1; at < end; at++) {
      const colour = pixels[at]! & COLOUR_MASK;
      if (colour === (pixels[at + 1]! & COLOUR_MASK) || colour === (pixels[at + width]! & COLOUR_MASK)) continue;
      const corner = corners.get(colour * 0x1000000 + (pixels[at + width + 1]! & COLOUR_MASK));
      if (corner === undefined) continue;
      // (at, y) is the last pixel of the upper left block.
      const x = at - y * width + 1 - (corner % pattern.columns) * BLOCK_PIXELS;
      const top = y + 1 - Math.floor(corner / pattern.columns) * BLOCK_PIXELS;
      const offset = (top + pattern.height) * span + x + pattern.width;
      votes.set(offset, (votes.get(offset) ?? 0) + 1);
    }
  }
  let best: number | undefined;
  let most = 0;
  for (const [offset, count] of votes) {
    if (count > most) {
      most = count;
      best = offset;
    }
  }
  if (best === undefined) return undefined;
  return { x: (best % span) - pattern.width, y: Math.floor(best / span) - pattern.height };
}

/** Inner corners by the colours of their upper left and lower right block; the value is the lower right block's index. */
function cornerTable(pattern: Pattern, behind: number, order: ChannelOrder): Map<number, number> {
  const table = new Map<number, number>();
  const state = pattern.drawnIn(behind);
  if (state === undefined) return table;
  const colour = (column: number, row: number): number =>
    reorder(blockColour(state[row * pattern.columns + column]!, column, row), order);
  const inner = (pattern.columns - 1) * (pattern.rows - 1);
  const step = Math.max(1, Math.floor(inner / MAX_ANCHORS));
  for (let i = 0; i < inner; i += step) {
    const column = 1 + (i % (pattern.columns - 1));
    const row = 1 + Math.floor(i / (pattern.columns - 1));
    table.set(colour(column - 1, row - 1) * 0x1000000 + colour(column, row), row * pattern.columns + column);
  }
  return table;
}

/**
 * Looks for the pattern row by row, for pictures in which no two rows lie rightly on top of each other, as with a
 * wrong stride. Two blocks beside each other name their row of blocks and their column; the place follows from the
 * lines in which each row of blocks is first seen, and from the column of the first block seen at all.
 */
export function locateByRows(captured: Picture, pattern: Pattern): Point | undefined {
  const state = pattern.drawnIn();
  if (state === undefined) return undefined;
  const table = new Map<number, number>();
  for (let row = 0; row < pattern.rows; row++) {
    for (let column = 1; column < pattern.columns; column++) {
      const right = row * pattern.columns + column;
      const key = blockColour(state[right - 1]!, column - 1, row) * 0x1000000 + blockColour(state[right]!, column, row);
      table.set(key, right);
    }
  }
  const seen = new Set<number>();
  const votes = new Map<number, number>();
  let left: number | undefined;
  const { width, height, pixels } = captured;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const colour = pixels[y * width + x]! & COLOUR_MASK;
      const next = pixels[y * width + x + 1]! & COLOUR_MASK;
      if (colour === next) continue;
      const right = table.get(colour * 0x1000000 + next);
      if (right === undefined) continue;
      const row = Math.floor(right / pattern.columns);
      if (seen.has(row)) continue;
      seen.add(row);
      left ??= x + 1 - (right % pattern.columns) * BLOCK_PIXELS;
      const top = y - row * BLOCK_PIXELS;
      votes.set(top, (votes.get(top) ?? 0) + 1);
    }
  }
  let best: number | undefined;
  for (const [top, count] of votes) if (best === undefined || count > votes.get(best)!) best = top;
  return best === undefined || left === undefined ? undefined : { x: left, y: best };
}
