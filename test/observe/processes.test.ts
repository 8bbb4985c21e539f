/** What the processes of the command print of what happens, and what they answer: on their real standard error. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fstatSync, mkdtempSync, openSync, readFileSync, closeSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { statusIn } from '../../src/observe/status.js';
import { eventually } from '../eventually.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

interface Started {
  readonly child: ChildProcess;
  readonly directory: string;
  /** Whole lines of its standard error. */
  lines(): string[];
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** @param stderr a descriptor for its standard error, where that is to be a file */
function start(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}, file?: string): Started {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-log-'));
  const { VIRTWL_LOG: _level, VIRTWL_LOG_FORMAT: _format, JOURNAL_STREAM: _stream, ...rest } = process.env;
  const fd = file === undefined ? undefined : openSync(file, 'a');
  const child = spawn(process.execPath, [VIRTWL, ...args.map(arg => arg.replace('DIR', directory))], {
    stdio: ['ignore', 'pipe', fd ?? 'pipe'],
    env: { ...rest, ...env },
  });
  if (fd !== undefined) closeSync(fd);
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise<number | NodeJS.Signals>(resolve =>
    child.once('close', (code, signal) => resolve(code ?? signal!)),
  );
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  const all = (): string => (file === undefined ? text : readFileSync(file, 'utf8'));
  return { child, directory, lines: () => all().split('\n').slice(0, -1), ended };
}

async function ready({ child }: Started): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    child.once('close', code => reject(new Error(`it ended with status ${code}`)));
  });
}

const BROKER = ['broker', '--directory', 'DIR/broker'];
/** It has something to say: nothing is turned on. */
const HOST = ['host', '--vm', 'work', '--socket', 'DIR/vm'];

for (const sandbox of [[], ['--no-sandbox']]) {
  const how = sandbox.length > 0 ? 'unconfined' : 'confined';
  t.test(`${how}, JSON is an object a line, from every process`, async t => {
    const host = start(t, [...HOST, ...sandbox, '--log-format', 'json']);
    await ready(host);
    host.child.kill('SIGUSR2');
    await eventually('the status', () => host.lines().some(line => statusIn(line) !== undefined));
    const entries = host.lines().map(line => JSON.parse(line) as Record<string, unknown>);
    t.match(
      entries.find(({ component }) => component === 'host'),
      { time: /^\d{4}-\d\d-\d\dT.*Z$/, level: 'warning', vm: 'work', message: /no server is turned on/ },
    );
    t.match(entries.at(-1), { component: 'status', status: { vm: 'work', native: { fdsOpened: Number } } });
    host.child.kill();
    t.equal(await host.ended, 0);
  });

  t.test(`${how}, a level is heeded`, async t => {
    const host = start(t, [...HOST, ...sandbox], { VIRTWL_LOG: 'error' });
    await ready(host);
    t.same(host.lines(), []);
    host.child.kill();
    t.equal(await host.ended, 0);
  });

  for (const [name, args] of Object.entries({
    broker: BROKER,
    allocator: ['allocator', '--vm', 'work', '--socket', 'DIR/socket', '--budget', '1M'],
  })) {
    t.test(`${how}, SIGUSR2 is a question to the ${name}, and not its end`, async t => {
      const part = start(t, [...args, ...sandbox]);
      await ready(part);
      for (let count = 1; count <= 2; count++) {
        part.child.kill('SIGUSR2');
        await eventually('the answer', () => part.lines().filter(line => statusIn(line)).length === count);
      }
      const wanted = {
        broker: { vms: [], waiting: 0, links: 0, relayed: 0, registered: 0 },
        allocator: { vm: 'work', allocator: { budget: 1024 * 1024, used: 0, granted: 0 } },
      };
      t.match(statusIn(part.lines().at(-1)!), wanted[name as keyof typeof wanted]);
      part.child.kill();
      t.equal(await part.ended, 0);
    });
  }
}

t.test('the error that a command ends with', async t => {
  const plain = start(t, ['run', '--loopback', 'DIR/none', '--', 'true']);
  t.equal(await plain.ended, 1);
  t.match(plain.lines(), [/^virtwl: there is no loopback directory/]);
  const json = start(t, ['run', '--log-format=json', '--loopback', 'DIR/none', '--', 'true']);
  t.equal(await json.ended, 1);
  t.equal(json.lines().length, 1);
  t.match(JSON.parse(json.lines()[0]!), { level: 'error', component: 'virtwl', message: /^there is no loopback/ });
});

t.test('a level or a format that is not known is refused, also in the environment', async t => {
  for (const [args, env] of [
    [['--log-level', 'loud'], {}],
    [['--log-format', 'xml'], {}],
    [[], { VIRTWL_LOG: 'loud' }],
    [[], { VIRTWL_LOG_FORMAT: 'xml' }],
    [[], { VIRTWL_TRACE: 'x11' }],
  ] as const) {
    const run = start(t, ['run', ...args, '--loopback', 'DIR/none'], env);
    t.equal(await run.ended, 2);
    t.match(run.lines().join('\n'), /invalid|Allowed choices/);
  }
});

t.test('where the journal reads, lines have its priority; where they were redirected since, they have not', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-journal-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'journal');
  const fd = openSync(file, 'a');
  const { dev, ino } = fstatSync(fd);
  closeSync(fd);
  for (const sandbox of [[], ['--no-sandbox']]) {
    const host = start(t, [...HOST, ...sandbox], { JOURNAL_STREAM: `${dev}:${ino}` }, file);
    await ready(host);
    t.match(host.lines().at(-1), /^<4>host warning vm=work: no server is turned on/);
  }
  const other = start(t, [...HOST, '--no-sandbox'], { JOURNAL_STREAM: `${dev}:${ino}` });
  await ready(other);
  // What it says that it is ready by is another pipe.
  await eventually('its word', () => other.lines().length > 0);
  t.match(other.lines().at(-1), /^[0-9:]{8}\.\d{3} host warning vm=work: no server/);
});

t.test('a policy directory that cannot be read is told in a sentence', async t => {
  for (const [path, message] of [
    ['DIR/none', /^virtwl: the policies in .*none cannot be read: there is no such directory: make it/],
    ['/dev/null', /^virtwl: the policies in \/dev\/null cannot be read: it is a file/],
  ] as const) {
    const compositor = start(t, ['compositor', '--policy', path, '--attach', 'DIR/wayland-0']);
    t.equal(await compositor.ended, 1);
    t.match(compositor.lines(), [message]);
  }
});
