/**
 * The product's own processes, started as a user starts them: what /proc tells of each confined one.
 */
import { chmodSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { DEFAULT_LIMITS } from '../../src/sandbox/confinement.js';
import { BUNDLE, runtimeFiles } from '../../src/sandbox/runtime-files.js';
import {
  Confined,
  descriptorsOf,
  limitsOf,
  mountsOf,
  reachable,
  statOf,
  statusField,
  threadsOf,
} from './confined-process.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

/** By which the kernel tells of memory that was given away. */
const WATCH = 'anon_inode:[fanotify]';

interface Part {
  readonly confined: Confined;
  readonly inner: number;
  readonly writable: readonly string[];
  readonly readable: readonly string[];
  /** Descriptors to files, by where they lead, that it must have. */
  readonly memory: readonly string[];
}

const directory = mkdtempSync(join(tmpdir(), 'virtwl-processes-'));
const broker = join(directory, 'broker');
const at = (name: string): string => join(directory, name);
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

async function start(args: readonly string[]): Promise<{ confined: Confined; inner: number }> {
  const confined = new Confined(t, [VIRTWL, ...args]);
  return { confined, inner: await confined.says('ready') };
}

const parts: Record<string, Part> = {
  broker: {
    ...(await start(['broker', '--directory', broker])),
    ...{ writable: [], readable: [], memory: [] },
  },
  'host process of the compositor VM': {
    ...(await start([
      ...['host', '--vm', 'desk', '--loopback', at('desk'), '--allocator=64M', '--compositor', '--probe'],
      ...['--broker', broker, '--socket', `display=${at('wayland-0')}`],
    ])),
    ...{ writable: [at('desk')], readable: [], memory: [WATCH] },
  },
  'host process of a client VM': {
    ...(await start(['host', '--vm', 'work', '--loopback', at('work'), '--wayland', '--broker', broker])),
    ...{ writable: [at('work')], readable: [], memory: [] },
  },
  'host process of a VM with a wl device': {
    ...(await start([
      ...['host', '--vm', 'real', '--socket', at('device'), '--allocator=1M', '--wayland', '--broker', broker],
    ])),
    ...{ writable: [at('device.servers')], readable: [], memory: [WATCH] },
  },
  'host process without a server': {
    ...(await start(['host', '--vm', 'idle', '--socket', at('idle')])),
    ...{ writable: [at('idle.servers')], readable: [], memory: [] },
  },
  allocator: {
    ...(await start(['allocator', '--vm', 'alone', '--socket', at('allocator'), '--budget', '1M'])),
    ...{ writable: [], readable: [], memory: [WATCH] },
  },
};

for (const [name, part] of Object.entries(parts)) {
  t.test(name, async t => {
    const { inner } = part;
    await ownNamespaces(t, inner);
    await noPrivileges(t, inner);
    await onlyWhatThePolicyNames(t, part);
    await limits(t, inner);
    await descriptors(t, part);
  });
}

async function ownNamespaces(t: Test, inner: number): Promise<void> {
  await t.test('is in namespaces of its own', async t => {
    for (const namespace of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup']) {
      const ours = readlinkSync(`/proc/self/ns/${namespace}`);
      t.not(readlinkSync(`/proc/${inner}/ns/${namespace}`), ours, namespace);
    }
    t.match(statusField(inner, 'NSpid'), /\t1$/, 'and the first process there');
  });
}

async function noPrivileges(t: Test, inner: number): Promise<void> {
  await t.test('has no privileges, and every thread is filtered', async t => {
    for (const thread of threadsOf(inner)) {
      const fields = Object.fromEntries(
        ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters'].map(field => [
          field,
          statusField(thread, field),
        ]),
      );
      t.match(fields, {
        ...{ CapEff: /^0+$/, CapPrm: /^0+$/, CapBnd: /^0+$/, CapAmb: /^0+$/ },
        ...{ NoNewPrivs: '1', Seccomp: '2', Seccomp_filters: '2' },
      });
    }
    const [, , , session, terminal] = statOf(inner);
    t.same([session, terminal], [String(inner), '0'], 'a session of its own, without a terminal');
  });
}

async function onlyWhatThePolicyNames(t: Test, { inner, writable, readable }: Part): Promise<void> {
  await t.test('has a root with what its policy names, read-only but for its own directory', async t => {
    const bound = [...runtimeFiles(BUNDLE), ...readable, ...writable];
    t.same(reachable(inner, bound), [], 'nothing lies beside it');
    const mounts = mountsOf(inner);
    t.same(mounts.map(({ path }) => path).sort(), ['/', ...bound].sort(), 'each is a mount of its own');
    for (const { path, options } of mounts) {
      t.ok(options.includes(writable.includes(path) ? 'rw' : 'ro'), `${path}: ${options.join()}`);
      t.ok(options.includes('nosuid') && options.includes('nodev'), path);
    }
    t.same(
      mounts.filter(({ type }) => ['proc', 'sysfs', 'devtmpfs', 'devpts'].includes(type)),
      [],
    );
    for (const path of ['/escape', ...bound.filter(path => !writable.includes(path)).map(path => `${path}/escape`)]) {
      t.throws(() => writeFileSync(`/proc/${inner}/root${path}`, ''), { code: /^(EROFS|ENOTDIR|EACCES)$/ }, path);
    }
  });
}

async function limits(t: Test, inner: number): Promise<void> {
  await t.test('has its limits, soft and hard', async t => {
    const found = limitsOf(inner);
    const both = (value: number): [string, string] => [String(value), String(value)];
    t.match(found, {
      'Max core file size': both(0),
      'Max locked memory': both(0),
      'Max msgqueue size': both(0),
      'Max file size': both(DEFAULT_LIMITS.fileBytes),
    });
    t.ok(Number(found['Max open files']?.[1]) <= DEFAULT_LIMITS.descriptors, `${found['Max open files']?.join()}`);
  });
}

async function descriptors(t: Test, { inner, memory }: Part): Promise<void> {
  await t.test('holds sockets, the budget, and what its event loop is made of', async t => {
    const found = Object.entries(descriptorsOf(inner))
      .filter(([fd]) => Number(fd) > 2)
      .map(([, where]) => where);
    for (const where of found) t.match(where, /^(anon_inode:\[(event(fd|poll)|fanotify)\]|pipe:|socket:|\/)$/);
    for (const where of memory) t.ok(found.includes(where), where);
  });
}

t.test('the process outside holds nothing of it', async t => {
  for (const [name, { confined }] of Object.entries(parts)) {
    const found = Object.values(descriptorsOf(confined.outer));
    t.notOk(found.includes(WATCH), `${name}: no memory`);
    t.ok(Number(statusField(confined.outer, 'VmRSS').split(' ')[0]) > 0);
  }
});

t.test('what may only be read stays so inside a directory that may be written', async t => {
  const outside = at('outside');
  mkdirSync(outside, { mode: 0o700 });
  const display = createServer();
  t.teardown(() => display.close());
  await new Promise<void>(resolve => display.listen(join(outside, 'wayland-0'), resolve));
  const confined = new Confined(t, [
    ...[VIRTWL, 'host', '--vm', 'nested', '--loopback', outside, '--socket', at('nested')],
    ...['--socket', `display=${join(outside, 'wayland-0')}`],
  ]);
  const inner = await confined.says('ready');
  const options = Object.fromEntries(mountsOf(inner).map(mount => [mount.path, mount.options[0]]));
  t.match(options, { [outside]: 'rw', [join(outside, 'wayland-0')]: 'ro' });
});

t.test("a broker's directory may not lie in what a host process gets, by no name", async t => {
  const own = at('own');
  mkdirSync(join(own, 'broker'), { recursive: true, mode: 0o700 });
  symlinkSync(own, at('other-name'));
  for (const inside of [own, join(own, 'broker'), join(own, 'not-there-yet'), join(at('other-name'), 'broker')]) {
    const confined = new Confined(t, [
      VIRTWL,
      'host',
      '--vm',
      'own',
      '--loopback',
      own,
      '--wayland',
      '--broker',
      inside,
    ]);
    t.equal(await confined.ended, 1, inside);
    t.match(confined.stderr, /the broker's directory .* lies in .*: it could register as any VM/);
  }
  const beside = new Confined(t, [
    VIRTWL,
    'host',
    '--vm',
    'own',
    '--loopback',
    own,
    '--wayland',
    '--broker',
    at('own-broker'),
  ]);
  await beside.says('ready');
  t.pass('beside it is well');
});

t.test('a lower limit of descriptors than ours stays', async t => {
  const args = ['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, VIRTWL];
  const confined = new Confined(t, [...args, 'host', '--vm', 'low', '--loopback', at('low'), '--probe'], {
    command: 'sh',
  });
  const inner = await confined.says('ready');
  t.same(limitsOf(inner)['Max open files'], ['256', '256']);
});

t.test('directories are for their owner alone, confined or not', async t => {
  const open = at('open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  for (const args of [
    ['host', '--vm', 'open', '--loopback', open, '--probe'],
    ['broker', '--directory', open],
  ]) {
    const confined = new Confined(t, [VIRTWL, ...args]);
    t.equal(await confined.ended, 1);
    t.match(confined.stderr, /can be written by others/);
  }
});
