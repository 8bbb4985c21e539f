/**
 * The text of a title bar: the X server draws it, with the font that every X server has built in. So there is no font of
 * ours, and none is looked for. It has the letters of Latin 1; others are shown as `?`.
 */
import type { XConnection } from './connection.js';
import { freePixmap, titles } from './requests.js';
import { XReader } from './wire.js';

/** Characters of a title that are drawn. Each is 6 pixels wide: more have no room on most screens. */
export const MAX_TITLE_CHARACTERS = 200;

/** The font's, in pixels. */
const [WIDTH, HEIGHT, ASCENT] = [6, 13, 11];

/** Black and white, by the pixel. */
export interface TitleText {
  readonly width: number;
  readonly height: number;
  isSet(x: number, y: number): boolean;
}

export class TitleTexts {
  /** Opened with the first title: on most compositors there is none. */
  #font: number | undefined;

  constructor(
    private readonly x: XConnection,
    private readonly root: number,
  ) {}

  /** Draws it; `drawn` is told at a later turn, and never where the server cannot. */
  draw(title: string, drawn: (text: TitleText) => void): void {
    const letters = Array.from(title, letter => letter.codePointAt(0)!).slice(0, MAX_TITLE_CHARACTERS);
    const bytes = Uint8Array.from(letters, code => (isInFont(code) ? code : 0x3f));
    if (bytes.length === 0) return;
    const { x, root } = this;
    if (this.#font === undefined) {
      this.#font = x.newId();
      x.send(titles.openFont(this.#font));
    }
    const [width, height] = [bytes.length * WIDTH, HEIGHT];
    const [pixmap, context] = [x.newId(), x.newId()];
    x.send(titles.createBitmap(pixmap, root, width, height));
    x.send(titles.createContext(context, pixmap, this.#font));
    x.send(titles.draw(pixmap, context, ASCENT, bytes));
    x.ask(titles.read(pixmap, width, height), reply => {
      const at = new XReader(reply);
      // Rows are of whole words, bits from the lowest on: the server is of this machine.
      const row = Math.ceil(width / 32) * 4;
      const bits = at.slice(32, row * height);
      drawn({ width, height, isSet: (left, top) => ((bits[top * row + (left >> 3)]! >> (left & 7)) & 1) === 1 });
    });
    x.send(titles.freeContext(context));
    x.send(freePixmap(pixmap));
    x.freeId(context);
    x.freeId(pixmap);
  }
}

const isInFont = (code: number): boolean => (code >= 0x20 && code < 0x7f) || (code >= 0xa0 && code <= 0xff);
