import t, { type Test } from 'tap';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { native } from '../../src/system/native.js';
import { OwnedFd } from '../../src/system/fd.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { Broker, CONTROL_SOCKET } from '../../src/broker/broker.js';
import { MAX_CANDIDATES } from '../../src/broker/compositor-links.js';
import { encodeRecord, Kind, Role } from '../../src/broker/protocol.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { describeDescriptors, openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { Random } from '../wayland/random.js';
import { House } from '../host/vm-stand-ins.js';

for (const mode of ['handover', 'relay'] as const) {
  t.test(`mode ${mode}`, async t => {
    t.test('a client reaches the glue, which is told its VM, and both talk', async t => {
      const house = new House(t);
      house.broker();
      house.host('compositor', { compositor: mode });
      house.host('work', { wayland: true });
      house.host('play', { wayland: true });
      const glue = await house.glue().up();

      const work = house.client('work');
      await work.receives('hello work');
      const play = house.client('play');
      await play.receives('hello play');
      work.say('from work');
      play.say('from play');
      await glue.clients[0]!.conversation.receives('from work');
      await glue.clients[1]!.conversation.receives('from play');
      t.match(glue.clients, [{ vm: 'work' }, { vm: 'play' }]);
    });

    t.test('memory and pipes go through, both ways', async t => {
      const house = new House(t);
      house.broker();
      house.host('compositor', { compositor: mode });
      house.host('work', { wayland: true });
      const glue = await house.glue().up();
      const device = house.device('work');
      const context = house.keep(device.connect('wayland'));
      const kinds: string[] = [];
      await glue.has(1);
      const { context: atGlue } = glue.clients[0]!.conversation;
      atGlue.removeAllListeners();
      atGlue.on('data', (_bytes, fds) => {
        for (const fd of fds) {
          kinds.push((fd as { kind?: string }).kind ?? 'none');
          fd.close();
        }
      });
      const pipe = device.pipe('read');
      context.send(Buffer.from('x'), [device.allocate(4096), pipe.remote]);
      await eventually('both fds', () => kinds.length === 2);
      t.same(kinds, ['memory', 'pipe']);
      pipe.local.close();
    });

    t.test('a client that waits gets the compositor when it comes, with what it said meanwhile', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('work', { wayland: true });
      const early = house.client('work');
      early.say('anybody?');
      await eventually('the client to wait', () => broker.waiting === 1);
      house.host('compositor', { compositor: mode });
      const glue = house.glue();
      await early.receives('hello work');
      await glue.clients[0]!.conversation.receives('anybody?');
      t.equal(broker.waiting, 0);
    });

    t.test('waiting clients are served in the order in which they came', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('compositor', { compositor: mode });
      for (const vm of ['one', 'two', 'three']) {
        house.host(vm, { wayland: true });
        const before = broker.waiting;
        house.client(vm);
        await eventually(`${vm} to wait`, () => broker.waiting === before + 1);
      }
      const glue = house.glue();
      await glue.has(3);
      t.same(
        glue.clients.map(({ vm }) => vm),
        ['one', 'two', 'three'],
      );
    });

    t.test('a compositor that dies takes its clients along; the next one gets those that wait', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('compositor', { compositor: mode });
      house.host('work', { wayland: true });
      const first = await house.glue().up();
      const before = house.client('work');
      await before.receives('hello');
      first.close();
      await before.ends();
      await eventually('the link to be gone', () => broker.links === 0);

      const after = house.client('work');
      await eventually('the client to wait', () => broker.waiting === 1);
      const second = await house.glue().up();
      await after.receives('hello work');
      t.equal(second.clients.length, 1);
    });

    t.test('a client that leaves while it waits is dropped, and never offered', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('work', { wayland: true });
      const leaver = house.client('work');
      leaver.say('a few bytes that nobody reads');
      const stayer = house.client('work');
      await eventually('both to wait', () => broker.waiting === 2);
      leaver.close();
      await eventually('one to be gone', () => broker.waiting === 1);
      await house.logged('left before there was a compositor');
      house.host('compositor', { compositor: mode });
      const glue = house.glue();
      await stayer.receives('hello');
      t.equal(glue.clients.length, 1);
    });

    t.test('a client that leaves in the middle is noticed by the glue, and the other way round', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('compositor', { compositor: mode });
      house.host('work', { wayland: true });
      const glue = await house.glue().up();
      const leaver = house.client('work');
      const stayer = house.client('work');
      await glue.has(2);
      leaver.say('last words');
      leaver.close();
      await glue.clients[0]!.conversation.receives('last words');
      await glue.clients[0]!.conversation.ends();
      glue.clients[1]!.conversation.say('your turn');
      await stayer.receives('your turn');
      glue.clients[1]!.conversation.close();
      await stayer.ends();
      await eventually('the broker to carry nobody', () => broker.relayed === 0);
    });

    t.test('the broker comes back: clients wait in the listening socket, and glue and hosts find it', async t => {
      const house = new House(t);
      const broker = house.broker();
      const compositor = house.host('compositor', { compositor: mode });
      const work = house.host('work', { wayland: true });
      const glue = await house.glue().up();
      broker.close();
      await eventually('the link to be down', () => !glue.link.up);
      await eventually('the hosts to notice', () => !compositor.registered && !work.registered);
      const patient = house.client('work');
      house.broker();
      await patient.receives('hello work');
      t.ok(compositor.registered && work.registered);
    });

    t.test('many clients come and go and leave nothing behind', async t => {
      const house = new House(t);
      const broker = house.broker();
      house.host('compositor', { compositor: mode });
      house.host('work', { wayland: true });
      const glue = await house.glue().up();
      const round = async (): Promise<void> => {
        const client = house.client('work');
        await client.receives('hello work');
        client.close();
        await eventually('the glue to see the end', () => glue.clients.every(({ conversation }) => conversation.ended));
        for (const { conversation } of glue.clients.splice(0)) conversation.close();
      };
      await round();
      await eventually('the broker to carry nobody', () => broker.relayed === 0);
      const before = openDescriptors();
      for (let count = 0; count < 100; count++) await round();
      await eventually('the broker to carry nobody', () => broker.relayed === 0);
      t.equal(openDescriptors(), before, describeDescriptors().join('\n'));
    });
  });
}

t.test('handed over, a client outlives the broker', async t => {
  const house = new House(t);
  const broker = spawnBroker(t, house);
  house.host('compositor', { compositor: 'handover' });
  house.host('work', { wayland: true });
  const glue = await house.glue().up();
  const client = house.client('work');
  await client.receives('hello');

  broker.kill('SIGKILL');
  await eventually('the link to be down', () => !glue.link.up);
  client.say('still there?');
  await glue.clients[0]!.conversation.receives('still there?');

  // The socket that the killed broker left in the way is replaced.
  spawnBroker(t, house);
  const next = house.client('work');
  await next.receives('hello work');
  t.notOk(client.ended);
});

t.test('relayed, clients end with a broker that is killed, and new ones are served by the next', async t => {
  const house = new House(t);
  const broker = spawnBroker(t, house);
  house.host('compositor', { compositor: 'relay' });
  house.host('work', { wayland: true });
  const glue = await house.glue().up();
  const client = house.client('work');
  await client.receives('hello');
  broker.kill('SIGKILL');
  await client.ends();
  await glue.clients[0]!.conversation.ends();
  spawnBroker(t, house);
  await house.client('work').receives('hello work');
});

t.test('a host process that ends takes its VM off: its sockets, and its clients that wait', async t => {
  const house = new House(t);
  const broker = house.broker();
  const host = house.host('work', { wayland: true });
  house.host('play', { wayland: true });
  const gone = house.client('work');
  const stays = house.client('play');
  await eventually('both to wait', () => broker.waiting === 2);
  host.close();
  await gone.ends();
  t.throws(() => house.client('work'), { code: 'ENOENT' });
  t.same(broker.vms, ['play']);
  house.host('compositor', { compositor: 'handover' });
  house.glue();
  await stays.receives('hello play');
});

t.test('how many may wait', async t => {
  const house = new House(t);
  const broker = house.broker({ maxWaitingPerVm: 2, maxWaiting: 3 });
  for (const vm of ['one', 'two', 'three']) house.host(vm, { wayland: true });
  const clients = [house.client('one'), house.client('one')];
  await eventually('two to wait', () => broker.waiting === 2);
  const overVm = house.client('one');
  await overVm.ends();
  await house.logged('2 clients of this VM wait already');
  clients.push(house.client('two'));
  await eventually('three to wait', () => broker.waiting === 3);
  const overAll = house.client('three');
  await overAll.ends();
  await house.logged('3 clients wait already');
  t.notOk(
    clients.some(({ ended }) => ended),
    'those that waited before go on waiting',
  );
});

t.test('programs of a VM arrive at a rate, and those of others do not wait behind them', async t => {
  const house = new House(t);
  // One more comes after a minute.
  const broker = house.broker({ arrivals: 1 / 60 });
  house.host('work', { wayland: true });
  house.host('play', { wayland: true });
  for (let i = 0; i < 18; i++) house.client('work');
  house.client('play');
  await eventually('those that may come at once', () => broker.waiting === 17);
  await pause(100);
  t.equal(broker.waiting, 17, '16 of the one and 1 of the other');
});

t.test('how long one may wait', async t => {
  const house = new House(t);
  const broker = house.broker({ waitMs: 50 });
  house.host('work', { wayland: true });
  const client = house.client('work');
  await client.ends();
  await house.logged('no compositor came within 50 ms');
  t.equal(broker.waiting, 0);
});

for (const mode of ['handover', 'relay'] as const) {
  t.test(`mode ${mode}: a second glue is told that there is one, and the first goes on`, async t => {
    const house = new House(t);
    const broker = house.broker();
    house.host('compositor', { compositor: mode });
    house.host('work', { wayland: true });
    const first = await house.glue().up();
    const second = house.glue();
    await eventually('the second to be turned away', () => second.taken.length === 1);
    t.match(second.taken[0], /another "virtwl compositor" has served the clients of this VM.*: end that one first/);
    if (mode === 'handover') t.match(second.taken[0], / since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
    t.same([broker.links, second.downs], [1, []]);
    for (let round = 0; round < 3; round++) await house.client('work').receives('hello');
    t.same([first.clients.length, second.clients.length], [3, 0]);
    first.close();
    const third = await house.glue().up();
    await house.client('work').receives('hello');
    t.equal(third.clients.length, 1, 'the next one has its turn when the first has ended');
  });

  t.test(`mode ${mode}: a glue that hangs loses to the one that replaces it`, async t => {
    const house = new House(t);
    const broker = house.broker({ aliveTimeoutMs: 50 });
    const compositor = house.host('compositor', { compositor: mode });
    house.host('work', { wayland: true });
    await eventually('the compositor VM to be registered', () => compositor.registered);
    const hanging = house.keep(house.device('compositor').connect('compositor'));
    hanging.start();
    await eventually('its link', () => broker.links === 1);
    const second = await house.glue().up();
    await house.logged('its glue did not answer within 50 ms');
    await house.client('work').receives('hello');
    t.equal(second.clients.length, 1);
  });
}

t.test('a glue that has been up does not give way: it waits for its turn', async t => {
  const house = new House(t);
  const broker = house.broker();
  const compositor = house.host('compositor', { compositor: 'handover' });
  const first = await house.glue().up();
  broker.close();
  await eventually('the link to be down', () => !first.link.up);
  await eventually('the host to notice', () => !compositor.registered);
  house.broker();
  const raced = house.glue();
  await eventually('either to be up', () => first.link.up || raced.link.up);
  await eventually('an end', () => raced.taken.length === 1 || first.downs.some(down => down.includes('another')));
  t.same(first.taken, []);
});

t.test('so many connections wait while a glue is asked', async t => {
  const house = new House(t);
  const broker = house.broker();
  const compositor = house.host('compositor', { compositor: 'handover' });
  await eventually('the compositor VM to be registered', () => compositor.registered);
  const silent = house.keep(house.device('compositor').connect('compositor'));
  silent.start();
  await eventually('its link', () => broker.links === 1);
  let ended = 0;
  for (let i = 0; i <= MAX_CANDIDATES; i++) {
    const candidate = house.keep(house.device('compositor').connect('compositor'));
    candidate.on('end', () => (ended += 1));
    candidate.start();
  }
  await house.logged(`${MAX_CANDIDATES} wait already`);
  await eventually('the end of one', () => ended === 1);
  silent.close();
  await eventually('one of the others to be let in', () => broker.links === 1);
  t.equal(ended, 1);
});

t.test('a glue that does not take what it was offered in mode relay loses its seat, not the client', async t => {
  const house = new House(t);
  const broker = house.broker({ goTimeoutMs: 50 });
  const compositor = house.host('compositor', { compositor: 'relay' });
  house.host('work', { wayland: true });
  await eventually('the compositor VM to be registered', () => compositor.registered);
  const hanging = house.keep(house.device('compositor').connect('compositor'));
  hanging.start();
  await eventually('the seat', () => broker.links === 1);
  const client = house.client('work');
  await house.logged('did not take its client');
  await eventually('the client to wait again', () => broker.waiting === 1);
  house.glue();
  await client.receives('hello work');
  t.notOk(client.ended);
});

t.test('a glue that says what nobody asked for loses its link', async t => {
  const house = new House(t);
  const broker = house.broker();
  house.host('compositor', { compositor: 'handover' });
  const glue = await house.glue().up();
  const odd = house.keep(house.device('compositor').connect('compositor'));
  let ended = false;
  odd.on('end', () => (ended = true));
  odd.start();
  odd.send(Buffer.from('I am a compositor'), [house.device('compositor').allocate(4096)]);
  await eventually('its end', () => ended);
  t.ok(glue.link.up, 'the other one stays');
  t.equal(broker.links, 1);
});

t.test('a second compositor VM is refused while there is one, and gets its turn later', async t => {
  const house = new House(t);
  house.broker();
  const first = house.host('first', { compositor: 'handover' });
  await eventually('the first to be registered', () => first.registered);
  const second = house.host('second', { compositor: 'handover' });
  await house.logged('VM "first" is the compositor VM already');
  t.notOk(second.registered);
  first.close();
  await eventually('the second to be registered', () => second.registered);
});

t.test('a second host process of a VM is told that there is a first, which goes on', async t => {
  const house = new House(t);
  const broker = house.broker();
  const first = house.host('work', { wayland: true });
  await eventually('the first to be registered', () => first.registered);
  const taken: string[] = [];
  const again = { wayland: true, loopback: house.loopback('again'), taken: (why: string) => taken.push(why) };
  const second = house.host('work', again);
  await eventually('the second to give up', () => taken.length === 1);
  t.match(taken[0], /^VM "work" has a host process already \(process \d+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)/);
  t.ok(taken[0]!.includes(`process ${process.pid},`));
  t.ok(first.registered);
  t.notOk(second.registered);
  t.same(broker.vms, ['work']);
  first.close();
  const third = house.host('work', { wayland: true });
  await eventually('one that comes when the first has ended to be registered', () => third.registered);
  t.equal(taken.length, 1, 'and the second has not tried again');
});

t.test('a host process that comes while the one before is ending takes its place', async t => {
  const house = new House(t);
  house.broker();
  const first = house.host('work', { wayland: true });
  await eventually('the first to be registered', () => first.registered);
  const taken: string[] = [];
  const again = { wayland: true, loopback: house.loopback('again'), taken: (why: string) => taken.push(why) };
  const second = house.host('work', again);
  await house.logged('refused: VM "work" has a host process already');
  first.close();
  await eventually('the second to be registered', () => second.registered);
  t.same(taken, []);
});

t.test('a host process that was registered before does not give way', async t => {
  const house = new House(t);
  const broker = house.broker();
  const taken: string[] = [];
  const first = house.host('work', { wayland: true, taken: why => taken.push(why) });
  await eventually('it to be registered', () => first.registered);
  broker.close();
  await eventually('it to notice', () => !first.registered);
  house.broker();
  const other = house.keep(UnixSocket.connect(join(house.brokerDirectory, CONTROL_SOCKET)));
  const fd = new OwnedFd(native.listenUnix(join(house.directory, 'other'), 1));
  other.send(encodeRecord({ kind: Kind.Register, detail: Role.Wayland, text: 'work' }), [fd]);
  await house.logged('VM "work" has a host process already (since');
  other.close();
  await eventually('it to be registered again', () => first.registered);
  t.same(taken, []);
});

t.test('only its owner can reach the control socket, and one broker has it', async t => {
  const house = new House(t);
  const broker = house.broker();
  t.equal(statSync(broker.path).mode & 0o777, 0o600);
  t.equal(statSync(house.brokerDirectory).mode & 0o777, 0o700);
  t.throws(() => new Broker({ directory: house.brokerDirectory }), {
    code: 'EADDRINUSE',
    message: /a broker listens on/,
  });
  broker.close();
  t.throws(() => statSync(broker.path), { code: 'ENOENT' });
  t.doesNotThrow(() => house.broker());
});

t.test('what a host process cannot register', async t => {
  const house = new House(t);
  const broker = house.broker();
  const listening = (): OwnedFd => {
    const path = join(house.directory, `socket-${Math.random()}`);
    return new OwnedFd(native.listenUnix(path, 1));
  };
  const register = (detail: number, text: string): Uint8Array => encodeRecord({ kind: Kind.Register, detail, text });
  /** Sends one record with one fd on a new connection, and tells the answer's kind, or 'dropped'. */
  const answer = async (record: Uint8Array, fds: OwnedFd[]): Promise<number | string> => {
    const socket = house.keep(UnixSocket.connect(broker.path));
    const said = new Promise<number | string>(resolve => {
      socket.on('data', bytes => resolve(bytes[0]!));
      socket.on('end', () => resolve('dropped'));
    });
    socket.start();
    socket.send(record, fds);
    const result = await said;
    socket.close();
    return result;
  };
  const before = openDescriptors();
  t.equal(await answer(register(Role.Wayland, 'fine'), [listening()]), Kind.Accepted);
  t.equal(await answer(register(Role.Wayland, ''), [listening()]), Kind.Refused, 'a VM without a name');
  t.equal(await answer(register(Role.Wayland, 'x'.repeat(65)), [listening()]), Kind.Refused, 'a name too long');
  t.equal(await answer(register(Role.Wayland, 'x'.repeat(64)), [listening()]), Kind.Accepted, 'the longest name');
  t.equal(await answer(register(Role.Wayland, 'a"b'), [listening()]), Kind.Refused, 'a name with a quote');
  t.equal(await answer(register(9, 'fine'), [listening()]), Kind.Refused, 'an unknown role');
  const [a, b] = native.socketpair();
  native.close(b);
  t.equal(await answer(register(Role.Wayland, 'fine'), [new OwnedFd(a)]), Kind.Refused, 'a socket that is connected');
  const memory = new OwnedFd(native.memfd('virtwl-test', 4096, 0));
  t.equal(await answer(register(Role.Wayland, 'fine'), [memory]), Kind.Refused, 'memory');
  t.equal(await answer(register(Role.Wayland, 'fine'), []), 'dropped', 'no socket');
  t.equal(await answer(register(Role.Wayland, 'fine'), [listening(), listening()]), 'dropped', 'two sockets');
  t.equal(await answer(Buffer.from([99, 0, 0, 0]), [listening()]), 'dropped', 'no record');
  t.equal(await answer(Buffer.from([1, 3, 255, 255]), []), 'dropped', 'a text too long');
  await eventually('all to be dropped', () => broker.vms.length === 0);
  await eventually('all closed', () => openDescriptors() === before);
});

t.test('one connection speaks for one VM', async t => {
  const house = new House(t);
  const broker = house.broker();
  const socket = house.keep(UnixSocket.connect(broker.path));
  const kinds: number[] = [];
  socket.on('data', bytes => {
    for (let at = 0; at < bytes.length; at += 4 + bytes[at + 2]!) kinds.push(bytes[at]!);
  });
  socket.start();
  for (const vm of ['mine', 'yours']) {
    const fd = new OwnedFd(native.listenUnix(join(house.directory, vm), 1));
    socket.send(encodeRecord({ kind: Kind.Register, detail: Role.Wayland, text: vm }), [fd]);
  }
  await eventually('both answers', () => kinds.length === 2);
  t.same(kinds, [Kind.Accepted, Kind.Refused]);
  t.same(broker.vms, ['mine']);
});

t.test('any bytes on the control socket and on the compositor link: the broker goes on', async t => {
  const house = new House(t);
  const broker = house.broker();
  house.host('compositor', { compositor: 'handover' });
  house.host('work', { wayland: true });
  const glue = await house.glue().up();
  const before = openDescriptors();
  const random = new Random(20261123);
  for (let round = 0; round < 200; round++) {
    const control = random.below(2) === 0;
    const socket = UnixSocket.connect(control ? broker.path : join(house.loopback('compositor'), 'compositor'));
    for (let part = 1 + random.below(4); part > 0; part--) {
      const bytes = new Uint8Array(1 + random.below(40)).map(() => random.below(random.pick([6, 256])));
      const fds = Array.from({ length: random.below(3) }, () => new OwnedFd(native.memfd('virtwl-test', 4096, 0)));
      socket.send(bytes, fds);
    }
    if (random.below(3) > 0) {
      // Leaves half-way.
      await new Promise(resolve => setImmediate(resolve));
    } else {
      const ended = new Promise(resolve => socket.on('end', () => resolve(undefined)));
      socket.start();
      await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 20))]);
    }
    socket.close();
  }
  await eventually('all to be closed', () => openDescriptors() === before);
  t.ok(glue.link.up);
  await house.client('work').receives('hello work');
});

t.test('in mode relay a glue that never reads does not make the broker hold more and more', async t => {
  const house = new House(t);
  house.broker();
  house.host('compositor', { compositor: 'relay' });
  house.host('work', { wayland: true });
  const glue = await house.glue().up();
  const client = house.client('work');
  await client.receives('hello');
  glue.clients[0]!.conversation.context.pause();
  const block = new Uint8Array(64 * 1024);
  // The kernel's buffers, the relay's queue and our own fill up; then it stays so.
  let sent = 0;
  while (client.context.send(block)) {
    sent += block.length;
    if (sent > 64 * 1024 * 1024) break;
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  t.ok(sent < 16 * 1024 * 1024, `${sent} bytes were taken before the client was told to wait`);
  client.close();
  glue.clients[0]!.conversation.context.resume();
  await glue.clients[0]!.conversation.ends();
});

/** The broker as a process of its own, so that it can be killed. */
function spawnBroker(t: Test, house: House): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [VIRTWL, 'broker', '--directory', house.brokerDirectory], { stdio: 'ignore' });
  const gone = new Promise(resolve => child.once('close', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  return child;
}
