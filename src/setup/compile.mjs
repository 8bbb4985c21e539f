/**
 * Compiles the TypeScript when it has changed, and bundles the programs (`bundle.mjs`). What an earlier compilation left of
 * sources that are gone is removed: tsc alone would let a deleted test run on.
 *
 *   node src/setup/compile.mjs [--check]
 *
 * --check only tells, by exit status 1, that there is something to do. Plain JavaScript, since it runs before tsc.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';

const ROOTS = ['src', 'compositor-glue', 'test'];
/** Written after a compilation without errors: which sources it saw. Its time is when the compilation began. */
const STAMP = 'dist/.compiled';
/** Written last by `bundle.mjs`. */
const BUNDLE = 'dist/bundle/LICENSES';
/** Runs in a browser: checked by itself, with the types of one, and compiled by the bundle alone. */
const BROWSER = 'src/status-page/browser';
/** What else the outputs depend on. */
const INPUTS = [
  'tsconfig.json',
  'package-lock.json',
  'src/setup/compile.mjs',
  'src/setup/bundle.mjs',
  'src/setup/declarations.mjs',
  ...filesBelow(BROWSER, /\.(html|css|json)$/),
];
const OUTPUTS = /(\.js|\.js\.map|\.d\.ts|\.d\.ts\.map)$/;

/** @param {string} root @param {RegExp} name @returns {string[]} */
function filesBelow(root, name) {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map(path => `${root}/${path}`)
    .filter(path => name.test(path))
    .sort();
}

const sources = ROOTS.flatMap(root => filesBelow(root, /(?<!\.d)\.ts$/));
const known = new Set(sources);
const orphans = ROOTS.flatMap(root => filesBelow(`dist/${root}`, OUTPUTS)).filter(
  output => !known.has(output.slice('dist/'.length).replace(OUTPUTS, '.ts')),
);
const missing = sources.some(
  source => !source.startsWith(BROWSER) && !existsSync(`dist/${source.replace(/\.ts$/, '.js')}`),
);

function isCurrent() {
  if (orphans.length > 0 || missing || !existsSync(BUNDLE) || !existsSync(STAMP)) return false;
  if (readFileSync(STAMP, 'utf8') !== sources.join('\n')) return false;
  const compiled = statSync(STAMP).mtimeMs;
  return [...sources, ...INPUTS].every(path => statSync(path).mtimeMs < compiled);
}

if (isCurrent()) process.exit(0);
if (process.argv.includes('--check')) process.exit(1);

for (const orphan of orphans) rmSync(orphan);
// The incremental state believes that its outputs are still there.
if (missing) rmSync('dist/.tsbuildinfo', { force: true });
mkdirSync('dist', { recursive: true });
const began = new Date();
for (const project of ['tsconfig.json', `${BROWSER}/tsconfig.json`]) {
  const { status, signal, error } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', project, '--pretty', 'false'],
    { stdio: 'inherit' },
  );
  if (status === 0) continue;
  rmSync(STAMP, { force: true });
  if (error) throw error;
  console.error(`tsc -p ${project} ended with ${signal ?? `status ${status}`}`);
  process.exit(1);
}
// Loaded late: most calls find nothing to do.
const { bundle } = await import('./bundle.mjs');
await bundle();
writeFileSync(STAMP, sources.join('\n'));
utimesSync(STAMP, began, began);
