/**
 * The manual page knows every command and every option that the program has.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import t from 'tap';

const manual = readFileSync('docs/virtwl.1', 'utf8').replaceAll('\\-', '-');
const help = (...args: string[]) =>
  execFileSync(process.execPath, ['dist/src/cli/main.js', ...args, '--help'], { encoding: 'utf8' });

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
        const all = section + (option === '--loopback' || option === '--device' ? guest : '');
        t.ok(new RegExp(`${option}(?![a-z-])`).test(all), `tells of ${option}`);
      }
    }
  });
}

t.test('the manual page has no section for a command that is not there', async t => {
  const sections = [...manual.matchAll(/^\.SS virtwl ([a-z]+)/gm)].map(([, name]) => name);
  t.strictSame([...sections].sort(), [...described].sort());
});
