/** What a title bar looks like, and what of it lies under the pointer. Sizes are pixels of the compositor's. */
import type { OwnPicture } from './shm-picture.js';
import type { TitleText } from './title-text.js';

export const TITLE_BAR_HEIGHT = 24;

/** A button is as wide as the bar is high. From the right. */
const BUTTONS = ['close', 'maximize', 'minimize'] as const;
export type TitlePart = (typeof BUTTONS)[number] | 'title';

/** 0xrrggbb. */
const COLOURS = {
  active: { back: 0x30343c, front: 0xf0f0f0 },
  other: { back: 0x50545c, front: 0xb0b4bc },
} as const;

/** Of a sign in a button, on each side. */
const MARGIN = 8;
/** Left of the title. */
const INDENT = 8;

/** What is at a place; undefined: it is outside. A bar that is narrow has fewer buttons, and that which closes longest. */
export function partAt(x: number, y: number, width: number): TitlePart | undefined {
  if (x < 0 || x >= width || y < 0 || y >= TITLE_BAR_HEIGHT) return undefined;
  const button = Math.floor((width - 1 - x) / TITLE_BAR_HEIGHT);
  return button < buttonsOf(width) ? (BUTTONS[button] ?? 'title') : 'title';
}

/** A third of the bar, at the least, moves the window. */
const buttonsOf = (width: number): number => Math.min(BUTTONS.length, Math.floor((width * 2) / 3 / TITLE_BAR_HEIGHT));

export function titlePicture(width: number, text: TitleText | undefined, active: boolean): OwnPicture {
  const height = TITLE_BAR_HEIGHT;
  const { back, front } = active ? COLOURS.active : COLOURS.other;
  const pixels = new Uint8Array(width * height * 4);
  const words = new Uint32Array(pixels.buffer);
  words.fill(0xff000000 + back);
  const dot = (x: number, y: number): void => {
    if (x >= 0 && x < width) words[y * width + x] = 0xff000000 + front;
  };
  const count = buttonsOf(width);
  for (let button = 0; button < count; button++) {
    const left = width - (button + 1) * height + MARGIN;
    const last = height - 2 * MARGIN - 1;
    for (let i = 0; i <= last; i++) {
      if (BUTTONS[button] === 'close') {
        dot(left + i, MARGIN + i);
        dot(left + last - i, MARGIN + i);
      } else if (BUTTONS[button] === 'maximize') {
        for (const edge of [0, last]) {
          dot(left + i, MARGIN + edge);
          dot(left + edge, MARGIN + i);
        }
      } else dot(left + i, MARGIN + last);
    }
  }
  if (text !== undefined) {
    const room = Math.min(text.width, width - count * height - 2 * INDENT);
    const top = Math.floor((height - text.height) / 2);
    for (let y = 0; y < text.height; y++) for (let x = 0; x < room; x++) if (text.isSet(x, y)) dot(INDENT + x, top + y);
  }
  return { width, height, pixels };
}

/** Each pixel as a square of so many: compositors that enlarge mix each with those beside it. */
export function enlarged(picture: OwnPicture, scale: number): OwnPicture {
  if (scale === 1) return picture;
  const [width, height] = [picture.width * scale, picture.height * scale];
  const [from, pixels] = [new Uint32Array(picture.pixels.buffer), new Uint8Array(width * height * 4)];
  const words = new Uint32Array(pixels.buffer);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / scale) * picture.width;
    for (let x = 0; x < width; x++) words[y * width + x] = from[row + Math.floor(x / scale)]!;
  }
  return { width, height, pixels };
}
