/**
 * Compares a capture of the compositor's output with the frame that should be in it, pixel by pixel, and says what is
 * wrong in the words of the fault: an old frame, exchanged channels, shifted rows, or just wrong pixels.
 *
 * A capture goes through these steps: the window is looked for where it was last; failing that anywhere, in the current
 * frame, in an old one, in another channel order. At the place found every pixel is checked, and the first explanation
 * that accounts for all the wrong ones is the verdict.
 */
import type { Rect } from '../wayland/rect.js';
import { locate, locateByRows, reorder, WRONG_ORDERS, type ChannelOrder, type Point } from './locate.js';
import { BLOCK_PIXELS, blockColour, HISTORY_FRAMES, type Pattern } from './pattern.js';
import { COLOUR_MASK, type Picture } from './picture.js';

/** How far a row may have moved, in pixels, to be recognised as shifted. */
export const MAX_SHIFT = 64;
/** How many wrong pixels a verdict lists. */
export const MAX_LISTED = 8;

/** One wrong pixel, in the window's coordinates; colours are 0xRRGGBB. */
export interface WrongPixel extends Point {
  readonly expected: number;
  /** Undefined where the capture ends before the window does. */
  readonly actual: number | undefined;
}

/** The pixels of a window that are not as expected. */
export interface WrongPixels {
  readonly count: number;
  /** How many of them lie outside of the captured output. */
  readonly outside: number;
  /** Smallest rectangle around them, in the window's coordinates. */
  readonly box: Rect;
  /** The first few, row by row. */
  readonly first: readonly WrongPixel[];
}

/** From the smallest to the largest of several numbers. */
export interface Spread {
  readonly least: number;
  readonly most: number;
}

/** What a capture shows. `at` is where in the capture the window is. */
export type Verdict =
  /** Every pixel is right. */
  | { readonly kind: 'identical'; readonly at: Point }
  /** It is, all of it, the frame of `behind` frames ago. */
  | { readonly kind: 'stale'; readonly at: Point; readonly wrong: WrongPixels; readonly behind: number }
  /** Each wrong pixel shows its own place as it was that many frames ago: damage was lost, or the picture is torn. */
  | { readonly kind: 'stale-area'; readonly at: Point; readonly wrong: WrongPixels; readonly behind: Spread }
  /** Each wrong pixel is right but for the order of its channels. */
  | { readonly kind: 'channels'; readonly at: Point; readonly wrong: WrongPixels; readonly order: ChannelOrder }
  /** Rows hold the right pixels in the wrong place, moved right by dx and down by dy pixels. */
  | {
      readonly kind: 'rows';
      readonly at: Point;
      readonly wrong: WrongPixels;
      /** The rows that are wrong, in the window's coordinates, and how many. */
      readonly rows: Spread;
      readonly count: number;
      readonly dx: Spread;
      readonly dy: Spread;
    }
  /** The picture as a whole moved by (dx, dy) against its place in earlier frames, and was cut off doing so. */
  | {
      readonly kind: 'shifted';
      readonly at: Point;
      readonly wrong: WrongPixels;
      readonly dx: number;
      readonly dy: number;
    }
  /** None of the above. */
  | { readonly kind: 'pixels'; readonly at: Point; readonly wrong: WrongPixels }
  /** Nothing of the window is in the capture. */
  | { readonly kind: 'missing' };

/**
 * Compares a capture with the pattern's current frame.
 *
 * @param near where the window was in an earlier capture; tried first
 */
export function compare(captured: Picture, pattern: Pattern, near?: Point): Verdict {
  const expected = pattern.picture();
  if (near !== undefined && matches(captured, near, expected)) return { kind: 'identical', at: near };
  const found = locate(captured, pattern);
  if (found !== undefined && matches(captured, found, expected)) return { kind: 'identical', at: found };
  if (found !== undefined && near !== undefined && (found.x !== near.x || found.y !== near.y)) {
    const wrongThere = findWrong(captured, found, expected);
    if (wrongThere.length * 2 < expected.pixels.length) {
      const wrong = summarise(captured, near, expected, findWrong(captured, near, expected));
      return { kind: 'shifted', at: near, wrong, dx: found.x - near.x, dy: found.y - near.y };
    }
  }
  let unexplained: Verdict | undefined;
  for (const at of places(captured, pattern, near ?? found)) {
    const verdict = classify(captured, at, pattern, expected);
    if (verdict.kind !== 'pixels') return verdict;
    if (unexplained?.kind !== 'pixels' || unexplained.wrong.count > verdict.wrong.count) unexplained = verdict;
  }
  // A place remembered from earlier frames at which hardly a pixel is right does not show the window any more.
  if (unexplained?.kind !== 'pixels' || unexplained.wrong.count > 0.9 * expected.pixels.length)
    return { kind: 'missing' };
  return unexplained;
}

/** Where the window may be, the likeliest first; each next one is only searched for when it is asked for. */
function* places(captured: Picture, pattern: Pattern, first: Point | undefined): Generator<Point> {
  if (first !== undefined) yield first;
  for (let behind = 1; behind <= HISTORY_FRAMES; behind++) {
    const at = locate(captured, pattern, behind);
    if (at !== undefined) yield at;
  }
  for (const order of WRONG_ORDERS) {
    const at = locate(captured, pattern, 0, order);
    if (at !== undefined) yield at;
  }
  const at = locateByRows(captured, pattern);
  if (at !== undefined) yield at;
}

function matches(captured: Picture, at: Point, expected: Picture): boolean {
  if (at.x < 0 || at.y < 0) return false;
  if (at.x + expected.width > captured.width || at.y + expected.height > captured.height) return false;
  let i = 0;
  for (let y = 0; y < expected.height; y++) {
    let j = (at.y + y) * captured.width + at.x;
    for (const end = i + expected.width; i < end; i++, j++) {
      if (((expected.pixels[i]! ^ captured.pixels[j]!) & COLOUR_MASK) !== 0) return false;
    }
  }
  return true;
}

/** The captured colour (0xRRGGBB) at a pixel of the window, or undefined outside of the capture. */
export function actualAt(captured: Picture, at: Point, x: number, y: number): number | undefined {
  const column = at.x + x;
  const row = at.y + y;
  if (column < 0 || row < 0 || column >= captured.width || row >= captured.height) return undefined;
  return captured.pixels[row * captured.width + column]! & COLOUR_MASK;
}

/** Indices into `expected.pixels` of what differs or is outside of the capture, ascending. */
export function findWrong(captured: Picture, at: Point, expected: Picture): Uint32Array {
  const wrong = new Uint32Array(expected.pixels.length);
  let count = 0;
  for (let y = 0, i = 0; y < expected.height; y++) {
    const inside = at.y + y >= 0 && at.y + y < captured.height;
    const from = (at.y + y) * captured.width;
    for (let x = 0; x < expected.width; x++, i++) {
      const column = at.x + x;
      if (
        !inside ||
        column < 0 ||
        column >= captured.width ||
        ((expected.pixels[i]! ^ captured.pixels[from + column]!) & COLOUR_MASK) !== 0
      ) {
        wrong[count++] = i;
      }
    }
  }
  return wrong.slice(0, count);
}

function summarise(captured: Picture, at: Point, expected: Picture, wrong: Uint32Array): WrongPixels {
  const { width } = expected;
  let left = width;
  let right = 0;
  let outside = 0;
  const first: WrongPixel[] = [];
  for (const i of wrong) {
    const x = i % width;
    const y = (i - x) / width;
    if (x < left) left = x;
    if (x >= right) right = x + 1;
    const actual = actualAt(captured, at, x, y);
    if (actual === undefined) outside++;
    if (first.length < MAX_LISTED) first.push({ x, y, expected: expected.pixels[i]! & COLOUR_MASK, actual });
  }
  const top = wrong.length === 0 ? 0 : Math.floor(wrong[0]! / width);
  const bottom = wrong.length === 0 ? 0 : Math.floor(wrong[wrong.length - 1]! / width) + 1;
  const box = { x: Math.min(left, right), y: top, width: Math.max(0, right - left), height: bottom - top };
  return { count: wrong.length, outside, box, first };
}

function classify(captured: Picture, at: Point, pattern: Pattern, expected: Picture): Verdict {
  return classifyPixels(captured, at, pattern, expected, findWrong(captured, at, expected));
}

/** The verdict on a place, of which these pixels (indices into `expected.pixels`, ascending) are all that is wrong. */
export function classifyPixels(
  captured: Picture,
  at: Point,
  pattern: Pattern,
  expected: Picture,
  indices: Uint32Array,
): Verdict {
  if (indices.length === 0) return { kind: 'identical', at };
  const wrong = summarise(captured, at, expected, indices);
  const behind = ageOfWrong(captured, at, pattern, indices);
  if (behind !== undefined) {
    if (matches(captured, at, pattern.picture(behind.most))) {
      return { kind: 'stale', at, wrong, behind: behind.most };
    }
    return { kind: 'stale-area', at, wrong, behind };
  }
  const order = orderOfWrong(captured, at, expected, indices);
  if (order !== undefined) return { kind: 'channels', at, wrong, order };
  const moved = shiftOfWrong(captured, at, expected, indices);
  if (moved !== undefined) return { kind: 'rows', at, wrong, ...moved };
  return { kind: 'pixels', at, wrong };
}

/** How old the wrong pixels are, when each of them shows its own place in an earlier frame. */
function ageOfWrong(captured: Picture, at: Point, pattern: Pattern, indices: Uint32Array): Spread | undefined {
  const states: Uint32Array[] = [];
  for (let behind = 1; behind <= HISTORY_FRAMES; behind++) {
    const state = pattern.drawnIn(behind);
    if (state === undefined) break;
    states.push(state);
  }
  let least = HISTORY_FRAMES;
  let most = 0;
  for (const i of indices) {
    const x = i % pattern.width;
    const y = (i - x) / pattern.width;
    const actual = actualAt(captured, at, x, y);
    const column = Math.floor(x / BLOCK_PIXELS);
    const row = Math.floor(y / BLOCK_PIXELS);
    const block = row * pattern.columns + column;
    const age = 1 + states.findIndex(state => blockColour(state[block]!, column, row) === actual);
    if (age === 0) return undefined;
    least = Math.min(least, age);
    most = Math.max(most, age);
  }
  return { least, most };
}

/** The channel order that explains all wrong pixels. */
function orderOfWrong(captured: Picture, at: Point, expected: Picture, indices: Uint32Array): ChannelOrder | undefined {
  return WRONG_ORDERS.find(order => {
    for (const i of indices) {
      const x = i % expected.width;
      if (actualAt(captured, at, x, (i - x) / expected.width) !== reorder(expected.pixels[i]! & COLOUR_MASK, order)) {
        return false;
      }
    }
    return true;
  });
}

/** A row's wrong pixels, from the first to the last. */
interface WrongRow {
  readonly y: number;
  readonly left: number;
  readonly right: number;
}

/** By how much the wrong rows have moved, when all of them have: by the same, or else each by its own. */
function shiftOfWrong(
  captured: Picture,
  at: Point,
  expected: Picture,
  indices: Uint32Array,
): { rows: Spread; count: number; dx: Spread; dy: Spread } | undefined {
  const { width } = expected;
  const rows: WrongRow[] = [];
  for (let start = 0; start < indices.length;) {
    const y = Math.floor(indices[start]! / width);
    let end = start + 1;
    while (end < indices.length && indices[end]! < (y + 1) * width) end++;
    // One pixel alone is like some neighbour too easily.
    if (end - start < 2) return undefined;
    rows.push({ y, left: indices[start]! % width, right: indices[end - 1]! % width });
    start = end;
  }
  const explains = (row: WrongRow, shift: Point): boolean => isShifted(captured, at, expected, row, shift);
  const common = SHIFTS.find(shift => rows.every(row => explains(row, shift)));
  const shifts: Point[] = [];
  for (const row of common === undefined ? rows : []) {
    const shift = SHIFTS.find(candidate => explains(row, candidate));
    if (shift === undefined) return undefined;
    shifts.push(shift);
  }
  if (common !== undefined) shifts.push(common);
  return {
    rows: { least: rows[0]!.y, most: rows[rows.length - 1]!.y },
    count: rows.length,
    dx: spreadOf(shifts.map(({ x }) => x)),
    dy: spreadOf(shifts.map(({ y }) => y)),
  };
}

/** The shifts that are tried, the smallest first. */
const SHIFTS: readonly Point[] = Array.from({ length: MAX_SHIFT }, (_, i) => [
  { x: i + 1, y: 0 },
  { x: -i - 1, y: 0 },
  { x: 0, y: i + 1 },
  { x: 0, y: -i - 1 },
]).flat();

/** Whether the shift explains the row's wrong pixels, but for those that came in at the edge it moved away from. */
function isShifted(captured: Picture, at: Point, expected: Picture, row: WrongRow, shift: Point): boolean {
  const { y, left, right } = row;
  if (y - shift.y < 0 || y - shift.y >= expected.height) return false;
  const source = (y - shift.y) * expected.width;
  let explained = 0;
  for (let x = left; x <= right; x++) {
    const from = x - shift.x;
    const inside = from >= 0 && from < expected.width;
    if (inside && (expected.pixels[source + from]! & COLOUR_MASK) === actualAt(captured, at, x, y)) explained++;
    // Nothing is known of what came in from beyond the edge.
    else if (shift.x > 0 ? x >= left + shift.x : x <= right + shift.x) return false;
  }
  return explained > 0;
}

function spreadOf(numbers: readonly number[]): Spread {
  // Spread arguments have a limit, rows have not.
  return {
    least: numbers.reduce((a, b) => Math.min(a, b)),
    most: numbers.reduce((a, b) => Math.max(a, b)),
  };
}

/** The verdict in one line of English. */
export function describe(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'identical':
      return 'identical';
    case 'missing':
      return 'missing: nothing of the window is in the capture';
    case 'stale':
      return `stale: the capture shows ${verdict.behind === 1 ? 'the frame before' : `the frame of ${verdict.behind} frames before`}`;
    case 'stale-area':
      return `stale area: ${where(verdict.wrong)} show the window as it was ${spread(verdict.behind, 'frame')} before`;
    case 'channels':
      return `channels: ${where(verdict.wrong)} show ${verdict.order} in place of rgb`;
    case 'rows': {
      const moves = [];
      if (verdict.dx.least !== 0 || verdict.dx.most !== 0) moves.push(`${spread(verdict.dx, 'pixel')} to the right`);
      if (verdict.dy.least !== 0 || verdict.dy.most !== 0) moves.push(`${spread(verdict.dy, 'pixel')} down`);
      const rows =
        verdict.rows.least === verdict.rows.most
          ? `row ${verdict.rows.least}`
          : `${verdict.count} rows between ${verdict.rows.least} and ${verdict.rows.most}`;
      return `shifted: ${rows}, ${moves.join(' and ')}`;
    }
    case 'shifted':
      return `shifted: the whole picture, ${count(verdict.dx, 'pixel')} to the right and ${verdict.dy} down`;
    case 'pixels': {
      const { wrong } = verdict;
      const first = wrong.first[0]!;
      const outside = wrong.outside > 0 ? `, ${wrong.outside} of them outside of the output` : '';
      return (
        `wrong: ${where(wrong)}${outside}; the first at (${first.x}, ${first.y}) is ${hex(first.actual)} ` +
        `in place of ${hex(first.expected)}`
      );
    }
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function spread({ least, most }: Spread, what: string): string {
  return least === most ? count(most, what) : `${least} to ${most} ${what}s`;
}

export function where({ count: pixels, box }: WrongPixels): string {
  return `${count(pixels, 'pixel')} in ${box.width}x${box.height} at (${box.x}, ${box.y})`;
}

function hex(colour: number | undefined): string {
  return colour === undefined ? 'nothing' : `#${colour.toString(16).padStart(6, '0')}`;
}
