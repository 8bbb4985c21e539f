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
socket        sound=/run/sound.sock
socket        portal=/run/portal.sock
compositor
no-sandbox
`;
const SAID = [
  ...['--wayland', '--broker=/run/virtwl/broker', '--socket=/run/virtwl/work.sock', '--guest-memory=256M'],
  ...['--socket=sound=/run/sound.sock', '--socket=portal=/run/portal.sock', '--compositor', '--no-sandbox'],
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
  const args = withConfigFile(host(), ['--config', path, '--guest-memory', '1G', '--vm=other', '--sandbox=minijail']);
  t.same(args, [
    ...SAID.filter(arg => !/guest-memory|sandbox/.test(arg)),
    ...['--guest-memory', '1G', '--vm=other', '--sandbox=minijail'],
  ]);
  t.end();
});

t.test('and adds to it where an option can be given more than once', t => {
  const path = file(t, TEXT);
  const mixed = (...more: string[]) => withConfigFile(host(), ['--config', path, ...more]);
  t.same(mixed('--socket', '/tmp/s'), [
    ...SAID.filter(arg => arg !== '--socket=/run/virtwl/work.sock'),
    ...['--vm=work', '--socket', '/tmp/s'],
  ]);
  t.same(
    mixed('--socket=camera=/tmp/c'),
    [...SAID, '--vm=work', '--socket=camera=/tmp/c'],
    'one that the file has not',
  );
  t.same(
    mixed('--socket', 'sound=/tmp/s'),
    [...SAID.filter(arg => !arg.startsWith('--socket=sound')), '--vm=work', '--socket', 'sound=/tmp/s'],
    'the same name: in place of that line alone',
  );
  // What comes of it is what the process gets.
  const program = new Command().exitOverride();
  register(program);
  const command = program.commands[0]!.exitOverride().action(() => {});
  command.parse(withConfigFile(command, ['--config', path, '--socket', '/tmp/s', '--socket', 'sound=/tmp/n']), {
    from: 'user',
  });
  t.same(command.opts().socket, { device: '/tmp/s', servers: { portal: '/run/portal.sock', sound: '/tmp/n' } });
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
  ['probe', /work\.conf:3: probe is said already: .*work\.conf:2; one of the two has to go/],
  ['socket a=/b\nvm x\nsocket a=/c', /work\.conf:5: socket is said already: .*work\.conf:3/],
  ['socket /b\nsocket /c', /work\.conf:4: socket is said already: .*work\.conf:3/],
  ['sandbox minijail\nno-sandbox', /work\.conf:4: no-sandbox is said already: .*work\.conf:3/],
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
