import t from 'tap';
import { COUNTERS, Counters, type CounterName } from '../../src/observe/counters.js';
import { processCounters } from '../../src/observe/native-counters.js';

t.test('what a process provides is read by name, and as a tree', async t => {
  let waiting = 1;
  const counters = new Counters()
    .provide(() => ({ waiting, bytes: { work: 7, desk: 0 } }))
    .provideBelow('allocator', () => ({ used: 4096, pieces: 1 }));
  t.same(
    [...counters.read()],
    [
      ['waiting', 1],
      ['bytes', { work: 7, desk: 0 }],
      ['allocator.used', 4096],
      ['allocator.pieces', 1],
    ],
  );
  waiting = 2;
  t.same(counters.tree(), { waiting: 2, bytes: { work: 7, desk: 0 }, allocator: { used: 4096, pieces: 1 } });
});

t.test('what is not there at the moment is left out', async t => {
  const counters = new Counters().provide(() => ({ links: undefined })).provideBelow('device', () => undefined);
  t.same(counters.tree(), {});
});

t.test('a name that is not declared is a mistake', async t => {
  const counters = new Counters().provide(() => ({ 'allocator.colour': 1 }) as never);
  t.throws(() => counters.read(), /no counter has the name allocator\.colour/);
});

t.test('the native layer has none that is not declared, and all that are', async t => {
  const native = (names: Iterable<CounterName>): CounterName[] =>
    [...names].filter(name => name.startsWith('native.')).sort();
  t.same(native(processCounters().read().keys()), native(Object.keys(COUNTERS) as CounterName[]));
});

t.test('turns of the event loop are counted', async t => {
  const turns = (): number => processCounters().read().get('loop.turns') as number;
  const before = turns();
  // The first may be of the turn that it is now; a timer, on a busy machine, too.
  for (let i = 0; i < 2; i++) await new Promise(resolve => setImmediate(resolve));
  t.ok(turns() > before, `${turns() - before} turns for two immediates`);
});

t.test('each says what it counts', async t => {
  for (const [name, { help, kind }] of Object.entries(COUNTERS)) {
    t.match(help, /^[a-z].{10,}[^.]$/, name);
    t.match(kind, /^(counter|gauge)$/, name);
  }
});
