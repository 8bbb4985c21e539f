/**
 * Tells what others show above the window, a cursor or an overlay, from what is wrong with the window itself.
 *
 * Of a capture that is not as drawn, {@link suspect} sets apart the wrong pixels that may be another's: spots of pixels
 * none of which was ever ours at its place, and which no fault explains. That is a suspicion only, since broken memory
 * may look like anything. {@link Suspicion.judge} proves it: the window is gone from the output by then, and what still
 * shows there, pixel for pixel, is not drawn by the window. What the spot hides of the window is not checked.
 *
 * What proves nothing: the colour that most of the output has without the window, since it may be what is behind; and a
 * spot of one colour, since memory that nobody wrote to is black.
 */
import type { Rect } from '../wayland/rect.js';
import { actualAt, classifyPixels, findWrong, type Verdict, type WrongPixel } from './compare.js';
import { reorder, WRONG_ORDERS, type ChannelOrder, type Point } from './locate.js';
import { BLOCK_PIXELS, frameOfColour, type Pattern } from './pattern.js';
import { COLOUR_MASK, type Picture } from './picture.js';

/** Most of the window, as a share of its pixels, that others may cover: of one that is hidden more, too little is checked. */
export const MAX_COVERED_SHARE = 0.25;
/** Most spots in one capture: there are few cursors and overlays, and what is wrong in more places is the window. */
export const MAX_SPOTS = 16;
/** How far edges and shadows, which let the window shine through, reach from what is proven, in pixels. */
export const SHADOW_PIXELS = 8;
/** How much of a spot must be proven; the rest of it may shine through. */
export const PROVEN_SHARE = 0.25;
/** How many wrong pixels of a run are kept to be judged at its end, 12 bytes each: 48 MB. */
export const MAX_KEPT_PIXELS = 4_000_000;

/** Something of another's above the window, in one frame. */
export interface Foreign {
  /** How many of the window's pixels it changes. */
  readonly pixels: number;
  /** Smallest rectangle around them, in the window's coordinates. */
  readonly box: Rect;
}

/** Wrong pixels that lie together. */
interface Spot {
  /** Indices into the window's pixels, ascending, the colours that the capture has there, and those that it should. */
  readonly indices: Uint32Array;
  readonly colours: Uint32Array;
  readonly expected: Uint32Array;
  readonly box: Rect;
}

/** A capture's wrong pixels that may be another's. */
export class Suspicion {
  constructor(
    /** Where the window is in the capture. */
    readonly at: Point,
    private readonly width: number,
    /** What is wrong beside the spots. */
    readonly rest: Verdict,
    private readonly spots: readonly Spot[],
  ) {}

  /** How many pixels are kept for it. */
  get pixels(): number {
    return this.spots.reduce((sum, { indices }) => sum + indices.length, 0);
  }

  /**
   * Judges the frame.
   * @param without the output without the window
   * @returns what is wrong with the frame, and what others covered of it
   */
  judge(without: Picture): { verdict: Verdict; foreign: readonly Foreign[] } {
    const background = commonest(without);
    const foreign = this.spots.filter(spot => this.#remains(spot, without, background));
    const unproven = this.spots.filter(spot => !foreign.includes(spot));
    return {
      verdict: unproven.length === 0 ? this.rest : this.#wrong(unproven),
      foreign: foreign.map(({ indices, box }) => ({ pixels: indices.length, box })),
    };
  }

  /** Whether the spot is still there without the window, at its place or where it moved to. */
  #remains(spot: Spot, without: Picture, background: number): boolean {
    const here = { x: 0, y: 0 };
    if (this.#provenAt(spot, here, without, background)) return true;
    return this.#movedTo(spot, without, background).some(shift => this.#provenAt(spot, shift, without, background));
  }

  #provenAt(spot: Spot, shift: Point, without: Picture, background: number): boolean {
    const left = spot.box.x - SHADOW_PIXELS;
    const top = spot.box.y - SHADOW_PIXELS;
    const stride = spot.box.width + 2 * SHADOW_PIXELS;
    const near = new Uint8Array(stride * (spot.box.height + 2 * SHADOW_PIXELS));
    const colours = new Set<number>();
    let proven = 0;
    let telling = 0;
    this.#each(spot, (x, y, colour) => {
      if (colour === background) return;
      telling++;
      if (actualAt(without, this.at, x + shift.x, y + shift.y) !== colour) return;
      proven++;
      colours.add(colour);
      for (let row = y - SHADOW_PIXELS; row <= y + SHADOW_PIXELS; row++) {
        const start = (row - top) * stride + x - left;
        near.fill(1, Math.max(0, start - SHADOW_PIXELS), start + SHADOW_PIXELS + 1);
      }
    });
    if (colours.size < 2 || proven < PROVEN_SHARE * telling) return false;
    let far = 0;
    this.#each(spot, (x, y) => (far += near[(y - top) * stride + x - left] === 1 ? 0 : 1));
    return far === 0;
  }

  /** Where the spot may be by now: what its most telling pixels, found anywhere in the output, say. */
  #movedTo(spot: Spot, without: Picture, background: number): readonly Point[] {
    // Two pixels beside each other, of colours that differ, are the rarer.
    const pairs = new Map<number, Point>();
    for (let i = 1; i < spot.indices.length && pairs.size < MAX_PAIRS; i++) {
      const [left, right] = [spot.colours[i - 1]!, spot.colours[i]!];
      const index = spot.indices[i]!;
      if (spot.indices[i - 1] !== index - 1 || left === right || left === background || right === background) continue;
      pairs.set(left * 0x1000000 + right, { x: index % this.width, y: Math.floor(index / this.width) });
    }
    const votes = new Map<string, { shift: Point; count: number }>();
    for (let y = 0; y < without.height; y++) {
      for (let x = 1; x < without.width; x++) {
        const at = y * without.width + x;
        const left = without.pixels[at - 1]! & COLOUR_MASK;
        if (left === background) continue;
        const from = pairs.get(left * 0x1000000 + (without.pixels[at]! & COLOUR_MASK));
        if (from === undefined) continue;
        const shift = { x: x - this.at.x - from.x, y: y - this.at.y - from.y };
        const vote = votes.get(`${shift.x},${shift.y}`) ?? { shift, count: 0 };
        vote.count++;
        votes.set(`${shift.x},${shift.y}`, vote);
      }
    }
    return [...votes.values()]
      .sort((a, b) => b.count - a.count)
      .slice(0, MAX_SHIFTS)
      .map(({ shift }) => shift);
  }

  #each(spot: Spot, visit: (x: number, y: number, colour: number) => void): void {
    spot.indices.forEach((index, i) => {
      const x = index % this.width;
      visit(x, (index - x) / this.width, spot.colours[i]!);
    });
  }

  /** The verdict on spots that nothing but the window explains, with what is wrong beside them. */
  #wrong(spots: readonly Spot[]): Verdict {
    const first: WrongPixel[] = [];
    const boxes = spots.map(({ box }) => box);
    let pixels = 0;
    for (const { indices, colours, expected } of spots) {
      const index = indices[0]!;
      const x = index % this.width;
      first.push({ x, y: (index - x) / this.width, expected: expected[0]!, actual: colours[0]! });
      pixels += indices.length;
    }
    if (this.rest.kind !== 'identical' && this.rest.kind !== 'missing') {
      boxes.push(this.rest.wrong.box);
      pixels += this.rest.wrong.count;
    }
    return { kind: 'pixels', at: this.at, wrong: { count: pixels, outside: 0, box: around(boxes), first } };
  }
}

/** Pairs of pixels that a spot is looked for by, and places that are tried: a cursor has tens of the former. */
const MAX_PAIRS = 64;
const MAX_SHIFTS = 8;

/**
 * Looks for what may be another's in a capture that is not as drawn.
 * @param at where the window is in it
 * @returns undefined where nothing may be
 */
export function suspect(captured: Picture, at: Point, pattern: Pattern): Suspicion | undefined {
  const expected = pattern.picture();
  const wrong = findWrong(captured, at, expected);
  const { width } = expected;
  const inOrder = (index: number, order: ChannelOrder): boolean =>
    actualAt(captured, at, index % width, Math.floor(index / width)) ===
    reorder(expected.pixels[index]! & COLOUR_MASK, order);
  const ours: number[] = [];
  let unknown: number[] = [];
  for (const index of wrong) {
    const x = index % width;
    const y = (index - x) / width;
    const colour = actualAt(captured, at, x, y);
    const block = [Math.floor(x / BLOCK_PIXELS), Math.floor(y / BLOCK_PIXELS)] as const;
    if (colour === undefined || frameOfColour(colour, ...block, pattern.frame) !== undefined) ours.push(index);
    else unknown.push(index);
  }
  const order = WRONG_ORDERS.find(each => 2 * count(unknown, index => inOrder(index, each)) > unknown.length);
  if (order !== undefined) {
    for (const index of unknown) if (inOrder(index, order)) ours.push(index);
    unknown = unknown.filter(index => !inOrder(index, order));
  }
  if (unknown.length === 0 || unknown.length > MAX_COVERED_SHARE * expected.pixels.length) return undefined;
  const spots: Spot[] = [];
  for (const indices of gather(unknown, pattern)) {
    const array = Uint32Array.from(indices);
    // What a fault explains (other channels, shifted rows) is that fault.
    if (spots.length >= MAX_SPOTS || classifyPixels(captured, at, pattern, expected, array).kind !== 'pixels') {
      for (const index of indices) ours.push(index);
      continue;
    }
    const points = indices.map(index => ({ x: index % width, y: Math.floor(index / width), width: 1, height: 1 }));
    spots.push({
      indices: array,
      colours: array.map(index => actualAt(captured, at, index % width, Math.floor(index / width))!),
      expected: array.map(index => expected.pixels[index]! & COLOUR_MASK),
      box: around(points),
    });
  }
  if (spots.length === 0) return undefined;
  const rest = Uint32Array.from(ours).sort();
  return new Suspicion(at, width, classifyPixels(captured, at, pattern, expected, rest), spots);
}

function count(indices: readonly number[], holds: (index: number) => boolean): number {
  return indices.reduce((sum, index) => sum + (holds(index) ? 1 : 0), 0);
}

/** Pixels by the spot that they are in: those in blocks that touch each other are together. Each ascending. */
function gather(indices: readonly number[], pattern: Pattern): number[][] {
  const blockOf = (index: number): number => {
    const x = index % pattern.width;
    return Math.floor((index - x) / pattern.width / BLOCK_PIXELS) * pattern.columns + Math.floor(x / BLOCK_PIXELS);
  };
  const spotOf = new Map<number, number>();
  for (const index of indices) spotOf.set(blockOf(index), -1);
  let spots = 0;
  for (const first of [...spotOf.keys()]) {
    if (spotOf.get(first) !== -1) continue;
    const waiting = [first];
    spotOf.set(first, spots);
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
      const column = block % pattern.columns;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const other = block + dy * pattern.columns + dx;
          if (column + dx < 0 || column + dx >= pattern.columns || spotOf.get(other) !== -1) continue;
          spotOf.set(other, spots);
          waiting.push(other);
        }
      }
    }
    spots++;
  }
  const gathered = Array.from({ length: spots }, (): number[] => []);
  for (const index of indices) gathered[spotOf.get(blockOf(index))!]!.push(index);
  return gathered;
}

/** The smallest rectangle around some. */
export function around(rects: readonly Rect[]): Rect {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, width, height } of rects) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + width);
    bottom = Math.max(bottom, y + height);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The colour that most pixels have. */
function commonest(picture: Picture): number {
  const counts = new Map<number, number>();
  let most = 0;
  let found = 0;
  for (const pixel of picture.pixels) {
    const colour = pixel & COLOUR_MASK;
    const count = (counts.get(colour) ?? 0) + 1;
    counts.set(colour, count);
    if (count > most) {
      most = count;
      found = colour;
    }
  }
  return found;
}
