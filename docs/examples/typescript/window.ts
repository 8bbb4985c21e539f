/** A window that follows its output's scale, paints where the pointer is, and ends when the user closes it or presses Escape. */
import { DirectClient, openDevice } from 'virtwl';

const ESCAPE = 1; // KEY_ESC of linux/input-event-codes.h

// In a guest: through its device. With a path: any compositor's socket.
const [path] = process.argv.slice(2);
const client = path === undefined ? await DirectClient.overDevice(openDevice()) : await DirectClient.overSocket(path);
const window = await client.createWindow({
  title: 'virtwl example',
  appId: 'virtwl-example',
  input: true,
  followScale: true,
});

let open = true;
let place = { x: 0, y: 0 };
const close = (): void => {
  open = false;
};
window.on('close', close);
window.on('key', (code, pressed) => {
  if (pressed && code === ESCAPE) close();
});
window.on('pointerMotion', (x, y) => {
  place = { x: x * window.scale, y: y * window.scale };
});

while (open) {
  const buffer = await window.nextBuffer();
  buffer.pixels.fill(0xff204060);
  const row = Math.min(buffer.height - 1, Math.floor(place.y)) * (buffer.stride / 4);
  buffer.pixels.fill(0xffffc000, row, row + Math.min(buffer.width, Math.ceil(place.x)));
  const frame = window.nextFrame();
  window.commit(buffer);
  await frame;
}
console.log(`closed at ${window.width}x${window.height}`);
client.close();
