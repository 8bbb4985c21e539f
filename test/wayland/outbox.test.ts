/** What is said on a channel while its peer does not read: each message arrives once, with its fds, in order. */
import t from 'tap';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Outbox } from '../../src/wayland/outbox.js';

/** Bytes of a message here, and of those that leave together. */
const MESSAGE = 4096;
const BATCH = 12;

/** Batches: so many that most of them have to wait. */
const BATCHES = 60;

t.test('batches with and without fds that have to wait arrive as they were said', async t => {
  const [here, there] = UnixSocket.pair();
  t.teardown(() => {
    here.close();
    there.close();
  });
  const errors: Error[] = [];
  here.on('error', error => errors.push(error));
  here.start();
  const outbox = new Outbox(here);
  const message = new Uint8Array(MESSAGE);
  /** Size of each fd's file, and where the message that it belongs to begins. */
  const sent: { readonly size: number; readonly at: number }[] = [];
  let said = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    for (let i = 0; i < BATCH; i++) outbox.append(message, 0, MESSAGE, undefined);
    said += BATCH * MESSAGE;
    if (batch % 2 === 1) {
      const size = 4096 * (batch + 1);
      sent.push({ size, at: said });
      said += MESSAGE;
      outbox.append(message, 0, MESSAGE, [new OwnedFd(native.memfd('outbox', size, 0))]);
    }
    outbox.flush();
  }
  t.ok(here.queuedBytes > said / 2, 'most of it waits');

  const sizes: number[] = [];
  const late: number[] = [];
  let length = 0;
  await new Promise<void>(resolve => {
    there.on('data', (bytes, fds) => {
      for (const fd of fds) {
        sizes.push(fd.info().size);
        if (length > sent[sizes.length - 1]!.at) late.push(sizes.length - 1);
      }
      closeAll(fds);
      length += bytes.length;
      if (length === said) resolve();
    });
    there.on('end', resolve);
    there.start();
  });
  t.same(errors, []);
  t.equal(length, said);
  t.same(
    sizes,
    sent.map(({ size }) => size),
  );
  t.same(late, [], 'none comes after its message');
});
