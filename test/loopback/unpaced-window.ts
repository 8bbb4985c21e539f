/**
 * A program for tests that has a clock of its own, as a player or a remote desktop has: it asks for no frame callbacks, takes
 * a buffer that is free or skips the frame, and ends well when its standard input does. Told `last`, it draws one more frame,
 * in white, waiting for a buffer if it must, and says so. It says `skips` when it skips its first frame and the proxy has read
 * all that came before.
 *
 * With `below` its frames are drawn in a synchronized subsurface, whose parent commits with the last one only.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DirectClient } from '../../src/direct/direct.js';
import type { SharedBuffer } from '../../src/direct/shared-surface.js';
import { displayPath } from '../../src/wayland-client/display.js';

const FRAME_MS = 10;
const WHITE = 0xffffff;

const below = process.argv[2] === 'below';
const client = await DirectClient.overSocket(displayPath());
const window = await client.createWindow();
const frame = await window.nextBuffer();
frame.pixels.fill(0);
window.commit(frame);

const child = below ? client.createSurface(window.width, window.height) : undefined;
if (child !== undefined) {
  client.display.bind('wl_subcompositor', 1).create('get_subsurface', child.wl, window.surface.wl);
}
const surface = child ?? window;
const show = (buffer: SharedBuffer, colour: number): void => {
  buffer.pixels.fill(colour);
  surface.commit(buffer);
};

let [last, ended, skips] = [false, false, false];
process.stdin.on('data', () => (last = true));
process.stdin.on('end', () => (ended = true));
for (let i = 0; !last && !ended; i++) {
  const buffer = surface.freeBuffer();
  if (buffer !== undefined) show(buffer, (i * 0x30507) & 0x7f7f7f);
  else if (!skips) {
    skips = true;
    await client.roundtrip();
    process.stdout.write('skips\n');
  }
  await pause(FRAME_MS);
}
if (last) {
  const buffer = await (child ?? window.surface).nextBuffer();
  show(buffer, WHITE);
  if (below) window.surface.wl.request('commit');
  await client.roundtrip();
  process.stdout.write('last\n');
  while (!ended) await pause(FRAME_MS);
}
client.close();
