/** What the process outside of the sandbox makes of a broker that says what brokers do not say. */
import t, { type Test } from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../src/system/fd.js';
import { CONTROL_SOCKET } from '../../src/broker/broker.js';
import { BrokerRegistration } from '../../src/broker/registration.js';
import { encodeRecord, Kind, Role } from '../../src/broker/protocol.js';
import { native } from '../../src/system/native.js';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { logTo } from '../log-lines.js';

const record = (kind: number, text: string): Uint8Array =>
  encodeRecord({ kind: kind as Kind, detail: Role.Wayland, text });

/** A registration with a broker that answers as `answer` says. */
async function registered(t: Test, answer: (socket: UnixSocket) => void, roles: readonly Role[] = [Role.Wayland]) {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const listener = UnixListener.listen(join(directory, CONTROL_SOCKET));
  const connections: UnixSocket[] = [];
  listener.on('connection', socket => {
    connections.push(socket);
    socket.on('data', (_bytes, fds) => {
      for (const fd of fds) fd.close();
      answer(socket);
    });
    socket.start();
  });
  const lines: string[] = [];
  const listening = new OwnedFd(native.listenUnix(join(directory, 'wayland'), 1));
  const registration = new BrokerRegistration(
    directory,
    'work',
    roles.map(role => ({ role, socket: listening })),
    logTo(lines),
  );
  t.teardown(() => {
    registration.close();
    listening.close();
    for (const socket of connections) socket.close();
    listener.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { registration, connections, lines };
}

t.test('one that accepts is stayed with, as long as it likes', async t => {
  const { registration, connections, lines } = await registered(t, socket =>
    socket.send(record(Kind.Accepted, 'work')),
  );
  await eventually('the registration', () => registration.registered);
  t.match(lines, [/^test info: registered with the broker in /]);
  connections[0]!.close();
  await eventually('another connection', () => connections.length === 2);
  await eventually('the registration', () => registration.registered);
});

t.test('one that is older and knows no wayland-status is stayed with', async t => {
  const answers = Buffer.concat([
    record(Kind.Accepted, 'work'),
    encodeRecord({ kind: Kind.Refused, detail: Role.WaylandStatus, text: 'unknown role 4' }),
  ]);
  let asked = false;
  const answer = (socket: UnixSocket): void => {
    if (!asked) socket.send(answers);
    asked = true;
  };
  const { registration, connections, lines } = await registered(t, answer, [Role.Wayland, Role.WaylandStatus]);
  await eventually('the registration', () => registration.registered);
  t.equal(connections.length, 1);
  t.equal(lines.length, 1);
});

for (const [what, bytes, reason] of [
  ['refuses', record(Kind.Refused, 'not you'), /it refused this VM: not you; trying again/],
  ['offers a client', record(Kind.Client, 'other'), /it sent a record of kind 5; trying again/],
  ['sends no record', Buffer.from([99, 0, 0, 0]), /a record of unknown kind 99; trying again/],
  ['sends a text without end', Buffer.from([2, 0, 255, 255]), /65535 bytes of text, over 1024; trying again/],
  ['sends what is no text', Buffer.from([3, 0, 1, 0, 0xff]), /not UTF-8; trying again/],
] as const) {
  t.test(`one that ${what} is left, tried again, and told of once`, async t => {
    const { registration, connections, lines } = await registered(t, socket => socket.send(bytes));
    await eventually('a third attempt', () => connections.length === 3);
    t.notOk(registration.registered);
    t.equal(lines.length, 1);
    t.match(lines[0], reason);
  });
}

t.test('descriptors that it sends are closed', async t => {
  let before = 0;
  const { registration } = await registered(t, socket => {
    before = openDescriptors();
    for (let i = 0; i < 100; i++) {
      const pair = native.socketpair();
      socket.send(
        record(Kind.Accepted, 'work'),
        pair.map(fd => new OwnedFd(fd)),
      );
    }
  });
  await eventually('all that it sent', () => before > 0 && openDescriptors() <= before);
  t.notOk(registration.registered, 'nor is it believed that more was accepted than asked for');
});
