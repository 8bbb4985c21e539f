/**
 * `virtwl vm boot`: that it ends, and says why, when the host process that is the VM's wl device has gone; and what it runs
 * in the VM.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { VIRTWL } from '../../src/demo/host-parts.js';
import { OwnedFd } from '../../src/system/fd.js';
import { WlDeviceServer } from '../../src/host/wl-device/server.js';
import { native } from '../../src/system/native.js';

t.setTimeout(280_000);

t.test('a VM without its wl device', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-boot-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const socket = join(directory, 'wl');
  const boot = (): { said: () => string; up: Promise<void>; ended: Promise<number | null> } => {
    const child = spawn(process.execPath, [VIRTWL, 'vm', 'boot', 'test', '--wl', socket], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    let text = '';
    const ended = new Promise<number | null>(resolve => child.once('close', resolve));
    const up = new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (/(^|: )up after /m.test(text)) resolve();
      });
      void ended.then(() => reject(new Error(text)));
    });
    up.catch(() => undefined);
    return { said: () => text, up, ended };
  };

  const early = boot();
  t.equal(await early.ended, 1, 'does not start where there is none');
  t.match(early.said(), /no wl device at .*\/wl .*start "virtwl host --socket .*\/wl" first/);

  const device = new WlDeviceServer({
    ...{ socket: new OwnedFd(native.listenUnix(socket, 4)), directory, servers: new Set<string>() },
    log: line => t.comment(`device: ${line}`),
  });
  t.teardown(() => device.close());
  const guest = boot();
  await guest.up;
  device.close();
  t.equal(await guest.ended, 1, 'ends when it has gone');
  t.match(
    guest.said(),
    /virtwl: the VM "test" has to end: its host process is gone: .*\/wl .*Start that again, then this/,
    'and says so',
  );
});

t.test('a script in a VM', async t => {
  const run = async (...more: string[]): Promise<{ status: number | null; output: string; errors: string }> => {
    const child = spawn(process.execPath, [VIRTWL, 'vm', 'boot', 'test', '--quiet', ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const text = { output: '', errors: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text.output += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text.errors += part));
    const status = await new Promise<number | null>(resolve => child.once('close', resolve));
    return { status, ...text };
  };

  const ended = await run('--run', 'echo one; echo two >&2; printf "three €"; exit 3');
  t.match(ended, { status: 3, output: 'one\nthree €', errors: /^two$/m }, 'what it prints, and its status');

  const late = await run('--run-seconds', '2', '--run', 'printf "one\ntwo"; sleep 1000');
  t.match(late, { status: 1, output: 'one\ntwo' }, 'one that does not end is given up, and what it printed is there');
  t.match(late.errors, /^virtwl: the script of --run had not ended in the VM "test" after 2 s; .*--run-seconds$/m);
});
