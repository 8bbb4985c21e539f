/** How a flow cuts what a channel delivers into messages, where the channel is one that delivers in odd ways. */
import { EventEmitter } from 'eventemitter3';
import t from 'tap';
import type { Channel, ChannelEvents } from '../../src/system/channel.js';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Flow, MAX_WAITING_FDS } from '../../src/wayland/flow.js';
import { Outbox } from '../../src/wayland/outbox.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { readUint, WireError } from '../../src/wayland/wire.js';
import { Holdings } from '../holdings.js';

const before = new Holdings();

/** A channel of which the test decides what it delivers and takes. */
class FakeChannel extends EventEmitter<ChannelEvents> implements Channel {
  readonly maxFds = 28;
  queuedBytes = 0;
  closed = false;
  started = false;
  paused = false;
  /** What `send` answers. */
  room = true;
  readonly sent: { bytes: Uint8Array; fds: number }[] = [];

  start(): void {
    this.started = true;
  }
  send(bytes: Uint8Array, fds: readonly OwnedFd[] = []): boolean {
    if (fds.length > this.maxFds) throw new RangeError('too many fds');
    this.sent.push({ bytes: bytes.slice(), fds: fds.length });
    closeAll(fds);
    return this.room;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.closed = true;
  }
  closeWhenDrained(): void {
    this.closed = true;
  }
}

function memfds(count: number): OwnedFd[] {
  return Array.from({ length: count }, () => new OwnedFd(native.memfd('virtwl-flow-test', 4096, 0)));
}

/** A message whose body is one word; the sink below takes an fd for odd ones. */
function message(word: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(1, 12 << 16, word).buffer);
}

function flow(options: { stallAt?: number } = {}) {
  const channel = new FakeChannel();
  const out = new Outbox(new FakeChannel());
  const answers = new Outbox(new FakeChannel());
  const seen: number[] = [];
  const events: string[] = [];
  const held = { stallAt: options.stallAt };
  const made = new Flow(
    channel,
    out,
    {
      dispatch(bytes, offset, _size, fds) {
        const word = readUint(bytes, offset + 8);
        if (word === held.stallAt) return false;
        if (word % 2 === 1) {
          if (fds.length === 0) throw new WireError('fd', 'no fd');
          fds.shift()!.close();
        }
        seen.push(word);
        return true;
      },
      batchDone: () => events.push('batch'),
      end: () => events.push('end'),
      error: error => events.push(error.message),
      broken: error => events.push(`broken: ${error.message}`),
    },
    answers,
  );
  made.start();
  return { made, channel, out, answers, seen, events, held };
}

t.test('a channel that hands over as many fds as it can at once may bring more for the same bytes', async t => {
  // RECV of virtio_wl: bytes as they come, but 28 fds at most.
  const { made, channel, seen, events } = flow();
  const all = Buffer.concat(Array.from({ length: 60 }, (_, i) => message(2 * i + 1)));
  channel.emit('data', all, memfds(28));
  t.equal(seen.length, 28);
  t.same(events, ['batch']);
  channel.emit('data', new Uint8Array(0), memfds(28));
  t.equal(seen.length, 56);
  channel.emit('data', message(2), memfds(4));
  t.equal(seen.length, 61);
  t.same(seen.at(-1), 2);
  t.same(events, ['batch', 'batch', 'batch']);
  channel.emit('data', message(3), []);
  t.equal(events.at(-1), 'broken: no fd', 'with fewer, nothing is to follow');
  made.close();
});

t.test('fds that never follow break the flow with the next data', async t => {
  const { made, channel, events } = flow();
  channel.emit('data', Buffer.concat(Array.from({ length: 29 }, () => message(1))), memfds(28));
  t.same(events, ['batch']);
  channel.emit('data', message(2), []);
  t.same(events, ['batch', 'broken: no fd']);
  made.close();
});

t.test(`${MAX_WAITING_FDS} fds may wait`, async t => {
  const { made, channel, events } = flow();
  channel.emit('data', message(2), memfds(MAX_WAITING_FDS));
  t.same(events, ['batch']);
  channel.emit('data', message(2), memfds(1));
  t.match(events[1], /broken: 129 file descriptors wait for messages/);
  made.close();
});

t.test('a channel that delivers after it was paused is listened to', async t => {
  const { made, channel, seen, events, held } = flow({ stallAt: 4 });
  channel.emit('data', Buffer.concat([message(2), message(4)]), []);
  t.equal(channel.paused, false, 'a stall may be over before there is more');
  channel.emit('data', message(6).subarray(0, 5), []);
  t.equal(channel.paused, true, 'nothing piles up');
  channel.emit('data', message(6).subarray(5), memfds(1));
  channel.emit('data', message(1), []);
  t.same(seen, [2]);
  channel.emit('end');
  t.notOk(events.includes('end'), 'the end waits with the rest');
  held.stallAt = undefined;
  made.resume();
  t.same(seen, [2, 4, 6, 1]);
  t.equal(events.at(-1), 'end');
  made.close();
});

t.test('reading goes on when everybody has room again, and not before', async t => {
  const { made, channel, out, answers, held } = flow({ stallAt: 4 });
  const sinks = [out.channel as FakeChannel, answers.channel as FakeChannel];
  for (const sink of sinks) sink.room = false;
  out.append(message(2), 0, 12, undefined);
  out.flush();
  answers.append(message(2), 0, 12, undefined);
  answers.flush();
  channel.emit('data', message(4), []);
  t.equal(channel.paused, true);
  sinks[0]!.emit('drain');
  t.equal(channel.paused, true, 'answers are not read');
  sinks[1]!.emit('drain');
  t.equal(channel.paused, true, 'the stall is still there');
  held.stallAt = undefined;
  made.resume();
  t.equal(channel.paused, false);
  made.close();
});

t.test('a closed flow closes what still comes', async t => {
  const { made, channel, seen } = flow();
  made.close();
  channel.emit('data', message(2), memfds(3));
  channel.emit('end');
  channel.emit('error', new Error('late'));
  made.resume();
  t.same(seen, []);
});

t.test('an outbox', async t => {
  const display = interfaces.get('wl_display')!;
  const pool = interfaces.get('wl_shm')!.requests.find(item => item.name === 'create_pool')!;

  t.test('sends at most as many fds at once as its channel carries, none after its message', async t => {
    const channel = new FakeChannel();
    const out = new Outbox(channel);
    for (let i = 0; i < 100; i++) out.write(2, pool, [3 + i, ...memfds(1), 4096]);
    out.append(message(2), 0, 12, memfds(20));
    out.append(message(2), 0, 12, memfds(20));
    out.flush();
    out.flush();
    const total = channel.sent.reduce((sum, { fds }) => sum + fds, 0);
    t.equal(total, 140);
    t.ok(channel.sent.every(({ fds }) => fds <= 28));
    let [bytes, fds] = [0, 0];
    for (const segment of channel.sent) {
      fds += segment.fds;
      bytes += segment.bytes.length;
      t.ok(fds >= Math.min(100, Math.floor(bytes / 16)), 'every message sent has its fd');
    }
  });

  t.test('sends a long batch in parts', async t => {
    const channel = new FakeChannel();
    const out = new Outbox(channel);
    for (let i = 0; i < 20_000; i++) out.write(1, display.requests[0]!, [i + 2]);
    t.ok(channel.sent.length >= 3, 'before it is told to');
    out.flush();
    const all = Buffer.concat(channel.sent.map(({ bytes }) => bytes));
    t.equal(all.length, 240_000);
    t.ok(channel.sent.every(({ bytes }) => bytes.length <= 80_000));
  });

  t.test('keeps and sends nothing once it or its channel is closed', async t => {
    const held = new Holdings();
    for (const close of [(out: Outbox) => out.close(), (out: Outbox) => out.channel.close()]) {
      const channel = new FakeChannel();
      const out = new Outbox(channel);
      out.write(2, pool, [3, ...memfds(1), 4096]);
      close(out);
      out.write(2, pool, [3, ...memfds(1), 4096]);
      out.append(message(2), 0, 12, memfds(2));
      out.flush();
      out.write(2, pool, [3, ...memfds(1), 4096]);
      out.discard();
      t.same(channel.sent, []);
    }
    await held.assertSame(t);
  });
});

t.test('nothing is left behind', async t => before.assertSame(t));
