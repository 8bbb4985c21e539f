/** A shortage of memory: when memory is asked for again, and what is said of it. Times are bounds from below. */
import t, { type Test } from 'tap';
import { FIRST_RETRY_MS, MemoryShortage } from '../../src/client/memory-shortage.js';
import { eventually } from '../eventually.js';

function shortage(t: Test, tellAfterMs: number) {
  const lines: string[] = [];
  const tries: number[] = [];
  const made = new MemoryShortage({
    retry: () => tries.push(performance.now()),
    tell: text => lines.push(text),
    tellAfterMs,
  });
  t.teardown(() => made.close());
  return { lines, tries, shortage: made };
}

const [WINDOW, OTHER] = [{}, {}];

t.test('memory is asked for again after a pause, each twice as long as the one before', async t => {
  const { tries, shortage: s } = shortage(t, 100_000);
  const begin = performance.now();
  s.refused(WINDOW, '64x64', 'why');
  s.refused(OTHER, '64x64', 'why');
  t.ok(s.pausing);
  await eventually('a try', () => tries.length === 1);
  t.notOk(s.pausing);
  s.refused(WINDOW, '64x64', 'why');
  await eventually('the next', () => tries.length === 2);
  // Timers round down to whole milliseconds.
  t.ok(tries[0]! - begin >= FIRST_RETRY_MS - 1);
  t.ok(tries[1]! - tries[0]! >= 2 * FIRST_RETRY_MS - 1);
  s.over(WINDOW);
  s.refused(OTHER, '64x64', 'why');
  s.over(OTHER);
  t.notOk(s.pausing, 'nobody waits any more');
});

t.test('a short one is not worth a word', async t => {
  const { lines, shortage: s } = shortage(t, 100_000);
  s.refused(WINDOW, '64x64', 'why');
  s.over(WINDOW);
  t.same(lines, []);
});

t.test('a long one is told once, with its reason, and so is its end', async t => {
  // Less than the first pause, which a timer may end some of a millisecond early.
  const { lines, tries, shortage: s } = shortage(t, FIRST_RETRY_MS / 2);
  s.refused(WINDOW, '64x64', 'no reason yet');
  await eventually('a try', () => tries.length === 1);
  for (const why of ['5 of 5 bytes', '6 of 6 bytes']) s.refused(WINDOW, '640x480', why);
  s.refused(OTHER, '64x64', 'why');
  s.over(WINDOW);
  t.equal(lines.length, 1, 'another one still waits');
  s.over(OTHER);
  s.over(OTHER);
  t.match(lines, [
    /^no memory for a frame of 640x480 pixels: its window keeps the picture.*: 5 of 5 bytes$/,
    /^no frame waits for memory any more, after \d+\.\d s$/,
  ]);
  t.equal(lines.length, 2);
});

t.test('at the end of the connection it ends without a word', async t => {
  const { lines, tries, shortage: s } = shortage(t, 0);
  s.close();
  s.refused(WINDOW, '64x64', 'why');
  await new Promise(resolve => setTimeout(resolve, 2 * FIRST_RETRY_MS));
  t.same([lines, tries, s.pausing], [[], [], false]);
});
