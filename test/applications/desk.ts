/**
 * One compositor with a person in front of it, and programs that are connected to it directly or through the whole of
 * virtwl. The same things are done at both, so both have the same sizes, fonts, files and homes.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { pictureOf, type Picture } from '../../src/frames/picture.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import { startCage, startLabwc, startSway, type Compositor, type Sway } from '../compositors.js';
import { quietEnvironment, run, runIn, type Application } from '../loopback/applications.js';
import { boundsOfDifference, Screen } from '../loopback/screen.js';
import { Seat } from './seat.js';
import { settled } from './settled.js';

/** How the programs of a desk are connected. */
export type Way = 'directly' | 'through virtwl';

/** Size of the output. That of the others is wlroots' own for a headless one; neither tells of its windows, as sway does. */
const SIZES = {
  sway: { width: 1280, height: 800 },
  labwc: { width: 1280, height: 720 },
  cage: { width: 1280, height: 720 },
} as const;
export type CompositorName = keyof typeof SIZES;
export const COMPOSITORS = Object.keys(SIZES) as readonly CompositorName[];

/** How long a picture has to stay the same, in milliseconds: programs load what they show piece by piece. */
const STILL_MS = 1_000;
/** How long anything may take to come about, in milliseconds: a browser's first start on a busy machine. */
const PATIENCE_MS = 90_000;
/** How long sway waits for a window to have the size that it was given, in milliseconds. */
export const TRANSACTION_MS = 3_000;
const LOOK_INTERVAL_MS = 50;
/** How far a pointer's picture may reach, in pixels. */
const POINTER_SIZE = 64;

/** Collects what is to be done at the end, as a test of tap does. */
export class Ending {
  readonly #work: (() => Promise<void> | void)[] = [];

  teardown(work: () => unknown): void {
    this.#work.push(async () => void (await work()));
  }

  async end(): Promise<void> {
    for (let work = this.#work.pop(); work !== undefined; work = this.#work.pop()) await work();
  }
}

/** A window as sway tells of it. */
export interface WindowSeen {
  readonly title: string;
  readonly rect: string;
  readonly fullscreen: boolean;
}

interface TreeNode {
  readonly name: string | null;
  readonly type?: string;
  readonly pid?: number;
  readonly rect: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly fullscreen_mode?: number;
  readonly nodes: readonly TreeNode[];
  readonly floating_nodes: readonly TreeNode[];
}

export class Desk {
  readonly programs: Application[] = [];
  readonly #helpers: Application[] = [];
  /** Added to the environment of what is started. */
  environment: Readonly<Record<string, string>> = {};
  /** Outputs that were made so far: the last one is HEADLESS-N. */
  outputs = 1;

  private constructor(
    readonly way: Way,
    private readonly compositor: Compositor | Sway,
    readonly seat: Seat,
    readonly screen: Screen,
    private readonly empty: Picture,
    private readonly ending: Ending,
    private readonly stack: LoopbackStack | undefined,
    /** Where the files of the program that runs are, its home included. */
    readonly directory: string,
  ) {}

  /**
   * @param directory made anew for each run: what a program shows of its path must be the same for each way
   * @param name what runs there; with sway, windows lie side by side, with the others, each fills the output
   */
  static async open(way: Way, directory: string, name: CompositorName = 'sway'): Promise<Desk> {
    const ending = new Ending();
    const size = SIZES[name];
    try {
      const compositor = await startNamed(ending, name);
      let stack: LoopbackStack | undefined;
      if (way === 'through virtwl') {
        stack = await LoopbackStack.start({ compositor: { attach: compositor.display }, budget: '2G' });
        ending.teardown(() => stack!.stop());
      }
      const seat = await Seat.take(compositor.display, size);
      ending.teardown(() => seat.close());
      const display = await Display.connect(compositor.display);
      ending.teardown(() => display.close());
      const screen = new Screen(captureOf(display), STILL_MS, PATIENCE_MS);
      await park(seat);
      const empty = await screen.still('an empty output');
      return new Desk(way, compositor, seat, screen, empty, ending, stack, directory);
    } catch (error) {
      await ending.end();
      throw error;
    }
  }

  /** @throws Error where something else runs, which cannot be told anything */
  get sway(): Sway {
    if (!('message' in this.compositor)) throw new Error('this needs a desk with sway');
    return this.compositor;
  }

  /** Empties the directory of the suite's files and lets the next program find nothing of the last one. */
  clean(): void {
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.directory, { recursive: true });
  }

  /** `x11`: it is a program for X11. */
  start(command: readonly string[], env: Readonly<Record<string, string>> = {}, x11 = false): Application {
    const quiet = quietEnvironment(this.ending, join(this.directory, 'home'));
    const x11Only = x11 ? { GDK_BACKEND: 'x11', QT_QPA_PLATFORM: 'xcb' } : {};
    const together = { ...quiet, LIBGL_ALWAYS_SOFTWARE: '1', ...x11Only, ...this.environment, ...env };
    const program =
      this.stack === undefined
        ? run(this.ending, command, {
            ...together,
            XDG_RUNTIME_DIR: this.compositor.runtimeDir,
            // As in a session of sway's, X11 programs see both: some look different where there is Wayland.
            WAYLAND_DISPLAY: this.compositor.display,
            ...(x11 ? { DISPLAY: readFileSync(join(this.compositor.runtimeDir, 'x11'), 'utf8').trim() } : {}),
          })
        : runIn(this.ending, this.stack, 'client', command, together, x11 ? ['--x11'] : []);
    this.programs.push(program);
    return program;
  }

  /** Runs a program that does something and ends. Where it left something behind that serves, that ends with the desk. */
  async finished(command: readonly string[]): Promise<void> {
    const program = this.start(command);
    this.programs.splice(this.programs.indexOf(program), 1);
    this.#helpers.push(program);
    // Through virtwl the command stays as long as what it left behind is connected.
    const stays = this.until(`the end of ${command[0]!}`, () => program.stderr.includes('has ended with status 0'));
    const status = await Promise.race([program.ended, stays.then(() => 0)]);
    if (status !== 0) throw new Error(`${command[0]!} ended (${status}): ${lastOf(program)}`);
  }

  /** Runs a program to its end, whatever that is. */
  async ended(command: readonly string[]): Promise<{ status: number | NodeJS.Signals; stderr: string }> {
    const program = this.start(command);
    this.programs.splice(this.programs.indexOf(program), 1);
    this.#helpers.push(program);
    return { status: await program.ended, stderr: program.stderr };
  }

  /** Windows, in sway's order; none where sway does not run. The label that the glue puts before a title is left out. */
  async windows(): Promise<WindowSeen[]> {
    if (!('message' in this.compositor)) return [];
    const found: WindowSeen[] = [];
    const walk = (node: TreeNode): void => {
      if (node.pid !== undefined) {
        const { x, y, width, height } = node.rect;
        found.push({
          title: (node.name ?? '').replace(/^\[client\] ?/, '').replace(/[\u2066-\u2069]/gu, ''),
          rect: `${width}x${height}+${x}+${y}`,
          fullscreen: (node.fullscreen_mode ?? 0) !== 0,
        });
      }
      [...node.nodes, ...node.floating_nodes].forEach(walk);
    };
    walk((await this.sway.message('-t', 'get_tree')) as TreeNode);
    return found;
  }

  /** Waits for something that is there sooner or later. A program that has ended brings nothing any more. */
  async until(what: string, wanted: () => Promise<boolean> | boolean): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; !(await wanted()); await pause(LOOK_INTERVAL_MS)) {
      for (const program of this.programs) {
        const { exitCode, signalCode } = program.process;
        if (exitCode !== null || signalCode !== null)
          throw new Error(`ended (${String(signalCode ?? exitCode)}) before ${what}: ${lastOf(program)}`);
      }
      if (Date.now() > end) throw new Error(`waited in vain for ${what}; windows: ${await this.#titles()}`);
    }
  }

  /** Waits for a window with such a title. */
  async title(pattern: RegExp): Promise<void> {
    await this.until(`a window ${String(pattern)}`, async () =>
      (await this.windows()).some(({ title }) => pattern.test(title)),
    );
  }

  /** Waits for a file. */
  async file(name: string): Promise<void> {
    await this.until(`the file ${name}`, () => existsSync(join(this.directory, name)));
  }

  /** Waits until so many windows are there, where that is told, and something is drawn. */
  async shown(windows: number): Promise<void> {
    if ('message' in this.compositor)
      await this.until(`${windows} window(s)`, async () => (await this.windows()).length >= windows);
    await this.until('pixels', async () => !this.#isEmpty(await this.screen.capture()));
    if ('message' in this.compositor) return;
    // The window is under the pointer, which shows what its program wants once it is moved.
    await settled(this.screen);
    await this.seat.push(-1, -1);
  }

  /** Ends the programs, and waits until nothing of them is seen. False where that does not come: the desk is used up. */
  async clear(): Promise<boolean> {
    await Promise.all([...this.programs.splice(0), ...this.#helpers.splice(0)].map(program => program.stop()));
    await park(this.seat);
    try {
      await this.screen.until('an empty output', picture => this.#isEmpty(picture));
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return this.ending.end();
  }

  /** Whether nothing is shown but the pointer where it is parked: cage keeps the picture that the last program gave it. */
  #isEmpty(picture: Picture): boolean {
    const bounds = boundsOfDifference(this.empty, picture);
    if (bounds === undefined) return true;
    return bounds.x >= picture.width - POINTER_SIZE && bounds.y >= picture.height - POINTER_SIZE;
  }

  async #titles(): Promise<string> {
    return JSON.stringify((await this.windows()).map(({ title }) => title));
  }
}

/**
 * sway waits for windows to have the sizes that it gives them, for 0.2 s unless it is told otherwise. What it does when a
 * program is slower looks different.
 */
function startNamed(ending: Ending, name: CompositorName): Promise<Compositor | Sway> {
  if (name === 'labwc') return startLabwc(ending);
  if (name === 'cage') return startCage(ending);
  return startSway(ending, { ...SIZES.sway, xwayland: true, flags: [`-Dtxn-timeout=${TRANSACTION_MS}`] });
}

/** Captures the first output, also when it was away in between. Rejects where sway draws nothing on it. */
function captureOf(display: Display): () => Promise<Picture> {
  let capturer: Capturer | undefined;
  return async () => {
    for (const end = Date.now() + PATIENCE_MS; ; await pause(LOOK_INTERVAL_MS)) {
      try {
        capturer ??= await Capturer.open(display, { output: 'HEADLESS-1' });
        return pictureOf(await answered(capturer.capture()));
      } catch (error) {
        capturer?.close();
        capturer = undefined;
        if (Date.now() > end) throw error;
      }
    }
  };
}

async function answered<T>(capture: Promise<T>): Promise<T> {
  const over = new AbortController();
  const never = pause(PATIENCE_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`nothing was drawn for ${PATIENCE_MS / 1000} s`);
  });
  try {
    return await Promise.race([capture, never]);
  } finally {
    over.abort();
  }
}

/** Takes the pointer, which is in the pictures, to where nothing else is. */
function park(seat: Seat): Promise<void> {
  return seat.move(seat.extent.width - 1, seat.extent.height - 1);
}

/** What a program said last. */
function lastOf({ stderr }: Application): string {
  return stderr.trim().split('\n').slice(-3).join(' / ').slice(-400);
}
