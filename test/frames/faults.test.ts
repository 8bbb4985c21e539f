/** Every deliberate fault is caught by `virtwl frames` on a real compositor, and named. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FAULT_KINDS } from '../../src/frames/faults.js';
import { decodePng } from '../../src/frames/picture.js';
import { startSway } from '../compositors.js';
import { framesJson } from './run-frames.js';

t.setTimeout(200_000);

t.test('on sway', { timeout: 180_000 }, async t => {
  const { display } = await startSway(t, { width: 640, height: 400 });
  const out = mkdtempSync(join(tmpdir(), 'virtwl-frames-'));
  t.teardown(() => rmSync(out, { recursive: true }));

  for (const damage of ['full', 'block']) {
    for (const fault of FAULT_KINDS) {
      t.test(`${fault} is caught, ${damage} damage`, async t => {
        // An old frame is captured again until the frame's time is up.
        const patience = fault === 'stale' ? ['--timeout', '3000'] : [];
        const args = [
          '--display',
          display,
          '--frames',
          '6',
          '--damage',
          damage,
          '--inject',
          `${fault}@4`,
          '--out',
          out,
        ];
        const report = await framesJson(...args, ...patience);
        const kind = { pixel: 'pixels', stale: 'stale', channel: 'channels', row: 'rows' }[fault];
        t.match(report, {
          status: 1,
          pass: false,
          setup: { injected: `${fault}@4` },
          frames: { sent: 6, checked: 6, shown: 5, wrong: 1, stale: fault === 'stale' ? 1 : 0, missing: 0 },
          failures: [{ frame: 4, kind }],
        });
        t.equal(decodePng(readFileSync(join(out, 'difference.png'))).width, 3 * 640 + 16);
      });
    }
  }
});
