/** Options of a subcommand from a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { withConfigFile } from '../../src/cli/config-file.js';
import { register } from '../../src/cli/host.js';

function host(): Command {
  const program = new Command();
  register(program);
  return program.commands[0]!;
}

function file(t: Test, text: string, name = 'work.conf'): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const TEXT = `
# The applications' VM
wayland
broker        /run/virtwl/broker   # where "virtwl broker" runs
socket        /run/virtwl/work.sock
guest-memory  256M
compositor
no-sandbox
`;
const SAID = [
  ...['--wayland', '--broker=/run/virtwl/broker', '--socket=/run/virtwl/work.sock', '--guest-memory=256M'],
  ...['--compositor', '--no-sandbox'],
];

t.test('each line is an option, and the VM is called as the file', t => {
  const path = file(t, TEXT);
  t.same(withConfigFile(host(), ['--config', path]), [...SAID, '--vm=work']);
  t.same(withConfigFile(host(), [`--config=${path}`, '--probe']), [...SAID, '--vm=work', '--probe']);
  t.same(withConfigFile(host(), ['--config', file(t, 'vm desk\n', 'x')]), ['--vm=desk']);
  t.end();
});

t.test('what is given on the command line holds in place of the file', t => {
  const path = file(t, TEXT);
  const args = withConfigFile(host(), ['--socket', '/tmp/s', '--config', path, '--vm=other', '--sandbox=minijail']);
  t.same(args, [
    ...SAID.filter(arg => !/socket|sandbox/.test(arg)),
    ...['--socket', '/tmp/s', '--vm=other', '--sandbox=minijail'],
  ]);
  t.end();
});

t.test('without a file nothing changes', t => {
  for (const args of [[], ['--vm', 'work', '--probe'], ['--config']]) t.same(withConfigFile(host(), args), args);
  t.end();
});

for (const [line, message] of [
  ['memory 2G', /work\.conf:3: "memory" is no option of virtwl host/],
  ['config other.conf', /work\.conf:3: "config" is no option/],
  ['allocator', /work\.conf:3: --allocator <budget> needs a value/],
  ['allocator much', /work\.conf:3: allocator "much": /],
  ['wayland yes', /work\.conf:3: wayland takes no value, "yes" is one/],
  ['compositor maybe', /work\.conf:3: compositor "maybe": /],
  ['max-vfds 0', /work\.conf:3: max-vfds "0": give a whole number of at least 1/],
] as const) {
  t.test(`"${line}" is told with its line`, t => {
    t.throws(() => withConfigFile(host(), ['--config', file(t, `# VM\nprobe\n${line}\n`)]), { message });
    t.end();
  });
}

t.test('a file that is not there, or is none', t => {
  t.throws(() => withConfigFile(host(), ['--config', '/nonexistent/work.conf']), {
    message: '--config /nonexistent/work.conf: there is no such file',
  });
  const large = file(t, `#${'x'.repeat(64 * 1024)}`);
  t.throws(() => withConfigFile(host(), ['--config', large]), { message: /over 65536 bytes/ });
  t.same(withConfigFile(host(), ['--config', file(t, `#${'x'.repeat(64 * 1024 - 1)}`)]), ['--vm=work']);
  t.end();
});
