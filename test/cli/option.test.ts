/** Options, each declared once. */
import { Command } from 'commander';
import t from 'tap';
import { formatBytes, parseBytes } from '../../src/cli/bytes.js';
import {
  addOptions,
  BYTES,
  COUNT,
  flag,
  oneOf,
  optional,
  PATH,
  required,
  VM_NAME,
  withDefault,
} from '../../src/cli/option.js';

const OPTIONS = {
  vm: required('--vm <name>', 'a name', VM_NAME),
  size: withDefault('--size <size>', 'a size', BYTES, 512 * 2 ** 20),
  rate: withDefault('--rate <n>', 'a rate', COUNT, 10),
  where: optional('-w, --where <path>', 'a path', PATH),
  mode: { ...optional('--mode [mode]', 'a mode', oneOf(['a', 'b'])), preset: 'b' },
  on: flag('--on', 'a flag'),
};

function command(): { command: Command; said: string[] } {
  const said: string[] = [];
  const quiet = new Command('test').exitOverride().configureOutput({ writeErr: text => said.push(text) });
  return { command: addOptions(quiet, OPTIONS), said };
}

function parse(...args: string[]): unknown {
  return command().command.parse(args, { from: 'user' }).opts();
}

t.test('what is given, and what holds without', async t => {
  t.same(parse('--vm', 'work'), { vm: 'work', size: 512 * 2 ** 20, rate: 10 });
  t.same(parse('--vm=a', '--size=1K', '--rate=2', '-w', '/x/../y', '--mode=a', '--on'), {
    ...{ vm: 'a', size: 1024, rate: 2, where: '/y', mode: 'a', on: true },
  });
  t.match(parse('--vm=a', '--mode'), { mode: 'b' });
  t.match(parse('--vm=a', '--where', 'x'), { where: `${process.cwd()}/x` });
});

t.test('what cannot be meant is refused', async t => {
  for (const [args, message] of [
    [[], /required option '--vm <name>'/],
    [['--vm', 'a b'], /'--vm <name>' argument 'a b' is invalid/],
    [['--vm=a', '--size=big'], /give a number of bytes/i],
    [['--vm=a', '--rate=0'], /at least 1/],
    [['--vm=a', '--where='], /give a path/],
    [['--vm=a', '--mode=c'], /Allowed choices are a, b/],
  ] as const) {
    const { command: tried, said } = command();
    t.throws(() => tried.parse(args, { from: 'user' }));
    t.match(said.join(''), message);
  }
});

t.test('the help has the defaults in the words in which they are given', async t => {
  const help = command().command.helpInformation();
  t.match(help, /a size \(default: 512M\)/);
  t.match(help, /a rate \(default: 10\)/);
  t.notMatch(help, /default: \{/);
});

t.test('sizes', async t => {
  for (const [text, bytes] of [
    ['1', 1],
    ['1000', 1000],
    ['1K', 1024],
    ['640M', 640 * 2 ** 20],
    ['1536M', 1.5 * 2 ** 30],
    ['2G', 2 ** 31],
    ['1T', 2 ** 40],
  ] as const) {
    t.equal(formatBytes(bytes), text);
    t.equal(parseBytes(text), bytes);
  }
  t.equal(parseBytes('1.5 GiB'), 1.5 * 2 ** 30);
});

t.test('a declaration whose name is not that of its flags is a mistake', async t => {
  t.throws(() => addOptions(new Command(), { other: flag('--this', '') }), /--this is declared as other/);
});
