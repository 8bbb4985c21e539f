/**
 * The benchmark's client for the column *drawn*: as `client.c`, with the same options, the same work and the same line
 * at the end, but it draws straight into memory that the compositor reads, by the client library.
 *
 * It has no `newpool`: the library's buffers are pieces of a slab, and a new one costs an entry in a book.
 */
import { Command, Option } from 'commander';

import { DirectClient } from '../client/direct.js';
import type { SharedBuffer } from '../client/shared-surface.js';
import { openDevice } from '../virtwl/device.js';
import type { Measurement, Mode } from './measure.js';

/** Side of the square that `small` changes, in pixels. */
const SMALL = 64;

const options = new Command('direct-client')
  .addOption(new Option('--mode <mode>').choices(['sync', 'full', 'small']).makeOptionMandatory())
  .option('--size <wxh>', 'size of the window in pixels', '1920x1080')
  .option('--seconds <s>', 'how long to measure', Number, 3)
  .option('--warmup <s>', 'how long to run before that', Number, 0.3)
  .parse()
  .opts<{ mode: Mode; size: string; seconds: number; warmup: number }>();
const { mode, seconds, warmup } = options;
const [width = 0, height = 0] = options.size.split('x').map(Number);

const client = await DirectClient.overDevice(openDevice());
const window = await client.createWindow({ title: 'virtwl bench', size: { width, height }, fixedSize: true });
const bytesOf = new WeakMap<SharedBuffer, Uint8Array>();

/** The same values as `client.c`: every row changes in every frame and differs from its neighbours. */
function fill(buffer: SharedBuffer, w: number, h: number, frame: number): void {
  let bytes = bytesOf.get(buffer);
  if (bytes === undefined) {
    const { pixels } = buffer;
    bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    bytesOf.set(buffer, bytes);
    bytes.fill(0x40); // what lies around the square of `small`
  }
  for (let row = 0; row < h; row++) {
    const start = row * buffer.stride;
    bytes.fill((frame * 3 + row) & 0xff, start, start + w * 4);
  }
}

async function drawFrame(frame: number): Promise<void> {
  if (mode !== 'sync') {
    const buffer = window.freeBuffer() ?? (await window.nextBuffer());
    if (mode === 'full') {
      fill(buffer, width, height, frame);
      window.commit(buffer);
    } else {
      fill(buffer, SMALL, SMALL, frame);
      window.commit(buffer, [{ x: 0, y: 0, width: SMALL, height: SMALL }]);
    }
  }
  await client.roundtrip();
}

const samples: number[] = [];
let frame = 0;
let measuredFrom = 0;
const begin = performance.now();
for (let before = begin; ; ) {
  await drawFrame(frame++);
  const after = performance.now();
  if (measuredFrom > 0) {
    samples.push((after - before) * 1000);
    if (after - measuredFrom >= seconds * 1000) break;
  } else if (after - begin >= warmup * 1000) {
    measuredFrom = after;
  }
  before = after;
}
const taken = (performance.now() - measuredFrom) / 1000;

samples.sort((a, b) => a - b);
const at = (share: number) => Number((samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? 0).toFixed(1));
const result: Measurement = {
  ...{ mode, width, height },
  frames: samples.length,
  seconds: Number(taken.toFixed(3)),
  fps: Number((samples.length / taken).toFixed(1)),
  ...{ p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: at(1) },
  buffers: window.surface.bufferCount,
};
console.log(JSON.stringify(result));
window.destroy();
client.close();
