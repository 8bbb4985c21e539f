/** What shells complete for `virtwl`: each shell is asked itself, where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const MAIN = 'dist/bundle/cli/main.js';
const directory = mkdtempSync(join(tmpdir(), 'virtwl-completion-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const virtwl = (...args: string[]): string => execFileSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
const script = (shell: string): string => {
  const path = join(directory, `virtwl.${shell}`);
  writeFileSync(path, virtwl('completion', shell));
  return path;
};
const installed = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** Those of the help, which has `help` besides. */
const commands = [
  ...virtwl('--help')
    .split('Commands:')[1]!
    .matchAll(/^ {2}([a-z0-9]+) /gm),
]
  .map(([, name = '']) => name)
  .filter(name => name !== 'help');

mkdirSync(join(directory, 'a directory'));
writeFileSync(join(directory, 'a file'), '');

t.test('bash', async t => {
  const path = script('bash');
  /** The words as readline splits them: "=" is a word of its own. */
  const complete = (...words: string[]): string[] => {
    const ask =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _virtwl; printf "%s\\n" "${COMPREPLY[@]}"';
    const text = execFileSync('bash', ['-c', ask, 'bash', path, 'virtwl', ...words], {
      encoding: 'utf8',
      cwd: directory,
    });
    return text.split('\n').filter(Boolean);
  };
  t.same(complete('').sort(), [...commands].sort(), 'every command');
  t.same(complete('comp').sort(), ['completion', 'compositor']);
  t.same(
    complete('vm', '').sort(),
    ['boot', 'build', 'console', 'down', 'list', 'qemu', 'run', 'up'],
    'commands below a command',
  );
  t.same(complete('vm', 'boot', 'c').sort(), ['client', 'compositor'], 'arguments');
  t.same(complete('broker', '--wait'), ['--waiting-per-vm', '--waiting', '--wait-seconds'], 'options');
  t.same(complete('doctor', '--role', ''), ['host', 'guest', 'all'], 'values');
  t.same(complete('doctor', '--role', '=', 'g'), ['guest'], 'values behind "="');
  t.same(complete('doctor', '--role', '='), ['host', 'guest', 'all']);
  t.same(complete('run', '--timeout', ''), [], 'a number is the user’s own');
  t.same(complete('run', '--loopback', 'a').sort(), ['a directory', 'a file'], 'paths, with what is in their names');
  t.same(complete('run', ''), ['--']);
  t.ok(complete('run', '--', 'bas').includes('bash'), 'a program behind --');
  t.same(complete('run', '--', 'cat', 'a f'), ['a file'], 'and its files');
  for (const name of commands.filter(each => each !== 'vm')) {
    const told = [...virtwl(name, '--help').matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map(
      ([, option = '']) => option,
    );
    t.same(complete(name, '--').sort(), told.sort(), `virtwl ${name} --`);
  }
});

t.test('zsh reads its script', { skip: !installed('zsh') && 'no zsh here' }, async t => {
  const { status, stderr } = spawnSync('zsh', ['-n', script('zsh')], { encoding: 'utf8' });
  t.same([status, stderr], [0, '']);
  const defined =
    'autoload -U compinit; compinit -D; source "$1" && whence -w _virtwl_vm_boot _virtwl_run; print $_comps[virtwl]';
  t.equal(
    execFileSync('zsh', ['-fc', defined, 'zsh', script('zsh')], { encoding: 'utf8' }),
    '_virtwl_vm_boot: function\n_virtwl_run: function\n_virtwl\n',
  );
});

t.test('fish', { skip: !installed('fish') && 'no fish here' }, async t => {
  const path = script('fish');
  const complete = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', path, line], {
      encoding: 'utf8',
      env: { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory },
    })
      .split('\n')
      .filter(Boolean)
      .map(each => each.split('\t')[0]!);
  t.same(complete('virtwl ').sort(), [...commands].sort());
  t.same(complete('virtwl vm ').sort(), ['boot', 'build', 'qemu']);
  t.same(complete('virtwl doctor --role ').sort(), ['all', 'guest', 'host']);
  t.same(complete('virtwl broker --wait').sort(), ['--wait-seconds', '--waiting', '--waiting-per-vm']);
});

t.test('a shell that is not known is refused', async t => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'completion', 'csh'], { encoding: 'utf8' });
  t.equal(status, 2);
  t.match(stderr, /Allowed choices are bash, zsh, fish/);
});
