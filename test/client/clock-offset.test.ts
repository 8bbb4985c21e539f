/** The offset of two clocks from readings over a link: which of them is believed, and how wrong it may be. */
import t from 'tap';
import { ClockOffset, MAX_DRIFT_PPM } from '../../src/client/clock-offset.js';

const MS = 1_000_000n;
const SECOND = 1000n * MS;
/** The other VM was started so much later. */
const SKEW = -5000n * SECOND;

/** A reading at `at` that takes `there` and `back`, of a clock that is `skew` away. */
function read(clock: ClockOffset, at: bigint, there: bigint, back: bigint, skew = SKEW): void {
  clock.add(at, at + there + skew, at + there + back);
}

t.test('nothing is known before a reading', async t => {
  const clock = new ClockOffset();
  t.equal(clock.known, false);
  t.equal(clock.errorAt(0n), undefined);
});

t.test('a reading is wrong by half of its way at most, however lopsided that was', async t => {
  for (const [there, back] of [
    [3n * MS, 3n * MS],
    [6n * MS, 0n],
    [0n, 6n * MS],
  ] as const) {
    const clock = new ClockOffset();
    const at = 9000n * SECOND;
    read(clock, at, there, back);
    const wrong = clock.offset - SKEW;
    const error = clock.errorAt(at + there + back)!;
    t.equal(error, 3n * MS);
    t.ok(wrong <= error && -wrong <= error, `${wrong} of ${error}`);
  }
});

t.test('the best reading is kept until its age has made it worse than a new one', async t => {
  const clock = new ClockOffset();
  const start = 9000n * SECOND;
  read(clock, start, 1n * MS, 1n * MS);
  read(clock, start + MS * 10n, 8n * MS, 2n * MS);
  t.equal(clock.offset, SKEW, 'a slow one does not replace it');
  read(clock, start + MS * 30n, MS / 10n, MS / 10n);
  t.ok(clock.errorAt(start + 31n * MS)! < MS / 5n, 'a fast one does');
  const old = clock.errorAt(start + 10n * SECOND)!;
  t.ok(old >= (9n * SECOND * MAX_DRIFT_PPM) / 1_000_000n, 'its bound grows by the drift');
  read(clock, start + 10n * SECOND, 1n * MS, 1n * MS, SKEW + 5n * MS);
  t.equal(clock.offset, SKEW + 5n * MS, 'and then a newer one is better');
});

t.test('a clock that jumped is believed at once', async t => {
  const clock = new ClockOffset();
  const start = 9000n * SECOND;
  read(clock, start, MS / 100n, MS / 100n);
  read(clock, start + SECOND, 20n * MS, 20n * MS, SKEW + 60n * SECOND);
  t.equal(clock.offset, SKEW + 60n * SECOND, 'a VM that was paused, read slowly');
});

t.test('what may be the same clock changes nothing', async t => {
  const clock = new ClockOffset();
  read(clock, SECOND, 2n * MS, 1n * MS, 0n);
  t.equal(clock.toOurs(777n), 777n);
  t.equal(clock.errorAt(SECOND + 3n * MS), 2n * MS, 'half of the way, and what was rounded away');
});

t.test('no time is below zero, and an answer before its question says nothing', async t => {
  const clock = new ClockOffset();
  clock.add(5n, 7n, 4n);
  t.equal(clock.known, false);
  read(clock, 9000n * SECOND, 1n, 1n, 100n * SECOND);
  t.equal(clock.toOurs(5n), 0n);
});
