/** What `virtwl vm up` and those that ask it take, and what they say without a session. No VM is booted here. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { MAX_CLIENT_VMS } from '../../src/cli/vm-desktop.js';
import { NODE_FLAGS, VIRTWL } from '../../src/demo/loopback-stack.js';

const place = mkdtempSync(join(tmpdir(), 'virtwl-up-'));
t.teardown(() => rmSync(place, { recursive: true, force: true }));

function virtwl(...args: readonly string[]): { status: number | null; output: string; errors: string } {
  const env = { ...process.env, VIRTWL_VM_DIR: join(place, 'session') };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, VIRTWL, 'vm', ...args], {
    ...{ env, encoding: 'utf8', timeout: 30_000 },
  });
  return { status, output: stdout, errors: stderr };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `vm${i}`);

for (const [what, args, errors] of [
  ['a compositor VM alone', ['up', 'desk'], /name a compositor VM, and client VMs behind it/],
  ['a name twice', ['up', 'desk', 'work', 'work'], /two VMs are called "work"/],
  ['a name that is none', ['up', 'desk', 'a/b'], /cannot be the name of a VM/],
  ['a package that is none', ['up', 'desk', 'work', '--package', '../x'], /give the name of a Debian package/],
  ['too many', ['up', 'desk', ...names(MAX_CLIENT_VMS + 1)], /17 client VMs: at most 16/],
] as const) {
  t.test(`${what} is a mistake`, t => {
    t.match(virtwl(...args), { status: 2, errors });
    t.end();
  });
}

t.test('without a session, each says how to begin one', t => {
  for (const args of [['list'], ['run', 'work', '--', 'true'], ['console', 'work'], ['down', 'work']]) {
    t.match(virtwl(...args), { status: 1, errors: /no VMs are up: start them with "virtwl vm up NAME…"/ }, args[0]!);
  }
  t.match(virtwl('down'), { status: 0, output: 'no VMs are up\n' }, 'to end them all is done');
  t.end();
});

t.test('a note of a session that is damaged ends nothing, and is told', t => {
  mkdirSync(join(place, 'session'), { mode: 0o700, recursive: true });
  for (const text of ['', '{', '{}', '{"pid":1,"directory":"/"}', '{"pid":1,"directory":7}']) {
    writeFileSync(join(place, 'session', 'session.json'), text);
    t.match(virtwl('down'), { status: 1, errors: /session\.json is no note of a session: remove it/ }, text);
  }
  t.end();
});
