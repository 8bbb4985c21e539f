/** What is waited for, in words: the text of `virtwl status` and its page say the same. In: the word of a report. */
import type { WaitedFor } from './status-report.js';

const WORDS: Readonly<Record<WaitedFor, string>> = {
  memory: 'host memory',
  release: 'the release of a buffer',
  answer: "the compositor's answer",
  compositor: 'a compositor',
  broker: 'the broker',
  host: 'the host process of this VM',
  vmm: 'the VMM',
};

/** A newer process may have a word that is not known here. */
export function waitedForWords(wanted: WaitedFor): string {
  return (WORDS as Readonly<Record<string, string>>)[wanted] ?? 'something that this version does not know';
}
