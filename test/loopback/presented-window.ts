/**
 * A program for tests: a window whose every frame it asks the time of. For each it writes a line with what it was told
 * and its own clock before the commit and after the answer, in nanoseconds.
 */
import { DirectClient } from '../../src/direct/direct.js';
import { displayPath } from '../../src/wayland-client/display.js';
import { fromTimestamp } from '../../src/wayland/timestamp.js';

/** A line. Times are nanoseconds, as decimal text. */
export interface PresentedLine {
  readonly clock: number;
  readonly before: string;
  /** Undefined for a frame that was discarded. */
  readonly presented: string | undefined;
  readonly after: string;
  readonly refresh: number;
  readonly flags: number;
}

const frames = Number(process.argv[2]);
const client = await DirectClient.overSocket(displayPath());
const window = await client.createWindow();
const presentation = client.display.bind('wp_presentation');
let clock = -1;
presentation.on('clock_id', id => (clock = id));
for (let i = 0; i < frames; i++) {
  const buffer = await window.nextBuffer();
  buffer.pixels.fill(i);
  const feedback = presentation.create('feedback', window.surface.wl);
  const line = await client.display.until<PresentedLine>(resolve => {
    const before = String(process.hrtime.bigint());
    const say = (presented: string | undefined, refresh: number, flags: number): void =>
      resolve({ clock, before, presented, after: String(process.hrtime.bigint()), refresh, flags });
    feedback.on('presented', (tv_sec_hi, tv_sec_lo, tv_nsec, refresh, _hi, _lo, flags) =>
      say(String(fromTimestamp({ tv_sec_hi, tv_sec_lo, tv_nsec })), refresh, flags),
    );
    feedback.on('discarded', () => say(undefined, 0, 0));
    window.commit(buffer);
  });
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
window.destroy();
client.close();
