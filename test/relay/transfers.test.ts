import { constants, openSync } from 'node:fs';
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { ReaderPipes, Transfers, type TransfersOptions } from '../../src/relay/transfers.js';
import { openDevice } from '../../src/virtwl/device.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';

function pipe(): [OwnedFd, OwnedFd] {
  return native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
}

function transfers(t: Test, options: TransfersOptions): Transfers {
  const made = new Transfers(openDevice({ loopback: t.testdir() }), options);
  t.teardown(() => made.close());
  return made;
}

t.test('a transfer that stands still ends after a while; one in which something moves does not', async t => {
  const before = openDescriptors();
  const idle = transfers(t, { idleTimeoutMs: 1_000 });
  const [stuckReader, stuckSink] = pipe();
  const stuck = idle.pipeForSink(stuckSink);
  const [reader, sink] = pipe();
  const writer = idle.pipeForSink(sink);
  const byte = new Uint8Array(1);
  const ticks = setInterval(() => native.write(writer.fd, byte, 0, 1), 20);
  await eventually('the one without a byte to end', () => idle.charged === 1);
  t.equal(native.read(stuckReader.fd, byte), 0, 'its reader sees the end');
  t.throws(() => native.write(stuck.fd, byte, 0, 1), { code: 'EPIPE' }, 'and its writer that nobody reads');
  clearInterval(ticks);
  t.equal(native.read(reader.fd, byte), 1, 'the other goes on');
  writer.close();
  await eventually('it to end', () => idle.count === 0);
  for (const fd of [stuckReader, stuck, reader]) fd.close();
  t.equal(openDescriptors(), before);
});

t.test('a reader that reads nothing is given up as well', async t => {
  const idle = transfers(t, { idleTimeoutMs: 50 });
  const [reader, sink] = pipe();
  const writer = idle.pipeForSink(sink);
  const block = new Uint8Array(65536);
  await eventually('the writer to find no reader', () => {
    try {
      native.write(writer.fd, block, 0, block.length);
      return false;
    } catch {
      return true;
    }
  });
  t.equal(idle.count, 0);
  for (const fd of [reader, writer]) fd.close();
});

t.test('who reads pays: a pipe that one VM reads is nothing on the account of the one that writes', async t => {
  const before = openDescriptors();
  const readerPipes = new ReaderPipes();
  const reads = transfers(t, { limit: 2, readerPipes });
  const writes = transfers(t, { limit: 1, readerPipes });
  const ends = [pipe(), pipe(), pipe()];
  const given = ends.map(([, sink]) => reads.pipeToReader(sink));
  t.equal(reads.charged, 2, 'the third is over the limit');
  const remotes = given.map(fd => writes.pipeForSink(fd));
  t.equal(writes.charged, 0);
  t.equal(writes.count, 2, 'the dead one is over at once');
  const [ownReader, ownSink] = pipe();
  const own = writes.pipeForSink(ownSink);
  t.equal(writes.charged, 1, 'what is read by nobody that we know is its own');

  const byte = new Uint8Array(1);
  t.equal(native.read(ends[2]![0].fd, byte), 0, 'over the limit: the end');
  t.throws(() => native.write(remotes[2]!.fd, byte, 0, 1), { code: 'EPIPE' });
  t.equal(native.write(remotes[0]!.fd, Uint8Array.of(9), 0, 1), 1);
  await eventually('the byte', () => native.read(ends[0]![0].fd, byte) === 1);
  t.equal(byte[0], 9);
  for (const fd of [...remotes, own]) fd.close();
  await eventually('all to end', () => reads.count === 0 && writes.count === 0);
  t.equal(native.read(ends[0]![0].fd, byte), 0);
  t.equal(reads.charged + writes.charged, 0);
  for (const fd of [...ends.map(([read]) => read), ownReader]) fd.close();
  readerPipes.close();
  t.equal(openDescriptors(), before);
});

t.test('nothing is written where a writer may have to wait: only pipes and sockets are written to for a VM', t => {
  const before = openDescriptors();
  const readerPipes = new ReaderPipes();
  const reads = transfers(t, { readerPipes });
  const byte = new Uint8Array(1);
  const directory = t.testdir({ file: '' });
  for (const [what, path, mode] of [
    ['a terminal', '/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY],
    ['a device', '/dev/null', constants.O_WRONLY],
    ['a file', `${directory}/file`, constants.O_WRONLY],
    ['a directory', directory, constants.O_RDONLY],
  ] as const) {
    const given = reads.pipeToReader(new OwnedFd(openSync(path, mode)));
    t.throws(() => native.write(given.fd, byte, 0, 1), { code: 'EPIPE' }, what);
    t.equal(reads.charged, 0);
    given.close();
  }
  const [end, socket] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const given = reads.pipeToReader(socket);
  t.equal(native.write(given.fd, byte, 0, 1), 1, 'a socket is');
  t.equal(reads.charged, 1);
  reads.close();
  for (const fd of [given, end]) fd.close();
  readerPipes.close();
  t.equal(openDescriptors(), before);
  t.end();
});

t.test('a pipe is known once: a second holder of it pays itself', async t => {
  const readerPipes = new ReaderPipes();
  t.teardown(() => readerPipes.close());
  const reads = transfers(t, { readerPipes });
  const writes = transfers(t, { readerPipes });
  const [read, sink] = pipe();
  const given = reads.pipeToReader(sink);
  const twice = new OwnedFd(native.dup(given.fd));
  const remotes = [writes.pipeForSink(given), writes.pipeForSink(twice)];
  t.equal(writes.charged, 1);
  for (const fd of [...remotes, read]) fd.close();
});
