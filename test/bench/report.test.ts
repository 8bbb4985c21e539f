/** The tables of the benchmark, from numbers that were made up. */
import t from 'tap';
import { formatReport } from '../../src/bench/report.js';
import { cell, HD, UHD } from './measured.js';

const small = { mode: 'small', size: HD } as const;
const crowd = { mode: 'clients', size: '64x64', clients: 500 } as const;
const flood = { mode: 'flood', size: UHD } as const;
const use = { cpu_us: 0, faults: 0, fds: 0, mappings: 0 };

const cells = [
  cell(small, 'direct', [10_000], { p50_us: 100, p99_us: 900, steady: { seconds: 1, compositor: use } }),
  cell(small, 'floor', [5000]),
  cell(small, 'warm', [2000], {
    ...{ frames: 4000, cpu_us: 100_000, p50_us: 400, p99_us: 12_000 },
    steady: {
      seconds: 0.5,
      near: { ...use, cpu_us: 50_000, faults: 250 },
      far: { ...use, cpu_us: 30_000 },
      compositor: { ...use, cpu_us: 20_000 },
    },
  }),
  { ...cell(small, 'drawn', []), failure: 'no such socket' },
  cell(flood, 'direct', [50], { slow: 300, seconds: 3 }),
  cell(flood, 'warm', [5000], { slow: 80, seconds: 2 }),
  cell(crowd, 'warm', [700], { failed: 97, clients: 500, complaint: 'too many slabs' }),
];
const text = formatReport(cells);
/** The cells of the row that begins so, in the table whose first heading is `table`. */
const row = (table: string, ...begins: readonly string[]): string[] => {
  const lines = text.split('\n').map(line =>
    line
      .split('│')
      .slice(1, -1)
      .map(words => words.trim()),
  );
  const from = lines.findIndex(([first]) => first === table);
  return lines.slice(from).find(words => begins.every((begin, i) => words[i] === begin))!;
};

t.test('rates, and the middle and the slowest hundredth of a frame below them', t => {
  t.same(row('', '64x64 damage, 1920x1080'), [
    '64x64 damage, 1920x1080',
    '10,000 /s',
    '5,000 /s',
    '2,000 /s',
    'failed',
  ]);
  t.same(row('', 'p50 / p99, ms').slice(1, 4), ['0.10 / 0.90', '0.00 / 0.00', '0.40 / 12']);
  t.end();
});

t.test('how often a round trip beside a flood was late, each second', t => {
  t.same(row('', 'over 1 ms, a second').slice(1), ['100', '-', '40', '-']);
  t.end();
});

t.test('shares of a direct connection', t => {
  t.same(row('of direct', '64x64 damage, 1920x1080').slice(1), ['0.50x', '0.20x', '-']);
  t.end();
});

t.test('processor time and page faults a frame, by process', t => {
  const costs = row('us a frame', '64x64 damage, 1920x1080', 'copied, warm');
  t.same(costs.slice(2), ['25', '50', '30', '20', '0.25', '0']);
  t.end();
});

t.test('what failed, and why', t => {
  t.match(text, /^drawn, 64x64 damage, 1920x1080: no such socket$/m);
  t.same(row('', 'clients that failed'), ['clients that failed', '-', '-', '97', '-']);
  t.match(text, /^copied, warm, 500 clients, 64x64 damage: 97 of 500 failed: too many slabs$/m);
  t.end();
});

t.test('targets, missed ones so that they are seen', t => {
  t.same(row('target', '64x64 damage, warm'), ['64x64 damage, warm', 'at least 0.8x the floor', '0.40x', 'MISSED']);
  t.same(row('target', 'round trip p99, warm').slice(2), ['-', 'not measured']);
  t.end();
});

t.test('with all systems, the widest table has room in 132 columns', t => {
  const systems = ['direct', 'floor', 'one-relay', 'waypipe', 'copy', 'warm', 'drawn'] as const;
  const wide = formatReport(
    systems.map(system =>
      cell({ mode: 'newpool', size: '3840x2160' }, system, [99_999], { p50_us: 9e5, p99_us: 9e5, cpu_us: 1e9 }),
    ),
  );
  for (const line of wide.split('\n')) t.ok(line.length <= 132, line);
  t.end();
});
