/**
 * Commands that a message or a page tells the reader to start: each npm script and each subcommand of `virtwl` that is named is
 * there, with the options that are given to it.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';

t.setTimeout(120_000);

const below = (root: string, ending: RegExp): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => ending.test(name) && !name.includes('node_modules'))
    .map(name => `${root}/${name}`);

const files = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/virtwl.1', 'eslint.config.mjs'],
  ...below('docs', /\.md$/).filter(path => !path.startsWith('docs/api/')),
  ...below('src', /\.(ts|sh|mjs)$/),
  ...below('compositor-glue', /\.ts$/),
  ...below('bindings', /\.(md|cc|h)$/),
  'test/run.sh',
];
/** As it is read: a sentence of the code that goes on in the next line is one. */
const texts = files.map(path => {
  const text = readFileSync(path, 'utf8').replaceAll('\\-', '-');
  return { path, text: path.endsWith('.ts') ? text.replace(/['`] \+\s+['`]/g, '') : text };
});

t.test('no page says where npm has put the command, which differs', async t => {
  for (const { path, text } of texts.filter(each => each.path.startsWith('docs/'))) {
    t.notMatch(text, /\/bin\/virtwl\b/, path);
  }
});

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

t.test('npm scripts', async t => {
  let named = 0;
  for (const { path, text } of texts) {
    for (const [command, script = ''] of text.matchAll(/npm run (?:-s |--silent )?([a-z][\w:-]*)/g)) {
      named++;
      t.ok(Object.hasOwn(scripts, script), `${path}: ${command}`);
    }
  }
  t.ok(named > 10, `${named} are named`);
});

const helps = new Map<string, string>();
function help(command: string): string {
  let text = helps.get(command);
  if (text === undefined) {
    text = execFileSync(
      process.execPath,
      ['dist/bundle/cli/main.js', ...command.split(' ').filter(Boolean), '--help'],
      {
        encoding: 'utf8',
      },
    );
    helps.set(command, text);
  }
  return text;
}
const commandsOf = (text: string): string[] =>
  [...(text.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z][a-z0-9]*)\b/gm)].map(([, name = '']) => name);

t.test('subcommands of virtwl, and their options', async t => {
  const commands = commandsOf(help(''));
  const belowVm = commandsOf(help('vm'));
  let named = 0;
  for (const { path, text } of texts) {
    // In code: between backquotes or quotes, at the beginning of an indented line, behind ExecStart=. Prose says "virtwl runs".
    for (const [, line = ''] of text.matchAll(
      /(?:[`"]|^ {4,}|^\.B[RI]* "?|ExecStart=(?:\/\S*\/)?)(virtwl [a-z-][^`"\n]*)/gm,
    )) {
      const [, name = '', second = ''] = line.split(/[ ,;:.)]+/);
      // `--version`; the line that SIGUSR2 has printed; titles of the benchmark's windows.
      if (name.startsWith('-') || name === 'status' || name === 'bench') continue;
      named++;
      t.ok(commands.includes(name), `${path}: ${line}`);
      if (!commands.includes(name)) continue;
      const full = name === 'vm' && belowVm.includes(second) ? `vm ${second}` : name;
      const own = line.split(/ -- | (?:[|&<>]|#) /)[0]!;
      for (const [option] of own.matchAll(/(?<=\s)--[a-z][a-z0-9-]+/g)) {
        t.ok(help(full).includes(option), `${path}: ${option} of ${line}`);
      }
    }
  }
  t.ok(named > 100, `${named} are named`);
});
