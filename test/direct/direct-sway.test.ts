/** The drawing library on a real compositor: straight to its socket, and through loopback without glue. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DirectClient } from '../../src/direct/direct.js';
import type { Window } from '../../src/direct/window.js';
import { compare, describe } from '../../src/frames/compare.js';
import { Pattern } from '../../src/frames/pattern.js';
import { pictureOf } from '../../src/frames/picture.js';
import { native } from '../../src/system/native.js';
import { openDevice } from '../../src/virtwl/device.js';
import { Capturer } from '../../src/wayland-client/capture.js';
import { Display } from '../../src/wayland-client/display.js';
import { startSway } from '../compositors.js';

/** Draws one frame and waits until the compositor asks for the next. */
async function drawFrame(window: Window, pattern: Pattern): Promise<void> {
  pattern.advance();
  const buffer = await window.nextBuffer();
  pattern.draw(buffer.pixels, buffer.stride / 4);
  const frame = window.nextFrame();
  window.commit(buffer);
  await frame;
}

/** Draws until the window has this size: a compositor gives a window its place only once it has shown something. */
async function drawUntil(window: Window, width: number, height: number): Promise<void> {
  while (window.width !== width || window.height !== height) {
    await drawFrame(window, new Pattern(window.width, window.height));
  }
}

t.test('on sway', { timeout: 60_000 }, async t => {
  const sway = await startSway(t, { width: 640, height: 400 });
  const screen = await Display.connect(sway.display);
  t.teardown(() => screen.close());
  const capturer = await Capturer.open(screen);
  const shows = async (pattern: Pattern): Promise<string> =>
    describe(compare(pictureOf(await capturer.capture()), pattern));

  const directory = mkdtempSync(join(tmpdir(), 'virtwl-direct-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  symlinkSync(sway.display, join(directory, 'wayland'));
  const device = openDevice({ loopback: directory });

  for (const [name, connect] of [
    ['a socket', () => DirectClient.overSocket(sway.display)],
    ['a context without glue', () => DirectClient.overDevice(device)],
  ] as const) {
    await t.test(`over ${name}`, async t => {
      const client = await connect();
      t.teardown(() => client.close());
      const window = await client.createWindow({ title: 'direct' });
      await drawUntil(window, 640, 400); // a tile as large as the output
      const pattern = new Pattern(640, 400);
      for (let i = 0; i < 4; i++) await drawFrame(window, pattern);
      t.equal(await shows(pattern), 'identical');

      const before = native.counters();
      for (let i = 0; i < 20; i++) await drawFrame(window, pattern);
      const { mmap, munmap, fdsOpened } = native.counters();
      t.same({ mmap, munmap, fdsOpened }, { mmap: before.mmap, munmap: before.munmap, fdsOpened: before.fdsOpened });
      t.ok(window.surface.bufferCount <= 3);

      t.test('a second window takes half of the room, and gives it back', async t => {
        const sizes: number[] = [];
        window.on('resize', width => sizes.push(width));
        const second = await client.createWindow({ title: 'second' });
        await Promise.all([drawUntil(second, 320, 400), drawUntil(window, 320, 400)]);
        await drawFrame(second, new Pattern(320, 400));
        const half = new Pattern(320, 400);
        for (let i = 0; i < 4; i++) await drawFrame(window, half);
        t.equal(await shows(half), 'identical');
        second.destroy();
        await drawUntil(window, 640, 400);
        const whole = new Pattern(640, 400);
        for (let i = 0; i < 4; i++) await drawFrame(window, whole);
        t.equal(await shows(whole), 'identical');
        t.same(sizes, [320, 640]);
      });

      t.test('and is told when the compositor ends the window', async t => {
        const closed = new Promise<void>(resolve => window.once('close', resolve));
        await sway.message('[title="direct"] kill');
        await closed;
        window.destroy();
        await client.roundtrip();
        t.pass('closed');
      });
    });
  }

  await t.test('nobody listens', async t => {
    await t.rejects(DirectClient.overSocket(join(directory, 'nobody')), { code: 'ENOENT' });
    await t.rejects(DirectClient.overDevice(device, 'nobody'), /offers this VM no such server/);
  });
});
