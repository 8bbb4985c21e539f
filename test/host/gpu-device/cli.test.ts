/**
 * `virtwl host --gpu-socket`: confined as it runs by default, alone and beside a wl device, with VMMs and drivers of the
 * tests at its sockets.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { VIRTWL } from '../../../src/demo/loopback-stack.js';
import { ChannelType, IdType } from '../../../src/host/gpu-device/cross-domain.js';
import { Response } from '../../../src/host/gpu-device/wire.js';
import { STATUS_PREFIX } from '../../../src/observe/status.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { UnixListener } from '../../../src/system/unix-listener.js';
import { eventually } from '../../eventually.js';
import { TestFrontEnd } from '../wl-device/front-end.js';
import { allocCommand, contextCommand, GuestDriver } from '../wl-device/guest-driver.js';
import { GpuDriver } from './gpu-driver.js';

const PAGE = 4096;

t.test('a VM reaches its servers through a confined process, by either device', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-host-gpu-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [wlPath, gpuPath, display] = ['wl', 'gpu', 'display'].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const listener = UnixListener.listen(display);
  t.teardown(() => listener.close());
  listener.on('connection', socket => {
    t.teardown(() => socket.close());
    // As a compositor of the host's hands a keymap out: read-only, and no whole pages.
    const keymap = new OwnedFd(native.memfd('keymap', 100, 0));
    socket.send(Buffer.from('keymap'), [new OwnedFd(openSync(`/proc/self/fd/${keymap.fd}`, 'r'))]);
    keymap.close();
  });
  const child = spawn(
    process.execPath,
    [
      ...[
        VIRTWL,
        'host',
        '--vm',
        'work',
        '--socket',
        wlPath,
        '--gpu-socket',
        gpuPath,
        '--socket',
        `display=${display}`,
      ],
      ...['--default-server', 'display', '--guest-memory', '64K'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let out = '';
  let errors = '';
  child.stdout.on('data', chunk => (out += String(chunk)));
  child.stderr.on('data', chunk => (errors += String(chunk)));
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await eventually('it to be ready', () => out.includes('ready') || child.exitCode !== null);

  const gpuEnd = new TestFrontEnd(new OwnedFd(native.connectUnix(gpuPath)));
  const gpu = new GpuDriver(gpuEnd);
  await gpuEnd.negotiate(gpu.features);
  gpu.start();
  const program = await gpu.program();
  t.equal(await program.init(ChannelType.Wayland), Response.Ok);
  const { ids } = await program.next();
  t.match(ids, [{ type: IdType.Blob, size: 100 }]);
  const resource = gpu.id();
  t.equal(await gpu.hostBlob(program.id, resource, ids[0]!.id, PAGE), Response.Ok);
  t.equal(await gpu.map(resource, 0), Response.MapInfo);
  t.equal((await program.memory(32_768)).answer, Response.Ok);

  const wlEnd = new TestFrontEnd(new OwnedFd(native.connectUnix(wlPath)));
  const wl = new GuestDriver(wlEnd);
  await wlEnd.negotiate(wl.features);
  wl.start();
  t.match(await wl.make(contextCommand(1, 'display')), { id: 1 });
  t.match(await wl.make(allocCommand(2, 32_768)), { id: 2 });
  t.type(await wl.make(allocCommand(3, 1)), 'number', 'half of the memory is the other device’s');

  child.kill('SIGUSR2');
  await eventually('the status', () => errors.includes(STATUS_PREFIX));
  t.match(JSON.parse(errors.split(STATUS_PREFIX)[1]!.split('\n')[0]!), {
    device: { connected: true, connections: 1, allocBytes: 65_536 },
    gpu: { connected: true, contexts: 1, connections: 1, resources: 4, mappings: 1, allocBytes: 65_536 },
  });
  gpuEnd.close();
  wlEnd.close();
  child.kill('SIGTERM');
  t.equal(await ended, 0);
  t.same(readdirSync(directory), ['display'], 'sockets and directory are gone');
});
