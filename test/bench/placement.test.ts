/** Cores for the benchmark's processes, in a process of its own: this one stays where it is. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Placement } from '../../src/bench/placement.js';

const MODULE = new URL('../../src/bench/placement.js', import.meta.url).href;
const allowed = (status: string): string => /^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!;
const first = Number(/^\d+/.exec(allowed(readFileSync('/proc/self/status', 'utf8')))![0]);

/** Pins a process; returns where it, its threads and a command of the client's side may run then. */
function pinned(cores: readonly number[]): string[] {
  const script = `
    const { Placement } = await import(${JSON.stringify(MODULE)});
    const { readdirSync, readFileSync } = await import('node:fs');
    const { execFileSync } = await import('node:child_process');
    const placement = new Placement(${JSON.stringify(cores)});
    placement.apply();
    const [program, ...args] = placement.clientSide(['cat', '/proc/self/status']);
    const statuses = readdirSync('/proc/self/task').map(task => readFileSync('/proc/self/task/' + task + '/status', 'utf8'));
    console.log(JSON.stringify([...statuses, execFileSync(program, args, { encoding: 'utf8' })]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  return [...new Set((JSON.parse(output) as string[]).map(allowed))];
}

t.test('everything on one core, all threads of it', t => {
  t.same(pinned([first]), [String(first)]);
  t.equal(String(new Placement([3])), 'everything pinned to core 3');
  t.end();
});

t.test("the client's side on another", t => {
  t.same(new Placement([1, 0]).clientSide(['client', '--mode']), ['taskset', '-c', '1', 'client', '--mode']);
  t.equal(String(new Placement([1, 0])), "the client's side pinned to core 1, the compositor's to core 0");
  t.same(pinned([first, first]), [String(first)], 'and it runs');
  t.end();
});

t.test('without cores, nothing is changed', t => {
  t.same(new Placement([]).clientSide(['client']), ['client']);
  t.same(pinned([]), [allowed(readFileSync('/proc/self/status', 'utf8'))]);
  t.equal(String(new Placement([])), 'not pinned to cores');
  t.end();
});

t.test('cores that cannot be', t => {
  t.throws(() => new Placement([0, 1, 2]), RangeError);
  t.throws(() => new Placement([0.5]), RangeError);
  t.throws(() => new Placement([-1]), RangeError);
  t.throws(() => new Placement([99_999]).apply(), { message: /core 99999: .*taskset -c -p/s });
  t.end();
});
