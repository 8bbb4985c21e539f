/**
 * From inside each confined process of the product: every way out is tried, by a program that is confined in its place.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Broker, CONTROL_SOCKET } from '../../src/broker/broker.js';
import { CONFINED_ENV } from '../../src/sandbox/confinement.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { eventually } from '../eventually.js';
import { checkMinijail } from '../../src/doctor/sandbox.js';
import type { Sandbox } from '../../src/sandbox/launcher.js';
import { POLICIES } from './confine.js';
import { INSTALLED } from './installed.js';
import { Confined, descriptorsOf, statOf, statusField, threadsOf } from './confined-process.js';
import type { Findings, Surroundings } from './escape-attempts.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const CONFINE = here('confine.js');
const ESCAPE = here('escape-attempts.js');
const SOURCE = fileURLToPath(new URL('../../../test/sandbox/raw-syscall.c', import.meta.url));

const tools = mkdtempSync(join(tmpdir(), 'virtwl-escape-'));
t.teardown(() => rmSync(tools, { recursive: true, force: true }));
const rawSyscall = join(tools, 'raw-syscall.node');
execFileSync('cc', ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-o', rawSyscall, SOURCE]);

async function listening(t: { teardown(end: () => void): void }, where: number | string): Promise<Server> {
  const server = createServer(socket => socket.end('the host'));
  t.teardown(() => server.close());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (typeof where === 'number') server.listen(where, '127.0.0.1', resolve);
    else server.listen(where, resolve);
  });
  return server;
}

/** Policies of processes for whose VM the one outside registers with the broker. */
const REGISTERED = ['host of the compositor VM', 'host with a wl device'];

/** Descriptors that a policy's process is given: sockets that listen, and memory. */
const GIVEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  broker: { 5: 'socket:' },
  'host with a wl device': { 5: 'socket:' },
  allocator: { 5: 'socket:' },
};

interface Scene {
  readonly directory: string;
  readonly around: Surroundings;
  /** The broker, but where that is the one that is confined. */
  readonly broker: Broker | undefined;
}

/** The host around a confined process: a file, sockets, and the process's own directories. */
async function scene(t: { teardown(end: () => void): void }, policy: string): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-escape-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const hostFile = join(directory, 'secret');
  writeFileSync(hostFile, 'secret');
  const hostSocket = join(directory, 'host-socket');
  await listening(t, hostSocket);
  const abstractSocket = `\0virtwl-test-${process.pid}-${policy}`;
  await listening(t, abstractSocket);
  const tcp = await listening(t, 0);
  const brokerDirectory = join(directory, 'broker');
  const broker = policy === 'broker' ? undefined : new Broker({ directory: brokerDirectory });
  t.teardown(() => broker?.close());
  const writable = ['broker', 'allocator'].includes(policy) ? [] : [join(directory, 'vm')];
  for (const own of writable) {
    mkdirSync(own, { mode: 0o700 });
    symlinkSync(hostFile, join(own, 'out'));
  }
  const { port } = tcp.address() as AddressInfo;
  return {
    directory,
    around: {
      ...{ rawSyscall, hostFile, hostPid: process.pid, hostSocket, abstractSocket, hostPort: port },
      ...{ writable, readable: [], brokerSocket: join(brokerDirectory, CONTROL_SOCKET) },
      servers: REGISTERED.includes(policy) ? ['compositor', 'wayland'].map(name => join(directory, 'vm', name)) : [],
    },
    broker,
  };
}

t.test('the programs that can confine on this machine', async t => {
  t.comment(`these tests confine by ${INSTALLED.join(' and ')}`);
  // Where one is not installed, it is the doctor that says so.
  const minijail = await checkMinijail(INSTALLED.includes('bubblewrap'));
  if (INSTALLED.includes('minijail')) t.match(minijail, { name: 'minijail', state: 'holds' });
  else t.match(minijail, { name: 'minijail', state: 'note', detail: /^not installed here/ });
  t.ok(INSTALLED.includes('bubblewrap'), 'bubblewrap is one of them');
});

/** Each of the programs with each of some other things. */
function inEach<Other>(others: readonly Other[]): (readonly [Sandbox, Other])[] {
  return INSTALLED.flatMap(sandbox => others.map(other => [sandbox, other] as const));
}

for (const [sandbox, policy] of inEach(Object.keys(POLICIES))) {
  t.test(`${sandbox}: out of the sandbox of the ${policy}`, async t => {
    const { directory, around, broker } = await scene(t, policy);
    const secret = openSync('/etc/passwd', 'r');
    t.teardown(() => closeSync(secret));
    const confined = new Confined(t, [CONFINE, policy, directory, ESCAPE, JSON.stringify(around), rawSyscall], {
      env: {
        ...{ ...process.env, CONFINE_BY: sandbox },
        ...{ SECRET: 'of the host', NODE_OPTIONS: '--no-warnings', LANG: 'C.UTF-8', DISPLAY: ':7' },
      },
      extra: { 9: secret },
    });
    const inner = await confined.says('}\n');
    const findings = JSON.parse(confined.stdout) as Findings;

    t.test('every attempt is refused', async t => {
      t.ok(Object.keys(findings.attempts).length > 90, `${Object.keys(findings.attempts).length} attempts`);
      for (const [attempt, outcome] of Object.entries(findings.attempts)) t.match(outcome, /^refused: [A-Z]/, attempt);
    });

    t.test('the broker knows the VM that the process outside named, and no other', async t => {
      if (REGISTERED.includes(policy)) await eventually('the registration', () => broker?.vms.length === 1);
      t.same(broker?.vms ?? [], REGISTERED.includes(policy) ? ['vm'] : []);
      const outside = UnixSocket.connect(around.brokerSocket);
      t.teardown(() => outside.close());
      t.pass('while a process that is not confined connects to its socket');
    });

    t.test('calls that it does not need are refused by the filter itself', async t => {
      const names = Object.keys(findings.attempts).filter(name => name.startsWith('call '));
      for (const name of names) t.equal(findings.attempts[name], 'refused: EPERM', name);
      t.ok(findings.tried > 900, `${findings.tried} numbers tried`);
      t.same(findings.unlisted, []);
      t.equal(findings.attempts['clone by flags that no filter can see'], 'refused: ENOSYS');
      t.equal(findings.earlyRing, -38, 'there was no io_uring before the list held, either');
    });

    t.test('what its work takes is there', async t => {
      for (const [need, outcome] of Object.entries(findings.needs)) t.equal(outcome, 'works', need);
    });

    t.test('it has no privileges, and no thread of it is outside of the filter', async t => {
      for (const thread of threadsOf(inner)) {
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
          t.equal(statusField(thread, set), '0000000000000000', `${thread}: ${set}`);
        }
        t.equal(statusField(thread, 'NoNewPrivs'), '1');
        t.equal(statusField(thread, 'Seccomp'), '2');
        t.equal(statusField(thread, 'Seccomp_filters'), '2');
      }
    });

    t.test('it has no network but a loopback that leads nowhere', async t => {
      const interfaces = readFileSync(`/proc/${inner}/net/dev`, 'utf8').trimEnd().split('\n').slice(2);
      t.same(
        interfaces.map(line => line.trim().split(':')[0]),
        ['lo'],
      );
      t.same(readFileSync(`/proc/${inner}/net/route`, 'utf8').trimEnd().split('\n').slice(1), []);
    });

    t.test('it has no terminal, and leads a session of its own', async t => {
      const [, , , session, terminal] = statOf(inner);
      t.equal(terminal, '0');
      t.equal(session, String(inner));
    });

    t.test('its environment holds what it needs', async t => {
      const entries = readFileSync(`/proc/${inner}/environ`, 'utf8').split('\0').filter(Boolean);
      const kept = ['VIRTWL_NATIVE', 'VIRTWL_DEBUG', 'JOURNAL_STREAM'].filter(name => process.env[name] !== undefined);
      t.same(
        entries.map(entry => entry.split('=')[0]).sort(),
        [CONFINED_ENV, 'LANG', 'LD_LIBRARY_PATH', 'PWD', 'TZ', ...kept].sort(),
      );
    });

    t.test('it has its own descriptors, and none that we happened to have open', async t => {
      const descriptors = descriptorsOf(inner);
      const given = GIVEN[policy] ?? {};
      t.match(descriptors, { 0: '/dev/null', 1: /^(pipe|socket):$/, 2: /^(pipe|socket):$/, ...given });
      const others = Object.entries(descriptors).filter(([fd]) => Number(fd) > 2 && !(fd in given));
      // libuv keeps a spare one for when there are no more: "/" where there is no /dev/null.
      for (const [fd, where] of others)
        t.match(where, /^(anon_inode:\[(event(fd|poll)|fanotify)\]|pipe:|socket:|\/)$/, fd);
      t.notOk(Object.values(descriptors).includes('/etc/passwd'));
    });
  });
}

for (const [sandbox, how] of inEach(['foreign', 'x32'] as const)) {
  t.test(`${sandbox}: a call of another table is the end of it: ${how}`, { skip: process.arch !== 'x64' }, async t => {
    const { directory, around } = await scene(t, 'allocator');
    const argument = JSON.stringify({ ...around, die: how });
    const env = { ...process.env, CONFINE_BY: sandbox };
    const confined = new Confined(t, [CONFINE, 'allocator', directory, ESCAPE, argument, rawSyscall], { env });
    t.equal(await confined.ended, 128 + 31);
    t.match(confined.stderr, /ended by SIGSYS/);
    t.equal(confined.stdout, '');
  });
}
