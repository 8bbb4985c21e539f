import t from 'tap';
import { LogLimit, MAX_COUNTED_VMS } from '../../src/observe/log-limit.js';

const SPAN_MS = 20;

function limited(most: number) {
  const left: (string | number)[][] = [];
  const clock = { now: 5 };
  const limit = new LogLimit(
    (vm, lines) => left.push([vm, lines]),
    most,
    SPAN_MS,
    () => clock.now,
  );
  return { left, limit, clock };
}

t.test('so many lines of one VM, then their number; others are not affected', async t => {
  const { left, limit } = limited(3);
  t.same(
    Array.from({ length: 10 }, () => limit.admits('noisy')),
    [true, true, true, ...Array<boolean>(7).fill(false)],
  );
  t.ok(limit.admits('quiet'));
  t.same(left, []);
  limit.forget('noisy');
  limit.forget('quiet');
  limit.forget('unknown');
  t.same(left, [['noisy', 7]]);
});

t.test('after a span it may speak again', async t => {
  const { left, limit, clock } = limited(1);
  t.ok(limit.admits('vm'));
  clock.now += SPAN_MS;
  t.notOk(limit.admits('vm'));
  clock.now += 1;
  t.ok(limit.admits('vm'));
  t.same(left, [['vm', 1]]);
});

t.test('of more VMs than it counts it forgets the first', async t => {
  const { left, limit } = limited(1);
  limit.admits('first');
  limit.admits('first');
  for (let count = 1; count < MAX_COUNTED_VMS; count++) limit.admits(`vm${count}`);
  t.same(left, [], 'there is room for so many');
  limit.admits('one more');
  t.same(left, [['first', 1]]);
  t.notOk(limit.admits('vm1'), 'the others are counted on');
});

t.test('at the end all of it is told', async t => {
  const { left, limit } = limited(1);
  for (const vm of ['a', 'a', 'b', 'b', 'b']) limit.admits(vm);
  limit.forgetAll();
  limit.forgetAll();
  t.same(left, [
    ['a', 1],
    ['b', 2],
  ]);
});
