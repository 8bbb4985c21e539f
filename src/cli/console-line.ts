/** What the console of a guest, or a process of this host beside it, has printed, as `virtwl vm` shows it: its word, not ours. */
import { printable } from '../observe/printable.js';
import { processLog } from '../observe/process-log.js';

/** @param part who has printed it: the VM's name, with "console" behind it where processes of the host print as well */
export function consoleLine(part: string, line: string): void {
  processLog.plain('info', 'console', `[${part}] ${printable(line)}`, { part, message: line });
}
