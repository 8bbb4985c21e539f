/**
 * Where a process can be confined and where not, and what it says then: without bubblewrap, without namespaces, without
 * a sandbox, as another user, on a terminal.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { CONFINED_ENV } from '../../src/sandbox/confinement.js';
import { PACKAGE_ROOT } from '../../src/sandbox/runtime-files.js';
import { fakePath } from '../fake-path.js';
import { Confined, statOf, statusField } from './confined-process.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

/** Whom a test that starts as root runs a process as: nobody, whom every system has. */
const NOBODY = 65534;

function makeDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-starts-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A host process with an allocator, in `directory`/vm. */
function hostArguments(directory: string): string[] {
  return ['host', '--vm', 'work', '--loopback', join(directory, 'vm'), '--allocator=1M'];
}

t.test('without bubblewrap it does not run, and says what to install', async t => {
  const directory = makeDirectory(t);
  const env = { ...process.env, PATH: fakePath(t, { minijail0: null, bwrap: null }) };
  for (const args of [hostArguments(directory), ['broker', '--directory', join(directory, 'broker')]]) {
    const host = new Confined(t, [VIRTWL, ...args], { env });
    t.equal(await host.ended, 1);
    t.match(host.stderr, /^virtwl: cannot confine the (host process of VM "work"|broker): there is no bubblewrap/);
    t.match(host.stderr, /apt-get install bubblewrap/);
    t.match(host.stderr, /--no-sandbox/);
    t.equal(host.stdout, '');
  }
  t.notOk(existsSync(join(directory, 'vm')), 'and leaves nothing');
});

t.test('where bubblewrap may not make namespaces it does not run, and passes on what bubblewrap says', async t => {
  const directory = makeDirectory(t);
  const says = 'echo "bwrap: No permissions to create a new namespace" >&2; exit 1';
  const env = { ...process.env, PATH: fakePath(t, { minijail0: null, bwrap: says }) };
  const host = new Confined(t, [VIRTWL, ...hostArguments(directory)], { env });
  t.equal(await host.ended, 1);
  t.match(host.stderr, /^bwrap: No permissions/);
  t.match(host.stderr, /^virtwl: cannot confine the host process of VM "work": bubblewrap .* ended with status 1/m);
  t.match(host.stderr, /virtwl doctor/);
  t.notOk(existsSync(join(directory, 'vm')));
});

t.test('the real one fails in a way that is told apart from the program that it runs', async t => {
  const directory = makeDirectory(t);
  const bwrap = execFileSync('sh', ['-c', 'command -v bwrap'], { encoding: 'utf8' }).trim();
  // What it is to bind is not there.
  const path = fakePath(t, { minijail0: null, bwrap: `exec ${bwrap} --ro-bind /not-there /not-there "$@"` });
  const host = new Confined(t, [VIRTWL, ...hostArguments(directory)], { env: { ...process.env, PATH: path } });
  t.equal(await host.ended, 1);
  t.match(host.stderr, /^bwrap: .*not-there/m);
  t.match(host.stderr, /^virtwl: cannot confine/m);
});

t.test('--no-sandbox runs unconfined, and says so loudly', async t => {
  const directory = makeDirectory(t);
  const commands = {
    ready: [...hostArguments(directory), '--no-sandbox'],
    control: ['broker', '--directory', join(directory, 'broker'), '--no-sandbox'],
    socket: ['allocator', '--vm', 'work', '--socket', join(directory, 'socket'), '--budget', '1M', '--no-sandbox'],
  };
  for (const args of Object.values(commands)) {
    const host = new Confined(t, [VIRTWL, ...args]);
    await host.says('ready');
    t.match(
      host.stderr,
      /^[0-9:.]+ sandbox warning: --no-sandbox: a guest that takes this process over has your rights$/m,
    );
    t.equal(host.launcher, undefined);
    t.equal(statusField(host.outer, 'Seccomp'), '0');
    t.equal(readlinkSync(`/proc/${host.outer}/ns/net`), readlinkSync('/proc/self/ns/net'));
    host.process.kill();
    t.equal(await host.ended, 0);
  }
});

t.test('a process that only believes that it is confined does not run', async t => {
  const env = { ...process.env, [CONFINED_ENV]: '{}' };
  const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t))], { env });
  t.equal(await host.ended, 1);
  t.match(host.stderr, new RegExp(`${CONFINED_ENV} is set, but this process is not confined`));
});

t.test('on a terminal it serves, and the confined process has none', async t => {
  const directory = makeDirectory(t);
  // script(1) makes a terminal. What it is given to run is a line for a shell.
  const line = [process.execPath, VIRTWL, ...hostArguments(directory)].map(word => `'${word}'`).join(' ');
  const env = { ...process.env, SHELL: '/bin/sh' };
  const terminal = new Confined(t, ['-qec', `exec ${line}`, '/dev/null'], { command: 'script', env });
  await terminal.says('ready: ');
  const outer = childOf(terminal.outer);
  const inner = childOf(childOf(outer));
  t.not(statOf(outer)[4], '0', 'the process outside is on the terminal');
  t.equal(statOf(inner)[4], '0');
  t.equal(statusField(inner, 'Seccomp'), '2');
  process.kill(outer, 'SIGTERM');
  t.equal(await terminal.ended, 0);
  t.notOk(existsSync(join(directory, 'vm')));
});

function childOf(parent: number): number {
  const found = readdirSync('/proc').find(name => /^\d+$/.test(name) && Number(statOf(Number(name))[1]) === parent);
  return Number(found);
}

const alreadyOne = process.getuid?.() !== 0 && 'all tests run as one';
t.test('an ordinary user can confine as well', { skip: alreadyOne }, async t => {
  const directory = makeDirectory(t);
  chmodSync(directory, 0o755);
  // Our own checkout may be where nobody else may look.
  for (const part of ['package.json', 'dist/bundle', 'build/Release/virtwl.node']) {
    cpSync(join(PACKAGE_ROOT, part), join(directory, 'package', part), { recursive: true, dereference: true });
  }
  execFileSync('chmod', ['-R', 'a+rX', join(directory, 'package')]);
  const own = join(directory, 'own');
  mkdirSync(own);
  chownSync(own, NOBODY, NOBODY);
  const as = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--'];
  const program = [process.execPath, join(directory, 'package/dist/bundle/cli/main.js')];
  const env = { PATH: process.env.PATH };
  if (spawnSync('setpriv', [...as, process.execPath, '-e', '0'], { env }).status !== 0) {
    return t.pass('no other user may run this Node.js', { skip: true });
  }
  const asNobody = (...args: string[]) => new Confined(t, [...as, ...program, ...args], { command: 'setpriv', env });
  const broker = asNobody('broker', '--directory', join(own, 'broker'));
  await broker.says('ready');
  const host = asNobody(...hostArguments(own), '--probe', '--wayland', '--broker', join(own, 'broker'));
  await host.says('registered with the broker');
  const inner = await host.says('ready');
  t.match(statusField(inner, 'Uid'), new RegExp(`^${NOBODY}\\b`));
  t.equal(statusField(inner, 'CapEff'), '0000000000000000');
  t.equal(statusField(inner, 'Seccomp'), '2');
  const args = ['probe', '--loopback', join(own, 'vm'), '--size', '64K'];
  const probe = spawnSync('setpriv', [...as, ...program, ...args], { env, encoding: 'utf8' });
  t.equal(probe.status, 0, probe.stdout + probe.stderr);
  host.process.kill();
  t.equal(await host.ended, 0);
  t.notOk(existsSync(join(own, 'vm')));
  accessSync(join(own, 'broker', 'control'));
});
