/**
 * Types text into whatever has the keyboard focus of a compositor, by zwp_virtual_keyboard: the compositor's side of
 * tests that want to see keys arrive in a remote application.
 *
 * The keyboard has one key per character and no modifiers, so its keymap is made to measure: what is typed says what the
 * keymap holds, and a character that is new to it brings a new keymap before its key is pressed. It begins with ASCII.
 *
 * A headless compositor has no keyboard but this one. It is announced to an application like any keyboard that is
 * plugged in, and what is typed before it has is lost: add the keyboard first, then start the application.
 */
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import type { Display } from './display.js';
import type { WaylandObject } from './wayland-object.js';

/** wl_keyboard.keymap_format.xkb_v1 */
const FORMAT_XKB_V1 = 1;
/** wl_keyboard.key_state */
const RELEASED = 0;
const PRESSED = 1;
/** xkb's keycodes are the kernel's plus 8 and end at 255, because X11 has no more. */
const KEYCODE_OFFSET = 8;
/** The most different characters in one keymap: the kernel's codes 1 to 247. */
export const MAX_CHARACTERS = 247;
/** Characters between two roundtrips, so that no queue on the way overflows with a long text. */
const CHARACTERS_AT_ONCE = 64;

/** xkb's names for what is no printable character. All others are named by their code point. */
const NAMED_KEYS: ReadonlyMap<string, string> = new Map([
  ['\n', 'Return'],
  ['\t', 'Tab'],
  ['\b', 'BackSpace'],
  ['\x1b', 'Escape'],
]);

function keysym(character: string): string {
  const name = NAMED_KEYS.get(character);
  if (name !== undefined) return name;
  const code = character.codePointAt(0)!;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
    throw new RangeError(`there is no key for the control character U+${code.toString(16).padStart(4, '0')}`);
  }
  return `U${code.toString(16).padStart(4, '0')}`;
}

/**
 * The text of an xkb keymap in which the kernel's key 1 types the first character, key 2 the second and so on.
 * @throws RangeError for a control character that no key types, or too many characters
 */
export function keymapFor(characters: readonly string[]): string {
  if (characters.length > MAX_CHARACTERS) {
    throw new RangeError(`${characters.length} different characters; one keymap has keys for ${MAX_CHARACTERS}`);
  }
  const keys = characters.map((character, i) => ({ name: `<K${i + 1}>`, keycode: i + 1 + KEYCODE_OFFSET, character }));
  return [
    'xkb_keymap {',
    'xkb_keycodes "virtwl" {',
    'minimum = 8; maximum = 255;',
    ...keys.map(key => `${key.name} = ${key.keycode};`),
    '};',
    'xkb_types "virtwl" { type "ONE_LEVEL" { modifiers = none; level_name[Level1] = "Any"; }; };',
    'xkb_compatibility "virtwl" { interpret.useModMapMods = AnyLevel; };',
    'xkb_symbols "virtwl" {',
    ...keys.map(key => `key ${key.name} { type = "ONE_LEVEL", symbols[Group1] = [ ${keysym(key.character)} ] };`),
    '};',
    '};',
    '',
  ].join('\n');
}

/** What a new keyboard can type: the printable characters of ASCII, and Return. */
const ASCII: readonly string[] = ['\n', ...Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i))];

/** A keyboard that types. */
export class VirtualKeyboard {
  readonly #keyboard: WaylandObject<'zwp_virtual_keyboard_v1'>;
  /** What the keys type: key i + 1 the i-th of them. */
  #characters: string[] = [];

  /**
   * Adds a keyboard to the compositor's first seat.
   * @throws Error when the compositor offers no virtual keyboards, or no seat
   */
  constructor(readonly display: Display) {
    if (display.find('zwp_virtual_keyboard_manager_v1') === undefined) {
      throw new Error(
        'the compositor offers no virtual keyboards (zwp_virtual_keyboard_manager_v1): wlroots compositors do, and ' +
          'only to those who are connected to the compositor itself, not to remote clients',
      );
    }
    const seat = display.bindOnce('wl_seat', 1);
    this.#keyboard = display.bindOnce('zwp_virtual_keyboard_manager_v1', 1).create('create_virtual_keyboard', seat);
    this.#learn(ASCII);
  }

  /**
   * Presses and releases a key for each character. Resolves when the compositor has handled the last of them; the
   * application may still be behind.
   * @throws RangeError as {@link keymapFor}; nothing is typed then
   */
  async type(text: string): Promise<void> {
    const characters = Array.from(text);
    this.#learn(characters);
    for (let from = 0; from < characters.length; from += CHARACTERS_AT_ONCE) {
      for (const character of characters.slice(from, from + CHARACTERS_AT_ONCE)) {
        const key = this.#characters.indexOf(character) + 1;
        this.#keyboard.request('key', now(), key, PRESSED);
        this.#keyboard.request('key', now(), key, RELEASED);
      }
      await this.display.roundtrip();
    }
  }

  /** Removes the keyboard. The display stays open. */
  close(): void {
    if (!this.#keyboard.destroyed && this.display.ended === undefined) this.#keyboard.request('destroy');
  }

  /** Sends a keymap that has all of these, if the last one has not. */
  #learn(characters: readonly string[]): void {
    const missing = [...new Set(characters)].filter(character => !this.#characters.includes(character));
    if (missing.length === 0) return;
    const together = [...this.#characters, ...missing];
    const wanted = together.length <= MAX_CHARACTERS ? together : [...new Set(characters)];
    const text = Buffer.from(`${keymapFor(wanted)}\0`);
    const fd = new OwnedFd(native.memfd('virtwl-keymap', text.length, 0));
    try {
      const mapping = native.map(fd.fd, 0, text.length, true);
      new Uint8Array(mapping.buffer).set(text);
      mapping.unmap();
    } catch (error) {
      fd.close();
      throw error;
    }
    this.#keyboard.request('keymap', FORMAT_XKB_V1, fd, text.length);
    this.#keyboard.request('modifiers', 0, 0, 0, 0);
    this.#characters = wanted;
  }
}

/** A time of key events in milliseconds; its start means nothing. */
function now(): number {
  return Math.round(performance.now());
}
