/**
 * The benchmark's drawing client: the same modes, the same frames and the same line of JSON as the C client
 * (`client.c`), but drawn straight into shared memory, over the virtio_wl device, by the library of `src/direct/direct.ts`.
 *
 * A frame is: draw, attach, damage, commit, and a wl_display.sync round trip, after which the compositor has seen the
 * commit. In `newpool` each frame has a slab of its own, from the allocator, through the glue, mapped here; the slab of
 * the frame before goes.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { DirectClient } from '../direct/direct.js';
import type { SharedBuffer } from '../direct/shared-surface.js';
import type { Window } from '../direct/window.js';
import type { Mapping } from '../system/native.js';
import { openDevice } from '../virtwl/device.js';
import type { WaylandObject } from '../wayland-client/wayland-object.js';
import type { FrameMode, Measurement } from './measure.js';

/** Side of the square that `small` changes, in pixels; as in the C client. */
const SMALL = 64;
/** Largest side of a buffer, as in the C client. */
const MAX_SIDE = 16384;
/** Most buffers that come into use at a time, as in the C client. */
const MAX_BUFFERS = 3;
/** Frames that are timed; a faster run keeps its count and stops timing. */
const MAX_SAMPLES = 1 << 22;
/** What lies around the square of `small`. */
const PAPER = 0x40;
/** wl_shm.format.xrgb8888 */
const XRGB8888 = 1;

interface Options {
  mode: FrameMode;
  size: { width: number; height: number };
  seconds: number;
  warmup: number;
}

function parseSize(text: string): Options['size'] {
  const [, width = 0, height = 0] = (/^(\d+)x(\d+)$/.exec(text) ?? []).map(Number);
  if (Math.min(width, height) < SMALL || Math.max(width, height) > MAX_SIDE) {
    throw new InvalidArgumentError(`give WIDTHxHEIGHT, each from ${SMALL} to ${MAX_SIDE}.`);
  }
  return { width, height };
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text === '' || !(seconds >= 0) || seconds === Infinity) throw new InvalidArgumentError('give seconds.');
  return seconds;
}

/** Every row changes in every frame and differs from its neighbours: the same bytes as the C client's. */
function fill(bytes: Uint8Array, stride: number, width: number, height: number, frame: number): void {
  for (let row = 0; row < height; row++) {
    bytes.fill((frame * 3 + row) & 0xff, row * stride, row * stride + 4 * width);
  }
}

/** One way to draw a frame; it ends with the commit. */
type Draw = (frame: number) => void | Promise<void>;

/** Frames in the window's own buffers: `width` × `height` pixels of them change. */
function drawInBuffers(window: Window, width: number, height: number): Draw {
  const bytes = new Map<SharedBuffer, Uint8Array>();
  const damage = [{ x: 0, y: 0, width, height }];
  const draw = (buffer: SharedBuffer, frame: number): void => {
    let view = bytes.get(buffer);
    if (view === undefined) {
      const { pixels } = buffer;
      view = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
      view.fill(PAPER);
      bytes.set(buffer, view);
    }
    fill(view, buffer.stride, width, height, frame);
    window.commit(buffer, damage);
  };
  return frame => {
    const buffer = window.freeBuffer();
    if (buffer !== undefined) draw(buffer, frame);
    else return window.nextBuffer().then(later => draw(later, frame));
  };
}

/** Frames with new memory each. */
function drawInNewSlabs(client: DirectClient, window: Window): Draw {
  const { width, height } = window;
  const stride = 4 * width;
  const surface = window.surface.wl;
  let shown: { wl: WaylandObject<'wl_buffer'>; mapping: Mapping; release: () => void } | undefined;
  return async frame => {
    const { memory, pool, release } = await client.source.allocate(stride * height);
    let mapping: Mapping;
    try {
      mapping = memory.map(stride * height, true);
    } finally {
      memory.close();
    }
    const wl = pool.create('create_buffer', 0, width, height, stride, XRGB8888);
    fill(new Uint8Array(mapping.buffer), stride, width, height, frame);
    surface.request('attach', wl, 0, 0);
    surface.request('damage_buffer', 0, 0, width, height);
    surface.request('commit');
    if (shown !== undefined) {
      // The commit has replaced it.
      shown.wl.request('destroy');
      shown.release();
      shown.mapping.unmap();
    }
    shown = { wl, mapping, release };
  };
}

async function run({ mode, size, seconds, warmup }: Options): Promise<Measurement> {
  const device = openDevice();
  const client = await DirectClient.overDevice(device);
  device.close();
  const window = await client.createWindow({ title: 'virtwl bench', size, fixedSize: true, buffers: MAX_BUFFERS });
  const draw: Draw = {
    sync: () => () => undefined,
    full: () => drawInBuffers(window, size.width, size.height),
    small: () => drawInBuffers(window, SMALL, SMALL),
    newpool: () => drawInNewSlabs(client, window),
  }[mode]();
  // A surface's first buffer answers the compositor's first configure, which the frames of `newpool` would not.
  if (mode === 'newpool') window.commit(await window.nextBuffer());

  const samples = new Float32Array(MAX_SAMPLES);
  let count = 0;
  let frame = 0;
  let first = 0;
  let measuredFrom = 0;
  let cpuFrom = process.cpuUsage();
  const begin = performance.now();
  let before = begin;
  for (;;) {
    const drawing = draw(frame++);
    if (drawing !== undefined) await drawing;
    await client.roundtrip();
    const after = performance.now();
    if (measuredFrom > 0) {
      if (count < MAX_SAMPLES) samples[count++] = (after - before) * 1000;
      if (after - measuredFrom >= seconds * 1000) break;
    } else if (after - begin >= warmup * 1000) {
      measuredFrom = after;
      cpuFrom = process.cpuUsage();
      first = frame;
    }
    before = after;
  }
  const taken = (performance.now() - measuredFrom) / 1000;
  const cpu = process.cpuUsage(cpuFrom);
  const buffers = mode === 'full' || mode === 'small' ? window.surface.bufferCount : 0;
  client.close();

  const frames = frame - first;
  const sorted = samples.subarray(0, count).sort();
  const at = (share: number): number => round(sorted[Math.min(count - 1, Math.floor(count * share))]!, 1);
  return {
    ...{
      mode,
      width: size.width,
      height: size.height,
      frames,
      seconds: round(taken, 3),
      fps: round(frames / taken, 1),
    },
    ...{ p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: at(1), buffers },
    ...{ before: first, cpu_us: cpu.user + cpu.system },
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const options = new Command('direct-client')
  .description("the benchmark's client that draws straight into shared memory")
  .addOption(
    new Option('--mode <mode>', 'what a frame is').choices(['sync', 'full', 'small', 'newpool']).makeOptionMandatory(),
  )
  .option('--size <wxh>', 'of the buffers, in pixels', parseSize, { width: 1920, height: 1080 })
  .option('--seconds <n>', 'how long to measure', parseSeconds, 3)
  .option('--warmup <n>', 'how long before that', parseSeconds, 0.3)
  .showHelpAfterError()
  .parse()
  .opts<Options>();

try {
  process.stdout.write(`${JSON.stringify(await run(options))}\n`);
} catch (error) {
  process.stderr.write(`direct-client: ${(error as Error).message}\n`);
  // Whatever is still open, this run has nothing to measure any more.
  process.exit(1);
}
