/**
 * What every channel over a descriptor must do, whatever its system calls: run for a Unix socket, a context in loopback and
 * a context of /dev/wl0. The peer is a raw descriptor, which does only what a test makes it do.
 */
import type { Test } from 'tap';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Stream } from '../../src/system/stream.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { openDescriptors } from '../descriptors.js';
import { testNative } from '../test-native.js';

export interface Scene {
  readonly channel: Stream;
  readonly peer: OwnedFd;
}

export interface StreamKind {
  /** A channel that is not started, and its peer. */
  readonly connect: () => Scene;
  readonly highWaterBytes: number;
  readonly maxQueuedBytes: number;
  readonly maxQueuedFds: number;
  /** What becomes of what is sent after the peer has only stopped writing. */
  readonly afterEnd: 'delivered' | 'dropped';
}

/** Memory, which every kind carries. */
export function memory(): OwnedFd {
  return new Memory(native.memfd('virtwl-test', 4096, 0));
}

/** Everything that waits at a raw peer. */
export function readAll(peer: OwnedFd): { bytes: Buffer; fds: OwnedFd[]; ended: boolean } {
  const parts: Buffer[] = [];
  const fds: number[] = [];
  for (;;) {
    const buffer = new Uint8Array(65536);
    const length = native.recv(peer.fd, buffer, fds);
    if (length <= 0) {
      return { bytes: Buffer.concat(parts), fds: fds.map(fd => new OwnedFd(fd)), ended: length === 0 };
    }
    parts.push(Buffer.from(buffer.subarray(0, length)));
  }
}

export function sendRaw(peer: OwnedFd, text: string, fds: readonly OwnedFd[] = []): void {
  const bytes = Buffer.from(text);
  const numbers = fds.map(fd => fd.fd);
  native.send(peer.fd, bytes, 0, bytes.length, numbers);
}

/** The next time the channel tells this event. */
export function next(channel: Stream, event: 'end' | 'drain'): Promise<void>;
export function next(channel: Stream, event: 'error'): Promise<Error & { code?: string }>;
export function next(channel: Stream, event: 'data'): Promise<{ text: string; fds: OwnedFd[] }>;
export function next(channel: Stream, event: 'data' | 'end' | 'error' | 'drain'): Promise<unknown> {
  return new Promise(resolve => {
    if (event === 'data') channel.once('data', (bytes, fds) => resolve({ text: Buffer.from(bytes).toString(), fds }));
    else channel.once(event, (error?: unknown) => resolve(error));
  });
}

export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Sends until the channel asks to wait. Returns the bytes. */
function fill(channel: Stream, bytes = new Uint8Array(65536)): number {
  let sent = 0;
  for (let going = true; going; sent += bytes.length) going = channel.send(bytes);
  return sent;
}

/** Runs all of it. */
export function streamContract(t: Test, kind: StreamKind): void {
  const { highWaterBytes, maxQueuedBytes, maxQueuedFds } = kind;

  /** A test with a channel and its peer, after which no descriptor is left open. */
  const check = (t: Test, name: string, body: (t: Test, scene: Scene) => Promise<void> | void): void => {
    t.test(name, async t => {
      const before = openDescriptors();
      const scene = kind.connect();
      try {
        await body(t, scene);
      } finally {
        scene.channel.close();
        scene.peer.close();
      }
      t.equal(openDescriptors(), before, 'no descriptor is left');
    });
  };

  check(t, 'bytes and descriptors arrive together, both ways', async (t, { channel, peer }) => {
    const arrived = next(channel, 'data');
    channel.start();
    const file = memory();
    sendRaw(peer, 'hello', [file]);
    const { text, fds } = await arrived;
    t.equal(text, 'hello');
    t.equal(fds.length, 1);
    t.match(fds[0]!.info(), { type: 'regular', size: 4096 });
    closeAll(fds);

    t.equal(channel.send(Buffer.from('welcome'), [file]), true);
    t.equal(file.closed, true, 'sent away, so closed here');
    const got = readAll(peer);
    t.equal(got.bytes.toString(), 'welcome');
    t.equal(got.fds.length, 1);
    closeAll(got.fds);
  });

  check(t, 'nothing is read before start, nor while paused', async (t, { channel, peer }) => {
    const seen: string[] = [];
    channel.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
    sendRaw(peer, 'a');
    await turns(2);
    t.same(seen, []);
    channel.start();
    await turns(2);
    t.same(seen, ['a']);
    channel.pause();
    sendRaw(peer, 'b');
    await turns(2);
    t.same(seen, ['a']);
    const arrived = next(channel, 'data');
    channel.resume();
    t.equal((await arrived).text, 'b');
  });

  check(t, 'a pause inside data holds back what comes next', async (t, { channel, peer }) => {
    let calls = 0;
    channel.on('data', () => {
      calls += 1;
      channel.pause();
    });
    channel.start();
    sendRaw(peer, 'x'.repeat(100_000));
    await turns(5);
    t.equal(calls, 1, 'more than one buffer waited, one was delivered');
  });

  check(t, 'descriptors of data that nobody listens to are closed', async (t, { channel, peer }) => {
    const file = memory();
    channel.start();
    sendRaw(peer, 'x', [file]);
    sendRaw(peer, 'y', [file]);
    testNative.shutdownWrite(peer.fd);
    await next(channel, 'end');
    file.close();
    t.pass('which the count of descriptors shows');
  });

  check(t, 'what one send may carry', (t, { channel, peer }) => {
    channel.send(Buffer.from('x'), Array.from({ length: channel.maxFds }, memory));
    const { fds } = readAll(peer);
    t.equal(fds.length, channel.maxFds);
    closeAll(fds);

    const tooMany = Array.from({ length: channel.maxFds + 1 }, memory);
    t.throws(() => channel.send(Buffer.from('x'), tooMany), RangeError);
    t.ok(
      tooMany.every(fd => fd.closed),
      'taken also when refused',
    );
    const lone = memory();
    t.throws(() => channel.send(new Uint8Array(0), [lone]), RangeError);
    t.equal(lone.closed, true);
    t.equal(channel.send(new Uint8Array(0)), true, 'nothing at all is no mistake');
    t.equal(channel.closed, false, "the caller's mistake does not break the channel");
  });

  t.test('a peer that reads late', async t => {
    check(t, 'gets everything in order, as it was when it was sent, and drain tells when', async (t, scene) => {
      const { channel, peer } = scene;
      const sent: Buffer[] = [];
      let going = true;
      for (let i = 0; going; i++) {
        // A Buffer, whose own slice() does not copy.
        const block = Buffer.alloc(1000 + (i % 50) * 40, i % 251);
        sent.push(Buffer.from(block));
        going = channel.send(block);
        block.fill(255);
      }
      t.ok(channel.queuedBytes > highWaterBytes);
      t.ok(channel.queuedBytes <= highWaterBytes + 3000, 'at the high-water mark, not later');
      let drains = 0;
      channel.on('drain', () => (drains += 1));
      const got: Buffer[] = [];
      while (channel.queuedBytes > 0) {
        t.equal(drains, 0);
        got.push(readAll(peer).bytes);
        await turn();
      }
      t.equal(drains, 1);
      got.push(readAll(peer).bytes);
      t.ok(Buffer.concat(got).equals(Buffer.concat(sent)), 'the same bytes');
      t.equal(channel.send(Buffer.from('x')), true, 'and there is room again');
    });

    check(t, 'gets descriptors once, each with its byte', async (t, { channel, peer }) => {
      // More than a socket buffer holds, so the first send goes out in part and takes its descriptors with it.
      const first = memory();
      channel.send(Buffer.alloc(2_000_000, 1), [first]);
      t.equal(first.closed, true, 'went with the first byte');
      t.ok(channel.queuedBytes > 0);
      const second = memory();
      channel.send(Buffer.alloc(1_000_000, 2), [second]);
      t.equal(second.closed, false, 'waits');
      channel.send(Buffer.alloc(10, 3));
      const fds: OwnedFd[] = [];
      /** How many bytes were there when each came: a read ends before bytes that bring descriptors. */
      const positions: number[] = [];
      const parts: Buffer[] = [];
      const buffer = new Uint8Array(65536);
      let length = 0;
      while (length < 3_000_010) {
        const numbers: number[] = [];
        const count = native.recv(peer.fd, buffer, numbers);
        if (count < 0) {
          await turn();
          continue;
        }
        if (numbers.length > 0) positions.push(length);
        fds.push(...numbers.map(fd => new OwnedFd(fd)));
        parts.push(Buffer.from(buffer.subarray(0, count)));
        length += count;
      }
      const bytes = Buffer.concat(parts);
      t.same([bytes[0], bytes[1_999_999], bytes[2_000_000], bytes[3_000_000]], [1, 1, 2, 3]);
      t.equal(fds.length, 2);
      t.equal(positions[0], 0);
      t.ok(positions[1]! <= 2_000_000 && positions[1]! > 2_000_000 - 65536, 'the second with its first byte');
      t.equal(second.closed, true);
      closeAll(fds);
    });

    check(t, 'a peer that is gone leaves nobody waiting for drain, also where nobody reads', async (t, scene) => {
      const { channel, peer } = scene;
      fill(channel);
      const drained = next(channel, 'drain');
      peer.close();
      await drained;
      t.equal(channel.queuedBytes, 0);
      t.equal(channel.send(new Uint8Array(10)), true, 'what comes now is dropped');
    });

    check(t, 'a pause in drain holds for what came in the same wake-up', async (t, { channel, peer }) => {
      let drained = false;
      let calls = 0;
      channel.on('data', () => {
        if (drained) calls += 1;
      });
      channel.on('drain', () => {
        drained = true;
        channel.pause();
      });
      fill(channel);
      channel.start();
      while (!drained) {
        // Now there is something to read, and room.
        sendRaw(peer, 'x');
        readAll(peer);
        await turn();
      }
      await turns(2);
      t.equal(calls, 0);
    });

    check(t, 'a paused channel still sends what is queued', async (t, { channel, peer }) => {
      channel.start();
      channel.pause();
      const drained = next(channel, 'drain');
      fill(channel);
      while (channel.queuedBytes > 0) {
        readAll(peer);
        await turn();
      }
      await drained;
      t.pass();
    });
  });

  t.test('a peer that never reads breaks the channel', async t => {
    check(t, 'when too many bytes wait', async (t, { channel }) => {
      const broken = next(channel, 'error');
      const block = Buffer.alloc(1 << 20);
      while (!channel.closed) {
        channel.send(block);
        if (channel.queuedBytes > maxQueuedBytes) return void t.fail(`${channel.queuedBytes} bytes are queued`);
      }
      const error = await broken;
      t.equal(error.code, 'ENOBUFS');
      t.match(error.message, /does not read/);
      t.equal(channel.queuedBytes, 0);
    });

    check(t, 'when too many descriptors wait, and they are closed', async (t, { channel }) => {
      const broken = next(channel, 'error');
      // Little enough waits that the sender is not told to stop for that.
      while (channel.queuedBytes === 0) channel.send(Buffer.alloc(65536));
      const files = Array.from({ length: maxQueuedFds + 1 }, memory);
      const quarter = Math.floor(maxQueuedFds / 4);
      const goesOn = files.slice(0, -1).map(file => channel.send(Buffer.from('x'), [file]));
      t.ok(goesOn.slice(0, quarter).every(Boolean));
      t.notOk(goesOn.slice(quarter).some(Boolean), 'over a quarter of them, the sender is told to stop');
      t.equal(channel.closed, false, 'not at the limit itself');
      channel.send(Buffer.from('x'), files.slice(-1));
      t.equal((await broken).code, 'ENOBUFS');
      t.ok(files.every(file => file.closed));
    });

    check(t, 'but not at the limit itself', (t, { channel }) => {
      while (channel.queuedBytes === 0) channel.send(Buffer.alloc(65536));
      channel.send(Buffer.alloc(maxQueuedBytes - channel.queuedBytes));
      t.equal(channel.queuedBytes, maxQueuedBytes);
      t.equal(channel.closed, false);
    });

    check(t, 'and the owner that closes first gets no event', async (t, { channel }) => {
      channel.on('error', () => t.fail('told after close'));
      while (!channel.closed) channel.send(Buffer.alloc(1 << 20));
      channel.close();
      await turn();
    });
  });

  t.test('an error', async t => {
    const breakIt = (channel: Stream): void => {
      while (!channel.closed) channel.send(Buffer.alloc(1 << 20));
    };

    check(t, 'that has no listener is thrown', async (t, { channel }) => {
      const thrown = new Promise<Error>(resolve => process.setUncaughtExceptionCaptureCallback(resolve));
      try {
        breakIt(channel);
        t.match(await thrown, { code: 'ENOBUFS' });
      } finally {
        process.setUncaughtExceptionCaptureCallback(null);
      }
    });

    check(t, 'between two owners is told to the next', async (t, { channel }) => {
      channel.on('error', () => t.fail('told to the former owner'));
      channel.hold();
      breakIt(channel);
      await turn();
      const told = next(channel, 'error');
      channel.start();
      t.match(await told, { code: 'ENOBUFS' });
    });
  });

  t.test('a peer that is gone', async t => {
    check(t, 'is an end, after what it had said', async (t, { channel, peer }) => {
      const seen: string[] = [];
      channel.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
      channel.on('error', error => t.fail(error.message));
      sendRaw(peer, 'last words');
      peer.close();
      channel.start();
      await next(channel, 'end');
      t.same(seen, ['last words']);
      t.equal(channel.closed, false, 'closing is for the owner');
    });

    check(t, 'is an end also when it left our bytes unread', async (t, { channel, peer }) => {
      channel.on('error', error => t.fail(error.message));
      channel.send(Buffer.from('never read'));
      peer.close();
      channel.start();
      await next(channel, 'end');
      t.pass();
    });

    check(t, 'is an end only after all it had sent, though it left our bytes unread', async (t, { channel, peer }) => {
      let received = 0;
      channel.on('data', bytes => (received += bytes.length));
      channel.send(Buffer.from('never read'));
      const sent = native.send(peer.fd, Buffer.alloc(150_000), 0, 150_000, []);
      t.ok(sent > 65536, 'more than one read takes');
      peer.close();
      channel.start();
      await next(channel, 'end');
      t.equal(received, sent);
    });

    check(t, 'is an end also for an owner that was writing, which still receives the last words', async (t, scene) => {
      const { channel, peer } = scene;
      const seen: string[] = [];
      channel.on('data', bytes => seen.push(Buffer.from(bytes).toString()));
      channel.on('error', error => t.fail(error.message));
      sendRaw(peer, 'you made a mistake');
      peer.close();
      const file = memory();
      t.equal(channel.send(Buffer.from('into nothing'), [file]), true);
      t.equal(file.closed, true);
      t.equal(channel.send(Buffer.from('and again')), true);
      channel.start();
      await next(channel, 'end');
      t.same(seen, ['you made a mistake']);
    });

    check(t, 'frees those that wait for it to read', async (t, { channel, peer }) => {
      channel.start();
      const ended = next(channel, 'end');
      const drained = next(channel, 'drain');
      fill(channel);
      const file = memory();
      channel.send(Buffer.from('x'), [file]);
      t.equal(file.closed, false);
      peer.close();
      await Promise.all([ended, drained]);
      t.equal(file.closed, true);
      t.equal(channel.queuedBytes, 0);
    });

    check(t, 'does not keep the loop busy', async (t, { channel, peer }) => {
      let ends = 0;
      channel.on('end', () => (ends += 1));
      channel.start();
      peer.close();
      await next(channel, 'end');
      const { recvmsg } = native.counters();
      await turns(20);
      t.equal(native.counters().recvmsg, recvmsg);
      t.equal(ends, 1);
    });
  });

  t.test('a peer that has only stopped writing', async t => {
    check(t, `what is sent to it then is ${kind.afterEnd}`, async (t, { channel, peer }) => {
      testNative.shutdownWrite(peer.fd);
      channel.start();
      await next(channel, 'end');
      t.equal(channel.send(Buffer.from('answer')), true);
      t.equal(readAll(peer).bytes.toString(), kind.afterEnd === 'delivered' ? 'answer' : '');
    });

    check(
      t,
      `what was queued for it is ${kind.afterEnd}, and drain is told either way`,
      async (t, { channel, peer }) => {
        channel.start();
        const sent = fill(channel);
        const queued = channel.queuedBytes;
        const drained = next(channel, 'drain').then(() => true);
        testNative.shutdownWrite(peer.fd);
        await next(channel, 'end');
        let got = 0;
        while (channel.queuedBytes > 0) {
          got += readAll(peer).bytes.length;
          await turn();
        }
        got += readAll(peer).bytes.length;
        t.equal(got, kind.afterEnd === 'delivered' ? sent : sent - queued);
        t.equal(await drained, true);
      },
    );
  });

  t.test('closing', async t => {
    check(t, 'is idempotent, and inside an event ends all events', async (t, { channel, peer }) => {
      channel.on('data', () => channel.close());
      channel.on('end', () => t.fail('an event after close'));
      channel.start();
      sendRaw(peer, 'x');
      await new Promise<void>(resolve => {
        channel.once('data', () => resolve());
      });
      channel.close();
      t.equal(channel.closed, true);
      await turn();
      t.equal(readAll(peer).ended, true, 'the peer sees it');
    });

    check(t, 'makes all other calls harmless', (t, { channel }) => {
      channel.close();
      channel.start();
      channel.resume();
      channel.pause();
      channel.hold();
      channel.closeWhenDrained();
      const file = memory();
      t.equal(channel.send(Buffer.from('x'), [file]), true, 'dropped');
      t.equal(file.closed, true);
      t.equal(channel.queuedBytes, 0);
    });

    check(t, 'when drained waits for a peer that reads', async (t, { channel, peer }) => {
      channel.send(Buffer.alloc(1_000_000, 7));
      channel.closeWhenDrained(600_000);
      t.equal(channel.closed, false);
      t.equal(channel.send(Buffer.from('more')), true, 'dropped');
      let total = 0;
      while (!channel.closed) {
        total += readAll(peer).bytes.length;
        await turn();
      }
      t.equal(total + readAll(peer).bytes.length, 1_000_000);
    });

    check(t, 'when drained gives up on a peer that does not', async (t, { channel, peer }) => {
      channel.send(Buffer.alloc(1_000_000));
      channel.closeWhenDrained(1);
      while (!channel.closed) await new Promise(resolve => setTimeout(resolve, 1));
      t.equal(readAll(peer).ended, true);
    });

    check(t, 'when drained is at once for a peer that goes, and nothing is told', async (t, { channel, peer }) => {
      channel.send(Buffer.alloc(1_000_000));
      channel.closeWhenDrained(600_000);
      channel.on('end', () => t.fail('told'));
      channel.on('error', () => t.fail('told'));
      channel.on('drain', () => t.fail('told'));
      peer.close();
      while (!channel.closed) await turn();
      await turn();
    });

    check(t, 'when drained is at once with nothing to drain', (t, { channel }) => {
      channel.closeWhenDrained();
      t.equal(channel.closed, true);
    });
  });
}
