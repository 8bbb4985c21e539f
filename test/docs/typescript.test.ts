/**
 * The library as a TypeScript project has it: the package as npm packs it, installed in an empty directory, without any types
 * of Node.js. The README's program and the examples compile there, strictly, and run on a real compositor.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { startSway, type Sway } from '../compositors.js';

t.setTimeout(180_000);

const project = mkdtempSync(join(tmpdir(), 'virtwl-typescript-'));
t.teardown(() => rmSync(project, { recursive: true }));

/** What such a program needs of Node.js's own names, where it does without @types/node. */
const GLOBALS =
  'declare const process: { readonly argv: string[]; readonly env: Record<string, string | undefined> };\n';

const packed = JSON.parse(
  execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { encoding: 'utf8' }),
) as readonly { readonly filename: string }[];
const installed = join(project, 'node_modules', 'virtwl');
mkdirSync(installed, { recursive: true });
execFileSync('tar', ['-xzf', join(project, packed[0]!.filename), '-C', installed, '--strip-components=1']);
// What npm would fetch: the dependencies, and only these. The addon is the one that is built here.
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
for (const name of Object.keys(dependencies)) {
  symlinkSync(resolve('node_modules', name), join(project, 'node_modules', name));
}
cpSync('build', join(installed, 'build'), { recursive: true });

const [, readme = ''] = /^```ts\n([^]*?)^```$/m.exec(readFileSync('README.md', 'utf8')) ?? [];
const examples = readdirSync('docs/examples/typescript');
for (const name of examples) cpSync(join('docs/examples/typescript', name), join(project, name));
writeFileSync(join(project, 'readme.ts'), readme);
writeFileSync(join(project, 'globals.d.ts'), GLOBALS);
writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
writeFileSync(
  join(project, 'tsconfig.json'),
  JSON.stringify({
    compilerOptions: {
      strict: true,
      skipLibCheck: false,
      target: 'es2022',
      module: 'nodenext',
      // No types but those that are imported.
      types: [],
      preserveSymlinks: true,
    },
    files: ['globals.d.ts', 'readme.ts', ...examples],
  }),
);

t.test('README and examples compile with tsc --strict, every declaration that they reach checked', async t => {
  t.ok(readme.includes('DirectClient'), 'the README has a program');
  t.ok(examples.length >= 2, examples.join());
  const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', project], {
    encoding: 'utf8',
  });
  t.equal(status, 0, stdout);
});

/** Runs a compiled program until its window is there, has it closed, and resolves to what it printed. */
async function closed(t: Test, sway: Sway, script: string, title: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, WAYLAND_DISPLAY: sway.display };
  const child = spawn(process.execPath, [join(project, script), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  while (!JSON.stringify(await sway.message('-t', 'get_tree')).includes(`"name":"${title}"`)) {
    if (child.exitCode !== null) break;
    await new Promise(done => setTimeout(done, 20));
  }
  await sway.message(`[title="${title}"] kill`);
  const [status] = (await ended) as [number | null];
  t.equal(status, 0, script);
  return output;
}

t.test('and run on sway', async t => {
  const sway = await startSway(t, { width: 320, height: 200 });
  await closed(t, sway, 'readme.js', 'hello');
  t.match(await closed(t, sway, 'window.js', 'virtwl example', sway.display), /^closed at 320x200$/m);
  const { status, stdout } = spawnSync(process.execPath, [join(project, 'damage.js'), sway.display, '12'], {
    encoding: 'utf8',
  });
  t.equal(status, 0);
  t.match(stdout, /^12 frames$/m);
});
