import t, { type Test } from 'tap';
import { OwnedFd, closeAll } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { encodeRequest, REQUEST_BYTES, Status } from '../../src/allocator/protocol.js';
import {
  ALLOCATOR_SOCKET,
  AllocatorServer,
  MAX_QUEUED_REPLIES,
  type AllocatorServerOptions,
} from '../../src/allocator/server.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { describeDescriptors, openDescriptors } from '../descriptors.js';
import { testNative } from '../test-native.js';
import { eventually } from '../eventually.js';
import { Random } from '../wayland/random.js';
import { logTo } from '../log-lines.js';

const PAGE = native.pageSize;
const MIB = 1024 * 1024;

/** A server with one client, which sees raw bytes and fds. */
class Scene {
  readonly server: AllocatorServer;
  readonly lines: string[] = [];

  constructor(
    private readonly t: Test,
    options: Partial<AllocatorServerOptions> = {},
  ) {
    this.server = new AllocatorServer({
      vm: 'test',
      bytes: MIB,
      log: logTo(this.lines, { repeatIntervalMs: 0 }),
      ...options,
    });
    t.teardown(() => this.server.close());
  }

  connect(): Client {
    const [ours, theirs] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    this.server.serve(new UnixSocket(theirs, ALLOCATOR_SOCKET));
    const client = new Client(new UnixSocket(ours));
    this.t.teardown(() => client.close());
    return client;
  }
}

class Client {
  readonly statuses: number[] = [];
  readonly fds: OwnedFd[] = [];
  ended = false;

  constructor(readonly socket: UnixSocket) {
    socket.on('data', (bytes, fds) => {
      this.statuses.push(...bytes);
      this.fds.push(...fds);
    });
    socket.on('end', () => (this.ended = true));
    socket.start();
  }

  ask(...sizes: (number | bigint)[]): void {
    for (const size of sizes) this.socket.send(encodeRequest({ id: 7n, size: BigInt(size) }));
  }

  async answered(count: number): Promise<number[]> {
    await eventually(`${count} replies; there are ${this.statuses.length}`, () => this.statuses.length >= count);
    return this.statuses.splice(0, count);
  }

  /** One request and its status. The memory, if any, is closed at once. */
  async status(size: number | bigint): Promise<number> {
    this.ask(size);
    const [status] = await this.answered(1);
    closeAll(this.fds.splice(0));
    return status!;
  }

  close(): void {
    closeAll(this.fds.splice(0));
    this.socket.close();
  }
}

t.test('memory is granted: readable, writable, all of it there, zeroed', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  client.ask(3 * PAGE);
  t.same(await client.answered(1), [Status.Ok]);
  const [memory] = client.fds as [OwnedFd];
  t.match(memory.info(), { type: 'regular', access: 'rw', size: 3 * PAGE, seekable: true });
  const mapping = native.map(memory.fd, 0, 3 * PAGE, true);
  t.ok(new Uint8Array(mapping.buffer).every(byte => byte === 0));
  new Uint8Array(mapping.buffer).fill(255);
  mapping.unmap();
  t.equal(scene.server.budget.used, 3 * PAGE);
});

t.test('sizes are rounded up to pages', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  client.ask(1, PAGE, PAGE + 1);
  t.same(await client.answered(3), [Status.Ok, Status.Ok, Status.Ok]);
  t.same(
    client.fds.map(fd => fd.info().size),
    [PAGE, PAGE, 2 * PAGE],
  );
  t.equal(scene.server.budget.used, 4 * PAGE);
});

t.test('the status tells why a request was refused', async t => {
  const scene = new Scene(t, { bytes: 64 * PAGE, requestLimit: 16 * PAGE });
  const client = scene.connect();
  t.equal(await client.status(0), Status.BadSize);
  t.equal(await client.status(2n ** 64n - 1n), Status.BadSize);
  t.equal(await client.status(2n ** 63n), Status.BadSize);
  t.equal(await client.status(2n ** 63n - 4096n), Status.OverRequestLimit, 'a file could have it');
  t.equal(await client.status(2n ** 53n), Status.OverRequestLimit);
  t.equal(await client.status(16 * PAGE + 1), Status.OverRequestLimit);
  t.equal(await client.status(16 * PAGE), Status.Ok);
  t.equal(scene.lines.length, 6, 'each refusal is logged once');
  t.match(scene.lines[0], /^allocator warning vm=test: request 7 for 0 bytes refused: bad size/);
  t.match(scene.lines[3], /for 9223372036854771712 bytes refused: over the limit of a single request/);
  t.same([scene.server.granted, scene.server.refused], [1, 6]);
});

t.test('the budget: all of it, and not a page more, until something comes back', async t => {
  const scene = new Scene(t, { bytes: 4 * PAGE });
  const client = scene.connect();
  client.ask(3 * PAGE, 2 * PAGE, PAGE, 1);
  t.same(await client.answered(4), [Status.Ok, Status.OverBudget, Status.Ok, Status.OverBudget]);
  t.equal(scene.server.budget.used, 4 * PAGE);
  t.match(scene.lines.at(-1), /16384 of 16384 bytes are out/);
  client.fds.pop()!.close();
  t.equal(scene.server.budget.used, 3 * PAGE);
  t.equal(await client.status(1), Status.Ok);
});

t.test('memory counts until its last holder lets go, even one that only maps it', async t => {
  const scene = new Scene(t, { bytes: 4 * PAGE });
  const client = scene.connect();
  client.ask(4 * PAGE);
  await client.answered(1);
  const memory = client.fds.pop()!;
  const mapping = native.map(memory.fd, 0, PAGE, false);
  memory.close();
  client.close();
  await eventually('the server to see the end', () => scene.server.connections === 0);
  t.equal(await scene.connect().status(1), Status.OverBudget);
  mapping.unmap();
  t.equal(scene.server.budget.used, 0, 'the books say zero');
  t.equal(scene.server.budget.pieces, 0);
  t.equal(await scene.connect().status(4 * PAGE), Status.Ok);
});

t.test('a client can make its memory neither larger nor smaller', async t => {
  const scene = new Scene(t, { bytes: 4 * PAGE });
  const client = scene.connect();
  client.ask(2 * PAGE);
  await client.answered(1);
  const memory = client.fds[0]!.fd;
  t.throws(() => testNative.allocate(memory, 0, 0, 3 * PAGE), { code: 'EPERM' });
  t.throws(() => testNative.truncate(memory, 3 * PAGE), { code: 'EPERM' });
  t.throws(() => testNative.truncate(memory, PAGE), { code: 'EPERM' });
  t.throws(() => native.addSeals(memory, 8), { code: 'EPERM' }, 'nor seal it for others');
  t.equal(scene.server.budget.used, 2 * PAGE);
  t.equal(await client.status(2 * PAGE), Status.Ok, 'the rest of the budget is there');
});

t.test('small requests are not held up by a large one of another connection', async t => {
  const scene = new Scene(t, { bytes: 512 * MIB, requestLimit: 256 * MIB });
  const large = scene.connect();
  const small = scene.connect();
  const order: string[] = [];
  large.socket.on('data', () => order.push('large'));
  small.socket.on('data', bytes => bytes.forEach(() => order.push('small')));
  large.ask(256 * MIB);
  await eventually('the large one to be begun', () => scene.server.budget.used === 256 * MIB);
  for (let i = 0; i < 20; i++) {
    small.ask(PAGE);
    await small.answered(1);
  }
  await large.answered(1);
  t.same(order, [...Array<string>(20).fill('small'), 'large']);
  t.equal(large.fds[0]!.info().size, 256 * MIB);
});

t.test('two large ones take turns, and what is asked behind one is answered behind it', async t => {
  const scene = new Scene(t, { bytes: 512 * MIB });
  const clients = [scene.connect(), scene.connect()];
  const order: string[] = [];
  clients.forEach(({ socket }, i) => socket.on('data', bytes => bytes.forEach(() => order.push(String(i)))));
  clients[0]!.ask(128 * MIB, PAGE);
  clients[1]!.ask(8 * MIB, 0);
  t.same(await clients[0]!.answered(2), [Status.Ok, Status.Ok]);
  t.same(await clients[1]!.answered(2), [Status.Ok, Status.BadSize]);
  t.same(order, ['1', '1', '0', '0'], 'the shorter one is there first');
});

t.test('a client that leaves while a large request is on its way: its memory is free again', async t => {
  const scene = new Scene(t, { bytes: 256 * MIB });
  const client = scene.connect();
  const { reserve } = native;
  t.teardown(() => (native.reserve = reserve));
  let steps = 0;
  native.reserve = (fd, bytes, offset) => {
    reserve(fd, bytes, offset);
    if (++steps === 2) client.close();
  };
  client.ask(256 * MIB);
  await eventually('it to be begun', () => steps > 0);
  await eventually('it to come back', () => scene.server.budget.used === 0);
});

t.test('how many pieces may be out', async t => {
  const scene = new Scene(t, { maxPieces: 3 });
  const client = scene.connect();
  client.ask(1, 1, 1, 1);
  t.same(await client.answered(4), [Status.Ok, Status.Ok, Status.Ok, Status.OverBudget]);
  t.match(scene.lines.at(-1), /3 pieces are out/);
  client.fds.pop()!.close();
  t.equal(await client.status(1), Status.Ok);
});

t.test('no room on the host: out of memory, and the server goes on', async t => {
  const scene = new Scene(t, { bytes: 64 * MIB });
  const client = scene.connect();
  const { reserve } = native;
  for (const size of [MIB, 8 * MIB]) {
    native.reserve = (fd, bytes, offset) => {
      if ((offset ?? 0) + bytes === size) throw new Error('ENOSPC: no space left on device');
      reserve(fd, bytes, offset);
    };
    t.equal(await client.status(size), Status.HostOutOfMemory);
    native.reserve = reserve;
    t.match(scene.lines.at(-1), /the host is out of memory \(.*ENOSPC/);
    t.equal(scene.server.budget.used, 0, 'what was reserved in vain is given back');
  }
  t.equal(await client.status(4 * PAGE), Status.Ok);
});

t.test('a budget that is none', async t => {
  for (const bytes of [0, -1, NaN, Infinity, 1.5]) {
    t.throws(() => new AllocatorServer({ vm: 'test', bytes }), RangeError, String(bytes));
    t.throws(() => new AllocatorServer({ vm: 'test', bytes: MIB, requestLimit: bytes }), RangeError, String(bytes));
  }
});

t.test('replies come in the order of the requests, also of those sent at once', async t => {
  const scene = new Scene(t, { bytes: 64 * MIB });
  const client = scene.connect();
  const sizes = Array.from({ length: 200 }, (_, at) => (at % 3 === 0 ? 0 : at % 3 === 1 ? at * 100 : 2 ** 40));
  client.ask(...sizes);
  const expected = sizes.map((_, at) => [Status.BadSize, Status.Ok, Status.OverRequestLimit][at % 3]);
  t.same(await client.answered(200), expected);
  const granted = sizes.filter((_, at) => at % 3 === 1).map(size => Math.ceil(size / PAGE) * PAGE);
  t.same(
    client.fds.map(fd => fd.info().size),
    granted,
  );
});

t.test('a request may come in parts, and with the beginning of the next', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  const two = Buffer.concat([encodeRequest({ id: 1n, size: 1n }), encodeRequest({ id: 2n, size: 0n })]);
  for (const [from, to] of [
    [0, 5],
    [5, REQUEST_BYTES + 3],
    [REQUEST_BYTES + 3, 31],
  ] as const) {
    client.socket.send(two.subarray(from, to));
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  t.same(await client.answered(1), [Status.Ok]);
  t.equal(client.statuses.length, 0, 'the second one is not whole yet');
  client.socket.send(two.subarray(31));
  t.same(await client.answered(1), [Status.BadSize]);
});

t.test('a request that is cut off by the end of the connection', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  client.ask(1);
  client.socket.send(new Uint8Array(15));
  await client.answered(1);
  client.close();
  await eventually('the server to see the end', () => scene.server.connections === 0);
  t.match(scene.lines, [/ended within a request, after 15 bytes/]);
  t.equal(await scene.connect().status(1), Status.Ok, 'others are served');
});

t.test('garbage behind a request is the next request, and one that is never finished ends the connection', async t => {
  const scene = new Scene(t, { partialTimeoutMs: 50 });
  const client = scene.connect();
  client.ask(1);
  client.socket.send(Buffer.from('garbage'));
  t.same(await client.answered(1), [Status.Ok]);
  await eventually('the server to hang up', () => client.ended);
  t.match(scene.lines, [/the rest of a request did not come in 50 ms/]);
});

t.test('a request that comes byte by byte gets no more time', async t => {
  const scene = new Scene(t, { partialTimeoutMs: 50 });
  const client = scene.connect();
  let sent = 0;
  await eventually('the server to hang up', () => {
    if (sent < 15) client.socket.send(new Uint8Array(1));
    sent++;
    return client.ended;
  });
  t.ok(sent > 1);
  const idle = scene.connect();
  await new Promise(resolve => setTimeout(resolve, 100));
  t.equal(await idle.status(1), Status.Ok, 'a connection without a request may be idle');
});

t.test('descriptors that come along are closed', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  await client.status(1);
  const before = openDescriptors();
  const fds = Array.from({ length: 20 }, () => new OwnedFd(native.memfd('virtwl-test', PAGE, 0)));
  client.socket.send(encodeRequest({ id: 1n, size: 1n }), fds);
  await client.answered(1);
  closeAll(client.fds.splice(0));
  t.equal(openDescriptors(), before);
});

t.test('an endless stream of requests from a client that never reads: it waits, others do not', async t => {
  const scene = new Scene(t, { bytes: 64 * MIB });
  const client = scene.connect();
  client.socket.pause();
  const before = openDescriptors();
  const block = Buffer.concat(Array.from({ length: 1000 }, () => encodeRequest({ id: 1n, size: 1n })));
  let sent = 0;
  while (client.socket.send(block) && sent < 10_000) sent++;
  t.ok(sent < 10_000, 'the client is made to wait');
  await eventually('the server to stop', () => scene.server.granted > MAX_QUEUED_REPLIES);
  let granted = -1;
  await eventually('nothing more to be granted', () => {
    const same = granted === scene.server.granted;
    granted = scene.server.granted;
    return same;
  });
  t.ok(granted < 1000, `${granted} grants for who does not read`);
  t.ok(openDescriptors() - before <= 2 * MAX_QUEUED_REPLIES, 'few descriptors wait in the server');
  t.equal(await scene.connect().status(1), Status.Ok);
  client.socket.resume();
  for (let count = 0; count < 10; count++) {
    const statuses = await client.answered(200);
    closeAll(client.fds.splice(0));
    if (statuses.includes(Status.HostOutOfMemory)) t.fail('the server ran out of descriptors');
  }
  t.notOk(client.ended, 'when it reads, it is served again');
  client.close();
  await eventually('all to come back', () => scene.server.budget.used === 0);
});

t.test('an endless stream of bad requests fills no log', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  const rounds = 50;
  for (let round = 0; round < rounds; round++) {
    client.ask(...Array<number>(100).fill(0));
    t.ok((await client.answered(100)).every(status => status === Status.BadSize));
  }
  t.equal(scene.server.refused, 100 * rounds);
  t.ok(scene.lines.length < 20 * rounds, `${scene.lines.length} lines`);
  scene.server.close();
  t.match(scene.lines.at(-1), /^log warning vm=test: [0-9]+ more lines were left out/);
});

t.test('how many connections a VM may have', async t => {
  const scene = new Scene(t, { maxConnections: 2 });
  const clients = [scene.connect(), scene.connect()];
  t.same([await clients[0]!.status(1), await clients[1]!.status(1)], [Status.Ok, Status.Ok]);
  const third = scene.connect();
  await eventually('the third to be refused', () => third.ended);
  t.match(scene.lines, [/a connection was refused: 2 are open already/]);
  clients[0]!.close();
  await eventually('room', () => scene.server.connections === 1);
  t.equal(await scene.connect().status(1), Status.Ok);
});

t.test('any bytes are requests: the server answers all and keeps to its budget', async t => {
  const scene = new Scene(t, { bytes: 16 * MIB, requestLimit: MIB });
  const before = openDescriptors();
  const random = new Random(16);
  for (let round = 0; round < 30; round++) {
    const client = scene.connect();
    let whole = 0;
    for (let part = random.below(20); part > 0; part--) {
      const bytes = new Uint8Array(random.below(200)).map(() => random.below(random.pick([2, 256])));
      whole += bytes.length;
      client.socket.send(bytes);
    }
    if (random.below(2) === 0) await client.answered(Math.floor(whole / REQUEST_BYTES));
    if (scene.server.budget.used > 16 * MIB) t.fail(`round ${round}: over the budget`);
    client.close();
  }
  await eventually('all to be closed', () => scene.server.connections === 0);
  t.equal(scene.server.budget.used, 0);
  t.equal(openDescriptors(), before, describeDescriptors().join('\n'));
});

t.test('memory outlives its server', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  client.ask(PAGE);
  await client.answered(1);
  scene.server.close();
  await eventually('the end', () => client.ended);
  const mapping = native.map(client.fds[0]!.fd, 0, PAGE, true);
  new Uint8Array(mapping.buffer).fill(1);
  t.notOk(mapping.faulted);
  mapping.unmap();
});

t.test('a thousand grants leave nothing behind', async t => {
  const scene = new Scene(t);
  const client = scene.connect();
  await client.status(1);
  const before = openDescriptors();
  for (let count = 0; count < 1000; count++) {
    if ((await client.status(64 * PAGE)) !== Status.Ok) t.fail(`grant ${count}`);
  }
  t.equal(openDescriptors(), before);
  t.equal(scene.server.budget.used, 0);
});
