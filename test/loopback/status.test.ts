/** `virtwl status`: every process of a running stack, one that is frozen, and none. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { STATUS_DIRECTORY_ENV } from '../../src/observe/status-socket.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';

t.setTimeout(240_000);

interface Told {
  readonly role: string;
  readonly vm?: string;
  readonly pid: number;
  readonly silent?: string;
  readonly connections?: number;
}

t.test('every process of a stack', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-status-'));
  process.env[STATUS_DIRECTORY_ENV] = join(directory, 'status');
  t.teardown(() => {
    delete process.env[STATUS_DIRECTORY_ENV];
    rmSync(directory, { recursive: true });
  });
  const status = (...args: string[]) => spawnSync(process.execPath, [VIRTWL, 'status', ...args], { encoding: 'utf8' });
  const none = status();
  t.equal(none.status, 1);
  t.match(none.stdout, /no process of virtwl runs here as this user/);

  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const proxy = stack.virtwl('client', ['run']);
  t.teardown(() => proxy.kill());
  await once(proxy.stdout!, 'data');
  const told = (): Told[] => JSON.parse(status('--json').stdout) as Told[];
  const found = told();
  t.same(found.map(({ role, vm }) => (vm === undefined ? role : `${role} ${vm}`)).sort(), [
    'broker',
    'compositor',
    'host client',
    'host compositor',
    'run',
  ]);
  t.equal(found.find(({ role }) => role === 'run')!.pid, proxy.pid, 'by the number that is seen here');
  t.equal(found.find(({ role }) => role === 'run')!.connections, 0);
  const words = status();
  t.equal(words.status, 0, words.stderr);
  t.match(words.stdout, /^virtwl host of VM "compositor", process \d+: served, up for \d+ s\n {4}/m);
  t.match(status('--openmetrics').stdout, `virtwl_connections{role="run",pid="${proxy.pid}"} 0\n`);

  await t.test('one that is frozen is told, and the others answer', async t => {
    proxy.kill('SIGSTOP');
    const frozen = status('--json');
    proxy.kill('SIGCONT');
    t.equal(frozen.status, 1);
    const silent = (JSON.parse(frozen.stdout) as Told[]).filter(({ silent }) => silent !== undefined);
    t.match(silent, [{ role: 'run', silent: /stopped, or very busy/ }]);
    await eventually('it answers again', () => told().every(({ silent }) => silent === undefined));
  });

  await t.test('--watch asks again and again', async t => {
    const watching = spawn(process.execPath, [VIRTWL, 'status', '--json', '--watch', '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => watching.kill());
    let lines = 0;
    watching.stdout.setEncoding('utf8').on('data', (text: string) => (lines += text.split('[{').length - 1));
    await eventually('it has told twice', () => lines >= 2);
    t.pass('until it is ended');
  });

  await t.test('one that has ended is not told', async t => {
    proxy.kill('SIGTERM');
    await once(proxy, 'close');
    t.notOk(told().some(({ role }) => role === 'run'));
  });
});
