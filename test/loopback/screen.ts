/**
 * A compositor's output as tests look at it: captured until it keeps still, compared pixel for pixel. Where two pictures
 * differ, both and the difference are left as PNG files, and the failure names them.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { differencePicture } from '../../src/frames/difference.js';
import { COLOUR_MASK, encodePng, pictureOf, type Picture } from '../../src/frames/picture.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';

/** How long a picture must stay the same to count as still, in milliseconds: longer than an application draws apart. */
const STILL_MS = 400;
/** How long anything may take to come about on an output, in milliseconds. */
const TIMEOUT_MS = 45_000;
const LOOK_INTERVAL_MS = 50;

/** One output, captured again and again. */
export class Screen {
  constructor(
    /** Takes a picture of it. */
    readonly capture: () => Promise<Picture>,
    /** How long a picture must stay the same to count as still, in milliseconds. */
    readonly stillMs = STILL_MS,
    /** How long anything may take to come about on it, in milliseconds. */
    readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** Connects to the compositor itself; closed at the end of the test. */
  static async open(t: Pick<Test, 'teardown'>, path: string): Promise<Screen> {
    const display = await Display.connect(path);
    t.teardown(() => display.close());
    const capturer = await Capturer.open(display);
    return new Screen(async () => pictureOf(await capturer.capture()));
  }

  /** Captures until `wanted` holds of a picture, and returns that one. */
  async until(what: string, wanted: (picture: Picture) => boolean): Promise<Picture> {
    for (const end = Date.now() + this.timeoutMs; ; await pause(LOOK_INTERVAL_MS)) {
      const picture = await this.capture();
      if (wanted(picture)) return picture;
      if (Date.now() > end)
        throw new Error(`waited in vain for ${what}; the output is ${leave('in-vain', { output: picture })}`);
    }
  }

  /** The output once it has kept still, of which `wanted` holds. */
  async still(what: string, wanted: (picture: Picture) => boolean = () => true): Promise<Picture> {
    let last: Picture | undefined;
    let since = 0;
    return this.until(`${what}, and still`, picture => {
      if (last === undefined || !isSame(last, picture)) {
        last = picture;
        since = Date.now();
      }
      return Date.now() - since >= this.stillMs && wanted(picture);
    });
  }
}

/** What two outputs showed when they were compared for the last time. */
export interface Outcome {
  readonly expected: Picture;
  readonly actual: Picture;
  /** They showed the same thing, not an empty output, and kept still. */
  readonly same: boolean;
}

/** Waits until two outputs show the same thing, not `empty`, and keep still; at most `timeoutMs` milliseconds. */
export async function compared(
  expected: Screen,
  actual: Screen,
  empty: Picture,
  timeoutMs = TIMEOUT_MS,
): Promise<Outcome> {
  let last: Outcome | undefined;
  let since = 0;
  for (const end = Date.now() + timeoutMs; ; await pause(LOOK_INTERVAL_MS)) {
    const [left, right] = await Promise.all([expected.capture(), actual.capture()]);
    if (last === undefined || !isSame(last.expected, left) || !isSame(last.actual, right)) since = Date.now();
    const still = Date.now() - since >= STILL_MS;
    last = {
      expected: left,
      actual: right,
      same: still && coloursOf(left) > 2 && !isSame(left, empty) && isSame(left, right),
    };
    if (last.same || Date.now() > end) return last;
  }
}

/** Asserts what {@link compared} should have found. */
export function same(t: Test, name: string, { expected, actual, same }: Outcome): void {
  if (same) {
    t.pass(`${name}: identical, pixel for pixel`);
    return;
  }
  const size = ({ width, height }: Picture): string => `${width}x${height}`;
  const difference = differencePicture(expected, actual, { x: 0, y: 0 });
  const directory = leave(name, { expected, actual, difference });
  const count = countDifferent(expected, actual);
  const what = count > 0 ? `${count} pixels differ` : 'nothing is shown, or it does not keep still';
  t.fail(`${name}: ${what} (${size(expected)} expected, ${size(actual)} there); see ${directory}`);
}

export function isSame(a: Picture, b: Picture): boolean {
  return countDifferent(a, b) === 0;
}

/** Pixels that differ; pictures of different sizes differ in all. */
export function countDifferent(a: Picture, b: Picture): number {
  if (a.width !== b.width || a.height !== b.height) return Math.max(a.pixels.length, b.pixels.length);
  let count = 0;
  for (let i = 0; i < a.pixels.length; i++) if (((a.pixels[i]! ^ b.pixels[i]!) & COLOUR_MASK) !== 0) count++;
  return count;
}

/** Different colours, of the first 64. */
export function coloursOf({ pixels }: Picture): number {
  const colours = new Set<number>();
  for (let i = 0; i < pixels.length && colours.size < 64; i++) colours.add(pixels[i]! & COLOUR_MASK);
  return colours.size;
}

export function hasColour({ pixels }: Picture, colour: number): boolean {
  return pixels.some(pixel => (pixel & COLOUR_MASK) === colour);
}

/** The smallest rectangle with everything in which two pictures of one size differ; undefined where they do not. */
export function boundsOfDifference(
  a: Picture,
  b: Picture,
): { x: number; y: number; width: number; height: number } | undefined {
  let [x1, y1, x2, y2] = [Infinity, Infinity, -1, -1];
  for (let i = 0; i < a.pixels.length; i++) {
    if (((a.pixels[i]! ^ b.pixels[i]!) & COLOUR_MASK) === 0) continue;
    const x = i % a.width;
    const y = Math.floor(i / a.width);
    x1 = Math.min(x1, x);
    x2 = Math.max(x2, x);
    y1 = Math.min(y1, y);
    y2 = Math.max(y2, y);
  }
  return x2 < 0 ? undefined : { x: x1, y: y1, width: x2 - x1 + 1, height: y2 - y1 + 1 };
}

/** Leaves pictures as files for the developer who looks into a failure; returns the directory. */
function leave(name: string, pictures: Readonly<Record<string, Picture>>): string {
  const directory = mkdtempSync(join(tmpdir(), `virtwl-failed-${name.replace(/[^\w-]+/g, '-')}-`));
  for (const [part, picture] of Object.entries(pictures))
    writeFileSync(join(directory, `${part}.png`), encodePng(picture));
  return directory;
}
