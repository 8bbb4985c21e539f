/** Percentiles of what was measured last, in bounded memory. */
import t from 'tap';
import { Latencies, MOST_LATENCIES } from '../../src/observe/latencies.js';

t.test('nothing was measured', t => {
  t.equal(new Latencies().report, undefined);
  t.equal(Latencies.report([]), undefined);
  t.end();
});

t.test('the smallest that half, and 99 of 100, are not above', t => {
  const one = new Latencies();
  one.add(4);
  t.same(one.report, { p50: 4, p99: 4, frames: 1 });
  const hundred = new Latencies();
  for (let i = 100; i > 0; i--) hundred.add(i);
  t.same(hundred.report, { p50: 50, p99: 99, frames: 100 });
  t.same(Latencies.report([one, hundred]), { p50: 50, p99: 99, frames: 101 }, 'of several together');
  t.end();
});

t.test('as many as are kept, and one more takes the place of the oldest', t => {
  const full = new Latencies();
  full.add(1000);
  for (let i = 1; i < MOST_LATENCIES; i++) full.add(1);
  t.equal(full.report!.frames, MOST_LATENCIES);
  const last = (latencies: Latencies): number => Latencies.report([latencies])!.p99;
  t.equal(last(full), 1);
  for (let i = 0; i < 3; i++) full.add(7);
  t.same(full.report, { p50: 1, p99: 7, frames: MOST_LATENCIES });
  t.end();
});
