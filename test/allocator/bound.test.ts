/**
 * The bound, attacked. A guest that has a budget tries to have more of the host's memory than that, in every way that
 * holding descriptors and mappings allows; the allocator's books and the kernel's own count both say that it did not.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { AllocationRefused, AllocatorClient } from '../../src/allocator/client.js';
import { Status } from '../../src/allocator/protocol.js';
import { statusOf, VIRTWL } from '../../src/demo/loopback-stack.js';
import { native, type Mapping } from '../../src/system/native.js';
import { testNative } from '../test-native.js';
import { openDevice, type Device, type Memory } from '../../src/virtwl/device.js';

const MIB = 1 << 20;
/** Large enough to stand out from what else happens on the machine meanwhile. */
const BUDGET = 1024 * MIB;
const PIECE = 64 * MIB;
/** Shared memory in bytes that other programs may take or give back while this runs: compositors of other tests. */
const NOISE = 400 * MIB;

/** Bytes of shared memory on this machine: tmpfs files, memfds, in whatever process. */
function shmem(): number {
  return Number(/^Shmem:\s*(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
}

t.test('a guest with a budget', { timeout: 180_000 }, async t => {
  const directory = join(t.testdir(), 'vm');
  const host = spawn(
    process.execPath,
    [VIRTWL, 'host', '--vm', 'greedy', '--loopback', directory, `--allocator=${BUDGET}`],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = once(host, 'exit');
  t.teardown(async () => {
    host.kill();
    await ended;
  });
  await new Promise(resolve => createInterface({ input: host.stdout }).once('line', resolve));
  const used = async (): Promise<number> => ((await statusOf(host)).allocator as { used: number }).used;
  const device = openDevice({ loopback: directory });
  t.teardown(() => device.close());
  const before = shmem();

  const held: Memory[] = [];
  const mappings: Mapping[] = [];
  t.teardown(() => {
    for (const memory of held) memory.close();
    for (const mapping of mappings) mapping.unmap();
  });

  await t.test('has all of its budget, and not a byte more', async t => {
    held.push(...(await takeAll(device)));
    t.equal(held.length * PIECE, BUDGET);
    await refused(t, device, 1, Status.OverBudget);
    t.equal(await used(), BUDGET);
  });

  await t.test('does not get a second helping by leaving and keeping the memory', async t => {
    // takeAll has closed its connection already; the memory is still held.
    t.same(await takeAll(device), [], 'a new connection gets nothing');
  });

  await t.test('nor by holding mappings in place of descriptors', async t => {
    for (const memory of held.splice(0, 4)) {
      mappings.push(memory.map(PIECE, true));
      memory.close();
    }
    await refused(t, device, 1, Status.OverBudget);
    t.equal(await used(), BUDGET);
  });

  await t.test('nor by leaving descriptors in a socket that nobody reads', async t => {
    const [a, b] = native.socketpair();
    for (const memory of held.splice(0, 4)) {
      native.send(a, Uint8Array.of(0), 0, 1, [memory.fd]);
      memory.close();
    }
    native.close(a);
    await refused(t, device, 1, Status.OverBudget);
    native.close(b);
    const back = await takeAll(device);
    t.equal(back.length, 4, 'when the socket is gone, its room is there again');
    held.push(...back);
  });

  await t.test('nor by giving descriptors to another process', async t => {
    const memory = held.pop()!;
    const holder = spawn('sleep', ['100'], { stdio: [memory.fd, 'ignore', 'ignore'] });
    memory.close();
    await refused(t, device, 1, Status.OverBudget);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const back = await takeAll(device);
    t.equal(back.length, 1, 'when the process is gone, its room is there again');
    held.push(...back);
  });

  await t.test('nor by making files larger', async t => {
    const memory = held[0]!;
    t.throws(() => ftruncateSync(memory.fd, 4 * BUDGET), { code: 'EPERM' });
    t.throws(() => testNative.allocate(memory.fd, 0, 0, PIECE + 4096), { code: 'EPERM' });
    const mapping = native.map(memory.fd, 0, 2 * PIECE, true);
    mappings.push(mapping);
    new Uint8Array(mapping.buffer)[2 * PIECE - 1] = 1;
    t.ok(mapping.faulted, 'what is written beyond is not kept');
    t.equal(await used(), BUDGET);
  });

  await t.test('nor by giving pages back and taking them again', async t => {
    const memory = held[1]!;
    t.throws(() => ftruncateSync(memory.fd, 0), { code: 'EPERM' });
    const punchHole = 3; // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
    testNative.allocate(memory.fd, punchHole, 0, PIECE);
    t.equal(await used(), BUDGET, 'a hole is still its own');
    t.same(await takeAll(device), [], 'and nothing else comes of it');
    testNative.allocate(memory.fd, 0, 0, PIECE);
  });

  await t.test('nor by making files of its own where its memory comes from', async t => {
    // What loopback shows of a file that has no name is a link; a guest sees not even that.
    t.throws(() => openSync(`/proc/self/fd/${held[0]!.fd}/more`, constants.O_CREAT | constants.O_RDWR), {
      code: 'ENOTDIR',
    });
  });

  await t.test('nor by asking on many connections at once', async t => {
    const clients = Array.from({ length: 16 }, () => new AllocatorClient(device.connect('allocator')));
    const answers = await Promise.allSettled(
      clients.flatMap(client => Array.from({ length: 50 }, () => client.allocate(4096))),
    );
    t.ok(
      answers.every(({ status }) => status === 'rejected'),
      'all 800 are refused',
    );
    for (const client of clients) client.close();
    t.equal(await used(), BUDGET);
  });

  const most = shmem();
  t.ok(most - before <= BUDGET + NOISE, `the machine's shared memory grew by ${Math.round((most - before) / MIB)} MiB`);
  t.ok(most - before >= BUDGET - NOISE, 'which is what was granted');

  await t.test('what it lets go is all there again', async t => {
    for (const memory of held.splice(0)) memory.close();
    for (const mapping of mappings.splice(0)) mapping.unmap();
    t.equal(await used(), 0);
    const again = await takeAll(device);
    t.equal(again.length * PIECE, BUDGET);
    for (const memory of again) memory.close();
    t.equal(await used(), 0);
  });

  await t.test(
    'memory of a guest whose host process dies lives on, and a new process has a budget of its own',
    async t => {
      const [memory] = await takeAll(device, 1);
      host.kill('SIGKILL');
      await ended;
      const mapping = memory!.map(PIECE, true);
      new Uint8Array(mapping.buffer)[PIECE - 1] = 7;
      t.notOk(mapping.faulted, 'it can still be used');
      mapping.unmap();
      memory!.close();
    },
  );
});

/** Takes pieces until the host refuses, or `most` of them, and closes the connection. */
async function takeAll(device: Device, most = Infinity): Promise<Memory[]> {
  const client = new AllocatorClient(device.connect('allocator'));
  const pieces: Memory[] = [];
  try {
    while (pieces.length < most) pieces.push(await client.allocate(PIECE));
  } catch (error) {
    if (!(error instanceof AllocationRefused)) throw error;
  } finally {
    client.close();
  }
  return pieces;
}

async function refused(t: Pick<Test, 'rejects'>, device: Device, bytes: number, status: number): Promise<void> {
  const client = new AllocatorClient(device.connect('allocator'));
  await t.rejects(client.allocate(bytes), { name: 'AllocationRefused', status });
  client.close();
}
