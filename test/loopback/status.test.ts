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
  /** Once so many do not answer: on a busy machine others may take longer than they are waited for. */
  const toldWithSilent = async (count: number): Promise<Told[]> => {
    let all: Told[] = [];
    await eventually(`${count} that do not answer`, () => {
      all = told();
      return all.filter(({ silent }) => silent !== undefined).length === count;
    });
    return all;
  };
  const found = await toldWithSilent(0);
  t.same(found.map(({ role, vm }) => (vm === undefined ? role : `${role} ${vm}`)).sort(), [
    'broker',
    'compositor',
    'host client',
    'host compositor',
    'run',
  ]);
  t.equal(found.find(({ role }) => role === 'run')!.pid, proxy.pid, 'by the number that is seen here');
  t.equal(found.find(({ role }) => role === 'run')!.connections, 0);
  let words = status();
  await eventually('all answer', () => (words = status()).status === 0);
  t.match(words.stdout, /^virtwl host of VM "compositor", process \d+: served, up for \d+ s\n {4}/m);
  await eventually('the same as OpenMetrics', () =>
    status('--openmetrics').stdout.includes(`virtwl_connections{role="run",pid="${proxy.pid}"} 0\n`),
  );

  await t.test('one that is frozen is told, and the others answer', async t => {
    proxy.kill('SIGSTOP');
    const frozen = await toldWithSilent(1);
    t.equal(status('--json').status, 1);
    proxy.kill('SIGCONT');
    const silent = frozen.filter(({ silent }) => silent !== undefined);
    t.match(silent, [{ role: 'run', silent: /stopped, or very busy/ }]);
    await toldWithSilent(0);
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
