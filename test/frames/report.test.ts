/** The report's numbers, its verdict, and the reading of --inject. */
import t from 'tap';
import { parseFault } from '../../src/frames/faults.js';
import { latencyOf, MAX_FAILURES_LISTED, percentile, RunReport, type RunSetup } from '../../src/frames/report.js';

const setup: RunSetup = {
  frames: 2,
  width: 100,
  height: 50,
  display: 'virtwl',
  memory: 'a slab',
  buffers: 3,
  damage: 'full',
};
const at = { x: 0, y: 0 };
const wrong = {
  count: 3,
  outside: 0,
  box: { x: 1, y: 2, width: 3, height: 1 },
  first: [{ x: 1, y: 2, expected: 5, actual: 6 }],
};

t.test('percentiles are values that occurred', t => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  t.equal(percentile(hundred, 0.5), 50);
  t.equal(percentile(hundred, 0.9), 90);
  t.equal(percentile(hundred, 0.99), 99);
  t.equal(percentile([7], 0.99), 7);
  t.ok(Number.isNaN(percentile([], 0.5)));
  t.same(latencyOf([3, 1, 2]), { count: 3, p50: 2, p90: 3, p99: 3, max: 3 });
  t.equal(latencyOf([]), undefined);
  t.end();
});

t.test('a run passes when every frame was sent and all that were checked were right', t => {
  const report = new RunReport(setup);
  t.notOk(report.pass, 'nothing sent');
  report.frameSent(20000, 20000);
  report.callbackCame(2);
  report.frameChecked(1, { kind: 'identical', at: { x: 4, y: 5 } }, 3.5);
  t.notOk(report.pass, 'half is sent');
  report.frameSent(20000, 20000);
  report.callbackCame(4);
  t.ok(report.pass, 'the second was not checked');
  t.match(report.toJSON(), {
    pass: true,
    frames: { sent: 2, checked: 1, shown: 1, wrong: 0, stale: 0, missing: 0 },
    latency: { callback: { count: 2, p50: 2, p90: 4, max: 4 }, captured: { count: 1, p50: 3.5 } },
    bytes: { drawn: 40000, damaged: 40000 },
    window: { x: 4, y: 5 },
    failures: [],
  });
  t.match(report.toText(), /^pass$/m);
  report.error = 'the connection broke';
  t.notOk(report.pass, 'it ended with an error');
  t.match(report.toText(), /the connection broke/);
  t.end();
});

t.test('a run in which nothing was checked does not pass', t => {
  const report = new RunReport(setup);
  report.frameSent(1, 1);
  report.frameSent(1, 1);
  t.notOk(report.pass);
  t.match(report.toText(), /nothing was compared/);
  t.end();
});

t.test('each failure is counted under its kind and listed', t => {
  const report = new RunReport({ ...setup, frames: 5, injected: 'row@3' });
  for (let frame = 1; frame <= 5; frame++) report.frameSent(1, 1);
  report.frameChecked(1, { kind: 'pixels', at, wrong }, 1);
  report.frameChecked(2, { kind: 'stale', at, wrong, behind: 1 }, 1);
  report.frameChecked(3, { kind: 'missing' }, 1);
  report.callbackMissing(4, 500);
  report.frameChecked(5, { kind: 'identical', at }, 1);
  const json = report.toJSON();
  t.notOk(json.pass);
  t.same(json.frames, { sent: 5, checked: 5, shown: 1, wrong: 2, stale: 1, missing: 2 });
  t.same(
    json.failures.map(({ frame, kind }) => [frame, kind]),
    [
      [1, 'pixels'],
      [2, 'stale'],
      [3, 'missing'],
      [4, 'no-callback'],
    ],
  );
  t.match(report.toText(), /frame 2 .*stale: the capture shows the frame before/);
  t.match(report.toText(), /injected {3}row@3/);
  t.match(report.toText(), /^FAIL$/m);
  t.same(JSON.parse(JSON.stringify(report)), json, 'and it is JSON');
  t.end();
});

t.test('the list has an end, the count has none', t => {
  const report = new RunReport(setup);
  for (let frame = 1; frame <= MAX_FAILURES_LISTED + 1; frame++) report.frameChecked(frame, { kind: 'missing' }, 1);
  t.equal(report.toJSON().failures.length, MAX_FAILURES_LISTED);
  t.equal(report.toJSON().unlisted, 1);
  t.equal(report.missing, MAX_FAILURES_LISTED + 1);
  t.end();
});

t.test('a fault names its kind and frame', t => {
  t.same(parseFault('pixel@7', 10), { kind: 'pixel', frame: 7 });
  t.same(parseFault('row', 10), { kind: 'row', frame: 5 }, 'the middle, when it does not say');
  t.same(parseFault('channel', 10, 4), { kind: 'channel', frame: 8 }, 'a frame that is checked');
  t.same(parseFault('stale@2', 10), { kind: 'stale', frame: 2 });
  t.same(parseFault('stale', 2), { kind: 'stale', frame: 2 });
  t.same(parseFault('pixel', 1), { kind: 'pixel', frame: 1 });
  for (const text of ['', 'pixel@', 'pixel@0', 'pixel@11', 'stale@1', 'noise', 'row@x', 'row@-1', '@3']) {
    t.throws(() => parseFault(text, 10), RangeError, `'${text}'`);
  }
  t.throws(() => parseFault('pixel@3', 10, 4), RangeError, 'frame 3 is not checked');
  t.throws(() => parseFault('stale', 1), RangeError, 'a single frame has none before it');
  t.end();
});
