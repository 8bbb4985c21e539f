/**
 * Cursor themes, as libXcursor and compositors read them: from the directories of a theme, and of those that it inherits
 * from, the file of one cursor; from that file the picture whose size is nearest. They are files of this VM, of any origin.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { XReader } from './wire.js';

export interface CursorPicture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** The pixel that points. */
  readonly hotX: number;
  readonly hotY: number;
  /** Four bytes a pixel: blue, green, red, alpha, the colours multiplied by it. */
  readonly pixels: Uint8Array;
}

/** The longest side that is taken, in pixels: larger ones, of which one request with all pixels would be too long, are passed over. */
export const MAX_CURSOR_SIDE = 128;
/** The largest file that is read, in bytes: animated ones in many sizes have some MiB. */
export const MAX_CURSOR_BYTES = 8 << 20;
/** The largest description of a theme, in bytes: one of icons, with its name in all languages, has some ten KiB. */
export const MAX_INDEX_BYTES = 1 << 20;
/** Themes that one is made of, at most: they may inherit in a circle. */
export const MAX_THEMES = 16;

/** The size for which a theme is made where nobody asks for another. */
const DEFAULT_SIZE = 24;
const DEFAULT_PATH = '~/.local/share/icons:~/.icons:/usr/share/icons:/usr/share/pixmaps';

const MAGIC = 0x72756358;
const IMAGE = 0xfffd0002;
const ENTRY_BYTES = 12;
const IMAGE_BYTES = 36;

export type CursorEnvironment = Readonly<
  Partial<Record<'XCURSOR_THEME' | 'XCURSOR_SIZE' | 'XCURSOR_PATH' | 'HOME', string>>
>;

/** The size that cursors are to have, in pixels of the compositor's. */
export function cursorSize({ XCURSOR_SIZE: size }: CursorEnvironment): number {
  const number = Number(size);
  return Number.isInteger(number) && number > 0 && number <= MAX_CURSOR_SIDE ? number : DEFAULT_SIZE;
}

/** The picture of a cursor, `left_ptr` say, for a size in pixels; undefined: the theme has none, or none that can be read. */
export function themeCursor(name: string, size: number, env: CursorEnvironment): CursorPicture | undefined {
  const directories = (env.XCURSOR_PATH ?? DEFAULT_PATH)
    .split(':')
    .filter(directory => !directory.startsWith('~') || env.HOME !== undefined)
    .map(directory => directory.replace(/^~/, env.HOME ?? ''));
  const themes = [env.XCURSOR_THEME ?? 'default'];
  for (let i = 0; i < Math.min(themes.length, MAX_THEMES); i++) {
    const theme = themes[i]!;
    for (const directory of directories) {
      const picture = readCursor(join(directory, theme, 'cursors', name), size);
      if (picture !== undefined) return picture;
    }
    const parents = directories.map(directory => inherited(join(directory, theme, 'index.theme')));
    themes.push(...(parents.find(found => found !== undefined) ?? []).filter(parent => !themes.includes(parent)));
  }
  return undefined;
}

function readCursor(path: string, size: number): CursorPicture | undefined {
  try {
    return parseCursor(readSmall(path, MAX_CURSOR_BYTES), size);
  } catch {
    return undefined; // it is not there, may not be read, or is cut short
  }
}

/** A pipe, where a file should be, would be read for ever. */
function readSmall(path: string, mostBytes: number): Buffer {
  const file = statSync(path);
  if (!file.isFile() || file.size > mostBytes) throw new Error(`${path} is no file of at most ${mostBytes} bytes`);
  return readFileSync(path);
}

/** Names of themes; undefined: there is no such file, or it names none. */
function inherited(path: string): readonly string[] | undefined {
  try {
    const [, names] = /^Inherits\s*=\s*(.*)$/m.exec(readSmall(path, MAX_INDEX_BYTES).toString()) ?? [];
    return names
      ?.split(/[\s,;:]+/)
      .filter(name => /^[^/]+$/.test(name) && name !== '.' && name !== '..')
      .slice(0, MAX_THEMES);
  } catch {
    return undefined;
  }
}

/**
 * The picture of a file that is nearest to a size, the first where there are several; undefined: it has none, or is no such
 * file. @throws XWireError where it is cut short
 */
export function parseCursor(bytes: Uint8Array, size: number): CursorPicture | undefined {
  const at = new XReader(bytes);
  if (at.u32(0) !== MAGIC) return undefined;
  const [first, count] = [at.u32(4), at.u32(12)];
  let [found, distance] = [undefined as number | undefined, Infinity];
  for (let i = 0; i < count; i++) {
    const entry = first + i * ENTRY_BYTES;
    const away = Math.abs(at.u32(entry + 4) - size);
    if (at.u32(entry) !== IMAGE || away >= distance || !isSmall(at, at.u32(entry + 8))) continue;
    [found, distance] = [at.u32(entry + 8), away];
  }
  if (found === undefined) return undefined;
  const [width, height] = [at.u32(found + 16), at.u32(found + 20)];
  const inside = (place: number, side: number): number => Math.min(place, side - 1);
  return {
    ...{ width, height, hotX: inside(at.u32(found + 24), width), hotY: inside(at.u32(found + 28), height) },
    pixels: at.slice(found + IMAGE_BYTES, width * height * 4),
  };
}

function isSmall(at: XReader, image: number): boolean {
  return [at.u32(image + 16), at.u32(image + 20)].every(side => side > 0 && side <= MAX_CURSOR_SIDE);
}
