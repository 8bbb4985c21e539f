/**
 * What the guest driver's sending costs in interrupts, in a real VM: an answer that nobody waits for costs none, and
 * nothing is lost by that, nor left behind by who closes with transactions under way. Counts only, so that how slow the guest is does not matter.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../eventually.js';
import { closeAll } from '../../src/system/fd.js';
import type { UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { echoServer } from './echo-server.js';
import { smallGuest } from './guests.js';

// Everything waits for what the guest does, which is slow where it is emulated. A kernel built to look for mistakes is
// slower by far.
const TIMEOUT_MS = process.env.VIRTWL_GUEST_KERNEL === undefined ? 580_000 : 3_600_000;
t.setTimeout(TIMEOUT_MS);

/** Interrupts that something else may have caused meanwhile. */
const SLACK = 10;

const directory = mkdtempSync(join(tmpdir(), 'virtwl-interrupts-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
echoServer(t, directory);
/** What reads and says nothing: at once, or when somebody connects to "go". */
const waiting: UnixSocket[] = [];
function serve(name: string, connected: (socket: UnixSocket) => void): void {
  const listener = UnixListener.listen(join(directory, name));
  t.teardown(() => listener.close());
  listener.on('connection', socket => {
    socket.on('data', (_bytes, fds) => closeAll(fds));
    socket.on('end', () => socket.close());
    socket.on('error', () => socket.close());
    connected(socket);
  });
}
serve('sink', socket => socket.start());
serve('later', socket => waiting.push(socket));
serve('stuck', socket => t.teardown(() => socket.close()));
serve('go', socket => [socket, ...waiting.splice(0)].forEach(each => each.start()));

const { machine, device } = await smallGuest(t, {
  name: 'interrupts',
  directory,
  servers: ['echo', 'sink', 'later', 'go', 'stuck'],
  programs: ['interrupts', 'closes'],
});
const { status, output } = await machine.run('/virtwl/interrupts', TIMEOUT_MS);
t.comment(output);

/** The numbers of one of the program's lines. */
const numbers = (what: string): number[] =>
  new RegExp(`^${what}: (\\d+), interrupts: (\\d+)(?:, told: (\\d+))?$`, 'm').exec(output)?.slice(1).map(Number) ?? [];

t.test('a round trip costs the interrupt of what comes back, and none for what was sent', async t => {
  const [count, interrupts = NaN] = numbers('round trips');
  t.equal(count, 100);
  t.ok(interrupts > 0, 'the counter counts');
  t.ok(interrupts <= 100 + SLACK, `${interrupts} interrupts for 100 round trips`);
});

t.test('a transaction to which nothing comes back costs none', async t => {
  const [count, interrupts = NaN] = numbers('small');
  t.equal(count, 100);
  t.ok(interrupts <= SLACK, `${interrupts} interrupts for 100 transactions`);
});

t.test('what nobody waits for takes 64 KiB at most: over it the answer is told', async t => {
  const [count, , told] = numbers('large');
  t.equal(count, 100);
  t.equal(told, 100, 'transactions that an interrupt followed');
});

t.test('an error that nobody waited for is told by the next transaction', async t => {
  t.match(output, /^refused: works EINVAL works EINVAL$/m);
});

t.test('who waits for room is woken', async t => {
  t.match(output, /^full: EAGAIN\nits writer: woken$/m);
});

t.test('what is closed with transactions under way is closed at the device', async t => {
  t.equal(status, 0);
  const nothing = (): boolean => device?.counts?.vfds === 0;
  await eventually('nothing', nothing);
  const { output } = await machine.run('/virtwl/interrupts closes', TIMEOUT_MS);
  t.equal(output, 'closed: 10\n');
  // Nothing else comes by that the driver would close it then.
  await eventually('nothing', nothing);
  t.equal(device?.counts?.vfds, 0);
});

/** What the device has of the guest's, once nothing of the guest's says anything any more. */
async function nothingIsLeft(t: Test): Promise<void> {
  const holds = (): number => (device?.counts?.vfds ?? NaN) + (device?.counts?.mappings ?? NaN);
  await eventually('nothing', () => holds() === 0);
  t.equal(holds(), 0);
}

t.test('what is closed while its server reads nothing is closed at the device', async t => {
  const { output } = await machine.run('/virtwl/closes full 1', TIMEOUT_MS);
  t.equal(output, 'full: EAGAIN, closed\n');
  await nothingIsLeft(t);
});

t.test('also of so many that 16 transactions of each would fill the queue: others are made, and closed', async t => {
  const { output } = await machine.run('/virtwl/closes full 20', TIMEOUT_MS);
  t.equal(output, `full: ${Array(20).fill('EAGAIN').join(' ')}, closed\n`);
  await nothingIsLeft(t);
});

t.test('many files closed, and processes killed, with transactions under way leave nothing', async t => {
  for (const seed of [1, 2]) {
    const { output } = await machine.run(`/virtwl/closes 12 ${seed}`, TIMEOUT_MS);
    t.match(output, /^done: 108 rounds, [1-9]\d* killed\n$/);
    await nothingIsLeft(t);
  }
});

t.test('and the module can go: nothing is left', async t => {
  const { output } = await machine.run(
    'rmmod virtio_wl && echo unloaded; dmesg | grep -E "WARNING:|BUG:|INFO:|Oops:|nobody cared|refcount_t"',
    TIMEOUT_MS,
  );
  t.equal(output, 'unloaded\n');
});
