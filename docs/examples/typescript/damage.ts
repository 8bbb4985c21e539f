/** Draws only what changes: a bar that grows, in whichever buffer is free, by the age of the picture that the buffer holds. */
import { DirectClient } from 'virtwl';

const [path = '/run/user/1000/wayland-0', frames = '100'] = process.argv.slice(2);
const client = await DirectClient.overSocket(path);
const window = await client.createWindow({ title: 'damage', size: { width: 320, height: 40 }, fixedSize: true });
for (let shown = 1; shown <= Number(frames); shown++) {
  const buffer = await window.nextBuffer();
  const words = buffer.stride / 4;
  // Age 0 holds nothing of ours; else the last `age` columns are missing.
  const from = buffer.age === 0 ? 0 : Math.max(0, shown - buffer.age);
  if (buffer.age === 0) buffer.pixels.fill(0xff000000);
  for (let y = 0; y < buffer.height; y++) buffer.pixels.fill(0xff40c040, y * words + from, y * words + shown);
  const frame = window.nextFrame();
  // Damage is what this frame changed since the last one that was shown.
  window.commit(buffer, [{ x: shown - 1, y: 0, width: 1, height: buffer.height }]);
  await frame;
}
console.log(`${frames} frames`);
client.close();
