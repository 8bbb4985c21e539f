/**
 * Surfaces that are turned, scaled and cropped, on a real compositor: an application that damages in surface coordinates
 * shows the same through the proxy as it does directly; and what this project takes the protocol's transforms to be is
 * what the compositor takes them to be.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AllocatorClient } from '../../src/allocator/client.js';
import { AppConnection } from '../../src/client/app-connection.js';
import type { SurfaceGeometry } from '../../src/client/surface-geometry.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native, type Mapping } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { openDevice, type Device } from '../../src/virtwl/device.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Transfers } from '../../src/relay/transfers.js';
import { Display } from '../../src/wayland-client/display.js';
import type { Image } from '../../src/wayland-client/image.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { startSway } from '../compositors.js';
import { Random } from '../wayland/random.js';
import { stored, type Picture } from './pictures.js';

const WIDTH = 64;
const HEIGHT = 48;

/** Memory for link buffers, without an allocator. */
const allocator = {
  allocate: (bytes: number) => Promise.resolve(new Memory(native.memfd('virtwl-turned', bytes, 0), bytes)),
} as unknown as AllocatorClient;

interface Case {
  readonly name: string;
  readonly geometry: SurfaceGeometry;
}

const cases: Case[] = [];
for (let transform = 0; transform < 8; transform++) {
  cases.push({
    name: `transform ${transform}`,
    geometry: { scale: 1, transform, source: undefined, destination: undefined },
  });
  cases.push({
    name: `transform ${transform}, scale 2`,
    geometry: { scale: 2, transform, source: undefined, destination: undefined },
  });
  cases.push({
    name: `transform ${transform}, scale 2, a part of it at twice its size`,
    geometry: {
      scale: 2,
      transform,
      source: { x: 4, y: 6, width: 20, height: 12 },
      destination: { width: 40, height: 24 },
    },
  });
}

/** A picture of `width` x `height` units, each of `scale` x `scale` equal pixels. */
function picture(random: Random, width: number, height: number, scale: number): Picture {
  const units = Array.from({ length: height }, () => Array.from({ length: width }, () => random.below(0x1000000)));
  return Array.from({ length: height * scale }, (_, y) =>
    Array.from({ length: width * scale }, (_, x) => units[Math.floor(y / scale)]![Math.floor(x / scale)]!),
  );
}

/** A window whose buffers hold what a test draws. */
class TurnedWindow {
  readonly #pool: WaylandObject<'wl_shm_pool'>;
  readonly #mapping: Mapping;
  readonly #buffers: WaylandObject<'wl_buffer'>[];
  readonly #size: number;
  #turn = 0;

  private constructor(
    readonly display: Display,
    readonly surface: WaylandObject<'wl_surface'>,
    readonly geometry: SurfaceGeometry,
    buffer: Picture,
  ) {
    const [width, height] = [buffer[0]!.length, buffer.length];
    this.#size = 4 * width * height;
    const fd = new OwnedFd(native.memfd('virtwl-turned', 2 * this.#size, 0));
    this.#mapping = native.map(fd.fd, 0, 2 * this.#size, true);
    this.#pool = display.bindOnce('wl_shm', 1).create('create_pool', fd, 2 * this.#size);
    this.#buffers = [0, 1].map(i => this.#pool.create('create_buffer', i * this.#size, width, height, 4 * width, 1));
  }

  /** Opens it with its first picture, stored as its geometry says. */
  static async open(display: Display, geometry: SurfaceGeometry, upright: Picture): Promise<TurnedWindow> {
    const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
    const xdg = display.bindOnce('xdg_wm_base', 1).create('get_xdg_surface', surface);
    const toplevel = xdg.create('get_toplevel');
    toplevel.request('set_app_id', 'turned');
    surface.request('commit');
    await display.until<void>(resolve =>
      xdg.once('configure', (serial: number) => (xdg.request('ack_configure', serial), resolve())),
    );
    xdg.on('configure', (serial: number) => xdg.request('ack_configure', serial));
    surface.request('set_buffer_transform', geometry.transform);
    surface.request('set_buffer_scale', geometry.scale);
    if (geometry.source !== undefined || geometry.destination !== undefined) {
      const viewport = display.bindOnce('wp_viewporter', 1).create('get_viewport', surface);
      const { source, destination } = geometry;
      if (source !== undefined) viewport.request('set_source', source.x, source.y, source.width, source.height);
      if (destination !== undefined) viewport.request('set_destination', destination.width, destination.height);
    }
    const window = new TurnedWindow(display, surface, geometry, stored(upright, geometry.transform));
    await window.show(upright, [0, 0, 1000, 1000]);
    return window;
  }

  /** Shows a picture, of which it says that only this rectangle of the surface has changed. */
  async show(upright: Picture, damage: readonly [number, number, number, number]): Promise<void> {
    const at = this.#turn++ % 2;
    const words = new Uint32Array(this.#mapping.buffer, at * this.#size, this.#size / 4);
    words.set(stored(upright, this.geometry.transform).flat());
    this.surface.request('attach', this.#buffers[at], 0, 0);
    this.surface.request('damage', ...damage);
    const frame = this.surface.create('frame');
    this.surface.request('commit');
    await this.display.until<void>(resolve => frame.on('done', () => resolve()));
  }

  close(): void {
    this.#mapping.unmap();
  }
}

/** Pixels that differ from the empty output: the window, wherever the compositor has put it. */
function windowOf(image: Image, empty: Image): Picture {
  const words = (of: Image): Uint32Array => new Uint32Array(of.data.buffer, of.data.byteOffset, of.width * of.height);
  const [now, was] = [words(image), words(empty)];
  let [x1, y1, x2, y2] = [Infinity, Infinity, 0, 0];
  now.forEach((word, i) => {
    if (word === was[i]) return;
    const [x, y] = [i % image.width, Math.floor(i / image.width)];
    [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x + 1), Math.max(y2, y + 1)];
  });
  if (x2 === 0) return [];
  return Array.from({ length: y2 - y1 }, (_, y) =>
    Array.from({ length: x2 - x1 }, (_, x) => now[(y1 + y) * image.width + x1 + x]! & 0xffffff),
  );
}

t.test('on sway', { timeout: 240_000 }, async t => {
  const sway = await startSway(t, { width: 320, height: 240, config: 'for_window [app_id="turned"] floating enable' });
  const screen = await Display.connect(sway.display);
  t.teardown(() => screen.close());
  const capturer = await Capturer.open(screen);
  const empty = await capturer.capture();

  const directory = mkdtempSync(join(tmpdir(), 'virtwl-turned-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  symlinkSync(sway.display, join(directory, 'display'));
  const device = openDevice({ loopback: directory });

  for (const { name, geometry } of cases) {
    await t.test(name, async t => {
      const { scale } = geometry;
      const first = picture(new Random(1), WIDTH / scale, HEIGHT / scale, scale);
      // What changes lies under this rectangle of the surface, and nothing else does.
      const damage: [number, number, number, number] =
        geometry.destination === undefined ? [5, 9, 7, 4] : [10, 4, 8, 6];
      const second = changed(first, geometry, damage);
      const look = async (socket: UnixSocket): Promise<Picture> => {
        const display = await Display.connect(socket);
        const window = await TurnedWindow.open(display, geometry, first);
        await settled(capturer, empty);
        // One frame more, so that the third finds a buffer again that holds the first.
        await window.show(first, [0, 0, 1, 1]);
        await window.show(second, damage);
        const picture = windowOf(await settled(capturer, empty), empty);
        display.close();
        window.close();
        await gone(capturer, empty);
        return picture;
      };
      const direct = await look(UnixSocket.connect(sway.display));
      const remote = await proxied(t, device, look);
      t.ok(direct.length > 0, 'it is shown');
      t.same(
        remote.map(row => row.join()),
        direct.map(row => row.join()),
        'the same through the proxy',
      );
      if (scale === 1)
        t.same(
          direct.map(row => row.join()),
          second.map(row => row.join()),
          'and it is upright',
        );
    });
  }
});

/** The output once it shows a window, and twice the same. */
async function settled(capturer: Capturer, empty: Image): Promise<Image> {
  for (let last = empty; ;) {
    const image = await capturer.capture();
    if (!isSame(image, empty) && isSame(image, last)) return image;
    last = image;
    await new Promise(resolve => setTimeout(resolve, 30));
  }
}

async function gone(capturer: Capturer, empty: Image): Promise<void> {
  while (!isSame(await capturer.capture(), empty)) await new Promise(resolve => setTimeout(resolve, 10));
}

function isSame(a: Image, b: Image): boolean {
  return Buffer.compare(a.data, b.data) === 0;
}

function changed(
  first: Picture,
  { scale, source, destination }: SurfaceGeometry,
  [x, y, width, height]: readonly [number, number, number, number],
): Picture {
  const from = source ?? { x: 0, y: 0, width: 1, height: 1 };
  const to = destination ?? { width: from.width, height: from.height };
  const [fx, fy] = [from.width / to.width, from.height / to.height];
  const box = [from.x + x * fx, from.y + y * fy, from.x + (x + width) * fx, from.y + (y + height) * fy].map(
    at => at * scale,
  );
  return first.map((row, py) =>
    row.map((pixel, px) => (px >= box[0]! && px < box[2]! && py >= box[1]! && py < box[3]! ? pixel ^ 0xffffff : pixel)),
  );
}

/** Runs with an application's socket whose other end is the proxy, with the compositor behind it. */
async function proxied(t: Test, device: Device, body: (socket: UnixSocket) => Promise<Picture>): Promise<Picture> {
  const [ours, theirs] = UnixSocket.pair();
  const transfers = new Transfers(device);
  const connection = new AppConnection(theirs, device.connect('display'), { transfers, allocator: () => allocator });
  t.teardown(() => connection.close());
  try {
    const picture = await body(ours);
    t.equal(connection.counters.frames, 3);
    t.ok(
      connection.counters.bytesCopied < 2.5 * 4 * WIDTH * HEIGHT,
      'of the third frame, only what was damaged was copied',
    );
    return picture;
  } finally {
    connection.close();
    transfers.close();
  }
}
