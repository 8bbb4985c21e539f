/** The script that builds the addon, in a copy of the tree with a stand-in for node-gyp that writes down its calls. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

// Each run of the script starts Node.js a few times, which takes seconds on a busy machine.
t.setTimeout(240_000);

const SCRIPT = new URL('../../../src/setup/native.sh', import.meta.url).pathname;

/** Writes the calls to `calls`; on `build`, makes the result, or fails when there is a file `broken`. */
const NODE_GYP = `
const { appendFileSync, existsSync, mkdirSync, writeFileSync } = require('node:fs');
const root = process.env.STAND_IN_ROOT;
appendFileSync(root + '/calls', process.argv.slice(2).join(' ') + '\\n');
if (process.argv[2] === 'build') {
  if (existsSync(root + '/broken')) { console.log('main.cc:1:1: error: broken on purpose'); process.exit(1); }
  if (existsSync(root + '/doubtful')) console.log('main.cc:1:1: warning: doubtful on purpose');
  mkdirSync('build/Release', { recursive: true });
  writeFileSync('build/Release/virtwl.node', 'built');
}`;

/** A tree with the script, sources and headers of the Node.js that runs this test. */
function makeTree(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'virtwl-setup-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const directory of [
    'src/setup',
    'bindings',
    'node_modules/node-gyp/bin',
    'node_modules/nan',
    'headers/include/node',
  ]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  cpSync(SCRIPT, join(root, 'src/setup/native.sh'));
  writeFileSync(join(root, 'bindings/addon.cc'), '');
  writeFileSync(join(root, 'binding.gyp'), '');
  writeFileSync(join(root, 'node_modules/node-gyp/bin/node-gyp.js'), NODE_GYP);
  writeFileSync(join(root, 'node_modules/nan/index.js'), '');
  // As in the real one: a definition in between that has no number.
  const version = `#if defined(EMBEDDER)\n#define NODE_MODULE_VERSION EMBEDDER\n#else\n#define NODE_MODULE_VERSION ${process.versions.modules}\n#endif\n`;
  writeFileSync(join(root, 'headers/include/node/node_version.h'), version);
  return root;
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What node-gyp was told, this time. */
  readonly calls: readonly string[];
}

function build(root: string, env: Record<string, string> = {}, ...args: string[]): Outcome {
  const calls = join(root, 'calls');
  rmSync(calls, { force: true });
  const { status, stdout, stderr } = spawnSync('sh', [join(root, 'src/setup/native.sh'), ...args], {
    encoding: 'utf8',
    cwd: '/',
    env: { ...process.env, NODE_HEADERS: join(root, 'headers'), STAND_IN_ROOT: root, ...env },
  });
  const written = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
  return { status, stdout, stderr, calls: written };
}

/** Makes a file look changed `seconds` after the others. */
function touch(path: string, seconds: number): void {
  const time = Date.now() / 1000 + seconds;
  utimesSync(path, time, time);
}

t.test('it builds once, says so in one line, and is silent when there is nothing to do', async t => {
  const root = makeTree(t);
  const first = build(root);
  t.equal(first.stderr, '');
  t.equal(first.status, 0);
  t.match(
    first.stdout,
    /^native\.sh: building build\/Release\/virtwl\.node for ABI \d+ of Node\.js with the headers in .*\n$/,
  );
  t.match(first.calls[0], /-Dfortify=[23]$/);
  t.same(
    [first.calls[0]!.replace(/ -Dfortify=.$/, ''), ...first.calls.slice(1)],
    [
      `configure --nodedir=${root}/headers --arch=${process.arch} --release -- -Dsanitize=0 -Dtests=0`,
      `build --nodedir=${root}/headers --arch=${process.arch} --release -j 2`,
    ],
  );
  t.equal(readFileSync(join(root, 'build/Release/virtwl.node'), 'utf8'), 'built');
  t.same(build(root), { status: 0, stdout: '', stderr: '', calls: [] });
});

t.test('a source, the list of sources or a new file makes it build again', async t => {
  const root = makeTree(t);
  build(root);
  let later = 0;
  for (const change of ['bindings/addon.cc', 'binding.gyp', 'bindings/new.h']) {
    writeFileSync(join(root, change), '');
    touch(join(root, change), (later += 10));
    t.equal(build(root).calls.length, 2, change);
    touch(join(root, 'build/Release/virtwl.node'), (later += 10));
  }
  t.equal(build(root).calls.length, 0);
});

t.test('a source that is saved while the compiler runs is built the next time', async t => {
  const root = makeTree(t);
  writeFileSync(
    join(root, 'node_modules/node-gyp/bin/node-gyp.js'),
    NODE_GYP.replace("if (process.argv[2] === 'build') {", `$& writeFileSync(root + '/bindings/addon.cc', 'changed');`),
  );
  build(root);
  t.equal(build(root).calls.length, 2);
});

t.test('another binary interface of Node.js makes it build again', async t => {
  const root = makeTree(t);
  build(root);
  writeFileSync(join(root, 'build/Release/node-modules-version'), '1\n');
  t.equal(build(root).calls.length, 2);
  t.equal(build(root).calls.length, 0);
});

t.test('a build that fails shows the output and leaves the old addon alone', async t => {
  const root = makeTree(t);
  build(root);
  const addon = join(root, 'build/Release/virtwl.node');
  const { ino } = statSync(addon);
  writeFileSync(join(root, 'broken'), '');
  touch(join(root, 'bindings/addon.cc'), 10);
  const failed = build(root);
  t.equal(failed.status, 1);
  t.match(failed.stderr, /error: broken on purpose/);
  t.match(failed.stderr, /native\.sh: the build failed/);
  t.equal(statSync(addon).ino, ino);
  rmSync(join(root, 'broken'));
  t.equal(build(root).status, 0, 'and is tried again');
  t.not(statSync(addon).ino, ino, 'replaced, not overwritten: who has it loaded keeps the old one');
});

t.test('warnings are shown though the build succeeds', async t => {
  const root = makeTree(t);
  writeFileSync(join(root, 'doubtful'), '');
  const { status, stderr } = build(root);
  t.equal(status, 0);
  t.match(stderr, /warning: doubtful on purpose/);
});

t.test('the sanitizer build is beside the other', async t => {
  const root = makeTree(t);
  const { status, calls } = build(root, {}, '--sanitize');
  t.equal(status, 0);
  t.match(calls[0]!, / -Dsanitize=1 -Dtests=0/);
  t.ok(existsSync(join(root, 'build/Sanitize/virtwl.node')));
  t.notOk(existsSync(join(root, 'build/Release/virtwl.node')));
});

t.test('what is missing is named, with what to do', async t => {
  const root = makeTree(t);
  t.match(build(root, {}, '--frobnicate'), { status: 1, stderr: /unknown argument --frobnicate/ });

  // All of it at once, for a user's project and for a checkout. Debian's own node-gyp may be found wherever one looks from.
  rmSync(join(root, 'node_modules'), { recursive: true });
  const programs = join(root, 'programs');
  mkdirSync(programs);
  for (const name of ['sh', 'node', 'dirname', 'readlink', 'sed', 'mkdir', 'cat', 'find', 'head']) {
    const path = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
    symlinkSync(path, join(programs, name));
  }
  const bare = build(root, { PATH: programs });
  t.equal(bare.status, 1);
  t.match(
    bare.stderr,
    /cannot be built: node-gyp or nan is missing: run npm install node-gyp nan beside this package; no C\+\+ compiler c\+\+: install g\+\+; no make: install make; no python3: install python3\n$/,
  );
  writeFileSync(join(root, 'tsconfig.json'), '');
  t.match(build(root, { PATH: programs }).stderr, /node-gyp or nan is missing: run npm ci/);
});

t.test('a prebuilt addon is for the Node.js whose headers are named, and for the processor', async t => {
  const root = makeTree(t);
  writeFileSync(join(root, 'headers/include/node/node_version.h'), '#define NODE_MODULE_VERSION 999\n');
  // Strips, as far as this stand-in goes.
  const stripped = join(root, 'strip');
  writeFileSync(stripped, '#!/bin/sh\n', { mode: 0o755 });
  const { status, stderr, calls } = build(
    root,
    { PATH: `${root}:${process.env.PATH ?? ''}` },
    '--prebuilt',
    process.arch,
    join(root, 'headers'),
  );
  t.equal(status, 0, stderr);
  t.match(calls[0]!, new RegExp(` --arch=${process.arch} .* -Dtests=0`));
  t.same(readdirSync(join(root, 'dist/prebuilt')), [`linux-${process.arch}-999`]);
  t.same(readdirSync(join(root, `dist/prebuilt/linux-${process.arch}-999`)), ['virtwl.node'], 'and nothing else');
  t.match(build(root, {}, '--prebuilt', 'mips', join(root, 'headers')), {
    status: 1,
    stderr: /no name of a compiler is known for mips/,
  });
});

t.test('headers of another version are no headers', async t => {
  const root = makeTree(t);
  writeFileSync(join(root, 'headers/include/node/node_version.h'), '#define NODE_MODULE_VERSION 1\n');
  // Those of the system may serve, but not these.
  const { stdout, stderr } = build(root);
  t.notMatch(stdout, `${root}/headers`);
  t.ok(stdout.includes('building') || stderr.includes('no headers for Node.js'));
});
