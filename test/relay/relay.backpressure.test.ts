/** Peers that do not read: the peer that talks to them is held up, in order, and nothing piles up in between. */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { HIGH_WATER_BYTES } from '../../src/system/unix-socket.js';
import { Verdict } from '../../src/relay/call.js';
import { Holdings } from '../holdings.js';
import { settle, type Peer } from './peer.js';
import { between, handling, madeBy } from './relay-between.js';

const before = new Holdings();

/** What a relay may hold for one peer: its high-water mark, and the batch that went over it. */
const MOST_QUEUED = HIGH_WATER_BYTES + 256 * 1024;

/** `count` damage requests, numbered. */
function damages(id: number, from: number, count: number): number[] {
  const words: number[] = [];
  for (let i = from; i < from + count; i++) words.push(id, (24 << 16) | 2, i, 0, 1, 1);
  return words;
}

/** Says batches until the other side takes no more: nothing leaves the peer's own queue any longer. */
async function flood(peer: Peer, batch: (n: number) => readonly number[], batches: number): Promise<void> {
  for (let i = 0; i < batches; i++) {
    peer.raw(batch(i));
    await settle(2);
  }
  await settle();
}

t.test('a compositor that does not read holds up its client', async t => {
  const b = await between(t, { compositorReads: false });
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  const surface = b.client.make(factory, 'create_surface');
  const batches = 50;
  await flood(b.client, i => damages(surface, i * 2500, 2500), batches);
  const { channel } = b.relay.toServer;
  t.ok(channel.queuedBytes > HIGH_WATER_BYTES, 'it is over the mark');
  t.ok(channel.queuedBytes < MOST_QUEUED, `${channel.queuedBytes} bytes wait in the relay`);
  t.ok(b.client.socket.queuedBytes > 60_000 * batches - MOST_QUEUED - 1_000_000, 'the rest waits where it came from');
  t.same(b.ends, []);

  b.compositor.socket.start();
  await b.compositor.receives('wl_surface.damage', 2500 * batches);
  t.ok(
    b.compositor.all('wl_surface.damage').every(({ args }, i) => args[0] === i),
    'nothing is lost or out of order',
  );
  t.equal(channel.queuedBytes, 0);
  await b.client.roundtrip();
});

t.test('a client that does not read holds up the compositor', async t => {
  const b = await between(t, { clientReads: false });
  const seat = b.client.bind(b.registry, 1, 'wl_seat', 5);
  b.client.make(seat, 'get_pointer');
  await settle();
  const pointer = madeBy(b.compositor, 'wl_seat.get_pointer');
  const batches = 50;
  await flood(
    b.compositor,
    i => Array.from({ length: 2500 }, (_, j) => [pointer, (20 << 16) | 2, i * 2500 + j, 0, 0]).flat(),
    batches,
  );
  const { channel } = b.relay.toClient;
  t.ok(
    channel.queuedBytes > HIGH_WATER_BYTES && channel.queuedBytes < MOST_QUEUED,
    `${channel.queuedBytes} bytes wait`,
  );
  t.same(b.ends, []);
  b.client.socket.start();
  await b.client.receives('wl_pointer.motion', 2500 * batches);
  t.ok(b.client.all('wl_pointer.motion').every(({ args }, i) => args[0] === i));
});

t.test('a client that asks and asks and does not read the answers is not read either', async t => {
  const b = await between(t, {
    clientReads: false,
    // A request that we answer ourselves, with twenty times its size.
    concerns: handling({
      requests: {
        wl_registry: {
          bind: ({ relay, object }) => {
            for (let name = 0; name < 20; name++) {
              relay.emitEvent(object, 'global', { name, interface: 'wl_output', version: 4 });
            }
            return Verdict.Drop;
          },
        },
      },
    }),
  });
  const { bytes } = b.client.encode(b.registry, 'bind', [1, { interface: 'wl_seat', version: 1, id: 77 }]);
  const batch = Buffer.concat(Array.from({ length: 300 }, () => bytes));
  for (let i = 0; i < 30; i++) {
    b.client.raw(batch);
    await settle(2);
  }
  await settle();
  t.same(b.ends, [], 'it is still there');
  // One batch is taken as a whole before anything is held up.
  t.ok(
    b.relay.toClient.channel.queuedBytes < 4 * HIGH_WATER_BYTES,
    `${b.relay.toClient.channel.queuedBytes} bytes wait`,
  );
  b.client.socket.start();
  await b.client.receives('wl_registry.global', 300 * 30 * 20);
  t.same(b.ends, []);
});

t.test("a stall and a compositor that does not read do not get in each other's way", async t => {
  let open = false;
  const b = await between(t, {
    compositorReads: false,
    concerns: handling({ requests: { wl_surface: { commit: () => (open ? Verdict.Forward : Verdict.Stall) } } }),
  });
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  const surface = b.client.make(factory, 'create_surface');
  await flood(b.client, i => damages(surface, i * 2500, 2500), 40);
  const waiting = b.client.socket.queuedBytes;
  t.ok(waiting > 0);
  b.client.say(surface, 'commit');
  b.client.raw(damages(surface, 100_000, 2500));
  b.compositor.socket.start();
  await b.compositor.receives('wl_surface.damage', 100_000);
  await settle();
  t.equal(b.compositor.all('wl_surface.damage').length, 100_000, 'up to the commit');
  open = true;
  b.relay.resume('requests');
  await b.compositor.receives('wl_surface.damage', 102_500);
  t.ok(b.compositor.all('wl_surface.damage').every(({ args }, i) => args[0] === i));
});

t.test('peers that never read cost nothing once they are gone, fds included', async t => {
  const held = new Holdings();
  for (const who of ['client', 'compositor'] as const) {
    const b = await between(t, { clientReads: who !== 'client', compositorReads: who !== 'compositor' });
    const shm = b.client.bind(b.registry, 1, 'wl_shm', 1);
    const seat = b.client.bind(b.registry, 2, 'wl_seat', 4);
    b.client.make(seat, 'get_keyboard');
    await settle();
    for (let i = 0; i < 400; i++) {
      const fd = new OwnedFd(native.memfd('virtwl-relay-test', 4096, 0));
      if (who === 'compositor') b.client.make(shm, 'create_pool', ['new', fd, 4096]);
      else b.compositor.say(madeBy(b.compositor, 'wl_seat.get_keyboard'), 'keymap', [1, fd, 4096]);
      if (i % 50 === 0) await settle(2);
    }
    await settle();
    b.client.close();
    b.compositor.close();
    b.relay.close(undefined);
  }
  await held.assertSame(t);
});

t.test('what was said before the end arrives, however slowly it is read', async t => {
  const b = await between(t, { compositorReads: false });
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  const surface = b.client.make(factory, 'create_surface');
  await flood(b.client, i => damages(surface, i * 2500, 2500), 12);
  b.client.close();
  await settle();
  b.compositor.socket.start();
  await b.compositor.isEnded();
  const received = b.compositor.all('wl_surface.damage');
  t.ok(received.length > 20_000, `${received.length} messages`);
  t.ok(received.every(({ args }, i) => args[0] === i));
});

t.test('half a hang-up', async t => {
  t.test('of a client ends both sides, after what it said', async t => {
    const held = new Holdings();
    const b = await between(t);
    const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
    b.client.make(factory, 'create_surface');
    b.client.halfClose();
    await b.compositor.isEnded();
    await b.client.isEnded();
    t.equal(b.compositor.all('wl_compositor.create_surface').length, 1);
    t.same(b.ends, [undefined]);
    b.client.close();
    b.compositor.close();
    await held.assertSame(t);
  });

  t.test('of a compositor ends both sides, after what it said', async t => {
    const held = new Holdings();
    const b = await between(t);
    b.compositor.say(madeBy(b.compositor, 'wl_display.get_registry'), 'global', [1, 'wl_seat', 4]);
    b.compositor.halfClose();
    await b.compositor.isEnded();
    await b.client.isEnded();
    t.equal(b.client.all('wl_registry.global').length, 1);
    t.match(b.ends, [{ message: /compositor closed/ }]);
    b.client.close();
    b.compositor.close();
    await held.assertSame(t);
  });
});

t.test('nothing is left behind', async t => before.assertSame(t));
