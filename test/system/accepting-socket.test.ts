/** Connections come out of a listening socket, as fast as they may and no faster. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AcceptingSocket, type AcceptRate } from '../../src/system/accepting-socket.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';

const CLIENTS = 40;

/** A socket at which so many have arrived before anybody listens to it, and what it accepts. */
function flooded(t: Test, rate?: AcceptRate) {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const path = join(directory, 'socket');
  const listening = new OwnedFd(native.listenUnix(path, CLIENTS));
  const connect = (): OwnedFd => new OwnedFd(native.connectUnix(path));
  const clients = Array.from({ length: CLIENTS }, connect);
  const accepted: OwnedFd[] = [];
  const accepting = new AcceptingSocket(
    listening,
    fd => accepted.push(fd),
    error => {
      throw error;
    },
    rate,
  );
  const close = (): void => {
    accepting.close();
    for (const fd of [...clients, ...accepted]) fd.close();
    rmSync(directory, { recursive: true, force: true });
  };
  t.teardown(close);
  return { accepted, close, connect, clients };
}

/** The loop has turned often enough to accept all that may be. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
}

t.test('without a rate, as they come', async t => {
  const held = new Holdings();
  const { accepted, close } = flooded(t);
  await eventually('all of them', () => accepted.length === CLIENTS);
  close();
  await held.assertSame(t);
});

t.test('with one, some at once, and the others as time goes on', async t => {
  await t.test('none of whom is lost', async t => {
    const { accepted } = flooded(t, { burst: 4, perSecond: 1000 });
    await eventually('all of them', () => accepted.length === CLIENTS);
  });

  await t.test('no more at once than the burst', async t => {
    const held = new Holdings();
    // In the time that a test takes there is not another one.
    const { accepted, close, clients, connect } = flooded(t, { burst: 4, perSecond: 1e-6 });
    await eventually('the burst', () => accepted.length === 4);
    await settled();
    t.equal(accepted.length, 4);
    while (clients.length < CLIENTS + 4) clients.push(connect());
    const full = (): void => {
      for (let more = 0; more < 3; more++) clients.push(connect());
    };
    t.throws(full, { code: 'EAGAIN' }, 'the kernel refuses who finds no place to wait');
    close();
    await held.assertSame(t);
  });
});
