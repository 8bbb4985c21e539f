/**
 * Small pictures of the compositor's outputs, for the page of `virtwl status --web`, where the operator allows them. In: that
 * somebody asks. Out: a PNG for each output. It captures as any client of the compositor may, on a connection of its own,
 * which is there as long as somebody asks.
 */
import { PNG } from 'pngjs';
import type { Thumbnail, ThumbnailsReport } from '../src/observe/status-report.js';
import { bounded } from '../src/observe/printable.js';
import { UnixSocket } from '../src/system/unix-socket.js';
import { Capturer } from '../src/wayland-client/capture.js';
import { connectDisplay } from '../src/wayland-client/connect.js';
import type { Display } from '../src/wayland-client/display.js';
import type { Image } from '../src/wayland-client/image.js';
import type { WaylandObject } from '../src/wayland-client/wayland-object.js';

/** Most of a picture's width and height, in pixels: windows can be told apart, and what stands in them cannot be read. */
export const THUMBNAIL_SIZE = 320;
/** Outputs that are captured: a desk has few. */
export const MOST_THUMBNAILS = 4;
/** From one capture to the next, in milliseconds: who asks sooner gets the same pictures. */
const EVERY_MS = 1_000;
/** How long the compositor may take for all, in milliseconds: less than who asks waits for. */
const ANSWER_MS = 800;
/** After how long without a question the connection is closed, in milliseconds. */
const IDLE_MS = 10_000;

interface Output {
  readonly name: string;
  readonly capturer: Capturer;
}

export class Thumbnails {
  #display: Display | undefined;
  #outputs: Output[] = [];
  #last: Promise<ThumbnailsReport> | undefined;
  #at = -Infinity;
  #idle: NodeJS.Timeout | undefined;

  /** `path`: of the compositor's socket. */
  constructor(private readonly path: string) {}

  /** The pictures of this moment, or why there are none. */
  ask(): Promise<ThumbnailsReport> {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#disconnect(), IDLE_MS).unref();
    if (this.#last !== undefined && performance.now() - this.#at < EVERY_MS) return this.#last;
    this.#at = performance.now();
    this.#last = this.#take();
    return this.#last;
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#idle);
    this.#disconnect();
  }

  async #take(): Promise<ThumbnailsReport> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the compositor has not answered')), ANSWER_MS);
    });
    try {
      return { outputs: await Promise.race([this.#capture(), late]) };
    } catch (error) {
      // The next question begins anew, maybe with other outputs.
      this.#disconnect();
      return { outputs: [], refused: bounded((error as Error).message) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #capture(): Promise<Thumbnail[]> {
    if (this.#display === undefined) await this.#connect();
    const pictures: Thumbnail[] = [];
    for (const { name, capturer } of this.#outputs) {
      const { width, height, png } = shrink(await capturer.capture());
      pictures.push({ output: bounded(name), width, height, png });
    }
    return pictures;
  }

  async #connect(): Promise<void> {
    const display = await connectDisplay(UnixSocket.connect(this.path), ANSWER_MS);
    this.#disconnect();
    this.#display = display;
    display.on('end', () => this.#disconnect());
    // Another output, or one fewer: they are looked for anew.
    const changed = ({ interface: name }: { readonly interface: string }): void => {
      if (name === 'wl_output') this.#disconnect();
    };
    display.on('global', changed);
    display.on('globalRemove', changed);
    for (const name of await outputNames(display)) {
      this.#outputs.push({ name, capturer: await Capturer.open(display, { output: name, overlayCursor: true }) });
    }
  }

  #disconnect(): void {
    for (const { capturer } of this.#outputs.splice(0)) capturer.close();
    this.#display?.close();
    this.#display = undefined;
  }
}

async function outputNames(display: Display): Promise<string[]> {
  const names: string[] = [];
  const globals = display.globals.filter(global => global.interface === 'wl_output').slice(0, MOST_THUMBNAILS);
  const outputs = globals.map(global => {
    const output = display.bind(global, 4) as WaylandObject<'wl_output'>;
    output.on('name', (name: string) => names.push(name));
    return output;
  });
  await display.roundtrip();
  for (const output of outputs) if (output.version >= 3) output.request('release');
  if (names.length < outputs.length) throw new Error('the compositor is too old to name its outputs (wl_output 4)');
  return names;
}

/** One pixel of each square, as a PNG in base64. */
function shrink({ width, height, stride, data }: Image): { width: number; height: number; png: string } {
  const step = Math.max(1, width / THUMBNAIL_SIZE, height / THUMBNAIL_SIZE);
  const small = { width: Math.max(1, Math.floor(width / step)), height: Math.max(1, Math.floor(height / step)) };
  const png = new PNG({ ...small, colorType: 2, inputHasAlpha: true });
  for (let y = 0, to = 0; y < small.height; y++) {
    const row = Math.floor((y + 0.5) * step) * stride;
    for (let x = 0; x < small.width; x++, to += 4) {
      const from = row + Math.floor((x + 0.5) * step) * 4;
      png.data[to] = data[from + 2]!;
      png.data[to + 1] = data[from + 1]!;
      png.data[to + 2] = data[from]!;
      png.data[to + 3] = 255;
    }
  }
  return { ...small, png: PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }).toString('base64') };
}
