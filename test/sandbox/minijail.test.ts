/**
 * The same policy, said to minijail0: its command line, which needs no minijail0, and where there is one, when it is
 * chosen and how it fails. What it holds is tried in escape.test.ts, how it ends in ends.test.ts.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { findProgram } from '../../src/sandbox/launcher.js';
import { minijailArguments } from '../../src/sandbox/minijail.js';
import { runtimeFiles } from '../../src/sandbox/runtime-files.js';
import { checkMinijail } from '../../src/doctor/sandbox.js';
import { fakePath } from '../fake-path.js';
import { Confined, statusField } from './confined-process.js';
import { INSTALLED } from './installed.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

function makeDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-minijail-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

t.test('the command line', async t => {
  const directory = makeDirectory(t);
  for (const name of ['own', 'own/readable', 'elsewhere']) mkdirSync(join(directory, name));
  symlinkSync(join(directory, 'elsewhere'), join(directory, 'link'));
  const confinement = {
    ...{ name: 'test', command: ['/main.js', 'host', '--vm=a,b'], fds: {} },
    writable: [join(directory, 'own')],
    readable: [join(directory, 'own/readable'), join(directory, 'link')],
  };
  const args = minijailArguments(confinement, 4, { uid: 1000, gid: 100 });
  const end = args.indexOf('--');
  const options = args.slice(0, end);

  t.same(args.slice(end + 1, end + 3), [process.execPath, '--import']);
  t.match(args[end + 3], /\/in-minijail\.js$/);
  t.same(args.slice(end + 4), confinement.command, 'whatever is in the arguments of the program');

  for (const option of ['-U', '-p', '-v', '-e', '-l', '-N', '--uts=virtwl']) t.ok(options.includes(option), option);
  t.ok(options.includes('-m65534 1000 1'), 'nobody inside is the user outside');
  t.ok(options.includes('-M65534 100 1'));
  t.ok(options.includes('-n'), 'no new privileges');
  t.equal(options[options.indexOf('-c') + 1], '0', 'no capabilities');
  t.ok(options.includes('-I'), 'it is the first process itself');
  t.ok(options.includes('--seccomp-bpf-binary=/proc/self/fd/4'));

  const mounts = options.filter((_, i) => ['-k', '-b'].includes(options[i - 1] ?? ''));
  t.match(mounts[0], /^none,\/,tmpfs,/, 'the root is empty');
  t.match(mounts.at(-1), /^none,\/,none,.*MS_RDONLY/, 'and read-only in the end');
  const binds = mounts.slice(1, -1);
  t.equal(binds.length, runtimeFiles().length + 3);
  t.same(
    binds.filter(bind => bind.endsWith(',1')),
    [`${directory}/own,${directory}/own,1`],
    'one directory may be written to',
  );
  t.ok(binds.includes(`${directory}/elsewhere,${directory}/link,0`), 'links are followed here, where they are seen');
  const places = binds.map(bind => bind.split(',')[1]!);
  t.same(places, [...places].sort(), 'directories come before what is in them');
});

t.test('a path that cannot be said is refused', async t => {
  const path = join(makeDirectory(t), 'a,b');
  mkdirSync(path);
  const confinement = { name: 'test', command: [], fds: {}, writable: [path], readable: [] };
  t.throws(() => minijailArguments(confinement, 4, { uid: 0, gid: 0 }), /no path with a comma in it: .*a,b/);
});

t.test('without minijail0', async t => {
  const path = process.env.PATH;
  process.env.PATH = fakePath(t, { minijail0: null });
  t.teardown(() => (process.env.PATH = path));
  t.equal(findProgram('minijail0'), undefined);
  t.same(await checkMinijail(true), {
    ...{ name: 'minijail', state: 'note' },
    detail: 'not installed here (no minijail0 on the PATH); bubblewrap confines',
  });
  const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t)), '--sandbox=minijail']);
  t.equal(await host.ended, 1);
  t.match(
    host.stderr,
    /^virtwl: cannot confine the host process of VM "work": there is no minijail0 on the PATH; install/m,
  );
});

t.test('without bubblewrap', async t => {
  const env = { ...process.env, PATH: fakePath(t, { bwrap: null }) };
  const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t))], { env });
  if (!INSTALLED.includes('minijail')) {
    t.equal(await host.ended, 1);
    t.match(host.stderr, /there is no bubblewrap/, 'minijail0 is not installed here, and the process does not run');
    return;
  }
  const inner = await host.says('ready');
  t.equal(statusField(host.launcher!, 'Name'), 'minijail0');
  t.equal(statusField(inner, 'Seccomp_filters'), '2');
  host.process.kill();
  t.equal(await host.ended, 0);
});

t.test('where both are, it is bubblewrap unless minijail is asked for', async t => {
  for (const sandbox of INSTALLED) {
    const asked = sandbox === 'bubblewrap' ? [] : [`--sandbox=${sandbox}`];
    const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t)), ...asked]);
    await host.says('ready');
    t.equal(statusField(host.launcher!, 'Name'), { bubblewrap: 'bwrap', minijail: 'minijail0' }[sandbox]);
    host.process.kill();
    t.equal(await host.ended, 0);
  }
});

t.test('a minijail0 that does not come to start the program', async t => {
  const says = 'echo "libminijail[1]: cannot make a namespace" >&2; exit 1';
  const env = { ...process.env, PATH: fakePath(t, { minijail0: says }) };
  const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t)), '--sandbox=minijail'], { env });
  t.equal(await host.ended, 1);
  t.match(host.stderr, /^libminijail/);
  t.match(host.stderr, /^virtwl: cannot confine the host process of VM "work": minijail .* ended with status 1/m);
});

t.test('only programs that are known can be asked for', async t => {
  const host = new Confined(t, [VIRTWL, ...hostArguments(makeDirectory(t)), '--sandbox=firejail']);
  t.equal(await host.ended, 2);
  t.match(host.stderr, /bubblewrap, minijail/);
});

/** A host process with an allocator, in `directory`/vm. */
function hostArguments(directory: string): string[] {
  return ['host', '--vm', 'work', '--loopback', join(directory, 'vm'), '--allocator=1M'];
}
