/** Reports from answers: one that gave none, and frames a second from two readings. */
import t from 'tap';
import { reportOf, withRates } from '../../src/observe/process-report.js';
import type { ProcessReport } from '../../src/observe/status-report.js';

t.test('a process that does not answer is frozen; one that says nothing of its state serves', t => {
  t.same(reportOf({ role: 'host', pid: 5, status: undefined, silent: 'no answer' }), {
    role: 'host',
    pid: 5,
    silent: 'no answer',
    state: { is: 'frozen' },
  });
  t.same(reportOf({ role: 'host', pid: 5, status: { vm: 'desk' } }), {
    role: 'host',
    pid: 5,
    vm: 'desk',
    state: { is: 'served' },
  });
  const lying = { role: 'broker', pid: 1, state: { is: 'idle' } };
  t.same(reportOf({ role: 'host', pid: 5, status: lying }), { role: 'host', pid: 5, state: { is: 'idle' } });
  t.end();
});

const run = (at: number, frames: readonly number[], since = 'then'): ProcessReport =>
  ({
    ...{ role: 'run', pid: 7, since, at, state: { is: 'served' } },
    programs: frames.map((count, i) => ({ client: i + 1, frames: count })),
  }) as unknown as ProcessReport;

t.test('frames a second of programs, by the time of their process', t => {
  const [report] = withRates([run(1_000, [10])], [run(3_000, [130, 5])]);
  t.match(report, { framesPerSecond: 62.5, programs: [{ framesPerSecond: 60 }, { framesPerSecond: 2.5 }] });
  t.equal(withRates([], [run(1, [1])])[0]!.framesPerSecond, undefined, 'one reading is none');
  t.equal(withRates([run(5, [1])], [run(5, [1])])[0]!.framesPerSecond, undefined, 'nor are two at one time');
  const another = withRates([run(1_000, [10], 'before')], [run(3_000, [130])]);
  t.equal(another[0]!.framesPerSecond, undefined, 'nor one of a process that had the same number');
  t.end();
});

t.test('of VMs and their clients', t => {
  const glue = (at: number, frames: number, clients: object[]): ProcessReport =>
    ({
      ...{ role: 'compositor', pid: 7, since: 'then', at, state: { is: 'served' } },
      clientVms: [{ vm: 'work', frames, clients }],
    }) as unknown as ProcessReport;
  const before = glue(0.5, 100, [{ client: 1, frames: 100 }]);
  const [report] = withRates([before], [glue(1_000.5, 160, [{ client: 2, frames: 30 }])]);
  t.match(report, {
    framesPerSecond: 60,
    clientVms: [{ framesPerSecond: 60, clients: [{ client: 2, framesPerSecond: 30 }] }],
  });
  const [fewer] = withRates([glue(1, 100, [])], [glue(1_001, 20, [])]);
  t.equal(fewer!.framesPerSecond, 0, 'an account that began anew has not drawn backwards');
  t.end();
});
