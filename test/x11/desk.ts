/**
 * A real compositor with `virtwl x11` on it, for tests: its windows as sway tells of them, its picture, a pointer and a
 * keyboard in front of it, and X programs that are started there.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { COLOUR_MASK, pictureOf, type Picture } from '../../src/frames/picture.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import { Seat } from '../applications/seat.js';
import { PATIENT_LAYOUTS, startSway, type Sway, type SwayOptions } from '../compositors.js';

/** How long anything may take to come about, in milliseconds. */
const PATIENCE_MS = 40_000;

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Places and sizes are the compositor's, not those of X11. */
export interface Window extends Rect {
  readonly title: string | null;
  readonly app: string | null;
  readonly fullscreen: boolean;
}

interface Node {
  readonly name: string | null;
  readonly app_id?: string | null;
  readonly pid?: number;
  readonly fullscreen_mode?: number;
  readonly rect: Rect;
  readonly window_rect: Rect;
  readonly nodes: readonly Node[];
  readonly floating_nodes: readonly Node[];
}

export interface DeskOptions extends SwayOptions {
  /** More arguments of `virtwl x11`. */
  readonly x11?: readonly string[];
  /** What is between `virtwl x11` and the compositor: the display that it is to connect to. */
  readonly through?: (sway: Sway) => string;
}

export class Desk {
  readonly display: string;
  readonly authority: string;
  #capturer: Capturer | undefined;

  private constructor(
    private readonly test: Test,
    readonly sway: Sway,
    readonly process: ChildProcess,
    readonly said: () => string,
    output: string,
  ) {
    this.display = /DISPLAY=(\S+)/.exec(output)![1]!;
    this.authority = /XAUTHORITY=(\S+)/.exec(output)![1]!;
  }

  static async open(t: Test, options: DeskOptions = {}): Promise<Desk> {
    const sway = await startSway(t, { flags: [PATIENT_LAYOUTS], ...options });
    const child = spawn(process.execPath, [VIRTWL, 'x11', ...(options.x11 ?? [])], {
      env: { ...sway.environment(), ...(options.through && { WAYLAND_DISPLAY: options.through(sway) }) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    t.teardown(() => child.kill('SIGTERM'));
    await until('a display', () => output.includes('XAUTHORITY='));
    return new Desk(t, sway, child, () => said, output);
  }

  async windows(): Promise<Window[]> {
    const found: Window[] = [];
    const walk = (node: Node): void => {
      const { name: title, app_id: app, pid, fullscreen_mode, rect, window_rect: inner, nodes, floating_nodes } = node;
      if (pid !== undefined) {
        const place = { x: rect.x + inner.x, y: rect.y + inner.y, width: inner.width, height: inner.height };
        found.push({ title, app: app ?? null, fullscreen: fullscreen_mode === 1, ...place });
      }
      [...nodes, ...floating_nodes].forEach(walk);
    };
    walk((await this.sway.message('-t', 'get_tree')) as Node);
    return found;
  }

  /** Waits for the window with the title. */
  async window(title: string): Promise<Window> {
    let found: Window | undefined;
    await until(`the window ${title}`, async () => {
      found = (await this.windows()).find(window => window.title === title);
      return found !== undefined;
    });
    return found!;
  }

  /** What is shown, in pixels of the output. */
  async picture(): Promise<Picture> {
    if (this.#capturer === undefined) {
      const display = await Display.connect(this.sway.display);
      this.test.teardown(() => display.close());
      this.#capturer = await Capturer.open(display);
    }
    return pictureOf(await this.#capturer.capture());
  }

  /** Somebody in front of it. `width`, `height`: of the output in the compositor's units. */
  async seat(width: number, height: number): Promise<Seat> {
    const seat = await Seat.take(this.sway.display, { width, height });
    this.test.teardown(() => seat.close());
    return seat;
  }

  start(t: Test, ...command: string[]): ChildProcess {
    const env = { ...process.env, DISPLAY: this.display, XAUTHORITY: this.authority };
    const child = spawn(command[0]!, command.slice(1), { env, stdio: 'ignore' });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  }
}

export async function until(what: string, wanted: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await wanted());) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 30));
  }
}

/** The smallest rectangle with all pixels of a colour (0xrrggbb); undefined: there is none. In pixels of the picture. */
export function boundsOf({ width, height, pixels }: Picture, colour: number): Rect | undefined {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if ((pixels[at]! & COLOUR_MASK) !== colour) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? undefined : { x: left, y: top, width: right + 1 - left, height: bottom + 1 - top };
}
