/** Which native addon is loaded, and what is said where there is none that fits. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { addonPath, prebuiltAddon, whyNotLoaded, type Runtime } from '../../src/system/addon.js';

const HERE: Runtime = { platform: 'linux', arch: 'x64', abi: '127', version: 'v22.1.0', glibc: '2.41' };

function makePackage(t: Test): { root: string; add: (path: string) => string } {
  const root = mkdtempSync(join(tmpdir(), 'virtwl-addon-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const add = (path: string): string => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
    return join(root, path);
  };
  return { root, add };
}

t.test('what is named comes before what was built here, and that before what the package brings', async t => {
  const named = process.env.VIRTWL_NATIVE;
  t.teardown(() => {
    if (named === undefined) delete process.env.VIRTWL_NATIVE;
    else process.env.VIRTWL_NATIVE = named;
  });
  delete process.env.VIRTWL_NATIVE;
  const { root, add } = makePackage(t);
  add(prebuiltAddon({ ...process, abi: '1' }));
  t.equal(addonPath(root), join(root, 'build/Release/virtwl.node'), 'none fits: where one would be built');
  const prebuilt = add(prebuiltAddon({ ...process, abi: process.versions.modules }));
  t.equal(addonPath(root), prebuilt);
  const built = add('build/Release/virtwl.node');
  t.equal(addonPath(root), built);
  process.env.VIRTWL_NATIVE = '/elsewhere/virtwl.node';
  t.equal(addonPath(root), '/elsewhere/virtwl.node');
});

t.test('why it is not loaded: one sentence, with what to do', async t => {
  const { root, add } = makePackage(t);
  const why = (message: string | undefined, here = HERE): string => whyNotLoaded('/p/virtwl.node', message, here, root);
  const what = 'build it with: npm install node-gyp nan beside this package';

  t.match(
    why(undefined),
    `neither built (/p/virtwl.node) nor prebuilt for Node.js v22.1.0 (ABI 127) on linux-x64; ${what}`,
  );
  t.match(
    why("libc.so.6: version `GLIBC_2.34' not found (required by /p/virtwl.node)", { ...HERE, glibc: '2.31' }),
    `it needs GLIBC 2.34, and this system (glibc 2.31) is older; ${what}`,
  );
  t.match(
    why('Error loading shared library ld-linux-x86-64.so.2', { ...HERE, glibc: undefined }),
    `it is for glibc, and this C library is another one (musl); ${what}`,
  );
  for (const message of ['/p/virtwl.node: undefined symbol: _ZN2v88Template19Set', 'NODE_MODULE_VERSION 115. This']) {
    t.match(why(message), `it was built for another Node.js; ${what}`);
  }
  t.match(why('/p/virtwl.node: file too short\nmore'), `(/p/virtwl.node: file too short); ${what}`);

  add('tsconfig.json');
  t.match(why(undefined), /; build it with: npm run build$/, 'a checkout has a command for it');
});
