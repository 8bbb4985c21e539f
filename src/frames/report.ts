/**
 * What a run of the frame checker found: counted frame by frame in {@link RunReport}, then told as text or as JSON.
 *
 * Of the frames sent, those that were checked are shown (every pixel right), wrong, or missing; the run passes when all
 * frames asked for were sent, or it was told to stop before, at least one was checked, and all of those were shown. What others show above the window, a cursor or an overlay, is told beside that, and is wrong
 * only where the run is strict.
 */
import { describe, type Verdict } from './compare.js';
import { describeForeign, describeTally, ForeignTally, type ForeignJson } from './foreign-tally.js';
import type { Foreign } from './foreign.js';

/** How many failures a report lists; all are counted. */
export const MAX_FAILURES_LISTED = 20;

/** A distribution in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Of n sorted values the smallest that at least `share` (0 to 1) of them do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** The distribution of some times in milliseconds; undefined of none. */
export function latencyOf(times: readonly number[]): Latency | undefined {
  if (times.length === 0) return undefined;
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => round(percentile(sorted, share));
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: round(sorted[sorted.length - 1]!) };
}

/** To a microsecond. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** One frame that was not shown as drawn. */
export interface Failure {
  readonly frame: number;
  readonly kind: Exclude<Verdict['kind'], 'identical'> | 'no-callback' | 'foreign';
  readonly detail: string;
}

/** How the run was set up: repeated in its report. */
export interface RunSetup {
  /** Frames asked for. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** The connection drawn through: 'virtwl' or the path of a socket. */
  readonly display: string;
  /** Where the memory came from. */
  readonly memory: string;
  readonly buffers: number;
  readonly damage: 'full' | 'block';
  /** The fault put in on purpose. */
  readonly injected?: string;
  /** What others show above the window is wrong, too. */
  readonly strict?: true;
}

/** The report as `--json` prints it. Times in milliseconds, sizes in bytes. */
export interface ReportJson {
  readonly pass: boolean;
  readonly setup: RunSetup;
  readonly frames: {
    readonly sent: number;
    readonly checked: number;
    readonly shown: number;
    readonly wrong: number;
    readonly stale: number;
    readonly missing: number;
  };
  readonly latency: {
    /** From commit to the frame callback. */
    readonly callback?: Latency;
    /** From commit to a capture that shows the frame as drawn. */
    readonly captured?: Latency;
  };
  readonly bytes: {
    /** Written into buffers. */
    readonly drawn: number;
    /** Declared as damage. */
    readonly damaged: number;
  };
  readonly window?: { readonly x: number; readonly y: number };
  /** What others showed above the window: what is below it was not checked. */
  readonly foreign: readonly ForeignJson[];
  /** There: it was told to stop before it had sent all frames. */
  readonly stopped?: true;
  readonly failures: readonly Failure[];
  /** How many failures are not listed. */
  readonly unlisted: number;
  /** Why the run ended before its time. */
  readonly error?: string;
  /** What may be behind it, and what to try. */
  readonly hint?: string;
}

/** Counts what happens to the frames of one run. */
export class RunReport {
  #setup: RunSetup;
  sent = 0;
  shown = 0;
  wrong = 0;
  /** How many of the wrong ones showed an old frame, as a whole or in part. */
  stale = 0;
  missing = 0;
  drawnBytes = 0;
  damagedBytes = 0;
  /** Where the window was in the last capture that had it. */
  window: { x: number; y: number } | undefined;
  /** It was told to stop: it is judged by the frames that it has sent. */
  stopped = false;
  error: string | undefined;
  hint: string | undefined;
  readonly #callbacks: number[] = [];
  readonly #captures: number[] = [];
  readonly #failures: Failure[] = [];
  readonly #foreign = new ForeignTally();
  #failed = 0;

  constructor(setup: RunSetup) {
    this.#setup = setup;
  }

  get setup(): RunSetup {
    return this.#setup;
  }

  /** The window has another size, in pixels, from now on. */
  resized(width: number, height: number): void {
    this.#setup = { ...this.#setup, width, height };
  }

  /** A frame went off: `drawn` bytes written for it, `damaged` bytes declared as changed. */
  frameSent(drawn: number, damaged: number): void {
    this.sent++;
    this.drawnBytes += drawn;
    this.damagedBytes += damaged;
  }

  /** The last frame could not be judged, and will be sent again. */
  frameVoid(): void {
    this.sent--;
  }

  /** Its frame callback came after so many milliseconds. */
  callbackCame(milliseconds: number): void {
    this.#callbacks.push(milliseconds);
  }

  /** The compositor never answered: the frame counts as missing. */
  callbackMissing(frame: number, waitedMs: number): void {
    this.missing++;
    this.#fail({ frame, kind: 'no-callback', detail: `missing: no frame callback within ${waitedMs} ms` });
  }

  /**
   * The last word on a captured frame; `milliseconds` from its commit to the capture in hand.
   * @param foreign what others showed above the window, beside what the verdict says of it
   */
  frameChecked(frame: number, verdict: Verdict, milliseconds: number, foreign: readonly Foreign[] = []): void {
    this.#foreign.add(foreign);
    if (verdict.kind === 'identical' && foreign.length > 0 && this.#setup.strict) {
      this.wrong++;
      this.#fail({ frame, kind: 'foreign', detail: `another's: ${foreign.map(describeForeign).join(', ')}` });
    } else if (verdict.kind === 'identical') {
      this.shown++;
      this.#captures.push(milliseconds);
    } else {
      if (verdict.kind === 'missing') this.missing++;
      else this.wrong++;
      if (verdict.kind === 'stale' || verdict.kind === 'stale-area') this.stale++;
      this.#fail({ frame, kind: verdict.kind, detail: describe(verdict) });
    }
    if (verdict.kind !== 'missing') this.window = { x: verdict.at.x, y: verdict.at.y };
  }

  #fail(failure: Failure): void {
    this.#failed++;
    if (this.#failures.length < MAX_FAILURES_LISTED) this.#failures.push(failure);
  }

  get checked(): number {
    return this.shown + this.wrong + this.missing;
  }

  get pass(): boolean {
    const complete = this.stopped || this.sent === this.setup.frames;
    return this.error === undefined && complete && this.checked > 0 && this.shown === this.checked;
  }

  toJSON(): ReportJson {
    const callback = latencyOf(this.#callbacks);
    const captured = latencyOf(this.#captures);
    return {
      pass: this.pass,
      setup: this.setup,
      frames: {
        sent: this.sent,
        checked: this.checked,
        shown: this.shown,
        wrong: this.wrong,
        stale: this.stale,
        missing: this.missing,
      },
      latency: { ...(callback && { callback }), ...(captured && { captured }) },
      bytes: { drawn: this.drawnBytes, damaged: this.damagedBytes },
      ...(this.window && { window: this.window }),
      foreign: this.#foreign.toJSON(),
      ...(this.stopped && { stopped: true as const }),
      failures: [...this.#failures].sort((a, b) => a.frame - b.frame),
      unlisted: this.#failed - this.#failures.length,
      ...(this.error !== undefined && { error: this.error }),
      ...(this.hint !== undefined && { hint: this.hint }),
    };
  }

  /** The report for people, lines ending in newlines. */
  toText(): string {
    const report = this.toJSON();
    const { setup, frames, latency } = report;
    const lines = [
      `window     ${setup.width}x${setup.height} through ${setup.display}, memory from ${setup.memory}, ` +
        `${setup.buffers} buffers, ${setup.damage} damage`,
    ];
    if (setup.injected !== undefined) lines.push(`injected   ${setup.injected}`);
    const stopped = report.stopped ? ', and was then told to stop' : '';
    lines.push(`sent       ${frames.sent} of ${setup.frames} frames, ${frames.checked} of them checked${stopped}`);
    lines.push(`shown      ${frames.shown}`);
    lines.push(`wrong      ${frames.wrong}${frames.stale > 0 ? ` (${frames.stale} stale)` : ''}`);
    lines.push(`missing    ${frames.missing}`);
    if (latency.callback) lines.push(`callback   ${latencyText(latency.callback)} after commit`);
    if (latency.captured) lines.push(`captured   ${latencyText(latency.captured)} after commit`);
    lines.push(`bytes      ${megabytes(report.bytes.drawn)} drawn, ${megabytes(report.bytes.damaged)} damaged`);
    for (const item of report.foreign) lines.push(`another's  ${describeTally(item)}`);
    for (const { frame, detail } of report.failures) lines.push(`frame ${String(frame).padEnd(5)}${detail}`);
    if (report.unlisted > 0) lines.push(`and ${report.unlisted} more`);
    if (report.error !== undefined) lines.push(`error      ${report.error}`);
    if (report.hint !== undefined) lines.push(`hint       ${report.hint}`);
    if (frames.checked === 0) lines.push('nothing was compared: a run without a capture cannot pass');
    lines.push(report.pass ? 'pass' : 'FAIL');
    return lines.join('\n') + '\n';
  }
}

function latencyText({ p50, p90, p99, max }: Latency): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
  return `p50 ${ms(p50)} ms, p90 ${ms(p90)} ms, p99 ${ms(p99)} ms, max ${ms(max)} ms`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
