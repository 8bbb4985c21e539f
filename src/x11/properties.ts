/**
 * Properties of X windows: what each may cost to read, and what it means to us. Clients write anything into them, so of each
 * property only as much is fetched as it can have when it is meant, whatever size it has; what makes no sense counts as not set.
 */
import type { AtomName, Atoms } from './atoms.js';
import type { Property } from './replies.js';
import { wordsOf } from './wire.js';

/** Bytes of a title or class that are fetched: a Wayland message carries 4 KiB at most, and nobody reads so long a title. */
export const MAX_TEXT_BYTES = 1024;

/** Words that are fetched of a list of atoms: a window has four protocols, and a dozen states. */
const MAX_LIST = 32;

/** The largest side of a window, in pixels: X11 has 16 bits for places as well. */
export const MAX_SIDE = 32_767;

/** Pixels; 0: no bound. */
export interface SizeBound {
  readonly width: number;
  readonly height: number;
}

/** What a window says of itself. */
export interface WindowProperties {
  title: string | undefined;
  className: string | undefined;
  /** A window; 0: of none. */
  transientFor: number;
  /** Atoms. */
  protocols: readonly number[];
  /** Counts the sizes that it has drawn; 0: it does not. */
  syncCounter: number;
  /** Atoms, as the client wishes them when it maps the window. */
  states: readonly number[];
  /** Atoms, the best one first. */
  types: readonly number[];
  /** Whether the server may give it the keyboard. */
  acceptsInput: boolean;
  urgent: boolean;
  startsIconic: boolean;
  /** Pixmaps: its icon, and where that has pixels; 0: none. */
  iconPixmap: number;
  iconMask: number;
  decorated: boolean;
  min: SizeBound;
  max: SizeBound;
  steps: SizeSteps;
}

/** Which sizes between the bounds it can have. */
export interface SizeSteps {
  /** What the steps are counted from. */
  readonly base: SizeBound;
  /** Pixels of a step: 1 where it has any size. */
  readonly width: number;
  readonly height: number;
  /** Width by height, at least and at most; undefined: any. */
  readonly aspect: readonly [least: number, most: number] | undefined;
}

const NO_BOUND: SizeBound = { width: 0, height: 0 };
const ANY_STEP: SizeSteps = { base: NO_BOUND, width: 1, height: 1, aspect: undefined };

export function noProperties(): WindowProperties {
  return {
    title: undefined,
    className: undefined,
    transientFor: 0,
    protocols: [],
    syncCounter: 0,
    states: [],
    types: [],
    acceptsInput: true,
    urgent: false,
    startsIconic: false,
    iconPixmap: 0,
    iconMask: 0,
    decorated: true,
    min: NO_BOUND,
    max: NO_BOUND,
    steps: ANY_STEP,
  };
}

interface Known {
  /** Bytes that are fetched. */
  readonly maxBytes: number;
  /** Takes the value over into `into`. A property that is not there has no bytes. */
  readonly read: (into: WindowProperties, property: Property, atoms: Atoms) => void;
}

const list = (name: 'protocols' | 'states' | 'types'): Known => ({
  maxBytes: 4 * MAX_LIST,
  read: (into, property) => (into[name] = wordsIn(property)),
});

/** Those that are read, in this order: a title in UTF-8 goes before one that is not. */
export const PROPERTIES: ReadonlyMap<AtomName, Known> = new Map<AtomName, Known>([
  [
    'WM_NAME',
    {
      maxBytes: MAX_TEXT_BYTES,
      read: (into, property, atoms) => (into.title = textIn(property, property.type === atoms.UTF8_STRING)),
    },
  ],
  [
    '_NET_WM_NAME',
    {
      maxBytes: MAX_TEXT_BYTES,
      read: (into, property) => (into.title = textIn(property, true) ?? into.title),
    },
  ],
  ['WM_CLASS', { maxBytes: MAX_TEXT_BYTES, read: (into, property) => (into.className = classIn(property)) }],
  ['WM_TRANSIENT_FOR', { maxBytes: 4, read: (into, property) => (into.transientFor = wordsIn(property)[0] ?? 0) }],
  ['WM_PROTOCOLS', list('protocols')],
  [
    '_NET_WM_SYNC_REQUEST_COUNTER',
    { maxBytes: 4, read: (into, property) => (into.syncCounter = wordsIn(property)[0] ?? 0) },
  ],
  ['_NET_WM_STATE', list('states')],
  ['_NET_WM_WINDOW_TYPE', list('types')],
  ['WM_HINTS', { maxBytes: 36, read: readHints }],
  ['WM_NORMAL_HINTS', { maxBytes: 72, read: readNormalHints }],
  [
    '_MOTIF_WM_HINTS',
    {
      maxBytes: 20,
      read: (into, property) => {
        const [flags = 0, , decorations = 1] = wordsIn(property);
        into.decorated = (flags & 2) === 0 || decorations !== 0;
      },
    },
  ],
]);

/** What is read again when one of them changes: both titles say the same. */
export function readTogether(name: AtomName): readonly AtomName[] {
  return name === 'WM_NAME' || name === '_NET_WM_NAME' ? ['WM_NAME', '_NET_WM_NAME'] : [name];
}

function wordsIn({ format, value }: Property): number[] {
  return format === 32 ? wordsOf(value) : [];
}

/** What of a text can be shown; undefined: nothing. A letter that was cut off at the end is left out. */
function textIn({ format, value, left }: Property, utf8: boolean): string | undefined {
  if (format !== 8) return undefined;
  const bytes = Buffer.from(value);
  let text = bytes.toString(utf8 ? 'utf8' : 'latin1');
  if (left > 0 && utf8) text = text.replace(/\ufffd$/, '');

  text = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return text === '' ? undefined : text;
}

/** Of an instance and a class, each ended by a zero, the class. */
function classIn(property: Property): string | undefined {
  if (property.format !== 8) return undefined;
  const [instance = '', name = ''] = Buffer.from(property.value).toString('latin1').split('\0');
  return printable(name) ?? printable(instance);
}

function printable(name: string): string | undefined {
  const text = name.replace(/[^\u0020-\u007e\u00a0-\u00ff]/g, '').trim();
  return text === '' ? undefined : text;
}

function readHints(into: WindowProperties, property: Property): void {
  const [flags = 0, input = 1, state = 1, pixmap = 0, , , , mask = 0] = wordsIn(property);
  into.acceptsInput = (flags & 1) === 0 || input !== 0;
  into.startsIconic = (flags & 2) !== 0 && state === 3;
  into.urgent = (flags & 256) !== 0;
  into.iconPixmap = (flags & 4) === 0 ? 0 : pixmap >>> 0;
  into.iconMask = (flags & 32) === 0 ? 0 : mask >>> 0;
}

function readNormalHints(into: WindowProperties, property: Property): void {
  const at = wordsIn(property);
  const flags = at[0] ?? 0;
  const bound = (flag: number, place: number): SizeBound =>
    (flags & flag) === 0 ? NO_BOUND : { width: sideOf(at[place]), height: sideOf(at[place + 1]) };
  const base = bound(256, 15);
  // One stands for the other where it is not given.
  into.min = (flags & 16) === 0 ? base : bound(16, 5);
  const max = bound(32, 7);
  // A largest size below the smallest is what compositors end a client for.
  into.max = {
    width: max.width === 0 ? 0 : Math.max(max.width, into.min.width),
    height: max.height === 0 ? 0 : Math.max(max.height, into.min.height),
  };
  const step = bound(64, 9);
  into.steps = {
    base: (flags & 256) === 0 ? into.min : base,
    width: step.width || 1,
    height: step.height || 1,
    // With steps, each would undo the other.
    aspect: (flags & 192) !== 128 ? undefined : aspectOf(at.slice(11, 15)),
  };
}

function aspectOf([leastX = 0, leastY = 0, mostX = 0, mostY = 0]: readonly number[]): SizeSteps['aspect'] {
  if ([leastX, leastY, mostX, mostY].some(side => sideOf(side) === 0)) return undefined;
  const [least, most] = [leastX / leastY, mostX / mostY];
  return least > most ? undefined : [least, most];
}

/**
 * The size that a program with such bounds would have within `size`, as a window manager of X11 gives it: never larger, but
 * for the smallest. Compositors know the bounds, and some give a window other sizes all the same.
 */
export function fittingSize(
  { min, max, steps }: Pick<WindowProperties, 'min' | 'max' | 'steps'>,
  { width, height }: SizeBound,
): SizeBound {
  const { base, aspect } = steps;
  let [wide, high] = [Math.min(width, max.width || width), Math.min(height, max.height || height)];
  if (aspect !== undefined) {
    // Rounded up, so that what fits once does so again.
    wide = Math.min(wide, Math.ceil(high * aspect[1]));
    high = Math.min(high, Math.ceil(wide / aspect[0]));
  }
  const stepped = (side: number, from: number, step: number): number =>
    side <= from ? side : from + Math.floor((side - from) / step) * step;
  return {
    width: Math.max(stepped(wide, base.width, steps.width), min.width, 1),
    height: Math.max(stepped(high, base.height, steps.height), min.height, 1),
  };
}

/** A side of a window, where it is one that counts; they come as signed numbers of 32 bits. */
function sideOf(word = 0): number {
  return word > 0 && word <= MAX_SIDE ? word : 0;
}
