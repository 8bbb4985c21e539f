/**
 * The kernel lets a user have only so many descriptors on their way in sockets. What meets the limit waits, a Unix socket
 * as well as a context of the loopback device, and a device that asks its VMM to map memory.
 */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import { VhostUserConnection } from '../../src/host/vhost-user/connection.js';
import { BackEnd, encodeMessage, encodeU64, VERSION } from '../../src/host/vhost-user/message.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import type { Context } from '../../src/virtwl/context.js';
import { openDevice } from '../../src/virtwl/device.js';
import { HIGH_WATER_BYTES } from '../../src/virtwl/limits.js';
import { SocketVfd, type Vfd } from '../../src/virtwl/vfd.js';
import { eventually } from '../eventually.js';

const INSIDE = 'VIRTWL_TEST_INSIDE';
/** Open files that the inner process may have, which is also the limit. More than Node.js itself needs. */
const LIMIT = 100;

/** Only a process without privileges has the limit: this runs in a user namespace without capabilities. */
async function inside(): Promise<void> {
  // A pair whose one end nobody reads holds descriptors on their way. What other processes of this user have on their
  // way counts too, and may become less meanwhile: hence several rounds.
  const [from, to] = native.socketpair();
  const one = Uint8Array.of(1);
  for (let round = 0; round < 5; round++) {
    try {
      for (let held = 0; held <= 4 * LIMIT; held++) native.send(from, one, 0, 1, [from]);
    } catch (error) {
      console.log(`refused: ${String((error as NodeJS.ErrnoException).errno)}`);
    }
    await new Promise(done => setTimeout(done, 20));
  }

  const device = openDevice({ loopback: tmpdir() });
  const [c, d] = native.socketpair().map(fd => device.adopt(new SocketVfd(fd))) as [Context, Context];
  const heard: string[] = [];
  c.on('error', error => console.log(`the context broke: ${error.message}`));
  c.on('drain', () => console.log('the context has drained'));
  d.on('data', (bytes, fds) => {
    heard.push(`${Buffer.from(bytes).toString()}+${fds.map(fd => (fd as Vfd).kind).join()}`);
    for (const fd of fds) fd.close();
  });
  c.start();
  d.start();
  c.send(Buffer.from('first'));
  c.send(Buffer.from('with memory'), [device.allocate(4096)]);
  const waits = c.send(new Uint8Array(HIGH_WATER_BYTES + 1));

  const [a, b] = UnixSocket.pair();
  let received = 0;
  let failure: Error | undefined;
  a.on('error', error => (failure = error));
  b.on('data', (_bytes, fds) => {
    received += fds.length;
    for (const fd of fds) fd.close();
  });
  a.start();
  b.start();
  a.send(one, [new OwnedFd(native.dup(from))]);
  a.send(one, [new OwnedFd(native.dup(from))]);
  const mapped: string[] = [];
  const [backEnd, vmm] = vhostUserPair(mapped);
  backEnd.send(encodeMessage(BackEnd.ShmemMap, VERSION, encodeU64(1n)), [new OwnedFd(native.dup(from))]);
  backEnd.send(encodeMessage(BackEnd.ShmemUnmap, VERSION, encodeU64(2n)));
  await new Promise(done => setTimeout(done, 200));
  console.log(`vmm: ${backEnd.closed ? 'closed' : 'open'}, asked: ${mapped.join(' ')}`);
  console.log(failure === undefined ? 'still open' : failure.message);
  console.log(`context: ${c.closed ? 'closed' : 'open'}, asks to wait: ${!waits}, heard: ${heard.join(' ')}`);
  // Both ends gone, what was on its way is gone too.
  native.close(from);
  native.close(to);
  await eventually('the descriptors', () => received === 2 && heard.length > 1);
  await eventually('what was queued behind them', () => c.queuedBytes === 0);
  await eventually('the requests', () => mapped.length === 2);
  console.log(`vmm asked: ${mapped.join(' ')}`);
  backEnd.close();
  vmm.close();
  console.log(`context heard: ${heard.slice(0, 2).join(' ').replace(/\0+/g, '')}`);
  c.close();
  d.close();
  console.log(`received: ${received}, queued: ${a.queuedBytes}`);
  a.close();
  b.close();
}

/** Both ends of a connection; what arrives at the second is noted. */
function vhostUserPair(arrived: string[]): [VhostUserConnection, VhostUserConnection] {
  const [one, two] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const ended = (error: Error | undefined): void => console.log(`the connection ended: ${error?.message ?? 'cleanly'}`);
  return [
    new VhostUserConnection(one, { message: () => {}, ended }),
    new VhostUserConnection(two, {
      message: ({ request }, _payload, fds) => {
        arrived.push(`${request}+${fds.length}`);
        for (const fd of fds) fd.close();
      },
      ended,
    }),
  ];
}

if (process.env[INSIDE] !== undefined) {
  await inside();
} else {
  t.test('descriptors over the limit of those on their way wait and arrive', async t => {
    const script = `ulimit -n ${LIMIT} && exec "$0" "$1"`;
    const output = execFileSync(
      'bwrap',
      [
        ...['--unshare-user', '--uid', '1000', '--gid', '1000', '--cap-drop', 'ALL', '--dev-bind', '/', '/'],
        ...['sh', '-c', script, process.execPath, fileURLToPath(import.meta.url)],
      ],
      { encoding: 'utf8', env: { ...process.env, [INSIDE]: '1' } },
    );
    t.match(output, /refused: 109/, 'the kernel has the limit');
    t.match(output, /still open/, 'a send over it breaks nothing');
    t.match(output, /received: 2, queued: 0/, 'it arrives when there is room again');
    t.match(output, /context: open, asks to wait: true, heard: first\+$/m, 'a context waits too, and says so');
    t.match(output, /context heard: first\+ with memory\+memory$/m, 'and what it held back arrives in order');
    t.match(output, /the context has drained/);
    t.notMatch(output, /the context broke/);
    t.match(output, /^vmm: open, asked: $/m, 'a VM goes on when it is not its own fault, and its requests wait');
    t.match(output, /^vmm asked: 9\+1 10\+0$/m, 'and come in order');
    t.notMatch(output, /the connection ended: [^c]/);
  });
}
