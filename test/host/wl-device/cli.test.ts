/**
 * `virtwl host` as a VM's wl device: confined as it runs by default, with a VMM and a driver of the tests at its socket.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeRequest } from '../../../src/allocator/protocol.js';
import { STATUS_PREFIX } from '../../../src/observe/status.js';
import { VIRTWL } from '../../../src/demo/loopback-stack.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { Response } from '../../../src/host/wl-device/wire.js';
import { native } from '../../../src/system/native.js';
import { UnixListener } from '../../../src/system/unix-listener.js';
import { eventually } from '../../eventually.js';
import { TestFrontEnd } from './front-end.js';
import { allocCommand, contextCommand, GuestDriver } from './guest-driver.js';

const directory = mkdtempSync(join(tmpdir(), 'virtwl-host-vm-'));
t.teardown(() => rmSync(directory, { recursive: true }));

interface Running {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<number | null>;
}

async function host(t: Test, ...args: string[]): Promise<Running> {
  const child = spawn(process.execPath, [VIRTWL, 'host', '--vm', 'work', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let text = '';
  child.stdout.on('data', chunk => (out += String(chunk)));
  child.stderr.on('data', chunk => (text += String(chunk)));
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  let gone = false;
  void ended.then(() => (gone = true));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await eventually('it to be ready', () => out.includes('ready') || gone);
  if (gone) throw new Error(text);
  return { child, stderr: () => text, ended };
}

async function guest(t: Test, path: string): Promise<GuestDriver> {
  const frontEnd = new TestFrontEnd(new OwnedFd(native.connectUnix(path)));
  t.teardown(() => frontEnd.close());
  const driver = new GuestDriver(frontEnd);
  await frontEnd.negotiate(driver.features);
  driver.start();
  return driver;
}

t.test('a VM reaches the servers that are turned on, through a confined process', async t => {
  const path = join(directory, 'work');
  const server = join(directory, 'server');
  const listener = UnixListener.listen(server);
  t.teardown(() => listener.close());
  listener.on('connection', socket => {
    t.teardown(() => socket.close());
    socket.send(Buffer.from('hello'));
  });
  const { child, stderr, ended } = await host(
    t,
    '--socket',
    path,
    '--allocator=1M',
    '--socket',
    `display=${server}`,
    '--guest-memory',
    '64K',
  );
  const driver = await guest(t, path);
  t.match(await driver.make(contextCommand(1, 'display')), { id: 1 });
  await driver.has(1, 5);
  t.match(await driver.make(contextCommand(2, 'allocator')), { id: 2 });
  t.equal(await driver.send(2, encodeRequest({ id: 7n, size: 8192n })), Response.Ok);
  await driver.has(2, 1, 1);
  t.match(driver.receivedVfds(2), [{ size: 8192, flags: 3 }]);
  t.equal(await driver.make(contextCommand(3, 'probe')), Response.InvalidId, 'one that is off');
  t.match(await driver.make(allocCommand(3, 65536)), { size: 65536 });
  t.equal(await driver.make(allocCommand(4, 1)), Response.OutOfMemory);

  child.kill('SIGUSR2');
  await eventually('the status', () => stderr().includes(STATUS_PREFIX));
  const status = JSON.parse(stderr().split(STATUS_PREFIX)[1]!.split('\n')[0]!) as Record<string, unknown>;
  t.match(status, {
    vm: 'work',
    device: { connected: true, vfds: 4, connections: 2, mappings: 2, allocBytes: 65536 },
    allocator: { used: 8192 },
  });
  t.match(status.native, { fdsOpened: Number });

  driver.frontEnd.close();
  const next = await guest(t, path);
  t.match(await next.make(allocCommand(1, 65536)), { id: 1 }, 'the next VMM finds all of it free');
  child.kill('SIGTERM');
  t.equal(await ended, 0);
  t.same(readdirSync(directory), ['server'], 'socket and directory are gone');
});

t.test('a directory for loopback and a socket for a VM can be had at the same time', async t => {
  const path = join(directory, 'both');
  const loopback = join(directory, 'loopback');
  await host(t, '--socket', path, '--loopback', loopback, '--probe');
  t.same(readdirSync(loopback), ['probe']);
  t.notOk(existsSync(`${path}.servers`));
  const driver = await guest(t, path);
  t.match(await driver.make(contextCommand(1, 'probe')), { id: 1 });
});

t.test('what cannot be is refused', async t => {
  const refused = (args: string[], message: RegExp): void => {
    const { status, stderr } = spawnSync(process.execPath, [VIRTWL, 'host', '--vm', 'work', ...args], {
      encoding: 'utf8',
    });
    t.not(status, 0, args.join(' '));
    t.match(stderr, message);
  };
  refused([], /give --socket PATH or --gpu-socket PATH for a VM, or --loopback DIR/);
  refused(['--socket', join(directory, 'a'), '--socket', join(directory, 'b')], /was given already/);
  refused(['--socket', '=x'], /give PATH, or NAME=PATH/);
  refused(
    ['--socket', join(directory, 'a'), '--socket', `display=${join(directory, 'nothing')}`],
    /there is no socket .* start what listens there first/,
  );
  refused(['--socket', join(directory, 'a'), '--max-mappings', '481'], /room for 480/);
  t.notOk(existsSync(join(directory, 'a')));
});

t.test('--print tells what the VMM is to be started with', async t => {
  const print = (...args: string[]): string =>
    execFileSync(process.execPath, [VIRTWL, 'host', '--vm', 'work', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  t.equal(
    print('--socket', '/run/a,b', '--print', 'qemu'),
    '-chardev socket,id=virtwl,path=/run/a,,b ' +
      '-device vhost-user-test-device-pci,virtio-id=30,num_vqs=2,vq_size=256,config_size=0,chardev=virtwl\n',
  );
  t.equal(print('--socket', '/run/a b', '--print', 'crosvm'), "--vhost-user 'wl,socket=/run/a b'\n");
  t.equal(
    print('--gpu-socket', '/run/g', '--print', 'qemu'),
    '-chardev socket,id=virtwl-gpu,path=/run/g ' +
      '-device vhost-user-test-device-pci,virtio-id=16,num_vqs=2,vq_size=1024,config_size=16,chardev=virtwl-gpu\n',
  );
  t.equal(
    print('--socket', '/run/a', '--gpu-socket', '/run/g', '--print', 'crosvm'),
    '--vhost-user wl,socket=/run/a --vhost-user gpu,socket=/run/g\n',
    'one device after the other',
  );
  t.equal(
    print('--loopback', '/run/a', '--probe', '--socket', 'display=/run/w', '--print', 'crosvm'),
    '--wayland-sock /run/a/probe,name=probe --wayland-sock /run/a/display,name=display\n',
  );
  t.equal(
    print('--socket', '/run/a', '--print', 'cloud-hypervisor'),
    `--generic-vhost-user 'socket="/run/a",virtio_id=63,queue_sizes=[256,256]'\n`,
  );
});
