/** Why applications of a VM wait, in words for the user: what is known about the way, and who has not been answered. */
import type { Way } from '../broker/availability.js';
import { SILENT } from '../client/program.js';
import type { WaitedFor } from '../observe/status-report.js';

const ABSENT: Readonly<Partial<Record<Way, string>>> = {
  'no host': 'the host process of this VM is gone: start its "virtwl host" again',
  'no broker': 'the broker on the host does not answer: start "virtwl broker", or after an update start it anew',
  'no compositor VM':
    'the broker knows no compositor VM: start that VM, and its "virtwl host --compositor", with the same broker',
  'no compositor': 'nothing serves clients in the compositor VM: start "virtwl compositor" there',
};

const FOR: Readonly<Partial<Record<Way, WaitedFor>>> = {
  'no host': 'host',
  'no broker': 'broker',
  'no compositor VM': 'compositor',
  'no compositor': 'compositor',
};

export interface Wait {
  /** The server that applications are connected to. */
  readonly server: string;
  readonly way: Way;
  /** Connections that have not been answered. */
  readonly unanswered: number;
  /** Whether any was answered so far. */
  readonly everAnswered: boolean;
  /** Whether one that was answered before is not any more. */
  readonly silent: boolean;
}

/** What it is that is waited for, where there is a reason. */
export function waitedFor({ way, unanswered, silent }: Wait): WaitedFor {
  return silent && unanswered === 0 ? 'answer' : (FOR[way] ?? 'answer');
}

/** The reason, or undefined where nothing is waited for: a client was answered, and so was each that is connected. */
export function reasonOf({ server, way, unanswered, everAnswered, silent }: Wait): string | undefined {
  const absent = ABSENT[way];
  // Who is connected needs nobody on the way.
  if (unanswered === 0 && silent) return SILENT;
  if (unanswered === 0 && (everAnswered || absent === undefined)) return undefined;
  if (absent !== undefined) return absent;
  if (way === 'there') return 'the compositor does not answer: it hangs, or its VM is paused';
  return server === 'wayland'
    ? 'nobody answers, and this host does not say which is missing: the broker, the compositor, or its answer'
    : `the server "${server}" does not answer`;
}
