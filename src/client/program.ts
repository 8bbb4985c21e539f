/**
 * One program that is connected to the proxy, as a status tells it: who it is by the kernel's word, what it waits for, and
 * what its connection has counted.
 */
import { readFileSync } from 'node:fs';
import { bounded } from '../observe/printable.js';
import type { ProgramReport, StateReport } from '../observe/status-report.js';
import { isoTime } from '../observe/clock-time.js';
import { Liveness } from '../relay/liveness.js';
import type { AppConnection } from './app-connection.js';

/** After how long a frame that waits is told, in milliseconds: one in three waits for a release for some milliseconds. */
export const TELL_WAIT_MS = 1_000;

const WAITS = {
  memory: 'a frame waits for host memory: close windows, or raise "memory" in the policy of this VM',
  release: 'the compositor holds as many buffers of a window as it may, and releases none',
} as const;
/** What is said of one that was not. */
export const UNANSWERED = 'the compositor has not answered it yet';
/** What is said of one that was answered before. */
export const SILENT = 'connected, and the compositor does not answer: it hangs, or its VM is paused';

export class Program {
  readonly #since = performance.now();
  /** It was answered once. */
  answered = false;
  readonly #liveness: Liveness;

  /** `connection` is lent; `changed`: it is silent, or is not any more. `pid`: undefined where nobody knows. */
  constructor(
    readonly connection: AppConnection,
    private readonly client: number,
    private readonly pid: number | undefined,
    changed: () => void,
  ) {
    this.#liveness = new Liveness({
      ask: answered => connection.ask(answered),
      listen: spoken => connection.listen(spoken),
      answers: () => connection.answers,
      changed,
    });
  }

  /** Since when the compositor, which has answered before, does not; of `performance.now()`. */
  get silentSince(): number | undefined {
    return this.answered ? this.#liveness.silentSince : undefined;
  }

  /** Asks the compositor, for the next report. */
  ask(): void {
    if (this.answered) this.#liveness.ask();
  }

  close(): void {
    this.#liveness.close();
  }

  get report(): ProgramReport {
    const { counters, latencies, windowCount } = this.connection;
    const program = this.#name();
    const latency = latencies.report;
    return {
      client: this.client,
      ...(this.pid !== undefined && { pid: this.pid }),
      ...(program !== undefined && { program }),
      since: isoTime(this.#since),
      state: this.#state,
      windows: windowCount,
      frames: counters.frames,
      ...(latency !== undefined && { latency }),
      bytesCopied: counters.bytesCopied,
      bytesNotCopied: counters.bytesNotCopied,
    };
  }

  get #state(): StateReport {
    if (!this.answered) return { is: 'waiting', for: 'answer', since: isoTime(this.#since), text: UNANSWERED };
    const { silentSince } = this;
    if (silentSince !== undefined) return { is: 'waiting', for: 'answer', since: isoTime(silentSince), text: SILENT };
    const { wait } = this.connection;
    if (wait === undefined || performance.now() - wait.since < TELL_WAIT_MS) return { is: 'served' };
    return { is: 'waiting', for: wait.for, since: isoTime(wait.since), text: WAITS[wait.for] };
  }

  /** Its name may be another one now: it is read when it is asked for. */
  #name(): string | undefined {
    if (this.pid === undefined) return undefined;
    try {
      return bounded(readFileSync(`/proc/${this.pid}/comm`, 'utf8').trimEnd());
    } catch {
      return undefined; // it has ended, and left its connection to another
    }
  }
}
