/**
 * A process that confines itself, to see what reaches the confined one:
 *
 *   node value-process.js tell SIZE     prints what it was given, and with which flags it runs, as JSON
 *   node value-process.js deaf MS       says "here", and catches no signal for so many milliseconds
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processLog } from '../../src/observe/process-log.js';
import { inheritedValue, isConfined } from '../../src/sandbox/confinement.js';

const [mode = '', number = ''] = process.argv.slice(2);

/** How long a question may wait, in milliseconds: less than the deaf one sleeps. */
const ASK_TIME_MS = 300;

if (!isConfined()) {
  const { runConfined } = await import('../../src/sandbox/run-confined.js');
  const self = fileURLToPath(import.meta.url);
  const value = mode === 'tell' ? { text: 'é'.repeat(Number(number)), nested: [{ a: 1 }] } : {};
  const { status } = await runConfined(
    { name: 'test', command: [self, mode, number], value, readable: [dirname(self)], writable: [], fds: {} },
    { sandbox: 'bubblewrap', log: processLog.log('sandbox'), askTimeMs: ASK_TIME_MS },
  );
  process.exitCode = status;
} else if (mode === 'tell') {
  const { text, nested } = inheritedValue() as { text: string; nested: unknown };
  let again = '';
  try {
    inheritedValue();
  } catch (error) {
    again = (error as NodeJS.ErrnoException).code ?? '';
  }
  const whole = text === 'é'.repeat(Number(number));
  process.stdout.write(`${JSON.stringify({ whole, nested, again, flags: process.execArgv, tz: process.env.TZ })}\n`);
} else {
  process.stdout.write('here\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(number));
}
