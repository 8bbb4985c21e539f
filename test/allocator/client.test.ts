import t, { type Test } from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AllocationRefused, AllocatorClient } from '../../src/allocator/client.js';
import { encodeBudget, Status } from '../../src/allocator/protocol.js';
import { ALLOCATOR_SOCKET, AllocatorServer } from '../../src/allocator/server.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { Memory, openDevice } from '../../src/virtwl/device.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';

const PAGE = native.pageSize;

/** A client over a loopback context, and whatever serves it. */
function connect(
  t: Test,
  serve: (socket: UnixSocket) => void,
  replyTimeoutMs?: number,
  notices = false,
): AllocatorClient {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const listener = UnixListener.listen(join(directory, 'allocator'), { socket: ALLOCATOR_SOCKET });
  const sockets: UnixSocket[] = [];
  listener.on('connection', socket => {
    sockets.push(socket);
    serve(socket);
  });
  const client = new AllocatorClient(openDevice({ loopback: directory }).connect('allocator'), {
    replyTimeoutMs,
    notices,
  });
  t.teardown(() => {
    client.close();
    listener.close();
    for (const socket of sockets) socket.close();
    rmSync(directory, { recursive: true });
  });
  return client;
}

function withServer(t: Test, bytes: number, maxPieces?: number): { client: AllocatorClient; server: AllocatorServer } {
  const server = new AllocatorServer({ vm: 'test', bytes, requestLimit: bytes, maxPieces });
  t.teardown(() => server.close());
  return { client: connect(t, socket => server.serve(socket)), server };
}

t.test('memory of the size that was asked for, which knows it', async t => {
  const { client } = withServer(t, 8 * PAGE);
  const memory = await client.allocate(PAGE + 1);
  t.ok(memory instanceof Memory);
  t.equal(memory.size, PAGE + 1);
  const mapping = memory.map(2 * PAGE, true);
  new Uint8Array(mapping.buffer).fill(1);
  mapping.unmap();
  memory.close();
});

t.test('requests need not wait for one another, and each gets its own answer', async t => {
  const { client } = withServer(t, 100 * PAGE);
  const sizes = [3, 0, 1, 200, 2];
  const asked = sizes.map(pages => client.allocate(pages * PAGE));
  t.equal(client.pending, 5);
  const results = await Promise.allSettled(asked);
  t.same(
    results.map(result => (result.status === 'fulfilled' ? result.value.size / PAGE : result.reason.status)),
    [3, Status.BadSize, 1, Status.OverRequestLimit, 2],
  );
  for (const result of results) if (result.status === 'fulfilled') result.value.close();
  t.equal(client.pending, 0);
});

t.test('the budget is told to whoever asks, in turn with what else is asked', async t => {
  const { client, server } = withServer(t, 100 * PAGE);
  const asked = [client.allocate(PAGE), client.budget(), client.allocate(101 * PAGE), client.budget()] as const;
  const [memory, budget, refused, again] = await Promise.allSettled(asked);
  t.match([budget, again], [{ value: 100 * PAGE }, { value: 100 * PAGE }]);
  t.match(refused, { status: 'rejected', reason: { status: Status.OverRequestLimit } });
  if (memory.status === 'fulfilled') memory.value.close();
  t.equal(client.pending, 0);
  server.close();
  await t.rejects(client.budget(), /closed the connection/);
});

t.test('an old allocator, and one that answers byte by byte', async t => {
  const answers: Uint8Array[] = [Uint8Array.of(Status.BadSize), encodeBudget(2 ** 40)];
  const client = connect(t, socket => {
    socket.on('data', () => {
      for (const byte of answers.shift()!) socket.send(Uint8Array.of(byte));
    });
    socket.start();
  });
  t.equal(await client.budget(), undefined);
  t.equal(await client.budget(), 2 ** 40);
});

t.test('many at once', async t => {
  const { client, server } = withServer(t, 1000 * PAGE);
  await Promise.all(
    Array.from({ length: 500 }, async (_, at) => {
      const memory = await client.allocate(1 + at);
      if (memory.size !== 1 + at) t.fail(`request ${at} got the answer of ${memory.size - 1}`);
      memory.close();
    }),
  );
  t.equal(server.budget.used, 0);
});

t.test('a refusal says what happened and what to do', async t => {
  const { client } = withServer(t, 4 * PAGE);
  await t.rejects(client.allocate(0), { name: 'AllocationRefused', status: Status.BadSize });
  await t.rejects(client.allocate(5 * PAGE), { message: /over the limit of a single request; ask for smaller/ });
  const memory = await client.allocate(4 * PAGE);
  await t.rejects(client.allocate(1), { message: /over the VM's budget; close some windows, or give the VM more/ });
  memory.close();
  t.match(new AllocationRefused(Status.HostOutOfMemory, 1).message, /the host is out of memory; free memory/);
});

t.test('sizes that no request can carry', async t => {
  const { client } = withServer(t, PAGE);
  for (const size of [-1, 0.5, NaN, Infinity]) await t.rejects(client.allocate(size), RangeError);
  t.equal(client.pending, 0);
});

t.test('a client that asks for it is told when nobody holds its memory any more', async t => {
  const server = new AllocatorServer({ vm: 'test', bytes: 64 * PAGE });
  t.teardown(() => server.close());
  const client = connect(t, socket => server.serve(socket), undefined, true);
  const loans = await Promise.all([client.lend(PAGE), client.lend(2 * PAGE), client.lend(3 * PAGE)]);
  await t.rejects(client.lend(65 * PAGE), { name: 'AllocationRefused', status: Status.OverBudget });
  const told: number[] = [];
  loans.forEach(({ gone }, i) => void gone!.then(() => told.push(i)));

  const mapping = loans[1].memory.map(PAGE, false);
  loans[1].memory.close();
  loans[2].memory.close();
  await eventually('the third', () => told.length > 0);
  t.same(told, [2], 'a mapping holds the second');
  mapping.unmap();
  await eventually('the second', () => told.length > 1);
  t.same(told, [2, 1]);
  client.close();
  await eventually('the first: nobody will tell any more', () => told.length > 2);
  loans[0].memory.close();
});

t.test('a server without notices, and a client that does not ask', async t => {
  const plain = withServer(t, 8 * PAGE);
  const unasked = await plain.client.lend(PAGE);
  t.equal(unasked.gone, undefined);
  unasked.memory.close();

  const old = connect(
    t,
    socket => socket.on('data', bytes => void socket.send(new Uint8Array(bytes.length / 16).fill(1))).start(),
    undefined,
    true,
  );
  await t.rejects(old.lend(PAGE), { name: 'AllocationRefused', status: Status.BadSize });
});

t.test('notices that make no sense', async t => {
  for (const [what, bytes, error] of [
    ['of memory that nobody has', [Status.Notices, Status.Gone, 9, 0, 0, 0, 0, 0, 0, 0, Status.OverBudget], /budget/],
    ['without having been asked for', [Status.BadSize, Status.Gone], /unknown status 6/],
  ] as const) {
    await t.test(what, async t => {
      const client = connect(
        t,
        socket => socket.on('data', () => void socket.send(Uint8Array.from(bytes))).start(),
        undefined,
        true,
      );
      await t.rejects(client.lend(1), error);
    });
  }
});

t.test('a server that goes away fails what is pending, and all that comes later', async t => {
  const client = connect(t, socket => socket.on('data', () => socket.close()).start());
  await t.rejects(client.allocate(1), /closed the connection/);
  t.ok(client.closed);
  await t.rejects(client.allocate(1), /closed the connection/);
});

t.test('a server that never answers', async t => {
  const client = connect(t, () => {}, 50);
  await t.rejects(client.allocate(1), /did not answer within 50 ms/);
});

t.test('a server that answers what it should not', async t => {
  const before = openDescriptors();
  const answers: [string, Uint8Array, () => OwnedFd[], RegExp][] = [
    ['a pipe instead of memory', Uint8Array.of(0), pipeEnd, /no memory/],
    ['two replies to one request', Uint8Array.of(1, 1), () => [], /bad size/],
    ['a descriptor with a refusal', Uint8Array.of(1), pipeEnd, /bad size/],
    ['an unknown status', Uint8Array.of(200), () => [], /unknown status 200/],
  ];
  for (const [what, bytes, fds, error] of answers) {
    await t.test(what, async t => {
      const client = connect(t, socket => socket.on('data', () => void socket.send(bytes, fds())).start());
      await t.rejects(client.allocate(1), error);
    });
  }
  await eventually('all descriptors to be closed', () => openDescriptors() === before);
});

t.test('a reply that nobody asked for ends the connection', async t => {
  const client = connect(t, socket => socket.send(Uint8Array.of(0), pipeEnd()));
  await eventually('the end', () => client.closed);
  await t.rejects(client.allocate(1), /a reply \(status 0\) that nobody asked for/);
});

t.test('closed here', async t => {
  const { client } = withServer(t, PAGE);
  const asked = client.allocate(1);
  client.close();
  client.close();
  await t.rejects(asked, /was closed here/);
});

function pipeEnd(): OwnedFd[] {
  const [read, write] = native.pipe();
  native.close(read);
  return [new OwnedFd(write)];
}
