/**
 * Kinds of data, by their names on both sides. Wayland has mime types. X11 has targets, which are atoms: most are named
 * by the mime type as well, text has names of its own beside, and some are no data at all.
 */
import { MAX_NAME_BYTES, MAX_TARGETS } from './limits.js';

/** Text in UTF-8 as Wayland programs name it, the best name first. */
const TEXT_TYPES = ['text/plain;charset=utf-8', 'text/plain', 'UTF8_STRING', 'TEXT', 'STRING'] as const;
/** Text as X clients name it, by what is best asked for. */
const TEXT_TARGETS = ['UTF8_STRING', 'text/plain;charset=utf-8', 'text/plain', 'TEXT', 'STRING'] as const;

/** Whether a name can be both a mime type and an atom. */
function isMimeType(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[!-~]+\/[ -~]+$/.test(name);
}

/** What a Wayland program is offered of an X client's targets: by mime type, the target that is to be asked for. */
export function mimeTypesOf(targets: readonly string[]): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  const text = TEXT_TARGETS.find(name => targets.includes(name));
  if (text !== undefined) for (const name of TEXT_TYPES) types.set(name, text);
  for (const target of targets.slice(0, MAX_TARGETS)) {
    if (isMimeType(target) && !types.has(target)) types.set(target, target);
  }
  return types;
}

/** What an X client is offered of a Wayland program's mime types: by target, the mime type that is to be asked for. */
export function targetsOf(types: readonly string[]): ReadonlyMap<string, string> {
  const targets = new Map<string, string>();
  const text = TEXT_TYPES.find(name => types.includes(name));
  if (text !== undefined) for (const name of TEXT_TARGETS) targets.set(name, text);
  for (const type of types.slice(0, MAX_TARGETS)) {
    // What says its kind in both worlds is asked for by just that name.
    if (isMimeType(type) && type !== 'text/plain') targets.set(type, type);
  }
  return targets;
}

/** X11's STRING is Latin 1. */
export function latin1ToUtf8(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'), 'utf8');
}

/** Text in UTF-8, as it comes in pieces, in Latin 1; `?` for what that does not have. */
export class Utf8ToLatin1 {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** `last`: no more comes. */
  convert(bytes: Uint8Array, last: boolean): Uint8Array {
    const text = this.#decoder.decode(bytes, { stream: !last });

    return Buffer.from(text.replace(/[^\u0000-\u00ff]/gu, '?'), 'latin1');
  }
}
