/** Processes can be asked how they are, by their user alone, and one that does not answer holds nobody up. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { askAll } from '../../src/observe/ask-status.js';
import { openMetrics } from '../../src/observe/openmetrics.js';
import {
  askedBy,
  bindStatusSocket,
  STATUS_DIRECTORY_ENV,
  statusDirectory,
  statusFile,
  StatusSocket,
} from '../../src/observe/status-socket.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const before = process.env[STATUS_DIRECTORY_ENV];
  const asked = join(made, 'status');
  process.env[STATUS_DIRECTORY_ENV] = asked;
  t.teardown(() => {
    if (before === undefined) delete process.env[STATUS_DIRECTORY_ENV];
    else process.env[STATUS_DIRECTORY_ENV] = before;
    rmSync(made, { recursive: true });
  });
  return asked;
}

const never = (why: string): void => {
  throw new Error(why);
};

t.test('where processes are asked', t => {
  t.equal(statusDirectory({ [STATUS_DIRECTORY_ENV]: '/srv/status' }), '/srv/status');
  t.equal(statusDirectory({ [STATUS_DIRECTORY_ENV]: '' }), undefined, 'nowhere, where that is empty');
  const usual = process.geteuid!() === 0 ? '/run/virtwl/status' : '/run/user/7/virtwl-status';
  t.equal(statusDirectory({ XDG_RUNTIME_DIR: '/run/user/7' }), usual);
  t.same(askedBy(statusFile('host', 12)), { role: 'host', pid: 12 });
  for (const other of ['host.sock', 'host-12', 'x-1.sock.old', 'Host-1.sock'])
    t.equal(askedBy(other), undefined, other);
  t.end();
});

t.test('a process answers whoever may connect', async t => {
  const asked = directory(t);
  const bound = bindStatusSocket('host', never)!;
  let clients = 1;
  const serving = new StatusSocket(bound.socket, () => ({ vm: 'desk', clients }));
  const path = join(asked, statusFile('host', process.pid));
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(asked).mode & 0o777, 0o700);
  t.same(await askAll(asked), [{ role: 'host', pid: process.pid, status: { vm: 'desk', clients: 1 } }]);
  clients = 2;
  t.match(await askAll(asked), [{ status: { clients: 2 } }], 'as it is at the moment');
  // Over what is answered at once: the rest waits.
  const many = await Promise.all(Array.from({ length: 14 }, () => askAll(asked)));
  t.ok(many.every(([answer]) => answer?.status !== undefined || (answer?.silent ?? '').includes('others wait')));
  serving.close();
  bound.remove();
  t.same(readdirSync(asked), []);
});

t.test('one that does not answer is told as such, and one that is gone is forgotten', async t => {
  const asked = directory(t);
  mkdirSync(asked);
  const frozen = new OwnedFd(native.listenUnix(join(asked, 'broker-11.sock'), 4));
  native.close(native.listenUnix(join(asked, 'run-12.sock'), 4));
  writeFileSync(join(asked, 'notes'), '');
  writeFileSync(join(asked, 'host-13.sock'), 'no socket');
  mkdirSync(join(asked, 'host-14.sock'));
  const bound = bindStatusSocket('host', never)!;
  const serving = new StatusSocket(bound.socket, () => ({}));
  t.match(await askAll(asked, 2_000), [
    { role: 'broker', pid: 11, status: undefined, silent: /no answer within 2000 ms: it is stopped, or very busy/ },
    { role: 'host', status: {} },
  ]);
  t.notOk(existsSync(join(asked, 'run-12.sock')));
  for (const other of ['notes', 'host-13.sock', 'host-14.sock']) t.ok(existsSync(join(asked, other)), `${other} stays`);
  serving.close();
  bound.remove();
  frozen.close();
});

t.test('where there is no place for it, a process goes without', async t => {
  const asked = directory(t);
  t.same(await askAll(asked), [], 'nobody is there to be asked');
  mkdirSync(asked);
  chmodSync(asked, 0o777);
  const refused: string[] = [];
  t.equal(
    bindStatusSocket('host', why => refused.push(why)),
    undefined,
  );
  t.match(refused, [/"virtwl status" will not know of this process: .*can be written by others/]);
  process.env[STATUS_DIRECTORY_ENV] = '';
  t.equal(bindStatusSocket('host', never), undefined);
});

t.test('answers as OpenMetrics has them', t => {
  const text = openMetrics([
    {
      role: 'host',
      pid: 5,
      status: { vm: 'de"sk', allocator: { used: 4096, granted: 3 }, device: { connected: true } },
    },
    { role: 'compositor', pid: 6, status: { slabs: { work: 2, play: 1 } } },
    { role: 'run', pid: 7, status: { clock: { error: 1500 } } },
    { role: 'broker', pid: 8, status: undefined, silent: 'no answer' },
  ]);
  const lines = text.split('\n');
  for (const line of [
    'virtwl_up{role="host",pid="5",vm="de\\"sk"} 1',
    'virtwl_up{role="broker",pid="8"} 0',
    '# TYPE virtwl_allocator_used_bytes gauge',
    '# UNIT virtwl_allocator_used_bytes bytes',
    'virtwl_allocator_used_bytes{role="host",pid="5",vm="de\\"sk"} 4096',
    '# TYPE virtwl_allocator_granted counter',
    'virtwl_allocator_granted_total{role="host",pid="5",vm="de\\"sk"} 3',
    'virtwl_device_connected{role="host",pid="5",vm="de\\"sk"} 1',
    'virtwl_slabs{role="compositor",pid="6",client="work"} 2',
    'virtwl_slabs{role="compositor",pid="6",client="play"} 1',
    'virtwl_clock_error_seconds{role="run",pid="7"} 0.0000015',
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.notMatch(text, /virtwl_waiting/, 'none that nobody has');
  t.equal(text.slice(-6), '# EOF\n');
  const families = lines.filter(line => line.startsWith('# TYPE'));
  t.equal(new Set(families).size, families.length, 'each family once');
  t.end();
});
