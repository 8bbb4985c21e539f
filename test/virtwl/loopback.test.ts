import t from 'tap';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_CHUNK_BYTES, MAX_FDS, openDevice, type Context } from '../../src/virtwl/device.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { startPeerServers } from './peer-servers.js';
import { deviceSuite } from './suite.js';

const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
const stop = startPeerServers(directory);
t.teardown(() => {
  stop();
  rmSync(directory, { recursive: true, force: true });
});

t.test('a server that sends more fds than virtio_wl carries breaks the context, and nothing leaks', async t => {
  const path = join(directory, 'generous');
  const listening = new OwnedFd(native.listenUnix(path, 4));
  t.teardown(() => listening.close());
  const device = openDevice({ loopback: directory });
  const memory = new OwnedFd(native.memfd('virtwl-test', 4096, 0));
  t.teardown(() => memory.close());
  for (const count of [MAX_FDS, MAX_FDS + 1]) {
    const context = device.connect('generous');
    const peer = new OwnedFd(native.accept(listening.fd));
    const before = openDescriptors();
    native.send(peer.fd, Buffer.from('x'), 0, 1, Array<number>(count).fill(memory.fd));
    const outcome = await outcomeOf(context);
    if (count === MAX_FDS) t.equal(outcome, MAX_FDS);
    else t.match(outcome, { code: 'EMSGSIZE', message: /29 fds in one message/ });
    context.close();
    t.equal(openDescriptors(), before - 1);
    peer.close();
  }
});

/** How many fds came first, or the error that came instead. */
function outcomeOf(context: Context): Promise<number | Error> {
  return new Promise(resolve => {
    context.on('data', (_bytes, fds) => {
      for (const fd of fds) fd.close();
      resolve(fds.length);
    });
    context.on('error', resolve);
    context.start();
  });
}

t.test('what is sent is cut into transactions that fit one buffer', async t => {
  const device = openDevice({ loopback: directory });
  const context = device.connect('silent');
  t.teardown(() => context.close());
  const transactions = (bytes: number): number => {
    const before = native.counters().sendmsg;
    context.send(new Uint8Array(bytes));
    return native.counters().sendmsg - before;
  };
  t.equal(MAX_CHUNK_BYTES, 3968);
  t.equal(transactions(MAX_CHUNK_BYTES), 1);
  t.equal(transactions(MAX_CHUNK_BYTES + 1), 2);
  t.equal(transactions(10 * MAX_CHUNK_BYTES), 10);
});

t.test('a server that goes away with bytes of ours unread: all that it sent before still arrives', async t => {
  const listening = new OwnedFd(native.listenUnix(join(directory, 'hasty'), 1));
  t.teardown(() => listening.close());
  const context = openDevice({ loopback: directory }).connect('hasty');
  t.teardown(() => context.close());
  const peer = new OwnedFd(native.accept(listening.fd));
  context.send(Buffer.from('never read'));
  const size = native.send(peer.fd, new Uint8Array(150_000), 0, 150_000, []);
  peer.close();
  let received = 0;
  const ended = new Promise(resolve => context.on('end', () => resolve('end')));
  context.on('data', bytes => (received += bytes.length));
  context.start();
  t.equal(await ended, 'end');
  t.ok(size > 64 * 1024, 'more than one read takes');
  t.equal(received, size);
});

t.test('a socket that nobody listens on any more', async t => {
  const path = join(directory, 'orphan');
  native.close(native.listenUnix(path, 1));
  t.throws(() => openDevice({ loopback: directory }).connect('orphan'), {
    code: 'ECONNREFUSED',
    message: /the host process is gone/,
  });
});

t.test('a server that does not accept: no more connections than may wait', async t => {
  const listening = new OwnedFd(native.listenUnix(join(directory, 'busy'), 0));
  t.teardown(() => listening.close());
  const device = openDevice({ loopback: directory });
  const waiting: Context[] = [];
  t.teardown(() => waiting.forEach(context => context.close()));
  t.throws(
    () => {
      while (waiting.length < 100) waiting.push(device.connect('busy'));
    },
    { code: 'EAGAIN', message: /too many connections wait/ },
  );
});

t.test('which device is opened', async t => {
  const { VIRTWL_LOOPBACK, VIRTWL_DEVICE } = process.env;
  const restore = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  t.teardown(() => {
    restore('VIRTWL_LOOPBACK', VIRTWL_LOOPBACK);
    restore('VIRTWL_DEVICE', VIRTWL_DEVICE);
  });
  delete process.env.VIRTWL_LOOPBACK;
  process.env.VIRTWL_DEVICE = '/nowhere/wl0';
  t.throws(() => openDevice(), { code: 'ENOENT', message: /there is no \/nowhere\/wl0 here.*virtwl host --loopback/ });
  process.env.VIRTWL_LOOPBACK = directory;
  t.match(openDevice(), { kind: 'loopback', path: directory }, 'loopback comes first');
  t.throws(() => openDevice({ device: '/nowhere/wl0' }), { code: 'ENOENT', message: /cannot open .*\/nowhere\/wl0/ });
  t.throws(() => openDevice({ loopback: '/nowhere' }), {
    code: 'ENOENT',
    message: /start "virtwl host --loopback \/nowhere"/,
  });
  const file = join(directory, 'a-file');
  writeFileSync(file, '');
  t.throws(() => openDevice({ loopback: file }), { code: 'ENOENT' }, 'a file is no directory');
  t.throws(() => openDevice({ loopback: directory, device: '/dev/wl0' }), /choose one/);
});

t.test('a file that is no virtio_wl device says so at its first use', async t => {
  const device = openDevice({ device: '/dev/null' });
  t.teardown(() => device.close());
  const before = openDescriptors();
  t.equal(device.kind, 'virtio_wl');
  const notOne = { code: 'ENOTTY', message: /through \/dev\/null.*no virtio_wl device/ };
  t.throws(() => device.connect('allocator'), notOne);
  t.throws(() => device.allocate(4096), notOne);
  t.throws(() => device.pipe('read'), notOne);
  t.throws(() => device.connect('x'.repeat(32)), { code: 'EINVAL', message: /32 bytes/ });
  t.throws(() => device.allocate(0), RangeError);
  t.equal(openDescriptors(), before);
});

t.test('a queue of fds for a server that never reads is bounded', async t => {
  const listening = new OwnedFd(native.listenUnix(join(directory, 'mute'), 1));
  t.teardown(() => listening.close());
  const device = openDevice({ loopback: directory });
  const context = device.connect('mute');
  const errors: Error[] = [];
  context.on('error', error => errors.push(error));
  const before = openDescriptors();
  const memory = device.allocate(4096);
  for (let count = 0; count < 2000 && !context.closed && errors.length === 0; count++) {
    context.send(
      Buffer.from('x'),
      Array.from({ length: MAX_FDS }, () => memory.share()),
    );
    if (count % 10 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  await eventually('the error', () => errors.length > 0);
  t.match(errors, [{ code: 'ENOBUFS' }]);
  memory.close();
  t.equal(openDescriptors(), before - 1);
});

t.test('the device', async t => deviceSuite(t, () => openDevice({ loopback: directory })));
