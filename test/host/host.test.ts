import t from 'tap';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../src/system/native.js';
import { AllocatorClient } from '../../src/allocator/client.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import type { VmHostOptions, DevicesOptions } from '../../src/host/host.js';
import { OwnedFd } from '../../src/system/fd.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { House } from './vm-stand-ins.js';

const MIB = 1024 * 1024;

t.test('every server is off until it is turned on', async t => {
  const house = new House(t);
  house.broker();
  house.host('plain', {});
  t.same(readdirSync(house.loopback('plain')), []);
  for (const name of ['allocator', 'compositor', 'wayland', 'probe', 'display']) {
    t.throws(() => house.device('plain').connect(name), { code: 'ENOENT', message: /offers this VM no such server/ });
  }
  house.host('all', {
    allocator: { bytes: MIB },
    probe: true,
    compositor: 'handover',
    wayland: true,
    sockets: new Map([['display', '/run/somewhere/wayland-0']]),
  });
  t.same(readdirSync(house.loopback('all')).sort(), [
    'allocator',
    'compositor',
    'display',
    'probe',
    'wayland',
    'wayland-status',
  ]);
});

t.test('directory and sockets are for their owner alone', async t => {
  const house = new House(t);
  house.host('work', { allocator: { bytes: MIB }, wayland: true, probe: true });
  t.equal(statSync(house.loopback('work')).mode & 0o777, 0o700);
  for (const name of ['allocator', 'wayland', 'probe']) {
    t.equal(statSync(join(house.loopback('work'), name)).mode & 0o777, 0o600, name);
  }
});

t.test('close removes what it made, and leaves what others put there', async t => {
  const house = new House(t);
  const before = openDescriptors();
  const options = { allocator: { bytes: MIB }, wayland: true, probe: true, sockets: new Map([['display', '/x']]) };
  const first = house.host('work', options);
  first.close();
  first.close();
  t.notOk(existsSync(house.loopback('work')));
  const second = house.host('work', options);
  writeFileSync(join(house.loopback('work'), 'note'), '');
  second.close();
  t.same(readdirSync(house.loopback('work')), ['note']);
  t.equal(openDescriptors(), before);
});

t.test('what a killed host process left is replaced; what a running one has is not', async t => {
  const house = new House(t);
  const args = ['host', '--vm', 'work', '--loopback', house.loopback('work'), '--allocator=1M', '--probe'];
  const child = spawn(process.execPath, [VIRTWL, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const gone = new Promise(resolve => child.once('close', resolve));
  await new Promise(resolve => child.stdout.once('data', resolve));
  t.throws(() => house.host('work', { probe: true }), {
    code: 'EADDRINUSE',
    message: /another host process listens on/,
  });
  t.ok(existsSync(join(house.loopback('work'), 'allocator')), 'and nothing of it was removed');
  child.kill('SIGKILL');
  await gone;
  // Its sockets may be the last that the kernel closes of it.
  await eventually('the sockets are free', () => {
    try {
      house.host('work', { probe: true });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      return false;
    }
  });
  t.same(readdirSync(house.loopback('work')), ['probe'], 'also of servers that are off now');
});

t.test('another server is a plain connection to a socket of the host', async t => {
  const house = new House(t);
  const path = join(house.directory, 'wayland-0');
  const listener = house.keep(UnixListener.listen(path));
  listener.on('connection', socket => {
    socket.send(Buffer.from('the display'));
    house.keep(socket);
  });
  house.host('work', { sockets: new Map([['display', path]]) });
  t.equal(readlinkSync(join(house.loopback('work'), 'display')), path);
  const context = house.keep(house.device('work').connect('display'));
  const said = new Promise(resolve => context.on('data', bytes => resolve(Buffer.from(bytes).toString())));
  context.start();
  t.equal(await said, 'the display');
});

t.test('what cannot be set up is refused, and leaves nothing', async t => {
  const house = new House(t);
  const before = openDescriptors();
  const refused = (options: Partial<VmHostOptions>, error: { message: RegExp }): void => {
    t.throws(() => house.host('bad', { allocator: { bytes: MIB }, ...options }), error);
    t.notOk(existsSync(house.loopback('bad')));
  };
  refused({ vm: 'a/b' }, { message: /cannot be the name of a VM/ });
  refused({ wayland: true, broker: undefined }, { message: /need a broker/ });
  refused({ allocator: { bytes: 0 } }, { message: /a budget of 0 bytes/ });
  refused({ sockets: new Map([['allocator', '/x']]) }, { message: /"allocator" is taken/ });
  refused({ sockets: new Map([['x'.repeat(32), '/x']]) }, { message: /32 bytes/ });
  refused({ sockets: new Map([['../x', '/x']]) }, { message: /slash/ });
  const devices = (defaultServer: string): DevicesOptions => {
    const listen = (kind: string): OwnedFd =>
      new OwnedFd(native.listenUnix(join(house.directory, `${defaultServer}.${kind}`), 1));
    return { sockets: { wl: listen('wl'), gpu: listen('gpu') }, defaultServer };
  };
  refused({ devices: devices('wayland') }, { message: /--default-server wayland: .* it has "allocator"/ });
  t.equal(openDescriptors(), before);
  house.host('good', { allocator: { bytes: MIB }, devices: devices('allocator') }).close();
  t.equal(openDescriptors(), before);

  const long = join(house.directory, 'x'.repeat(120));
  t.throws(() => house.host('long', { loopback: long, probe: true }), { code: 'ENAMETOOLONG' });
  const open = join(house.directory, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  t.throws(() => house.host('open', { loopback: open }), /can be written by others/);
  const busy = join(house.directory, 'busy');
  mkdirSync(busy);
  writeFileSync(join(busy, 'probe'), '');
  t.throws(() => house.host('busy', { loopback: busy, probe: true }), { code: 'EADDRINUSE', message: /is no socket/ });
});

t.test('each VM has a budget of its own', async t => {
  const house = new House(t);
  const page = native.pageSize;
  const hosts = ['one', 'two'].map(vm => house.host(vm, { allocator: { bytes: 4 * page } }));
  const clients = ['one', 'two'].map(vm => house.keep(new AllocatorClient(house.device(vm).connect('allocator'))));
  const memories = await Promise.all(clients.map(client => client.allocate(4 * page)));
  t.same(
    hosts.map(({ allocator }) => allocator!.budget.used),
    [4 * page, 4 * page],
  );
  for (const memory of memories) memory.close();
  t.same(
    hosts.map(({ allocator }) => allocator!.budget.used),
    [0, 0],
  );
});

t.test('a host process whose broker is not up yet says so once, and registers when it comes', async t => {
  const house = new House(t);
  const host = house.host('work', { wayland: true });
  await house.logged('no broker at');
  await new Promise(resolve => setTimeout(resolve, 400));
  t.equal(house.lines.filter(line => line.includes('no broker at')).length, 1);
  t.match(house.lines[0], /start "virtwl broker --directory/);
  house.broker();
  await eventually('the registration', () => host.registered);
});
