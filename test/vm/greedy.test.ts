/**
 * The memory bound over the real device, attacked from a guest in every way that vfds, mappings, processes and
 * connections allow. What it may have: so much by NEW_ALLOC, and so much of the allocator. At each step the books of its
 * host process and the kernel's own count say that it has no more; and when it has let go, all is there again.
 * `test/allocator/bound.test.ts` is the same for loopback.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Status } from '../../src/allocator/protocol.js';
import { closeAll, type OwnedFd } from '../../src/system/fd.js';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { OrderTaker } from './order-taker.js';
import { WorstVm } from './worst-vm.js';

const MIB = 2 ** 20;
/** Of each kind. Large enough to stand out from what else happens on the machine meanwhile. */
const BUDGET = 1024 * MIB;
const PIECE = 64 * MIB;
const PIECES = BUDGET / PIECE;
/** Shared memory in bytes that others may take or give back while this runs: the guest itself, for one, whose memory it is. */
const NOISE = 512 * MIB;
/** How long what was let go may take to be let go by all, in milliseconds: a device delivers for 10 s what was sent. */
const RELEASE_MS = 60_000;

t.setTimeout(590_000);

/** Bytes of shared memory on this machine: tmpfs files, memfds, in whatever process. */
function shmem(): number {
  return Number(/^Shmem:\s*(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
}

// Servers of the host to give memory to: one holds it, one does not read, one sends it back.
const directory = mkdtempSync(join(tmpdir(), 'virtwl-greedy-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const given: OwnedFd[] = [];
const connected = { holder: [] as UnixSocket[], deaf: [] as UnixSocket[], mirror: [] as UnixSocket[] };
for (const name of ['holder', 'deaf', 'mirror'] as const) {
  const listener = UnixListener.listen(join(directory, name));
  t.teardown(() => listener.close());
  listener.on('connection', socket => {
    connected[name].push(socket);
    socket.on('data', (bytes, fds) => {
      if (name === 'mirror') socket.send(bytes.slice(), fds);
      else given.push(...fds);
    });
    socket.on('error', () => {});
    if (name !== 'deaf') socket.start();
  });
}
/** The servers let go of what they hold. */
function release(): void {
  closeAll(given.splice(0));
  for (const sockets of Object.values(connected)) for (const socket of sockets.splice(0)) socket.close();
}
t.teardown(release);

const vm = await WorstVm.start(t, {
  name: 'greedy',
  programs: ['greedy', 'raw_ring'],
  hostArguments: [
    ...[`--allocator=${BUDGET}`, '--guest-memory', String(BUDGET), '--allocator-rate', '1000'],
    ...['holder', 'deaf', 'mirror'].flatMap(name => ['--socket', `${name}=${join(directory, name)}`]),
  ],
});
const before = shmem();

const start = (): Promise<OrderTaker> => OrderTaker.start(vm.machine, 'greedy', '/virtwl/greedy');
let greedy = await start();
const tell = (order: string): Promise<string> => greedy.tell(order);

async function books(): Promise<{ alloc: number; allocator: number }> {
  const { device, allocator } = await vm.status();
  return { alloc: device.allocBytes, allocator: allocator?.used ?? -1 };
}

/** Nothing more is to be had of either kind, and the books and the kernel say so. */
async function isBound(t: Test): Promise<void> {
  t.equal(await tell('one alloc 1'), 'ENOMEM', 'not a byte by NEW_ALLOC');
  t.equal(await tell('one allocator 1'), `status${Status.OverBudget}`, 'not a byte of the allocator');
  t.same(await books(), { alloc: BUDGET, allocator: BUDGET }, 'say the books');
  const grown = shmem() - before;
  t.ok(grown <= 2 * BUDGET + NOISE, `the machine's shared memory grew by ${Math.round(grown / MIB)} MiB`);
  t.ok(grown >= 2 * BUDGET - NOISE, 'which is what the guest has');
}

/** Once so many pieces of each kind are there again, takes them. */
async function hasBack(t: Test, pieces: number): Promise<void> {
  const held = BUDGET - pieces * PIECE;
  const end = Date.now() + RELEASE_MS;
  let now = await books();
  while ((now.alloc !== held || now.allocator !== held) && Date.now() < end) {
    await pause(500);
    now = await books();
  }
  t.same(now, { alloc: held, allocator: held }, 'the room is there again');
  t.equal(await tell(`take alloc ${PIECE}`), `${pieces} ENOMEM`);
  t.equal(await tell(`take allocator ${PIECE}`), `${pieces} status${Status.OverBudget}`);
}

t.test('all of its budgets, and not a byte more', async t => {
  await hasBack(t, PIECES);
  await isBound(t);
});

t.test('no second helping for mappings in place of descriptors, of which a part is unmapped', async t => {
  t.equal(await tell('map 4'), '8');
  await isBound(t);
});

t.test('nor for memory that a server was given, also when the guest has left it', async t => {
  t.equal(await tell('give holder 4'), '8');
  t.equal(await tell('hangup'), 'OK');
  await isBound(t);
  release();
  await hasBack(t, 4);
});

t.test('nor for memory that waits for a server that does not read', async t => {
  t.equal(await tell('give deaf 4'), '8');
  t.equal(await tell('hangup'), 'OK');
  await isBound(t);
  release();
  await hasBack(t, 4);
});

t.test('nor for memory that is on its way to the guest, which does not read', async t => {
  t.equal(await tell('give mirror 4'), '8');
  await isBound(t);
  t.equal(await tell('hangup'), 'OK');
  release();
  await hasBack(t, 4);
});

t.test('nor for memory that another process has', async t => {
  t.equal(await tell('fork 4'), '8');
  await isBound(t);
  t.equal(await tell('reap'), 'OK');
  await hasBack(t, 4);
});

t.test('nor for a thousand connections', async t => {
  const [there, got] = (await tell('connections 1200 4096')).split(' ').map(Number);
  t.equal(got, 0, `none of ${there} got any`);
  await isBound(t);
});

t.test('what it lets go is all there again, and can be had once', async t => {
  t.equal(await tell('drop'), 'OK');
  await hasBack(t, PIECES);
  await isBound(t);
});

t.test('a device that is reset under its users, with memory mapped, has all of it back', async t => {
  const { status, output } = await vm.machine.run('/virtwl/raw_ring --seconds 3 --seed 1 --moods m');
  t.equal(status, 0, output);
  await greedy.kill();
  greedy = await start();
  await hasBack(t, PIECES);
  await isBound(t);
  t.equal(await tell('drop'), 'OK');
  await hasBack(t, PIECES);
});

t.test('all is as it was', async t => {
  t.equal(await tell('drop'), 'OK');
  const end = Date.now() + RELEASE_MS;
  const none = { vfds: 0, connections: 0, pipes: 0, mappings: 0, allocBytes: 0 };
  let { device } = await vm.status();
  while (
    Object.entries(none).some(([name, value]) => device[name as keyof typeof none] !== value) &&
    Date.now() < end
  ) {
    await pause(500);
    ({ device } = await vm.status());
  }
  t.match(device, none);
  t.ok(vm.machine.running && vm.served);
});
