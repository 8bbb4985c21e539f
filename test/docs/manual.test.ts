/**
 * The manual page knows every command, option, default and environment variable that the program has, and no other.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

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
    for (const [, option = ''] of section.matchAll(/^\.TP\n\.B.*?(--[a-z][a-z0-9-]*)/gm)) {
      t.ok(new RegExp(`${option}(?![a-z0-9-])`).test(options), `${option} is there`);
    }
    const guest = manual.split('.SH GUEST COMMANDS')[1]!.split('\n.SS ')[0]!;
    for (const words of listed(help(name), 'Options')) {
      for (const [option] of words.matchAll(/--?[a-z][a-z0-9-]*/g)) {
        if (option === '--help' || option === '-h') continue;
        const all = section + (option === '--loopback' || option === '--device' ? guest : '') + common;
        t.ok(new RegExp(`${option}(?![a-z0-9-])`).test(all), `tells of ${option}`);
      }
    }
  });
}

/** What stands behind "default:" in the help of each option, which has it from the code. */
function defaultsOf(text: string): Map<string, string> {
  const options = text.split('Options:\n')[1]?.replace(/\n {3,}/g, ' ') ?? '';
  return new Map(
    [...options.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+).*?[( ]default: ([^,;)]+)/gm)].map(
      ([, option = '', value = '']) => [option, value],
    ),
  );
}

for (const name of [...described, 'vm boot']) {
  t.test(`virtwl ${name}: the defaults are those of the code`, async t => {
    const section = manual.split(`.SS virtwl ${name.split(' ')[0]}`)[1]?.split(/\n\.S[SH] /)[0] ?? '';
    for (const [option, value] of defaultsOf(help(...name.split(' ')))) {
      if (!/^(\d+[KMGT]?|[a-z]+)$/.test(value)) continue; // a sentence
      const paragraph = (section + common).split(new RegExp(`${option}(?![a-z0-9-])`))[1]?.split('\n.TP')[0] ?? '';
      const told = /[Dd]efault:\s+(?:\.BR? )?([\w,]+)/.exec(paragraph)?.[1]?.replaceAll(',', '');
      t.equal(told, value, option);
    }
  });
}

// `vm boot` has its options in one paragraph, which the test above reads.
for (const name of described.filter(each => each !== 'vm')) {
  t.test(`virtwl ${name}: the manual page tells no default that the code has not`, async t => {
    const section = manual.split(`.SS virtwl ${name}`)[1]?.split(/\n\.S[SH] /)[0] ?? '';
    const known = defaultsOf(help(name));
    let told = 0;
    for (const paragraph of section.split('\n.TP\n').slice(1)) {
      const [, option = ''] = /(--[a-z][a-z0-9-]*)/.exec(paragraph) ?? [];
      const [, value = ''] = /[Dd]efault:\s+(\d[\d,]*[KMGT]?)\b(?![.:]\d)/.exec(paragraph) ?? [];
      if (option === '' || value === '') continue;
      told++;
      t.equal(known.get(option), value.replaceAll(',', ''), option);
    }
    t.pass(`${told} numbers`);
  });
}

t.test('the troubleshooting page says how long the broker lets a client wait', async t => {
  const seconds = defaultsOf(help('broker')).get('--wait-seconds');
  t.match(
    readFileSync('docs/troubleshooting.md', 'utf8'),
    new RegExp(`after ${seconds} seconds \\(\`virtwl broker --wait-seconds\`\\)`),
  );
  t.match(manual, new RegExp(`after ${seconds} seconds \\(its\\n.BR --wait-seconds`));
});

t.test('environment variables', async t => {
  const section = manual.split('.SH ENVIRONMENT')[1]!.split('\n.SH ')[0]!;
  const told = [...section.matchAll(/^\.TP\n\.B (\w+)$/gm)].map(([, name = '']) => name);
  /** What one process of ours tells another, and is nobody else's. */
  const internal = ['VIRTWL_CONFINED'];
  const sources = ['src', 'compositor-glue'].flatMap(root =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => readFileSync(`${root}/${name}`, 'utf8')),
  );
  const heeded = new Set(
    sources.flatMap(text =>
      [...text.matchAll(/env\.(VIRTWL_\w+|XDG_\w+)|(?:_ENV = |env: )'(VIRTWL_\w+)'/g)].map(
        ([, name, declared]) => name ?? declared!,
      ),
    ),
  );
  t.ok(heeded.size > 10, `${heeded.size} in the code`);
  for (const name of heeded) if (!internal.includes(name)) t.ok(told.includes(name), `tells of ${name}`);
  // Those of others, which have no paragraph of their own each.
  const others = new Set(
    sources.flatMap(text => [...text.matchAll(/\benv\.([A-Z][A-Z0-9_]+)/g)].map(([, name = '']) => name)),
  );
  // Where programs are found and what time it is, as everywhere.
  const everywhere = ['PATH', 'TZ'];
  for (const name of others) if (![...internal, ...everywhere].includes(name)) t.match(manual, name, `names ${name}`);
  for (const name of told.filter(each => each.startsWith('VIRTWL_'))) t.ok(heeded.has(name), `${name} is heeded`);
});

t.test('what is printed has no colours, as the manual page says', async t => {
  const rooms = ['src/cli', 'src/observe', 'src/doctor', 'src/probe', 'src/frames'];
  for (const room of rooms) {
    const files = readdirSync(room, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'));
    for (const file of files) {
      t.notMatch(readFileSync(`${room}/${file}`, 'utf8'), /\\(?:x1b|u001b|033|e)\[[0-9;]*m|styleText/i, file);
    }
  }
});

t.test('the manual page has no section for a command that is not there', async t => {
  const sections = [...manual.matchAll(/^\.SS virtwl ([a-z][a-z0-9]*)/gm)].map(([, name]) => name);
  t.strictSame([...sections].sort(), [...described].sort());
});
