/**
 * `virtwl vm up`: three client VMs beside one compositor VM, as a person has them, by the command alone; what is asked of them,
 * and that nothing stays, also of a session that was killed.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { NODE_FLAGS, VIRTWL } from '../../src/demo/loopback-stack.js';

const CLIENTS = ['work', 'mail', 'bank'];
/** Emulated guests beside other tests. In milliseconds. */
const PATIENCE_MS = 300_000;
const LOOK_MS = 500;

/** Sockets of sessions of this test alone, and its stacks. */
const place = mkdtempSync(join(tmpdir(), 'virtwl-up-'));
const env = { ...process.env, XDG_RUNTIME_DIR: place, TMPDIR: place, VIRTWL_VM_DIR: join(place, 'session') };
t.teardown(() => rmSync(place, { recursive: true, force: true }));
t.setTimeout(4 * PATIENCE_MS);

function virtwl(...args: readonly string[]): { status: number | null; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, VIRTWL, 'vm', ...args], {
    env,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  return { status, output: stdout, errors: stderr };
}

interface Up {
  readonly child: ChildProcess;
  errors: string;
}

async function bringUp(...args: readonly string[]): Promise<Up> {
  const child = spawn(process.execPath, [...NODE_FLAGS, VIRTWL, 'vm', 'up', '--quiet', ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const up: Up = { child, errors: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (up.errors += text));
  t.teardown(() => child.kill('SIGKILL'));
  return up;
}

async function until(what: string, up: Up, done: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !done(); await pause(LOOK_MS)) {
    if (up.child.exitCode !== null) throw new Error(`"vm up" has ended before ${what}:\n${up.errors}`);
    if (Date.now() > end) throw new Error(`waited in vain for ${what}:\n${up.errors}`);
  }
}

/** Processes whose command line names a stack of this test. */
function left(): string[] {
  return readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid) && pid !== String(process.pid))
    .flatMap(pid => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(join(place, 'virtwl-stack-')) ? [line] : [];
      } catch {
        return [];
      }
    });
}

/** The same, once what was ended has had time to go. */
async function leftInTheEnd(): Promise<readonly string[]> {
  for (const end = Date.now() + PATIENCE_MS; left().length > 0 && Date.now() < end;) await pause(LOOK_MS);
  return left();
}

t.test('three client VMs beside one compositor VM', async t => {
  const up = await bringUp('desk', ...CLIENTS);
  await until('all are up', up, () => up.errors.includes('all VMs are up'));
  for (const vm of CLIENTS) t.match(up.errors, `VM "${vm}" is up: virtwl vm run ${vm} -- foot`);
  t.equal(
    virtwl('list').output.split('\n').sort().join('\n').trim(),
    ['bank\tclient\tup', 'desk\tcompositor\tup', 'mail\tclient\tup', 'work\tclient\tup'].join('\n'),
  );
  t.match(virtwl('up', 'a', 'b'), { status: 1, errors: /VMs are up already/ });

  await t.test('a program has its output, its status and the display of its VM', async t => {
    t.same(virtwl('run', 'work', '--', 'sh', '-c', 'echo "to $WAYLAND_DISPLAY"; echo "its errors" >&2; exit 7'), {
      ...{ status: 7, output: 'to wayland-0\n', errors: 'its errors\n' },
    });
    t.match(
      virtwl('run', 'mail', '--', 'virtwl', '--version'),
      { status: 0, output: /^\d+\.\d+/ },
      'virtwl is on the PATH',
    );
    // Its parts have a second to answer, which an emulated guest does not always have.
    let said = '';
    await until('all parts in the guest to answer', up, () => {
      const { status, output } = virtwl('run', 'work', '--', 'virtwl', 'status');
      said = output;
      return status === 0;
    });
    t.match(said, /virtwl run, process \d+/);
    t.match(virtwl('run', 'home', '--', 'true'), {
      ...{ status: 1, errors: /there is no VM "home": up are .*"desk".*"work"/ },
    });
  });

  await t.test('what is no request is answered as a mistake, and ends nothing', async t => {
    const socket = connect(join(place, 'session', 'socket'));
    socket.write('{nonsense\n');
    let answer = '';
    for await (const bytes of socket) answer += String(bytes);
    t.match(JSON.parse(answer), { failed: /JSON/ });
    t.match(virtwl('list'), { status: 0 });
  });

  await t.test('their windows are on one desktop, each with the name of its VM', async t => {
    const programs = CLIENTS.map(vm =>
      spawn(process.execPath, [...NODE_FLAGS, VIRTWL, 'vm', 'run', vm, '--', 'weston-simple-shm'], {
        env,
        stdio: 'ignore',
      }),
    );
    t.teardown(() => programs.forEach(program => program.kill('SIGKILL')));
    const titles = (): string =>
      virtwl('run', 'desk', '--', 'sh', '-c', 'swaymsg -r -s /run/virtwl/sway-ipc.*.sock -t get_tree').output;
    await until('three windows', up, () => {
      const tree = titles();
      return CLIENTS.every(vm => tree.includes(`"[${vm}] simple-shm"`));
    });
    t.pass('all three are there');
    // Who asked for it goes, and with that the program.
    programs[0]!.kill('SIGINT');
    await until('the first to go', up, () => !titles().includes('"[work] simple-shm"'));
    t.match(virtwl('run', 'work', '--', 'true'), { status: 0 }, 'and not its VM');
  });

  await t.test('one is taken down, then all', async t => {
    t.match(virtwl('down', 'bank'), { status: 0 });
    t.notMatch(virtwl('list').output, 'bank');
    t.match(virtwl('down'), { status: 0 });
    const [status] = up.child.exitCode === null ? ((await once(up.child, 'exit')) as [number]) : [up.child.exitCode];
    t.equal(status, 0, up.errors);
    t.same(await leftInTheEnd(), [], 'no process stays');
    t.same(
      readdirSync(place).filter(name => name.startsWith('virtwl-stack-')),
      [],
      'and no directory',
    );
    t.match(virtwl('list'), { status: 1, errors: /no VMs are up/ });
  });
});

t.test('what a session that was killed has left is cleared away', async t => {
  const up = await bringUp('desk', 'work');
  await until('its broker', up, () => left().length > 0);
  up.child.kill('SIGKILL');
  await once(up.child, 'exit');
  t.match(virtwl('down'), { status: 0, output: /processes that were left are ended|no VMs are up/ });
  t.same(await leftInTheEnd(), []);
  t.notOk(readdirSync(place).some(name => name.startsWith('virtwl-stack-')));
  t.notOk(existsSync(join(place, 'session', 'session.json')));
});
