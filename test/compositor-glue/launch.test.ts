/** A compositor that was started for the glue, and wayvnc beside it, end when the glue is killed, as whatever user they run. */
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import t from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { eventually } from '../eventually.js';
import { freePort } from '../free-port.js';
import { isAlive, processTree, programOf } from '../robustness/process-holdings.js';

const users: readonly (readonly [string, readonly string[]])[] = [
  ['as the user of this test', []],
  ...(process.getuid?.() === 0
    ? ([['as an ordinary user', ['unshare', '--user', '--map-user=1000', '--map-group=1000']]] as const)
    : []),
];

for (const [name, as] of users) {
  t.test(`virtwl compositor is killed, ${name}`, { timeout: 90_000 }, async t => {
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const loopback = join(directory, 'vm');
    mkdirSync(loopback);
    // A host whose broker says nothing.
    const host = createServer(() => {}).listen(join(loopback, 'compositor'));
    t.teardown(() => host.close());
    const config = join(directory, 'sway.config');
    writeFileSync(config, 'xwayland disable\n');
    const [program, ...args] = [...as, process.execPath, VIRTWL, 'compositor', '--loopback', loopback];
    const shown = ['--headless', '--vnc', String(await freePort())];
    const glue = spawn(program, [...args, ...shown, '--', 'sway', '-c', config], {
      env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: directory },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let tree: number[] = [];
    t.teardown(() => tree.filter(isAlive).forEach(pid => process.kill(pid, 'SIGKILL')));
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: glue.stdout }).on('line', line => {
        if (line.startsWith('WAYLAND_DISPLAY=')) resolve();
      });
      glue.once('exit', () => reject(new Error('it ended too early')));
    });
    tree = processTree(glue.pid!);
    for (const name of ['sway', 'wayvnc']) {
      t.ok(
        tree.some(pid => programOf(pid) === name),
        `${name} runs`,
      );
    }
    glue.kill('SIGKILL');
    await eventually('everything that it started has ended', () => !tree.some(isAlive));
    t.pass('and nothing is left of it');
  });
}
