/** The programs as the package has them: each in one file, which needs nothing beside it but the addon. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t from 'tap';
import { BUNDLE, PACKAGE_ROOT } from '../../src/sandbox/runtime-files.js';

// Each start of Node.js takes a second on a busy machine.
t.setTimeout(120_000);

t.test('every program that is started by its path is bundled', t => {
  const source = join(PACKAGE_ROOT, 'src');
  const named = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => [
      ...readFileSync(join(source, file), 'utf8').matchAll(/new URL\('([^']*\.js)', import\.meta\.url\)/g),
    ])
    .map(([, path = '']) => path);
  t.ok(named.length > 3, `${named.length} found`);
  for (const path of named) t.ok(existsSync(join(BUNDLE, 'cli', basename(path))), path);
  t.end();
});

t.test('the command, where there is nothing else of the package but its description and its addon', t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-bundle-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const part of ['package.json', 'dist/bundle', 'build/Release/virtwl.node']) {
    cpSync(join(PACKAGE_ROOT, part), join(directory, part), { recursive: true });
  }
  const virtwl = (...args: string[]): string =>
    execFileSync(process.execPath, [join(directory, 'dist/bundle/cli/main.js'), ...args], { encoding: 'utf8' });

  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  t.equal(virtwl('--version'), `${version}\n`);
  const subcommands = [...virtwl('--help').matchAll(/^ {2}([a-z]+) .*\[options\]/gm)].map(([, name = '']) => name);
  t.ok(subcommands.includes('run') && subcommands.includes('compositor'), subcommands.join());
  for (const name of subcommands) t.match(virtwl(name, '--help'), new RegExp(`^Usage: virtwl ${name} `), name);
  t.end();
});

t.test('traces tell the sources, where Node.js is asked for that', t => {
  const main = join(BUNDLE, 'cli/confined-main.js');
  const { stderr } = spawnSync(process.execPath, ['--enable-source-maps', main], {
    encoding: 'utf8',
    env: { ...process.env, VIRTWL_DEBUG: '1' },
  });
  t.match(stderr, /nothing to start by hand/);
  t.match(stderr, /at .*\/src\/cli\/confined-main\.ts:\d+/);
  t.end();
});

t.test('the licences of the packages that are in it', t => {
  const text = readFileSync(join(BUNDLE, 'LICENSES'), 'utf8');
  for (const name of ['commander', 'eventemitter3', 'pngjs', 'uplot']) t.match(text, new RegExp(`^${name} \\d`, 'm'));
  t.match(text, /Permission is hereby granted[^]*Permission is hereby granted[^]*Permission is hereby granted/);
  t.end();
});
