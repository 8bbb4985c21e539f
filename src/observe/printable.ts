/** Text that others had a say in, made fit for a log or a terminal: one line, and nothing that moves a cursor. */

import { MOST_TEXT } from './status-report.js';

/** C0 and C1 controls, DEL, and the characters that end a line or turn the direction of writing. */
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Half of a character, without the other one: JSON and terminals have no use for it. */
const HALVES = /\p{Cs}/gu;

/** The same text with each such character as `\u` and its number. */
export function printable(text: string): string {
  return text.replace(UNFIT, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same, and no longer than {@link MOST_TEXT} characters: what is longer ends in an ellipsis. */
export function bounded(text: string, most = MOST_TEXT): string {
  // No character takes less than itself when it is made fit.
  const fit = printable(text.slice(0, most + 1)).replace(HALVES, '\ufffd');
  return fit.length <= most ? fit : `${fit.slice(0, most - 1).replace(HALVES, '')}…`;
}
