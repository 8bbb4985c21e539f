/** The units that `virtwl units` prints: what they start is there, and so is all that they say. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ROLES, THEN, unitFiles } from '../../src/cli/unit-files.js';
import { startWords } from '../../src/cli/units.js';

t.setTimeout(120_000);

const MAIN = 'dist/bundle/cli/main.js';

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

/** Settings of each section of a unit. */
function sections(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let section: string[] = [];
  for (const line of text.split('\n')) {
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (name !== undefined) found.set(name, (section = []));
    else if (line !== '' && !line.startsWith('#')) section.push(line);
  }
  return found;
}

for (const role of ROLES) {
  const files = unitFiles(role, '/usr/local/bin/virtwl');
  for (const { path, text } of files.filter(({ path }) => /\.(service|socket)$/.test(path))) {
    t.test(`${role}: ${path}`, t => {
      const unit = sections(text);
      t.match(path, /^\/etc\/systemd\/(system|user)\//);
      const kinds = ['Unit', path.endsWith('.socket') ? 'Socket' : 'Service'];
      t.same(
        [...unit.keys()].filter(name => name !== 'Install'),
        kinds,
      );
      for (const settings of unit.values()) {
        const keys = settings.map(setting => /^([A-Z]\w+)=/.exec(setting)?.[1]);
        t.notOk(keys.includes(undefined), 'every line is a setting');
        t.equal(new Set(keys).size, keys.length, 'said once');
      }
      for (const setting of unit.get('Service') ?? []) {
        const [, words] = /^ExecStart=\/usr\/local\/bin\/virtwl (.*)$/.exec(setting) ?? [];
        if (words === undefined) continue;
        const [command = '', ...rest] = words.split(' ');
        const help = execFileSync(process.execPath, [MAIN, command, '--help'], { encoding: 'utf8' });
        for (const option of rest.filter(word => /^--./.test(word)))
          t.match(help, `${option} `, `${command} ${option}`);
      }
      for (const other of [...text.matchAll(/virtwl-[a-z]+@?\.(?:service|socket)/g)].map(([name]) => name)) {
        t.ok(
          files.some(({ path }) => path.endsWith(other)),
          `${other} is printed too`,
        );
      }
      t.end();
    });
  }
}

t.test('--install puts them in place, once', t => {
  const root = directory(t);
  const install = () =>
    spawnSync(process.execPath, [MAIN, 'units', '--role', 'client', '--install', root], { encoding: 'utf8' });
  const first = install();
  t.equal(first.status, 0, first.stderr);
  for (const { path } of unitFiles('client', '')) {
    t.match(first.stderr, `made ${join(root, path)}`);
    t.ok(existsSync(join(root, path)));
  }
  for (const line of THEN.client) t.match(first.stderr, line, 'says what to do then');
  const changed = join(root, '/etc/systemd/user/virtwl-run.service');
  writeFileSync(changed, 'mine');
  t.match(install().stderr, `${changed} is there already, and was left as it is`);
  t.equal(readFileSync(changed, 'utf8'), 'mine');
  t.end();
});

t.test('they start the program that prints them', t => {
  const bin = directory(t);
  const script = join(bin, 'main.js');
  writeFileSync(script, '');
  t.equal(startWords(script, '/nonexistent'), [process.execPath, ...process.execArgv, script].join(' '));
  symlinkSync(script, join(bin, 'virtwl'));
  t.equal(startWords(script, `/nonexistent:${bin}`), join(bin, 'virtwl'), 'by its name, where that leads to it');
  const other = directory(t);
  writeFileSync(join(other, 'virtwl'), '');
  t.equal(startWords(script, `${other}:${bin}`), join(bin, 'virtwl'), 'and by no other of that name');
  t.end();
});
