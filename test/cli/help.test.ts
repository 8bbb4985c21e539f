/** The help of every command: it fits a terminal, and its values are as a user writes them. */
import { execFileSync } from 'node:child_process';
import t from 'tap';

t.setTimeout(120_000);

const { VIRTWL_LOG: _level, VIRTWL_LOG_FORMAT: _format, VIRTWL_TRACE: _trace, ...env } = process.env;
const help = (...args: string[]): string =>
  execFileSync(process.execPath, ['dist/bundle/cli/main.js', ...args, '--help'], { encoding: 'utf8', env });
const commandsOf = (text: string): string[] =>
  [...(text.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name = '']) => name);

const commands = [
  ...commandsOf(help()).filter(name => name !== 'help'),
  ...commandsOf(help('vm')).map(name => `vm ${name}`),
].filter(name => name !== 'vm help');

for (const command of ['', ...commands]) {
  t.test(`virtwl ${command}`, async t => {
    const text = help(...command.split(' ').filter(Boolean));
    const lines = text.split('\n');
    t.same(
      lines.filter(line => line.length > 80),
      [],
      'no line is wider than a terminal',
    );
    t.notMatch(text, /default: [^)]*[{["]/, 'no default is shown as the code has it');
    t.notMatch(text, /default: \d{6,}/, 'sizes have their unit');
  });
}
