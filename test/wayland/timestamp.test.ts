import t from 'tap';
import { fromTimestamp, timestamp } from '../../src/wayland/timestamp.js';

t.test('a time is the same on the wire and back', async t => {
  for (const time of [0n, 1n, 999_999_999n, 1_000_000_000n, 123_456_789_012_345n, (1n << 40n) * 1_000_000_000n + 5n]) {
    const wire = timestamp(time);
    t.equal(fromTimestamp(wire), time);
    t.ok(wire.tv_nsec < 1e9 && wire.tv_sec_lo <= 0xffffffff);
  }
  t.same(timestamp((1n << 32n) * 1_000_000_000n + 7n), { tv_sec_hi: 1, tv_sec_lo: 0, tv_nsec: 7 });
});
