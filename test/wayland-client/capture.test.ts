import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_BUFFER_KINDS } from '../../src/wayland-client/capture-protocol.js';
import { captureOutput, Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import type { Image } from '../../src/wayland-client/image.js';
import { startCage, startSway } from '../compositors.js';
import { mappingsOf, openDescriptors } from '../descriptors.js';
import { connectFake } from '../wayland/fake-compositor.js';
import { testNative } from '../test-native.js';

async function connect(t: Test, path: string): Promise<Display> {
  const display = await Display.connect(path);
  t.teardown(() => display.close());
  return display;
}

/** 0xRRGGBB at a place. */
function pixel(image: Image, x: number, y: number): number {
  const at = y * image.stride + 4 * x;
  return (image.data[at + 2]! << 16) | (image.data[at + 1]! << 8) | image.data[at]!;
}

/** Shows a window of this size, the output's; `paint` gives each pixel as 0xRRGGBB. It may take a few frames to show. */
async function showWindow(
  display: Display,
  width: number,
  height: number,
  paint: (x: number, y: number) => number,
): Promise<void> {
  const surface = display.bind('wl_compositor', 4).create('create_surface');
  const shell = display.bind('xdg_wm_base', 1);
  shell.on('ping', (serial: number) => shell.request('pong', serial));
  const xdgSurface = shell.create('get_xdg_surface', surface);
  xdgSurface.create('get_toplevel').request('set_fullscreen', undefined);
  const configured = display.until<void>(resolve => {
    xdgSurface.on('configure', (serial: number) => {
      xdgSurface.request('ack_configure', serial);
      surface.request('commit');
      resolve();
    });
  });
  surface.request('commit');
  await configured;
  const size = width * height * 4;
  const fd = new OwnedFd(native.memfd('virtwl-test', size, 0));
  const mapping = native.map(fd.fd, 0, size, true);
  const words = new Uint32Array(mapping.buffer);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) words[y * width + x] = paint(x, y);
  mapping.unmap();
  const pool = display.bind('wl_shm', 1).create('create_pool', fd, size);
  surface.request('attach', pool.create('create_buffer', 0, width, height, width * 4, 1), 0, 0);
  surface.request('damage_buffer', 0, 0, width, height);
  surface.request('commit');
}

t.test('on sway', async t => {
  const sway = await startSway(t, { width: 320, height: 200, config: 'seat * hide_cursor 100' });
  const display = await connect(t, sway.display);

  t.test('the picture is what a window shows, pixel by pixel', async t => {
    const paint = (x: number, y: number): number => ((x & 255) << 16) | ((y & 255) << 8) | ((x * 7 + y * 13) & 255);
    const application = await connect(t, sway.display);
    await showWindow(application, 320, 200, paint);
    const capturer = await Capturer.open(display);
    let image = await capturer.capture();
    while (pixel(image, 100, 100) !== paint(100, 100)) image = await capturer.capture();
    capturer.close();
    t.match(image, { width: 320, height: 200, stride: 1280, format: 1 });
    let wrong = 0;
    for (let y = 0; y < 200; y++) for (let x = 0; x < 320; x++) if (pixel(image, x, y) !== paint(x, y)) wrong += 1;
    t.equal(wrong, 0);
    application.close();
  });

  t.test('an output is found by its name', async t => {
    t.match(await captureOutput(display, { output: 'HEADLESS-1' }), { width: 320, height: 200 });
    await t.rejects(captureOutput(display, { output: 'DP-7' }), /no output 'DP-7'; it has HEADLESS-1/);
  });

  t.test('many captures take one buffer, one mapping and no descriptor', async t => {
    const descriptors = openDescriptors();
    const mappings = mappingsOf('virtwl-capture');
    const capturer = await Capturer.open(display);
    await capturer.capture();
    await display.roundtrip();
    const { mmap, fdsOpened } = native.counters();
    const objects = display.objectCount;
    for (let i = 0; i < 20; i++) await capturer.capture();
    await display.roundtrip();
    t.equal(native.counters().mmap, mmap);
    t.equal(native.counters().fdsOpened, fdsOpened);
    t.equal(display.objectCount, objects);
    t.equal(mappingsOf('virtwl-capture'), mappings + 1);
    capturer.close();
    capturer.close();
    t.equal(mappingsOf('virtwl-capture'), mappings);
    t.equal(openDescriptors(), descriptors);
    await t.rejects(capturer.capture(), /closed/);
  });

  t.test('single captures leave nothing behind', async t => {
    await captureOutput(display, { output: 'HEADLESS-1' });
    await display.roundtrip();
    const descriptors = openDescriptors();
    const objects = display.objectCount;
    for (let i = 0; i < 5; i++) await captureOutput(display, { output: 'HEADLESS-1' });
    await display.roundtrip();
    t.equal(display.objectCount, objects);
    t.equal(openDescriptors(), descriptors);
    t.equal(mappingsOf('virtwl-capture'), 0);
  });

  t.test('a new size of the output is followed', async t => {
    const capturer = await Capturer.open(display);
    t.match(await capturer.capture(), { width: 320, height: 200 });
    await sway.message('output HEADLESS-1 mode 400x300@60Hz');
    t.match(await capturer.capture(), { width: 400, height: 300 });
    t.equal(mappingsOf('virtwl-capture'), 1);
    capturer.close();
  });

  t.test('one capture at a time, and none over a close', async t => {
    const capturer = await Capturer.open(display);
    const first = capturer.capture();
    await t.rejects(capturer.capture(), /under way/);
    capturer.close();
    await t.rejects(first, /closed during a capture/);
    t.equal(mappingsOf('virtwl-capture'), 0);
  });

  t.test('a compositor that dies in the middle is an error, not a wait', async t => {
    const capturer = await Capturer.open(display);
    await capturer.capture();
    const last = t.rejects(
      capturer.capture().then(() => capturer.capture()),
      /closed the connection/,
    );
    await sway.kill();
    await last;
    capturer.close();
  });
});

t.test('on cage', async t => {
  const cage = await startCage(t);
  const display = await connect(t, cage.display);
  t.match(await captureOutput(display), { width: 1280, height: 720 });
});

/** A buffer as a compositor asks for it. */
interface Wanted {
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
}

/** A compositor that offers captures as `wanted` says, draws `pixels` into what it gets, and reports `flags`. */
async function fakeScreen(
  t: Test,
  version: number,
  wanted: readonly Wanted[],
  pixels: readonly number[],
  flags = 0,
): Promise<Display> {
  const { display, compositor } = await connectFake(t, [
    ['wl_shm', 1],
    ['wl_output', 2],
    ['zwlr_screencopy_manager_v1', version],
  ]);
  let memory: OwnedFd | undefined;
  t.teardown(() => memory?.close());
  compositor.answer = ({ id, request, args }) => {
    if (request === 'zwlr_screencopy_manager_v1.capture_output') {
      const frame = args[0] as number;
      for (const { format, width, height, stride } of wanted) {
        compositor.event(frame, 'buffer', [format, width, height, stride]);
      }
      if (version >= 3) compositor.event(frame, 'buffer_done');
    } else if (request === 'wl_shm.create_pool') {
      memory?.close();
      const pool = (memory = args[1] as OwnedFd);
      t.throws(() => testNative.truncate(pool.fd, 1), { code: 'EPERM' }, 'a compositor cannot take it away under us');
    } else if (request === 'zwlr_screencopy_frame_v1.copy') {
      if (pixels.length === 0) {
        compositor.event(id, 'failed');
        return;
      }
      const mapping = native.map(memory!.fd, 0, pixels.length, true);
      new Uint8Array(mapping.buffer).set(pixels);
      mapping.unmap();
      compositor.event(id, 'flags', [flags]);
      compositor.event(id, 'ready', [0, 0, 0]);
    }
  };
  return display;
}

t.test('the compositor chooses the buffer', async t => {
  const rgb24 = { format: 0x34324752, width: 1, height: 2, stride: 4 };
  const rgb565 = { format: 0x36314752, width: 1, height: 2, stride: 2 };
  const xbgr = { format: 0x34324258, width: 1, height: 2, stride: 8 };
  for (const version of [1, 2, 3]) {
    t.test(`version ${version}: 24 bits a pixel, rows padded`, async t => {
      const display = await fakeScreen(t, version, [rgb24], [1, 2, 3, 0, 4, 5, 6, 0]);
      t.same([...(await captureOutput(display)).data], [1, 2, 3, 255, 4, 5, 6, 255]);
    });
  }

  t.test('rows from the bottom up', async t => {
    const display = await fakeScreen(t, 3, [rgb24], [1, 2, 3, 0, 4, 5, 6, 0], 1);
    t.same([...(await captureOutput(display)).data], [4, 5, 6, 255, 1, 2, 3, 255]);
  });

  t.test('the first of several that can be read', async t => {
    const display = await fakeScreen(t, 3, [rgb565, xbgr], [1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0]);
    t.same([...(await captureOutput(display)).data], [3, 2, 1, 255, 6, 5, 4, 255]);
  });

  t.test('so many kinds may be offered, and one more is an error', async t => {
    const kinds = Array.from({ length: MAX_BUFFER_KINDS - 1 }, () => rgb565);
    const pixels = [1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0];
    const most = await fakeScreen(t, 3, [...kinds, xbgr], pixels);
    t.same([...(await captureOutput(most)).data], [3, 2, 1, 255, 6, 5, 4, 255]);
    const display = await fakeScreen(t, 3, [...kinds, xbgr, xbgr], pixels);
    await t.rejects(captureOutput(display), /over 16 kinds of buffer/);
  });

  t.test('none that can be read is an error', async t => {
    const display = await fakeScreen(t, 3, [rgb565], [0]);
    await t.rejects(captureOutput(display), /not known here: 0x36314752/);
  });

  t.test('a size without bound is an error, and so is a stride that is too small', async t => {
    for (const height of [0, 2 ** 30]) {
      const display = await fakeScreen(t, 3, [{ ...xbgr, height }], [0]);
      await t.rejects(captureOutput(display), /bytes for a capture; at most 1073741824/);
    }
    const narrow = await fakeScreen(t, 3, [{ format: 1, width: 100, height: 2, stride: 4 }], [0]);
    await t.rejects(captureOutput(narrow), /do not fit/);
    t.equal(mappingsOf('virtwl-capture'), 0);
  });

  t.test('a capture that it refuses is an error', async t => {
    const display = await fakeScreen(t, 3, [xbgr], []);
    await t.rejects(captureOutput(display), /could not capture its output/);
    t.equal(mappingsOf('virtwl-capture'), 0);
  });
});

t.test('a compositor without screen capture, or without an output, is named as such', async t => {
  const { display } = await connectFake(t, [['wl_shm', 1]]);
  await t.rejects(captureOutput(display), /offers no screen capture \(zwlr_screencopy_manager_v1, or ext_image_copy/);
  const { display: blind } = await connectFake(t, [['zwlr_screencopy_manager_v1', 3]]);
  await t.rejects(captureOutput(blind), /no output to capture/);
});
