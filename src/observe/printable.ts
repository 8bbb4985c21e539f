/** Text that others had a say in, made fit for a log or a terminal: one line, and nothing that moves a cursor. */

/** C0 and C1 controls, DEL, and the characters that end a line or turn the direction of writing. */
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The same text with each such character as `\u` and its number. */
export function printable(text: string): string {
  return text.replace(UNFIT, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
