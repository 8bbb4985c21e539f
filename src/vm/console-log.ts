/** A guest's console: the last lines are kept, to be shown when something goes wrong, and lines can be waited for. */
import { EventEmitter } from 'eventemitter3';

const KEPT_LINES = 400;
/**
 * What QEMU says of every mapping: that the wl device does not take back, as the guest's memory, what it has mapped itself.
 * It would push out of the kept lines what a failure is about.
 */
const EXPECTED = 'vhost_set_mem_table failed';
/** The longest line that is kept whole; a guest may print without end. */
const LONGEST_LINE = 4096;

export class ConsoleLog extends EventEmitter<{ line: [string] }> {
  readonly #lines: string[] = [];
  #rest = '';
  /** When something came last, in milliseconds of Date.now(). */
  lastOutput = Date.now();

  take(bytes: Buffer): void {
    this.lastOutput = Date.now();
    const parts = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = (parts.pop() ?? '').slice(-LONGEST_LINE);
    for (const part of parts) {
      // Firmware paints; what remains when that is gone is text.

      const line = part.replace(/\u001b\[[0-9;?=]*[A-Za-z]|\u001bc|\r/g, '').slice(0, LONGEST_LINE);
      if (line.includes(EXPECTED)) continue;
      this.#lines.push(line);
      if (this.#lines.length > KEPT_LINES) this.#lines.shift();
      this.emit('line', line);
    }
  }

  /** The last lines, the unfinished one included. */
  last(count: number): string[] {
    return [...this.#lines, ...(this.#rest.trim() === '' ? [] : [this.#rest])].slice(-count);
  }
}
