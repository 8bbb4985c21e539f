/**
 * Draws what is wrong, for people: three panels beside each other, the window as expected, as captured, and in grey
 * with the wrong pixels in red. A wrong pixel alone would be lost on the eye, so a halo surrounds each.
 */
import type { Point } from './locate.js';
import { blankPicture, COLOUR_MASK, copyPart, type Picture } from './picture.js';

/** How far the halo reaches around a wrong pixel, in pixels. */
const HALO = 6;
/** Room between the panels, in pixels. */
const GAP = 8;

const WRONG = 0xff2020;
const HALO_COLOUR = 0xffc000;
const PAPER = 0x808080;

/** The three panels. `at` is where the window is, or should be, in the capture. */
export function differencePicture(expected: Picture, captured: Picture, at: Point): Picture {
  const { width, height } = expected;
  const panels = blankPicture(3 * width + 2 * GAP, height);
  panels.pixels.fill(PAPER);
  copyPart(expected, 0, 0, panels, 0, 0, width, height);
  copyPart(captured, at.x, at.y, panels, width + GAP, 0, width, height);
  const left = 2 * (width + GAP);
  // Halos first, over the grey; the wrong pixels themselves then stand out of the halos of others.
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = expected.pixels[y * width + x]!;
      const grey = 0x60 + ((((colour >>> 16) & 0xff) + ((colour >>> 8) & 0xff) + (colour & 0xff)) >> 4);
      panels.pixels[y * panels.width + left + x] = (grey << 16) | (grey << 8) | grey;
    }
  }
  const isWrong = (x: number, y: number): boolean => {
    const column = at.x + x;
    const row = at.y + y;
    if (column < 0 || row < 0 || column >= captured.width || row >= captured.height) return true;
    return ((expected.pixels[y * width + x]! ^ captured.pixels[row * captured.width + column]!) & COLOUR_MASK) !== 0;
  };
  for (let y = 0; y < height; y++) {
    let run = 0;
    for (let x = 0; x <= width; x++) {
      if (x < width && isWrong(x, y)) {
        run++;
        continue;
      }
      if (run > 0) drawHalo(panels, left, width, x - run, y, run);
      run = 0;
    }
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (isWrong(x, y)) panels.pixels[y * panels.width + left + x] = WRONG;
  }
  return panels;
}

/** A halo around `run` pixels of row y, kept within the panel that starts at `left`. */
function drawHalo(panels: Picture, left: number, width: number, x: number, y: number, run: number): void {
  const from = Math.max(0, x - HALO);
  const to = Math.min(width, x + run + HALO);
  for (let row = Math.max(0, y - HALO); row <= Math.min(panels.height - 1, y + HALO); row++) {
    const start = row * panels.width + left;
    panels.pixels.fill(HALO_COLOUR, start + from, start + to);
  }
}
