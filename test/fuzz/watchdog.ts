/**
 * Ends the process when an input hangs it, and says which one: a loop without an end leaves no turn to anything else in
 * its thread, so a second thread watches.
 */
import { Worker } from 'node:worker_threads';

/** How long an input may take, in milliseconds. */
const HANG_MS = 60_000;

/** Fields of the shared words. */
const COUNT = 0;
const LENGTH = 1;
const NEVER = 2;
const RUNS = 3;
/** The shared words, before the input. */
const HEADER_BYTES = 16;

const WATCH = `
const { workerData: { shared, name, hangMs } } = require('node:worker_threads');
const words = new Int32Array(shared, 0, 4);
Atomics.store(words, ${RUNS}, 1);
let seen = -1, since = Date.now();
for (;;) {
  // A word that never changes: waiting for the count itself would return at once, and keep a processor busy.
  Atomics.wait(words, ${NEVER}, 0, 1000);
  const count = Atomics.load(words, ${COUNT});
  if (count !== seen || count === 0) { seen = count; since = Date.now(); continue; }
  if (Date.now() - since < hangMs) continue;
  const input = Buffer.from(new Uint8Array(shared, ${HEADER_BYTES}, words[${LENGTH}])).toString('base64');
  require('node:fs').writeSync(2, 'not ok - ' + name + ': hangs on the input (base64) ' + input + '\\n');
  process.kill(process.pid, 'SIGKILL');
}
`;

export class Watchdog {
  readonly #shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #worker: Worker;
  #count = 0;

  constructor(name: string, maxBytes: number) {
    this.#shared = new SharedArrayBuffer(HEADER_BYTES + maxBytes);
    this.#words = new Int32Array(this.#shared, 0, 4);
    this.#worker = new Worker(WATCH, { eval: true, workerData: { shared: this.#shared, name, hangMs: HANG_MS } });
    this.#worker.unref();
  }

  /** An input is about to be run. */
  begin(input: Uint8Array): void {
    new Uint8Array(this.#shared, HEADER_BYTES).set(input);
    this.#words[LENGTH] = input.length;
    this.#count = (this.#count % 0x7fffffff) + 1;
    Atomics.store(this.#words, COUNT, this.#count);
  }

  /** It has ended: nothing runs. */
  end(): void {
    Atomics.store(this.#words, COUNT, 0);
  }

  /** The second thread runs: from now on it has all the descriptors that it will have. */
  async ready(): Promise<void> {
    while (Atomics.load(this.#words, RUNS) === 0) await new Promise(resolve => setTimeout(resolve, 1));
  }

  /** Ends the second thread, with its descriptors. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
