/**
 * What every device must do, whether it is /dev/wl0 or loopback. The host servers at the other end are those of
 * `peer-servers.ts`, wherever they run.
 */
import type { Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native, type Mapping } from '../../src/system/native.js';
import {
  HIGH_WATER_BYTES,
  MAX_ALLOCATION_BYTES,
  MAX_CHUNK_BYTES,
  MAX_FDS,
  MAX_QUEUED_BYTES,
  Memory,
  Pipe,
  SocketVfd,
  type Context,
  type Device,
  type Vfd,
} from '../../src/virtwl/device.js';
import { describeDescriptors, openDescriptors } from '../descriptors.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import type { Carriers } from '../../src/relay/carriers.js';
import { Relay } from '../../src/relay/relay.js';
import { eventually } from '../eventually.js';
import { Random } from '../wayland/random.js';
import { LONGEST_NAME, PIPE_TEXT } from './peer-servers.js';

/** Everything that came on a context. */
class Received {
  readonly chunks: Buffer[] = [];
  readonly fds: OwnedFd[] = [];
  length = 0;
  ends = 0;
  errors: Error[] = [];
  drains = 0;

  constructor(readonly context: Context) {
    context.on('data', (bytes, fds) => {
      this.chunks.push(Buffer.from(bytes));
      this.length += bytes.length;
      this.fds.push(...fds);
    });
    context.on('end', () => this.ends++);
    context.on('error', error => this.errors.push(error));
    context.on('drain', () => this.drains++);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async has(bytes: number, fds = 0): Promise<void> {
    const what = `${bytes} bytes and ${fds} fds; there are ${this.length} and ${this.fds.length}`;
    await eventually(what, () => this.length >= bytes && this.fds.length >= fds);
  }
}

/** Runs all of it; `makeDevice` makes one that the test closes. `rounds`: of what must leave nothing behind. */
export function deviceSuite(t: Test, makeDevice: () => Device, rounds = 1000): void {
  const open = (t: Test): Device => {
    const device = makeDevice();
    t.teardown(() => device.close());
    return device;
  };
  const connect = (t: Test, device: Device, name: string): Received => {
    const context = device.connect(name);
    t.teardown(() => context.close());
    const received = new Received(context);
    t.teardown(() => received.fds.forEach(fd => fd.close()));
    context.start();
    return received;
  };
  const mapped = (t: Test, memory: Memory, length: number, writable = true): Mapping => {
    const mapping = memory.map(length, writable);
    t.teardown(() => mapping.unmap());
    return mapping;
  };

  t.test('bytes of any number arrive as they were sent, in order', async t => {
    const received = connect(t, open(t), 'echo');
    const random = new Random(4096);
    let expected = Buffer.alloc(0);
    for (const size of [
      1,
      MAX_CHUNK_BYTES - 1,
      MAX_CHUNK_BYTES,
      MAX_CHUNK_BYTES + 1,
      4096,
      2 * MAX_CHUNK_BYTES,
      100_000,
    ]) {
      const bytes = Buffer.alloc(size);
      for (let at = 0; at < size; at++) bytes[at] = random.below(256);
      expected = Buffer.concat([expected, bytes]);
      received.context.send(bytes);
      bytes.fill(0); // the sender may use its buffer again
    }
    await received.has(expected.length);
    t.ok(received.bytes.equals(expected));
  });

  t.test('nothing is delivered before start, nor while paused', async t => {
    const context = open(t).connect('echo');
    t.teardown(() => context.close());
    const received = new Received(context);
    context.send(Buffer.from('one'));
    await new Promise(resolve => setTimeout(resolve, 20));
    t.equal(received.length, 0);
    context.start();
    await received.has(3);
    context.pause();
    context.send(Buffer.from('two'));
    await new Promise(resolve => setTimeout(resolve, 20));
    t.equal(received.length, 3);
    context.resume();
    await received.has(6);
    t.equal(received.bytes.toString(), 'onetwo');
  });

  t.test(`${MAX_FDS} fds go in one send, with 4 KiB of data, and not one more`, async t => {
    const device = open(t);
    const received = connect(t, device, 'echo');
    const memories = (count: number): Memory[] => Array.from({ length: count }, () => device.allocate(4096));
    const before = openDescriptors();
    received.context.send(Buffer.alloc(4096, 1), memories(MAX_FDS));
    await received.has(4096, MAX_FDS);
    t.ok(received.fds.every(fd => fd instanceof Memory));
    for (const fd of received.fds.splice(0)) fd.close();

    const tooMany = memories(MAX_FDS + 1);
    t.throws(() => received.context.send(Buffer.alloc(1), tooMany), RangeError);
    t.ok(
      tooMany.every(({ closed }) => closed),
      'they were given away all the same',
    );
    received.context.send(Buffer.from('goes on'));
    await received.has(4096 + 7);
    await eventually('the other end to close its copies', () => openDescriptors() === before);
  });

  t.test('fds need a byte to carry them', async t => {
    const device = open(t);
    const { context } = connect(t, device, 'echo');
    const memory = device.allocate(4096);
    t.throws(() => context.send(new Uint8Array(0), [memory]), RangeError);
    t.ok(memory.closed);
    t.ok(context.send(new Uint8Array(0)), 'nothing at all is no mistake');
  });

  t.test('only vfds can be sent', async t => {
    const device = open(t);
    const received = connect(t, device, 'echo');
    const { context } = received;
    const refused = (fd: OwnedFd, why: RegExp): void => {
      const good = device.allocate(4096);
      t.throws(() => context.send(Buffer.from('x'), [good, fd]), { name: 'TypeError', code: 'EINVAL', message: why });
      t.ok(fd.closed && good.closed, 'all of them are closed');
    };
    refused(new OwnedFd(native.memfd('virtwl-test', 4096, 0)), /no vfd/);
    const [read, write] = native.pipe();
    native.close(read);
    refused(new OwnedFd(write), /no vfd/);
    const closed = device.allocate(4096);
    closed.close();
    refused(closed, /closed vfd/);
    const pipe = device.pipe('read');
    refused(pipe.local, /received pipe/);
    context.send(Buffer.from('p'), [pipe.remote]);
    await received.has(1, 1);
    t.ok(received.fds[0] instanceof Pipe);
    refused(received.fds.pop()!, /received pipe/);
  });

  t.test('memory is one and the same on both sides', async t => {
    const device = open(t);
    const received = connect(t, device, 'echo');
    const size = 3 * native.pageSize;
    const memory = device.allocate(size);
    t.equal(memory.size, size);
    const here = mapped(t, memory, size);
    received.context.send(Buffer.from('m'), [memory.share()]);
    await received.has(1, 1);
    const [back] = received.fds.splice(0) as [Memory];
    t.ok(back instanceof Memory);
    t.equal(back.size, 0, 'nobody said how large it is');
    const there = mapped(t, back, size);
    back.close();
    memory.close();
    new Uint8Array(here.buffer)[size - 1] = 17;
    t.equal(new Uint8Array(there.buffer)[size - 1], 17);
    new Uint8Array(there.buffer)[0] = 18;
    t.equal(new Uint8Array(here.buffer)[0], 18, 'mappings outlive their fds');
  });

  t.test('memory is mapped up to its last page, and not beyond', async t => {
    const device = open(t);
    const memory = device.allocate(native.pageSize + 1);
    t.teardown(() => memory.close());
    mapped(t, memory, 2 * native.pageSize);
    t.throws(() => memory.map(2 * native.pageSize + 1, true), { code: 'EINVAL' });
    t.throws(() => memory.map(native.pageSize, true, 2 * native.pageSize), { code: 'EINVAL' });
    const received = connect(t, device, 'echo');
    received.context.send(Buffer.from('m'), [memory.share()]);
    await received.has(1, 1);
    t.throws(() => (received.fds[0] as Memory).map(3 * native.pageSize, false), { code: 'EINVAL' });
  });

  t.test('sizes that no memory has', async t => {
    const device = open(t);
    for (const size of [0, -1, 1.5, NaN, Infinity, MAX_ALLOCATION_BYTES + 1]) {
      t.throws(() => device.allocate(size), RangeError, String(size));
    }
  });

  t.test('a pipe that the host writes: its bytes, then its end', async t => {
    const device = open(t);
    const { context } = connect(t, device, 'pipes');
    const { local, remote } = device.pipe('read');
    t.teardown(() => local.close());
    t.equal(local.direction, 'read');
    context.send(Buffer.from('w'), [remote]);
    t.equal(await readAll(local), PIPE_TEXT);
  });

  t.test('a pipe that the host reads: it sees the end when we close', async t => {
    const device = open(t);
    const received = connect(t, device, 'pipes');
    const { local, remote } = device.pipe('write');
    received.context.send(Buffer.from('r'), [remote]);
    const text = Buffer.from('written in the guest, read on the host');
    t.equal(native.write(local.fd, text, 0, text.length), text.length);
    local.close();
    await received.has(text.length);
    t.equal(received.bytes.toString(), text.toString());
  });

  t.test('a pipe whose reader goes away can be written no more', async t => {
    const device = open(t);
    const { context } = connect(t, device, 'pipes');
    const { local, remote } = device.pipe('write');
    t.teardown(() => local.close());
    context.send(Buffer.from('c'), [remote]);
    const text = Buffer.from('anybody?');
    await eventually('EPIPE', () => {
      try {
        native.write(local.fd, text, 0, text.length);
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EPIPE';
      }
    });
    t.pass();
  });

  t.test('a socket that the host passes becomes a context', async t => {
    const device = open(t);
    const received = connect(t, device, 'sockets');
    await received.has(1, 1);
    const [vfd] = received.fds.splice(0) as [Vfd];
    t.ok(vfd instanceof SocketVfd);
    const context = device.adopt(vfd as SocketVfd);
    t.teardown(() => context.close());
    t.ok(vfd.closed, 'it belongs to the context now');
    const other = new Received(context);
    context.start();
    context.send(Buffer.from('hello'), [device.allocate(4096)]);
    await other.has(5, 1);
    t.equal(other.bytes.toString(), 'hello');
    for (const fd of other.fds) fd.close();
  });

  t.test('a server that hangs up: all it said, then end, and no error', async t => {
    const received = connect(t, open(t), 'goodbye');
    await eventually('the end', () => received.ends > 0);
    t.equal(received.bytes.toString(), 'goodbye');
    t.equal(received.ends, 1);
    t.same(received.errors, []);
    t.ok(received.context.send(Buffer.from('too late')), 'what is said to nobody is dropped');
    await new Promise(resolve => setTimeout(resolve, 20));
    t.same([received.ends, received.errors.length], [1, 0], 'neither comes again');
  });

  t.test('a server that hangs up on unread bytes: that is an end as well', async t => {
    const received = connect(t, open(t), 'rude');
    received.context.send(Buffer.from('first'));
    await received.has(2);
    received.context.send(Buffer.from('never read'));
    await eventually('the end', () => received.ends > 0);
    t.same(received.errors, []);
    t.equal(received.bytes.toString(), 'no');
  });

  t.test('a server that never reads: send says so, and in the end the context breaks', async t => {
    const received = connect(t, open(t), 'silent');
    const block = new Uint8Array(64 * 1024);
    let sent = 0;
    while (received.context.send(block)) sent += block.length;
    t.ok(received.context.queuedBytes > HIGH_WATER_BYTES);
    t.ok(received.context.queuedBytes <= HIGH_WATER_BYTES + block.length, 'at the high-water mark, not later');
    while (received.context.queuedBytes > 0) received.context.send(block);
    await eventually('the error', () => received.errors.length > 0);
    t.match(received.errors, [{ code: 'ENOBUFS' }]);
    t.ok(received.context.closed);
    t.ok(MAX_QUEUED_BYTES > HIGH_WATER_BYTES);
    t.equal(received.ends, 0);
  });

  t.test('drain comes once what was queued has left', async t => {
    const received = connect(t, open(t), 'echo');
    received.context.pause();
    const block = new Uint8Array(64 * 1024);
    let sent = block.length;
    while (received.context.send(block)) sent += block.length;
    t.equal(received.drains, 0);
    received.context.resume();
    await received.has(sent);
    await eventually('drain', () => received.drains > 0);
    t.equal(received.drains, 1);
    t.equal(received.context.queuedBytes, 0);
  });

  t.test('what is queued is a copy', async t => {
    const received = connect(t, open(t), 'echo');
    received.context.pause();
    // A Buffer, whose own slice() does not copy.
    const block = Buffer.alloc(64 * 1024);
    let blocks = 0;
    for (let goesOn = true; goesOn; blocks++) {
      block.fill(1 + (blocks % 200));
      goesOn = received.context.send(block);
      block.fill(0);
    }
    received.context.resume();
    await received.has(blocks * block.length);
    const wrong = received.bytes.findIndex((byte, at) => byte !== 1 + (Math.floor(at / block.length) % 200));
    t.equal(wrong, -1);
  });

  t.test('closeWhenDrained sends what is queued first', async t => {
    const device = open(t);
    const received = connect(t, device, 'pipes');
    const { local, remote } = device.pipe('read');
    t.teardown(() => local.close());
    received.context.send(Buffer.from('w'), [remote]);
    received.context.closeWhenDrained();
    t.equal(await readAll(local), PIPE_TEXT);
    t.ok(received.context.closed);
  });

  t.test('after close: no event, and calls are harmless', async t => {
    const device = open(t);
    const received = connect(t, device, 'echo');
    received.context.send(Buffer.from('x'));
    received.context.close();
    received.context.close();
    const memory = device.allocate(4096);
    t.ok(received.context.send(Buffer.from('x'), [memory]));
    t.ok(memory.closed, 'what was to be sent is closed');
    received.context.pause();
    received.context.resume();
    received.context.closeWhenDrained();
    received.context.start();
    await new Promise(resolve => setTimeout(resolve, 20));
    t.same([received.length, received.ends, received.errors.length], [0, 0, 0]);
  });

  t.test('a listener may close the context', async t => {
    const device = open(t);
    const context = device.connect('echo');
    await new Promise<void>(resolve => {
      context.on('data', () => {
        context.close();
        resolve();
      });
      context.start();
      context.send(Buffer.alloc(200_000));
    });
    t.ok(context.closed);
  });

  t.test('hold stops delivering until the next owner starts', async t => {
    const { context } = connect(t, open(t), 'echo');
    context.hold();
    context.send(Buffer.from('for the next owner'));
    await new Promise(resolve => setTimeout(resolve, 20));
    const next = new Received(context);
    context.start();
    await next.has(18);
    t.equal(next.bytes.toString(), 'for the next owner');
  });

  t.test('what no handler wants passes natively', async t => {
    const context = open(t).connect('compositor');
    const [ours, near] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const client = new UnixSocket(near);
    let told = 0;
    client.on('data', bytes => (told += bytes.length));
    client.start();
    const asItIs: Carriers = { memory: (_call, fd) => fd, keymap: (_call, fd) => fd, sink: (_call, fd) => fd };
    const relay = new Relay(new UnixSocket(ours), context, { concerns: [], toServer: asItIs, toClient: asItIs });
    t.teardown(() => {
      relay.close(undefined);
      client.close();
    });
    relay.start();
    // wl_display.sync: object, opcode and size, callback. It is answered by wl_callback.done and wl_display.delete_id.
    const sync = new Uint8Array(Uint32Array.of(1, 12 << 16, 2).buffer);
    for (let count = 1; count <= 30; count++) {
      client.send(sync);
      await eventually('it is answered', () => told === count * 24);
    }
    t.ok(relay.passedBatches > 50, `${relay.passedBatches} batches of 60`);
  });

  t.test('a name of 31 bytes is carried, and none that is longer or is no name', async t => {
    const device = open(t);
    t.equal(Buffer.byteLength(LONGEST_NAME), 31);
    const received = connect(t, device, LONGEST_NAME);
    received.context.send(Buffer.from('x'));
    await received.has(1);
    const before = openDescriptors();
    for (const name of [`${LONGEST_NAME}s`, '', '.', '..', 'a/b', '/echo', 'echo\0', 'ö'.repeat(16)]) {
      t.throws(() => device.connect(name), { code: 'EINVAL', message: /cannot be used/ }, JSON.stringify(name));
    }
    t.equal(openDescriptors(), before);
  });

  t.test('a server that the host does not offer', async t => {
    const device = open(t);
    const before = openDescriptors();
    t.throws(() => device.connect('unheard-of'), {
      code: 'ENOENT',
      message: /"unheard-of".*offers this VM no such server/,
    });
    t.equal(openDescriptors(), before);
  });

  t.test(`${rounds} contexts, memories and pipes leave nothing behind`, async t => {
    const device = open(t);
    const round = async (): Promise<void> => {
      const received = new Received(device.connect('echo'));
      received.context.start();
      const memory = device.allocate(4096);
      const mapping = memory.map(4096, true);
      const { local, remote } = device.pipe('read');
      received.context.send(Buffer.from('x'), [memory, remote]);
      await received.has(1, 2);
      for (const fd of received.fds) fd.close();
      mapping.unmap();
      local.close();
      received.context.close();
    };
    await round();
    const before = { fds: openDescriptors(), counters: native.counters() };
    for (let count = 0; count < rounds; count++) await round();
    await eventually('the peers to close', () => openDescriptors() <= before.fds);
    t.equal(openDescriptors(), before.fds, describeDescriptors().join('\n'));
    const after = native.counters();
    t.equal(after.mmap - before.counters.mmap, after.munmap - before.counters.munmap);
  });
}

/** Reads a pipe to its end. */
async function readAll(pipe: Pipe): Promise<string> {
  const chunk = new Uint8Array(4096);
  let text = '';
  await eventually('the end of a pipe', () => {
    const length = native.read(pipe.fd, chunk);
    if (length > 0) text += Buffer.from(chunk.subarray(0, length)).toString();
    return length === 0;
  });
  return text;
}
