/** The connection to an X server: setup, answers to whom asked, events in order, and a server that says nonsense. */
import t, { type Test } from 'tap';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { MAX_REPLY_BYTES, MOST_FREED, XConnection } from '../../src/x11/connection.js';
import { atom } from '../../src/x11/replies.js';
import { internAtom, mapWindow } from '../../src/x11/requests.js';
import { eventually } from '../eventually.js';

interface Server {
  readonly x: XConnection;
  readonly server: UnixSocket;
  received(): Buffer;
  readonly told: string[];
}

/** A fake of a server, since a real one says nothing wrong. */
function connect(t: Test): Server {
  const [ours, server] = UnixSocket.pair();
  const x = new XConnection(ours, Buffer.from('0123456789abcdef'));
  const told: string[] = [];
  let received = Buffer.alloc(0);
  server.on('data', bytes => (received = Buffer.concat([received, bytes])));
  server.start();
  x.on('ready', ({ root, width, height }) => told.push(`ready ${root} ${width}x${height}`));
  x.on('event', event => told.push(event.is));
  x.on('failed', ({ code }) => told.push(`failed ${code}`));
  x.on('close', reason => told.push(`close: ${reason?.message ?? 'no reason'}`));
  t.teardown(() => {
    x.close();
    server.close();
  });
  x.start();
  return { x, server, told, received: () => received };
}

function setup(): Buffer {
  const bytes = Buffer.alloc(8 + 32 + 8 + 40);
  bytes[0] = 1;
  bytes.writeUInt16LE((bytes.length - 8) / 4, 6);
  bytes.writeUInt32LE(0x400000, 12);
  bytes.writeUInt32LE(0x1fffff, 16);
  bytes.writeUInt16LE(8, 24); // the vendor's name stands before the screen
  bytes[28] = 1;
  bytes.writeUInt32LE(77, 48);
  bytes.writeUInt16LE(640, 68);
  bytes.writeUInt16LE(480, 70);
  return bytes;
}

function message(kind: number, sequence: number, words = 0, value = 0): Buffer {
  const bytes = Buffer.alloc(32 + 4 * Math.min(words, 100));
  bytes[0] = kind;
  bytes.writeUInt16LE(sequence, 2);
  bytes.writeUInt32LE(words, 4);
  bytes.writeUInt32LE(value, 8);
  return bytes;
}

t.test('answers reach whom asked, cut anywhere; what fails unasked is told', async t => {
  const { x, server, told, received } = connect(t);
  await eventually('the cookie', () => received().includes('0123456789abcdef'));
  t.equal(received()[0], 0x6c);
  for (const byte of setup()) server.send(Uint8Array.of(byte));
  await eventually('the setup', () => told.includes('ready 77 640x480'));
  const answers: string[] = [];
  x.send(mapWindow(1));
  x.ask(internAtom('A'), reply => answers.push(`A ${atom(reply)}`));
  x.ask(
    internAtom('B'),
    () => answers.push('B'),
    error => answers.push(`B failed ${error?.code}`),
  );
  const all = Buffer.concat([message(0, 1), message(19, 1), message(1, 2, 3, 42), message(0, 3), message(17, 3)]);
  all[1] = 3; // the code of the first error
  server.send(all.subarray(0, 70));
  server.send(all.subarray(70));
  await eventually('all of it', () => told.includes('DestroyNotify'));
  t.same(answers, ['A 42', 'B failed 0']);
  t.same(told.slice(1), ['failed 3', 'MapNotify', 'DestroyNotify']);
});

t.test('a server that refuses, one that leaves', async t => {
  const refused = connect(t);
  refused.server.send(Buffer.from([0, 2, 0, 0, 0, 0, 1, 0, ...Buffer.from('no\0\0')]));
  await eventually('the end', () => refused.told.length > 0);
  t.same(refused.told, ['close: the X server refuses us: no']);
  const left = connect(t);
  left.server.send(setup());
  await eventually('the setup', () => left.told.length > 0);
  let told: unknown = 'not yet';
  left.x.ask(
    internAtom('A'),
    () => {},
    error => (told = error),
  );
  left.server.close();
  await eventually('the end', () => left.told.length > 1);
  t.equal(told, undefined, 'who asked is told');
});

t.test('an answer that may be too long is left out where it is, and the next one is heard', async t => {
  const { x, server, told } = connect(t);
  server.send(setup());
  await eventually('the setup', () => told.length > 0);
  const answers: string[] = [];
  for (const name of ['A', 'B', 'C']) {
    x.ask(
      internAtom(name),
      reply => answers.push(`${name} ${reply.length}`),
      error => answers.push(`${name} failed ${error?.code}`),
      name !== 'C',
    );
  }
  const long = (sequence: number, bytes: number): Buffer =>
    Buffer.concat([message(1, sequence, (bytes - 32) / 4).subarray(0, 32), Buffer.alloc(bytes - 32)]);
  for (const bytes of [long(1, MAX_REPLY_BYTES), long(2, MAX_REPLY_BYTES + 4), message(1, 3)]) server.send(bytes);
  await eventually('the last', () => answers.length === 3);
  t.same(answers, [`A ${MAX_REPLY_BYTES}`, 'B failed undefined', 'C 32']);
});

t.test('nonsense ends the connection', async t => {
  const wrong: readonly (readonly [string, Buffer])[] = [
    ['an answer that nobody asked for', message(1, 9)],
    ['an answer that is too long', message(1, 1, (MAX_REPLY_BYTES - 32) / 4 + 1)],
  ];
  for (const [what, bytes] of wrong) {
    const { server, told } = connect(t);
    server.send(Buffer.concat([setup(), bytes]));
    await eventually(what, () => told.length > 1);
    t.match(told[1], /^close: .*X server/, what);
  }
  const { x, server, told } = connect(t);
  server.send(setup());
  await eventually('the setup', () => told.length > 0);
  let length = 0;
  x.ask(internAtom('A'), reply => (length = reply.length));
  const longest = Buffer.alloc(MAX_REPLY_BYTES);
  message(1, 1, (MAX_REPLY_BYTES - 32) / 4).copy(longest, 0, 0, 32);
  server.send(longest);
  await eventually('the longest answer', () => length === MAX_REPLY_BYTES);
});

t.test('numbers are given again when they have rested, the one that was freed first before the others', async t => {
  const { x, server, told } = connect(t);
  server.send(setup());
  await eventually('the setup', () => told.length > 0);
  const ids = Array.from({ length: MOST_FREED + 1 }, () => x.newId());
  t.equal(new Set(ids).size, ids.length);
  for (const id of ids.slice(0, MOST_FREED)) x.freeId(id);
  const fresh = x.newId();
  t.notOk(ids.includes(fresh), `${MOST_FREED} rest`);
  x.freeId(ids.at(-1)!);
  t.equal(x.newId(), ids[0], 'with one more, the first is given');
  t.notOk([...ids, fresh].includes(x.newId()));
});
