/**
 * The manual page knows every command and every option that the program has.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import t from 'tap';

const manual = readFileSync('docs/virtwl.1', 'utf8').replaceAll('\\-', '-');
const common = manual.split('.SH COMMON OPTIONS')[1]!.split('\n.SH ')[0]!;
// Not those of the user who runs the tests: the help shows them as defaults.
const { VIRTWL_LOG: _level, VIRTWL_LOG_FORMAT: _format, VIRTWL_TRACE: _trace, ...env } = process.env;
const help = (...args: string[]) =>
  execFileSync(process.execPath, ['dist/bundle/cli/main.js', ...args, '--help'], { encoding: 'utf8', env });

/** First words of the indented lines below a heading of commander's help. */
function listed(text: string, heading: string): string[] {
  const section = text.split(`${heading}:\n`)[1]?.split(/\n\n/)[0] ?? '';
  return [...section.matchAll(/^ {2}(\S.*?)(?: {2}|$)/gm)].map(([, words = '']) => words);
}

// Each help is a process, and the machine may be busy.
t.setTimeout(120_000);

const commands = listed(help(), 'Commands').map(words => words.split(' ')[0]!);
const described = commands.filter(name => name !== 'help');

t.ok(described.includes('run'), 'the help lists commands');

for (const name of described) {
  t.test(`virtwl ${name}`, async t => {
    const section = manual.split(`.SS virtwl ${name}`)[1]?.split(/\n\.S[SH] /)[0] ?? '';
    t.not(section, '', 'has a section');
    const options = listed(help(name), 'Options').join(' ');
    for (const [, option = ''] of section.matchAll(/^\.TP\n\.B.*?(--[a-z][a-z-]*)/gm)) {
      t.ok(new RegExp(`${option}(?![a-z-])`).test(options), `${option} is there`);
    }
    const guest = manual.split('.SH GUEST COMMANDS')[1]!.split('\n.SS ')[0]!;
    for (const words of listed(help(name), 'Options')) {
      for (const [option] of words.matchAll(/--?[a-z][a-z-]*/g)) {
        if (option === '--help' || option === '-h') continue;
        const all = section + (option === '--loopback' || option === '--device' ? guest : '') + common;
        t.ok(new RegExp(`${option}(?![a-z-])`).test(all), `tells of ${option}`);
      }
    }
  });
}

/** What stands behind "default:" in the help of each option, which has it from the code. */
function defaultsOf(text: string): Map<string, string> {
  const options = text.split('Options:\n')[1]?.replace(/\n {3,}/g, ' ') ?? '';
  return new Map(
    [...options.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+).*?[( ]default: ([^,;)]+)/gm)].map(
      ([, option = '', value = '']) => [option, value],
    ),
  );
}

for (const name of [...described, 'vm boot']) {
  t.test(`virtwl ${name}: the defaults are those of the code`, async t => {
    const section = manual.split(`.SS virtwl ${name.split(' ')[0]}`)[1]?.split(/\n\.S[SH] /)[0] ?? '';
    for (const [option, value] of defaultsOf(help(...name.split(' ')))) {
      if (!/^(\d+[KMGT]?|[a-z]+)$/.test(value)) continue; // a sentence
      const paragraph = (section + common).split(new RegExp(`${option}(?![a-z-])`))[1]?.split('\n.TP')[0] ?? '';
      const told = /[Dd]efault:\s+(?:\.BR? )?([\w,]+)/.exec(paragraph)?.[1]?.replaceAll(',', '');
      t.equal(told, value, option);
    }
  });
}

t.test('the manual page has no section for a command that is not there', async t => {
  const sections = [...manual.matchAll(/^\.SS virtwl ([a-z]+)/gm)].map(([, name]) => name);
  t.strictSame([...sections].sort(), [...described].sort());
});
