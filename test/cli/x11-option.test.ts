/** What `--x11-scale` takes. */
import t from 'tap';
import { X11_SCALE } from '../../src/cli/x11-option.js';

t.test('a scale is a number from 1 to 4, with two decimals at most', t => {
  for (const [text, scale] of [
    ['1', 1],
    ['1.25', 1.25],
    ['2', 2],
    ['4.00', 4],
  ] as const) {
    t.equal(X11_SCALE.parse(text, undefined), scale);
  }
  for (const text of ['0.99', '4.01', '1.255', '', '2x', '-1', 'NaN', '1e0', '.5']) {
    t.throws(() => X11_SCALE.parse(text, undefined), /a number from 1 to 4/, text);
  }
  t.end();
});
