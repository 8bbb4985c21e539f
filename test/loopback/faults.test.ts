/**
 * Faults of a running stack, each named from the place where the user sits: by `virtwl run` itself, and by `virtwl status`
 * in the VM and beside the compositor, with what to do. And what status tells of a stack that has none. On real sway, with
 * unmodified programs.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import type { ProcessReport, ProgramReport, VmReport } from '../../src/observe/status-report.js';
import { STATUS_DIRECTORY_ENV } from '../../src/observe/status-socket.js';
import { startSway, type Sway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { foot, quietEnvironment, run, runIn, type Application } from './applications.js';

t.setTimeout(280_000);

/** How long anything may take to be in the status, in milliseconds. */
const PATIENCE_MS = 40_000;

const SILENT = /applications have waited for \d+ seconds: connected, and the compositor does not answer/;

interface Scene {
  readonly sway: Sway;
  readonly stack: LoopbackStack;
  readonly env: Record<string, string>;
  readonly logged: string[];
  /**
   * What `virtwl status` prints, once it is that: on a busy machine a process may take longer to answer than it is waited
   * for. What it printed last, where it never is.
   */
  status(wanted: RegExp, ...args: string[]): Promise<string>;
  /** As soon as what it prints as JSON is so. */
  until(what: string, holds: (reports: readonly ProcessReport[]) => boolean): Promise<readonly ProcessReport[]>;
}

async function scene(t: Test, policy = ''): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-status-'));
  process.env[STATUS_DIRECTORY_ENV] = join(directory, 'status');
  t.teardown(() => {
    delete process.env[STATUS_DIRECTORY_ENV];
    rmSync(directory, { recursive: true });
  });
  const sway = await startSway(t, { width: 800, height: 600, config: 'for_window [app_id=".*"] floating enable' });
  const logged: string[] = [];
  const stack = await LoopbackStack.start({
    compositor: { attach: sway.display },
    compositorArguments: ['--policy', t.testdir({ 'client.policy': policy })],
    log: (_part, line) => logged.push(line),
  });
  t.teardown(() => stack.stop());
  const printed = async (...args: string[]): Promise<string> => {
    const child = spawn(process.execPath, [VIRTWL, 'status', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await new Promise(resolve => child.once('close', resolve));
    return text;
  };
  const status: Scene['status'] = async (wanted, ...args) => {
    for (const end = Date.now() + PATIENCE_MS; ; await pause(200)) {
      const text = await printed(...args);
      if (wanted.test(text) || Date.now() > end) return text;
    }
  };
  const until: Scene['until'] = async (what, holds) => {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
      const reports = JSON.parse(await printed('--json')) as ProcessReport[];
      if (holds(reports)) return reports;
      await pause(200);
    }
    throw new Error(`waited in vain: ${what}, in ${await printed('--json')}`);
  };
  const env = { ...quietEnvironment(t), [STATUS_DIRECTORY_ENV]: process.env[STATUS_DIRECTORY_ENV] };
  return { sway, stack, env, logged, status, until };
}

async function prints(t: Test, { status }: Scene, wanted: RegExp, ...args: string[]): Promise<void> {
  t.match(await status(wanted, ...args), wanted);
}

const drawing = (s: Scene, t: Test): Application => runIn(t, s.stack, 'client', ['weston-simple-shm'], s.env);

function programs(reports: readonly ProcessReport[]): readonly ProgramReport[] {
  return reports.flatMap(({ programs = [] }) => programs);
}

function vms(reports: readonly ProcessReport[]): readonly VmReport[] {
  return reports.flatMap(({ clientVms = [] }) => clientVms);
}

function compositorOf(reports: readonly ProcessReport[]): ProcessReport | undefined {
  return reports.find(({ role }) => role === 'compositor');
}

t.test('a stack that has none, and a compositor that freezes', async t => {
  const s = await scene(t);
  const application = drawing(s, t);
  const drawn = (reports: readonly ProcessReport[]): boolean =>
    (programs(reports)[0]?.framesPerSecond ?? 0) > 0 &&
    programs(reports)[0]?.latency !== undefined &&
    vms(reports)[0]?.latency !== undefined &&
    vms(reports)[0]!.framesPerSecond! > 0;
  const reports = await s.until('the program draws', drawn);
  t.match(programs(reports), [
    {
      ...{ client: 1, program: 'weston-simple-s', windows: 1, state: { is: 'served' } },
      ...{ pid: Number, bytesCopied: Number, bytesNotCopied: Number, latency: { p50: Number, p99: Number } },
    },
  ]);
  t.ok(programs(reports)[0]!.bytesNotCopied > 0, 'its border is not drawn anew');
  t.match(vms(reports), [
    {
      ...{ vm: 'client', state: { is: 'served' }, clientCount: 1, denials: [] },
      clients: [{ client: Number, windows: 1, says: { appId: /simple-shm$/, title: 'simple-shm' } }],
    },
  ]);
  t.ok(vms(reports)[0]!.framesPerSecond! > 0, 'and the glue counts its frames as well, which pass natively');
  t.ok(vms(reports)[0]!.memory.bytes > 0);
  await prints(t, s, /^ {8}client \d+: 1 window, [\d.]+ frames\/s, says app id "\S+simple-shm", title "simple-shm"$/m);
  await prints(t, s, /^virtwl_client_frames_total\{role="compositor",.*client="client"\} [1-9]/m, '--openmetrics');

  await t.test('frozen', async t => {
    s.sway.process.kill('SIGSTOP');
    t.teardown(() => s.sway.process.kill('SIGCONT'));
    await eventually('the program is told of', () => SILENT.test(application.stderr));
    await eventually('and so says the glue', () =>
      s.logged.some(line => /the compositor has not answered for \d+ s: it hangs, or is stopped/.test(line)),
    );
    const reports = await s.until('it is in the status', all => compositorOf(all)?.state.is === 'waiting');
    t.match(compositorOf(reports)!.state, { for: 'answer', since: /Z$/, text: /has not answered/ });
    t.match(reports.find(({ role }) => role === 'run')!.state, { is: 'waiting', for: 'answer', text: /^connected/ });
    t.match(programs(reports)[0]!.state, { is: 'waiting', for: 'answer' });
    t.match(vms(reports)[0]!.state, { is: 'waiting', for: 'answer' }, 'and so does each VM that has clients');
    await prints(t, s, /^virtwl compositor, process \d+: waiting for the compositor's answer, \d+ s so far: /m);
    s.sway.process.kill('SIGCONT');
    await eventually('the wait is over', () => application.stderr.includes('run info: the wait is over'));
    await eventually('the glue says so', () => s.logged.some(line => line.includes('the compositor answers again')));
    const after = await s.until('and so does the status', all => compositorOf(all)?.state.is === 'served');
    t.match(compositorOf(after)!.lastError, { level: 'warning', text: /the compositor has not answered/, time: /Z$/ });
  });

  await t.test('the glue is frozen', async t => {
    const glue = s.stack.parts.get('compositor')!.process;
    const told = application.stderr.length;
    glue.kill('SIGSTOP');
    t.teardown(() => glue.kill('SIGCONT'));
    await eventually('the program is told of', () => SILENT.test(application.stderr.slice(told)));
    const reports = await s.until('it is in the status', all => compositorOf(all)?.state.is === 'frozen');
    t.match(compositorOf(reports)!.silent, /stopped, or very busy/);
    glue.kill('SIGCONT');
    await s.until('and served again', all => programs(all)[0]?.state.is === 'served');
  });
  await application.stop();
});

t.test('a compositor that freezes while nobody says anything is found when a status is asked for', async t => {
  const s = await scene(t);
  const application = runIn(t, s.stack, 'client', foot('cat'), s.env);
  await s.until('the terminal', all => programs(all)[0]?.windows === 1);
  s.sway.process.kill('SIGSTOP');
  t.teardown(() => s.sway.process.kill('SIGCONT'));
  const reports = await s.until('it is found', all => compositorOf(all)?.state.is === 'waiting');
  t.equal(compositorOf(reports)!.state.for, 'answer');
  s.sway.process.kill('SIGCONT');
  await application.stop();
});

t.test('the policy denies', async t => {
  const s = await scene(t, 'title free\nclients 1\nfullscreen no\ndeny zxdg_exporter_v2\n');
  const terminal = (): Application => runIn(t, s.stack, 'client', foot('cat'), s.env);
  const first = terminal();
  const there = await s.until('the first', all => programs(all).some(({ windows }) => windows === 1));
  t.notOk(
    vms(there)[0]!.denials.some(({ setting }) => setting === 'clients'),
    'the only place is its own: to look for the server takes none',
  );
  for (let i = 0; i < 2; i++) {
    const another = terminal();
    t.not(await another.ended, 0, 'one more has no place');
    t.match(another.stderr, /run warning client=1: virtwl: VM "client" has 1 client already, .* raise "clients" there/);
  }
  const reports = await s.until('it is counted', all => vms(all)[0]?.denials.some(({ count }) => count === 2) === true);
  const denials = vms(reports)[0]!.denials;
  t.match(denials[0], { setting: 'clients', policy: /\/client\.policy:2$/, text: /turned away: it has 1 already/ });
  t.match(
    denials.find(({ setting }) => setting === 'deny zxdg_exporter_v2'),
    { policy: /\/client\.policy:4$/, text: 'zxdg_exporter_v2 was not announced to it' },
  );
  const lines = s.logged.filter(line =>
    /denied by "clients" \(.*client\.policy:2\): a client was turned away/.test(line),
  );
  t.equal(lines.length, 1, 'each kind is told once');
  await prints(t, s, /^ {8}denied by "clients" \(\S+client\.policy:2\), 2 times, the last \d+ s ago: /m);
  await first.stop();
});

t.test('the share is used up', async t => {
  const s = await scene(t, '\nmemory 1M\n');
  const application = runIn(t, s.stack, 'client', foot('cat'), s.env);
  const short = (all: readonly ProcessReport[]): boolean => vms(all)[0]?.denials[0]?.setting === 'memory';
  const reports = await s.until('it is denied', short);
  t.match(vms(reports)[0]!.denials[0], { policy: /client\.policy:2$/, text: /more than VM "client" may have/ });
  t.match(vms(reports)[0]!.state, { is: 'waiting', for: 'memory', since: /Z$/, text: /"memory" in its policy/ });
  const waits = (all: readonly ProcessReport[]): boolean => programs(all)[0]?.state.for === 'memory';
  t.match(programs(await s.until('and told in its VM', waits))[0]!.state, { is: 'waiting', text: /host memory/ });
  await application.stop();
});

t.test('the broker is down', async t => {
  const s = await scene(t);
  s.stack.parts.get('broker')!.process.kill('SIGKILL');
  const application = runIn(t, s.stack, 'client', foot('cat'), s.env);
  await eventually('the program is told of', () =>
    /applications have waited for \d+ seconds: the broker on the host does not answer: start "virtwl broker"/.test(
      application.stderr,
    ),
  );
  const reports = await s.until('it is in the status', all => compositorOf(all)?.state.for === 'broker');
  t.match(compositorOf(reports)!.state, { is: 'waiting', since: /Z$/, text: /start "virtwl broker"/ });
  const run = reports.find(({ role }) => role === 'run')!;
  t.match(run.state, { is: 'waiting', for: 'broker', since: /Z$/, text: /start "virtwl broker"/ });
  t.match(programs(reports)[0]!.state, { is: 'waiting', for: 'broker' }, 'and the program waits for nobody else');
  await s.stack.startBroker();
  await s.until('it has its window', all => programs(all)[0]?.windows === 1);
  await application.stop();
});

t.test('the wrong folder', async t => {
  const s = await scene(t);
  const refused = async (loopback: string): Promise<string> => {
    const env = { ...s.env, VIRTWL_LOOPBACK: loopback, XDG_RUNTIME_DIR: s.stack.directory };
    const application = run(t, [process.execPath, VIRTWL, 'run', '--', 'true'], env);
    t.equal(await application.ended, 1);
    return application.stderr;
  };
  t.match(
    await refused(s.stack.loopback('compositor')),
    /in this directory are allocator, compositor; .*; if this directory is another VM's, give that of this VM$/m,
  );
  t.match(await refused(t.testdir({})), /there is none in this directory; "virtwl host" turns each one on/);
  t.match(await refused('/nowhere/at/all'), /there is no loopback directory \/nowhere\/at\/all: start "virtwl host/);
});
