/** The glue's side of a broker that says what brokers do not say. */
import t, { type Test } from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerLink, MAX_WAITING } from '../../src/broker/glue-link.js';
import { OwnedFd } from '../../src/system/fd.js';
import { Backoff } from '../../src/system/backoff.js';
import { encodeRecord, Kind, Mode, PROTOCOL_VERSION } from '../../src/broker/protocol.js';
import { native } from '../../src/system/native.js';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDevice } from '../../src/virtwl/device.js';
import { eventually } from '../eventually.js';
import { settle } from '../relay/peer.js';

/** A link that is up, and the broker's end of it. */
async function linked(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const listener = UnixListener.listen(join(directory, 'compositor'));
  let broker: UnixSocket | undefined;
  listener.on('connection', socket => {
    broker?.close();
    broker = socket;
    socket.send(encodeRecord({ kind: Kind.Welcome, detail: PROTOCOL_VERSION, text: '' }));
  });
  const link = new BrokerLink(openDevice({ loopback: directory }), { backoff: new Backoff(60_000, 60_000) });
  const downs: string[] = [];
  const clients: string[] = [];
  link.on('down', reason => downs.push(reason.message));
  link.on('client', (vm, context) => {
    clients.push(vm);
    context.close();
  });
  t.teardown(() => {
    link.close();
    broker?.close();
    listener.close();
    rmSync(directory, { recursive: true, force: true });
  });
  link.start();
  await eventually('the link to be up', () => link.up);
  return { broker: broker!, downs, clients };
}

const client = encodeRecord({ kind: Kind.Client, detail: Mode.Handover, text: 'work' });

t.test('clients whose descriptors come late are taken, so many of them', async t => {
  const { broker, downs, clients } = await linked(t);
  for (let i = 0; i < MAX_WAITING; i++) broker.send(client);
  await settle();
  t.same([downs, clients], [[], []]);
  for (let i = 0; i < MAX_WAITING - 1; i++) {
    const [a, b] = native.socketpair();
    native.close(b);
    broker.send(client.subarray(0, 1), [new OwnedFd(a)]);
    broker.send(client.subarray(1));
  }
  await eventually('those that can be taken', () => clients.length === MAX_WAITING - 1);
  t.same(downs, []);
});

t.test('records that bring nothing are the end of the link when they are too many', async t => {
  const { broker, downs } = await linked(t);
  for (let i = 0; i < MAX_WAITING; i++) broker.send(client);
  await settle();
  t.same(downs, []);
  broker.send(client);
  await eventually('the end', () => downs.length === 1);
  t.match(downs, [/over 64 records came/]);
});
