/**
 * The kernel lets a user have only so many descriptors on their way in sockets. A socket that meets the limit waits.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import { OwnedFd } from '../src/fd.js';
import { native } from '../src/native.js';
import { UnixSocket } from '../src/unix-socket.js';
import { eventually } from './eventually.js';

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
  await new Promise(done => setTimeout(done, 200));
  console.log(failure === undefined ? 'still open' : failure.message);
  // Both ends gone, what was on its way is gone too.
  native.close(from);
  native.close(to);
  await eventually('the descriptors', () => received === 2);
  console.log(`received: ${received}, queued: ${a.queuedBytes}`);
  a.close();
  b.close();
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
  });
}
