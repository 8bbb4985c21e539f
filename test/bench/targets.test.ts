/** The targets: met by the very number, missed by less, and neither where they were not asked for. */
import t from 'tap';
import { judge, TARGETS } from '../../src/bench/targets.js';
import type { Cell, Round, SystemName } from '../../src/bench/results.js';
import { cell, HD, UHD } from './measured.js';

const sync = { mode: 'sync', size: HD } as const;
const full = { mode: 'full', size: HD } as const;
const full4K = { mode: 'full', size: UHD } as const;
const small = { mode: 'small', size: HD } as const;
const newpool = { mode: 'newpool', size: HD } as const;
const start = { mode: 'start', size: '256x256' } as const;
const flood = { mode: 'flood', size: UHD } as const;
const crowd = { mode: 'clients', size: '64x64', clients: 500 } as const;

interface Numbers {
  readonly syncs: number;
  readonly smalls: number;
  readonly fulls: number;
  readonly fulls4K: number;
  readonly pools: number;
  readonly floods: number;
  readonly crowds: number;
  readonly failed?: number;
  readonly tail: number;
  readonly faults: number;
  readonly fds?: number;
}

function steady(faults: number, fds: number): Partial<Round> {
  const use = { cpu_us: 1, faults: 0, fds: 0, mappings: 0 };
  return { steady: { seconds: 1, near: { ...use, faults }, far: { ...use, fds } } };
}

function ours(system: SystemName, n: Numbers): Cell[] {
  const perFrame = (rate: number): Partial<Round> => steady(n.faults * rate, n.fds ?? 0);
  return [
    cell(sync, system, [n.syncs], { p99_us: n.syncs * n.tail }),
    cell(small, system, [n.smalls], { p50_us: 10, p99_us: 10 * n.tail, ...perFrame(n.smalls) }),
    cell(full, system, [n.fulls], perFrame(n.fulls)),
    ...[cell(full4K, system, [n.fulls4K]), cell(newpool, system, [n.pools]), cell(flood, system, [n.floods])],
    cell(crowd, system, [n.crowds], { failed: n.failed ?? 0 }),
  ];
}

const others = [
  ...[cell(sync, 'floor', [100]), cell(sync, 'waypipe', [130]), cell(small, 'floor', [1000])],
  ...[cell(small, 'one-relay', [2000]), cell(full, 'direct', [1000]), cell(full4K, 'direct', [1000])],
  ...[cell(newpool, 'direct', [100]), cell(flood, 'direct', [50]), cell(crowd, 'direct', [4000])],
  cell(start, 'direct', [5]),
];
const exactly: Numbers = {
  ...{ syncs: 130, smalls: 800, fulls: 450, fulls4K: 550, pools: 80, floods: 150, crowds: 2000 },
  ...{ tail: 4, faults: 0 },
};
const all = (numbers: Numbers, startMs: number, drawnFull: number, drawnSmall: number): Cell[] => [
  ...others,
  ...ours('copy', numbers),
  ...ours('warm', numbers),
  ...[cell(start, 'copy', [startMs]), cell(full, 'drawn', [drawnFull]), cell(small, 'drawn', [drawnSmall])],
];
const verdicts = (cells: readonly Cell[]): string[] => judge(cells).map(({ verdict }) => verdict);

t.test('each is met by the very number', t => {
  t.strictSame(
    verdicts(all(exactly, 205, 850, 1700)),
    TARGETS.map(() => 'met'),
  );
  t.end();
});

t.test('each is missed by a little less', t => {
  const short = {
    ...{ syncs: 131, smalls: 799, fulls: 449, fulls4K: 549, pools: 79, floods: 151, crowds: 1999 },
    ...{ tail: 4.1, faults: 0.01 },
  };
  t.strictSame(
    verdicts(all(short, 206, 849, 1699)),
    TARGETS.map(() => 'missed'),
  );
  t.end();
});

t.test('a client that fails, and a descriptor more than before, are misses', t => {
  const missed = (numbers: Numbers): string[] =>
    judge(all(numbers, 205, 850, 1700)).flatMap(({ what, verdict }) => (verdict === 'missed' ? [what] : []));
  t.strictSame(missed({ ...exactly, failed: 1 }), ['500 clients, cold', '500 clients, warm']);
  t.strictSame(missed({ ...exactly, fds: 1 }), ['steady frames, 64x64 damage', 'steady frames, full damage']);
  t.end();
});

t.test('what was not asked for is neither, what failed is missed', t => {
  t.ok(
    judge([]).every(({ verdict, measured }) => verdict === 'not measured' && measured === '-'),
    'nothing asked for',
  );
  const failed = all(exactly, 205, 850, 1700).map(one =>
    one.system === 'drawn' ? { ...one, rounds: [], failure: 'no such socket' } : one,
  );
  const found = judge(failed).filter(({ verdict }) => verdict !== 'met');
  t.match(found, [
    { what: 'drawn directly, full damage', measured: 'failed', verdict: 'missed' },
    { what: 'drawn directly, 64x64 damage', measured: 'failed', verdict: 'missed' },
  ]);
  t.equal(found.length, 2);
  t.end();
});
