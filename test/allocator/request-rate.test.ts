/** Requests a second: as many as may be go through at once, what is more waits, and nobody loses any. */
import t from 'tap';
import { AllocatorClient } from '../../src/allocator/client.js';
import { AllocatorServer, ALLOCATOR_SOCKET } from '../../src/allocator/server.js';
import { DEFAULT_REQUESTS_PER_SECOND, RequestRate } from '../../src/allocator/request-rate.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Memory } from '../../src/virtwl/device.js';

t.test('one second has its requests, and the next one as many again', async t => {
  let now = 0;
  const rate = new RequestRate(100, () => now);
  for (let i = 0; i < 100; i++) t.equal(rate.take(), 0);
  t.equal(rate.take(), 10, 'the next one waits for a hundredth of a second');
  now += 10;
  t.equal(rate.take(), 0);
  t.equal(rate.take(), 10);
  now += 60_000;
  for (let i = 0; i < 100; i++) t.equal(rate.take(), 0);
  t.equal(rate.take(), 10, 'what was not used in a minute is not saved up');
});

t.test('less than one a second', async t => {
  let now = 0;
  const rate = new RequestRate(0.5, () => now);
  t.equal(rate.take(), 0);
  t.equal(rate.take(), 2000);
  now += 2000;
  t.equal(rate.take(), 0);
});

t.test('no rate at all is a mistake', async t => {
  for (const wrong of [0, -1, NaN]) t.throws(() => new RequestRate(wrong), RangeError);
  t.ok(DEFAULT_REQUESTS_PER_SECOND > 0);
});

t.test('a client over the rate is answered later, in order, and loses nothing', async t => {
  const [near, far] = UnixSocket.pair(ALLOCATOR_SOCKET);
  const server = new AllocatorServer({ vm: 'busy', bytes: 1 << 20, requestsPerSecond: 20 });
  server.serve(far);
  const passed: number[] = [];
  near.on('data', (bytes, fds) => {
    passed.push(...bytes);
    for (const fd of fds) fd.close();
  });
  near.start();
  const request = new Uint8Array(16); // of 0 bytes: refused, which counts as well
  for (let i = 0; i < 30; i++) near.send(request);
  // Thirty are more than one second's twenty: the last ones take half a second more.
  while (passed.length < 20) await new Promise(resolve => setImmediate(resolve));
  t.ok(passed.length < 30, 'not all are answered at once');
  while (passed.length < 30) await new Promise(resolve => setTimeout(resolve, 10));
  t.same(new Set(passed), new Set([1]), 'all are answered');
  near.close();
  server.close();
});

t.test('a connection that closes while it waits for its turn leaves nothing', async t => {
  const [near, far] = UnixSocket.pair(ALLOCATOR_SOCKET);
  const server = new AllocatorServer({ vm: 'busy', bytes: 1 << 20, requestsPerSecond: 1 });
  server.serve(far);
  const client = new AllocatorClient(near);
  const first = client.allocate(4096);
  const second = client.allocate(4096);
  await t.rejects(
    first.then(memory => {
      t.notOk(memory instanceof Memory);
      memory.close();
    }),
    /no memory/,
    'a plain socket wraps nothing as a vfd; the first was answered all the same',
  );
  client.close();
  await t.rejects(second);
  while (server.connections > 0) await new Promise(resolve => setImmediate(resolve));
  t.equal(server.connections, 0);
  server.close();
});
