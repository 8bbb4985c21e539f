/**
 * The run of the frame checker: draws one numbered frame after another into a window's shared buffers and, in step with
 * it, checks what the compositor shows. A frame goes through draw, commit, frame callback, capture and comparison
 * before the next one begins, so each capture has one frame that it must show.
 *
 * A capture that shows an old picture is not final: the compositor may be about to show the new one. It is taken again
 * until the frame's time is up. Any other difference is final at once, but for what others may have shown above the window:
 * that is judged at the end of the run, by a capture without the window (`foreign.ts`).
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SharedBuffer } from '../direct/shared-surface.js';
import type { Window } from '../direct/window.js';
import type { Rect } from '../wayland/rect.js';
import { compare, type Verdict } from './compare.js';
import { differencePicture } from './difference.js';
import { applyFault, type Fault } from './faults.js';
import { MAX_KEPT_PIXELS, suspect, type Suspicion } from './foreign.js';
import { locate, type Point } from './locate.js';
import { Pattern, someBlocks } from './pattern.js';
import { encodePng, type Picture } from './picture.js';
import type { RunReport } from './report.js';

/** How long a frame may take until it is missing, in milliseconds: a busy machine's worst, not a compositor's. */
export const DEFAULT_FRAME_TIMEOUT_MS = 5000;
/** Frames without a callback after which a run gives up: the window is hidden, or the compositor is stuck. */
const MAX_MISSED_CALLBACKS = 3;
/** How often a window may change its size by itself, at the start and later. Compositors need one or two. */
const MAX_SETTLING = 10;
/** How long to wait before a capture is taken again, in milliseconds: about one refresh of the output. */
const CAPTURE_AGAIN_MS = 16;

/** cage 0.1.4 (Debian 12) hands such a buffer to the output as it is, and later captures what it composed before. */
const SCANOUT_HINT =
  'the window is exactly as large as the output; some compositors show such a window without composing it, and cannot ' +
  'be captured then: try --size';

/** What a run does. */
export interface RunOptions {
  /** How many frames. */
  readonly frames: number;
  /** Each how many frames one is captured and compared. */
  readonly every: number;
  /** Redraw everything in each frame, or some blocks only. */
  readonly damage: 'full' | 'block';
  readonly fault?: Fault | undefined;
  /** For each frame, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * Directory for `frame.png` and `captured.png` of the first frame that was not as drawn, with its `difference.png`; of
   * the last frame when all were right.
   */
  readonly out?: string | undefined;
  /** How many wrong pixels are kept to be judged at the end; default {@link MAX_KEPT_PIXELS}. Over it the run ends. */
  readonly keptPixels?: number | undefined;
  /** Ends the run after the frame that it is at. */
  readonly stop?: AbortSignal | undefined;
}

/** What takes a picture of the output; the picture is the caller's. */
export type Capture = () => Promise<Picture>;

/** Something did not come in time. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/**
 * Rejects with a {@link TimeoutError} when the promise takes longer; what it waits for goes on.
 * @param what completes "no … within 5000 ms"
 */
export function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`no ${what} within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/**
 * Runs all frames and fills the report. The window may be destroyed at the end. Ends early when the connection breaks, and when no frame is answered any more.
 * @param capture without it frames are only sent
 * @throws Error that ended the run: the report holds what came before it
 */
export async function runFrames(
  window: Window,
  capture: Capture | undefined,
  options: RunOptions,
  report: RunReport,
): Promise<void> {
  const checker = new FrameChecker(window, capture, options, report);
  try {
    await checker.run();
  } finally {
    await checker.judgeKept();
  }
}

/** A frame that is judged when the window is gone, and the verdict without that. */
interface KeptFrame {
  readonly frame: number;
  readonly verdict: Verdict;
  readonly suspicion: Suspicion;
  readonly milliseconds: number;
}

/** What is written of a frame. */
interface Pictures {
  readonly expected: Picture;
  readonly captured: Picture;
  readonly verdict: Verdict;
  readonly at: Point;
}

class FrameChecker {
  readonly #window: Window;
  readonly #capture: Capture | undefined;
  readonly #options: RunOptions;
  readonly #report: RunReport;
  #pattern: Pattern;
  /** Where the window was found last. */
  #place: Point | undefined;
  /** What a fault spoiled in the last frame. */
  #spoiled: readonly Rect[] = [];
  /** What the pictures that are written show: a frame that is not as drawn is not overwritten. */
  #written: 'right' | 'wrong' | undefined;
  #kept: KeptFrame[] = [];
  #keptPixels = 0;
  /** Of the first frame kept, written when none is certainly wrong. */
  #keptPictures: Pictures | undefined;
  #sawCoveredOutput = false;

  constructor(window: Window, capture: Capture | undefined, options: RunOptions, report: RunReport) {
    this.#window = window;
    this.#capture = capture;
    this.#options = options;
    this.#report = report;
    this.#pattern = new Pattern(window.width, window.height);
  }

  async run(): Promise<void> {
    const { frames, every, stop } = this.#options;
    await this.#settle();
    let missed = 0;
    let redrawn = 0;
    for (let frame = 1; frame <= frames; frame++) {
      if (stop?.aborted) {
        this.#report.stopped = true;
        break;
      }
      this.#draw(frame, await this.#nextBuffer());
      const committed = performance.now();
      const answered = await this.#answered(frame, committed);
      missed = answered ? 0 : missed + 1;
      if (missed >= MAX_MISSED_CALLBACKS) {
        throw new Error(`no answer to ${missed} frames in a row: the window is hidden, or the compositor is stuck`);
      }
      if (answered && this.#capture !== undefined && frame % every === 0) {
        const judged = await this.#check(frame, committed, this.#capture);
        if (!judged && ++redrawn > MAX_SETTLING) {
          throw new Error(
            `the compositor changed the window's size ${redrawn} times: no picture of it can be relied on`,
          );
        }
        if (!judged) frame--;
      }
      if (this.#keptPixels > (this.#options.keptPixels ?? MAX_KEPT_PIXELS)) {
        throw new Error(
          `others show so much above the window that ${this.#keptPixels} pixels wait to be judged: give fewer --frames`,
        );
      }
    }
    if (this.#report.shown === 0 && this.#report.missing > 0 && this.#sawCoveredOutput)
      this.#report.hint = SCANOUT_HINT;
  }

  #nextBuffer(): Promise<SharedBuffer> {
    const what = 'free buffer: the compositor keeps them all, or memory does not come';
    return within(this.#options.timeoutMs, what, this.#window.nextBuffer());
  }

  /**
   * Shows a black window until the compositor has nothing more to say about its size: some give a window its place only
   * when they have seen it.
   */
  async #settle(): Promise<void> {
    const { timeoutMs } = this.#options;
    for (let i = 0; i < MAX_SETTLING; i++) {
      const buffer = await this.#nextBuffer();
      buffer.pixels.fill(0xff000000);
      const frame = this.#window.nextFrame();
      this.#window.commit(buffer);
      await within(timeoutMs, 'frame callback for the first picture: is the window hidden?', frame);
      await within(timeoutMs, 'answer of the compositor', this.#window.surface.wl.display.roundtrip());
      if (this.#window.width === buffer.width && this.#window.height === buffer.height) break;
    }
    this.#resized(this.#window.width, this.#window.height);
  }

  /** Everything begins anew: other buffers, another pattern, perhaps another place. */
  #resized(width: number, height: number): void {
    this.#pattern = new Pattern(width, height);
    this.#place = undefined;
    this.#spoiled = [];
    this.#report.resized(width, height);
  }

  /** Draws the frame, spoils it if it is the one to be spoiled, and commits it. */
  #draw(frame: number, buffer: SharedBuffer): void {
    const { damage, fault } = this.#options;
    if (buffer.width !== this.#pattern.width || buffer.height !== this.#pattern.height) {
      this.#resized(buffer.width, buffer.height);
    }
    const pattern = this.#pattern;
    const changed = pattern.advance(damage === 'full' ? undefined : [...someBlocks(pattern, frame), ...this.#spoiled]);
    const stride = buffer.stride / 4;
    const written = pattern.draw(buffer.pixels, stride, pattern.changesSince(buffer.age));
    this.#spoiled = fault?.frame === frame ? applyFault(fault.kind, pattern, buffer.pixels, stride, changed) : [];
    this.#frameCallback = this.#window.nextFrame();
    // A callback that nobody waits for any more may still be rejected when the connection ends.
    this.#frameCallback.catch(() => undefined);
    this.#window.commit(buffer, changed);
    this.#report.frameSent(
      written,
      changed.reduce((bytes, { width, height }) => bytes + width * height * 4, 0),
    );
  }

  #frameCallback: Promise<number> = Promise.resolve(0);

  async #answered(frame: number, committed: number): Promise<boolean> {
    const { timeoutMs } = this.#options;
    try {
      await within(timeoutMs, 'frame callback', this.#frameCallback);
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      this.#report.callbackMissing(frame, timeoutMs);
      return false;
    }
    this.#report.callbackCame(performance.now() - committed);
    return true;
  }

  /** Captures and compares. False: the window has got another size meanwhile, and the frame must be drawn again. */
  async #check(frame: number, committed: number, capture: Capture): Promise<boolean> {
    const { timeoutMs, frames, every } = this.#options;
    for (;;) {
      const captured = await within(timeoutMs, 'capture of the output', capture());
      const taken = performance.now();
      this.#sawCoveredOutput = captured.width === this.#window.width && captured.height === this.#window.height;
      const verdict = compare(captured, this.#pattern, this.#place);
      const { width, height } = this.#window;
      if (verdict.kind !== 'identical' && (width !== this.#pattern.width || height !== this.#pattern.height)) {
        this.#report.frameVoid();
        return false;
      }
      const suspicion = this.#suspect(captured, verdict);
      const mayChange = isOld(suspicion?.rest ?? verdict);
      if (mayChange && performance.now() < committed + timeoutMs) {
        await new Promise(resolve => setTimeout(resolve, CAPTURE_AGAIN_MS));
        continue;
      }
      if (suspicion !== undefined) {
        this.#keep(captured, { frame, verdict, suspicion, milliseconds: taken - committed });
        return true;
      }
      this.#report.frameChecked(frame, verdict, taken - committed);
      if (verdict.kind === 'identical') this.#place = verdict.at;
      if (verdict.kind !== 'identical' || frame + every > frames) {
        const at = verdict.kind === 'missing' ? (this.#place ?? { x: 0, y: 0 }) : verdict.at;
        this.#save({ expected: this.#pattern.picture(), captured, verdict, at });
      }
      return true;
    }
  }

  #suspect(captured: Picture, verdict: Verdict): Suspicion | undefined {
    if (verdict.kind !== 'pixels' && verdict.kind !== 'missing') return undefined;
    const at = verdict.kind === 'missing' ? this.#place : verdict.at;
    return at === undefined ? undefined : suspect(captured, at, this.#pattern);
  }

  #keep(captured: Picture, kept: KeptFrame): void {
    const { suspicion, verdict } = kept;
    this.#place = suspicion.at;
    this.#kept.push(kept);
    this.#keptPixels += suspicion.pixels;
    this.#keptPictures ??= { expected: this.#pattern.picture(), captured, verdict, at: suspicion.at };
  }

  /** Judges what was kept, by a capture without the window; where there is none, by the verdicts of their time. */
  async judgeKept(): Promise<void> {
    const kept = this.#kept;
    if (kept.length === 0) return;
    this.#kept = [];
    const without = await this.#withoutWindow().catch(() => undefined);
    let wrong = false;
    for (const { frame, verdict, suspicion, milliseconds } of kept) {
      const judged = without === undefined ? { verdict, foreign: [] } : suspicion.judge(without);
      this.#report.frameChecked(frame, judged.verdict, milliseconds, judged.foreign);
      wrong ||= judged.verdict.kind !== 'identical';
    }
    if (wrong || this.#written === undefined) this.#save(this.#keptPictures!);
  }

  /** The output once the window is gone from it. */
  async #withoutWindow(): Promise<Picture | undefined> {
    const { timeoutMs } = this.#options;
    const until = performance.now() + timeoutMs;
    this.#window.destroy();
    while (performance.now() < until) {
      const captured = await within(timeoutMs, 'capture of the output', this.#capture!());
      if (locate(captured, this.#pattern) === undefined) return captured;
      await new Promise(resolve => setTimeout(resolve, CAPTURE_AGAIN_MS));
    }
    return undefined;
  }

  /** Writes the pictures, once. */
  #save({ expected, captured, verdict, at }: Pictures): void {
    const { out } = this.#options;
    if (out === undefined || this.#written === 'wrong') return;
    this.#written = verdict.kind === 'identical' ? 'right' : 'wrong';
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'frame.png'), encodePng(expected));
    writeFileSync(join(out, 'captured.png'), encodePng(captured));
    // An earlier run's difference must not stand beside this run's pictures.
    rmSync(join(out, 'difference.png'), { force: true });
    if (verdict.kind === 'identical') return;
    writeFileSync(join(out, 'difference.png'), encodePng(differencePicture(expected, captured, at)));
  }
}

/** Whether the compositor may be about to show another picture. */
function isOld({ kind }: Verdict): boolean {
  return kind === 'stale' || kind === 'stale-area' || kind === 'missing';
}
