/** Medians and ratios of what systems measured in a case. */
import t from 'tap';
import { median, parseMeasurement } from '../../src/bench/measure.js';
import { caseName, P99, ratio, share, value } from '../../src/bench/results.js';
import { cell, HD, UHD } from './measured.js';

const full = { mode: 'full', size: HD } as const;
const sync = { mode: 'sync', size: HD } as const;
const hundred = { mode: 'clients', size: '64x64', clients: 100 } as const;

t.test('medians over the rounds are compared', t => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2, 'the lower middle of an even number');
  t.throws(() => median([]), RangeError);
  const cells = [
    ...[cell(full, 'copy', [900, 100, 300]), cell(sync, 'copy', [70, 90, 80], { p99_us: 500 })],
    ...[cell(hundred, 'copy', [5]), cell({ mode: 'start', size: '256x256' }, 'copy', [300, 200])],
    ...[cell({ mode: 'flood', size: UHD }, 'copy', [4000])],
  ];
  t.equal(value(cells, full, 'copy'), 300, 'of rates');
  t.equal(value(cells, sync, 'copy'), 80, 'of p50 times');
  t.equal(value(cells, sync, 'copy', P99), 500, 'of another metric');
  t.equal(value(cells, { mode: 'start', size: '256x256' }, 'copy'), 200, 'of starts');
  t.equal(value(cells, { mode: 'flood', size: UHD }, 'copy'), 4000, 'of p99 times beside a flood');
  t.equal(value(cells, { mode: 'full', size: UHD }, 'copy'), undefined, 'of another size there is none');
  t.equal(value(cells, { ...hundred, clients: 500 }, 'copy'), undefined, 'nor of another number of clients');
  t.equal(value(cells, { ...hundred, buffers: 4 }, 'copy'), undefined, 'or of their buffers');
  t.equal(value(cells, full, 'warm'), undefined);
  t.end();
});

t.test('a share of direct is larger for the quicker, of rates and of times', t => {
  const cells = [
    ...[cell(full, 'direct', [1000]), cell(full, 'copy', [250])],
    ...[cell(sync, 'direct', [20]), cell(sync, 'copy', [80])],
  ];
  t.equal(ratio(cells, full, 'copy', 'direct'), 0.25);
  t.equal(ratio(cells, sync, 'copy', 'direct'), 4);
  t.equal(share(cells, full, 'copy'), 0.25);
  t.equal(share(cells, sync, 'copy'), 0.25);
  t.equal(share(cells, full, 'floor'), undefined, 'none of what was not measured');
  t.end();
});

t.test('cases have names of their own', t => {
  t.equal(caseName(sync), 'round trip');
  t.equal(caseName(full), 'full damage, 1920x1080');
  t.equal(caseName(hundred), '100 clients, 64x64 damage');
  t.equal(caseName({ ...hundred, buffers: 4 }), '100 clients, 64x64 damage, 4 buffers each');
  t.equal(caseName({ mode: 'flood', size: UHD }), 'round trip beside 3840x2160');
  t.end();
});

t.test('a line that is no measurement is refused', t => {
  t.throws(() => parseMeasurement('{"frames":1}'), SyntaxError);
  t.throws(() => parseMeasurement('what'), SyntaxError);
  t.end();
});
