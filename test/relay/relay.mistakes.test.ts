/** What a relay does with peers that break the protocol: the one at fault is told and cut off, nobody else is harmed. */
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { ProtocolError } from '../../src/relay/call.js';
import { MAX_WAITING_FDS } from '../../src/wayland/flow.js';
import { Holdings } from '../holdings.js';
import { settle, type Peer } from './peer.js';
import { Random } from '../wayland/random.js';
import { between, madeBy, type Between } from './relay-between.js';

const before = new Holdings();

const INVALID_OBJECT = 0;
const INVALID_METHOD = 1;
const IMPLEMENTATION = 3;

function memfd(size = 4096): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-relay-test', size, 0));
}

/** What a well-behaved client has: ids of the objects, on its own side. */
interface Desk extends Between {
  readonly factory: number;
  readonly surface: number;
  readonly region: number;
  readonly shm: number;
  readonly seat: number;
  /** The same on the compositor's side. */
  readonly theirs: { readonly surface: number; readonly seat: number; readonly registry: number };
}

async function desk(t: Pick<Test, 'teardown'>): Promise<Desk> {
  const b = await between(t);
  const { client, compositor, registry } = b;
  const factory = client.bind(registry, 1, 'wl_compositor', 4);
  const surface = client.make(factory, 'create_surface');
  const region = client.make(factory, 'create_region');
  const shm = client.bind(registry, 2, 'wl_shm', 1);
  const seat = client.bind(registry, 3, 'wl_seat', 4);
  await settle();
  return {
    ...b,
    factory,
    surface,
    region,
    shm,
    seat,
    theirs: {
      surface: madeBy(compositor, 'wl_compositor.create_surface'),
      seat: madeBy(compositor, 'wl_registry.bind'),
      registry: madeBy(compositor, 'wl_display.get_registry'),
    },
  };
}

/** Words of a string argument: length, bytes, padding. */
function string(bytes: readonly number[], length = bytes.length): number[] {
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  return [length, ...new Uint32Array(padded.buffer)];
}

const A = 0x61;

interface Mistake {
  readonly name: string;
  readonly say: (client: Peer, d: Desk) => void;
  readonly code: number;
  readonly message: RegExp;
}

const mistakes: readonly Mistake[] = [
  { name: 'object 0', say: c => c.words(0, 0), code: INVALID_OBJECT, message: /invalid object 0/ },
  {
    name: 'an object that was never made',
    say: c => c.words(999, 0),
    code: INVALID_OBJECT,
    message: /invalid object 999/,
  },
  {
    name: 'the highest id of all',
    say: c => c.words(0xffffffff, 0),
    code: INVALID_OBJECT,
    message: /invalid object 4294967295/,
  },
  {
    name: "a compositor's id that was never made",
    say: c => c.words(0xff000000, 0),
    code: INVALID_OBJECT,
    message: /invalid object/,
  },
  {
    name: 'the last id below those',
    say: c => c.words(0xfeffffff, 0),
    code: INVALID_OBJECT,
    message: /invalid object/,
  },
  {
    name: 'an object that it has destroyed',
    say: (c, d) => {
      c.say(d.region, 'destroy');
      c.words(d.region, 1, 0, 0, 1, 1);
    },
    code: INVALID_OBJECT,
    message: /invalid object/,
  },
  {
    name: 'a destroyed object as an argument',
    say: (c, d) => {
      c.say(d.region, 'destroy');
      c.words(d.surface, 5, d.region);
    },
    code: INVALID_OBJECT,
    message: /invalid object \d+ for region of wl_surface/,
  },
  {
    name: 'an argument of another interface',
    say: (c, d) => c.words(d.surface, 5, d.seat),
    code: INVALID_OBJECT,
    message: /for region/,
  },
  {
    name: 'an argument that was never made',
    say: (c, d) => c.words(d.surface, 5, 4711),
    code: INVALID_OBJECT,
    message: /invalid object 4711/,
  },
  {
    name: 'itself as an argument',
    say: (c, d) => c.words(d.surface, 5, d.surface),
    code: INVALID_OBJECT,
    message: /for region/,
  },
  {
    name: 'null for a new object',
    say: (c, d) => c.words(d.factory, 0, 0),
    code: INVALID_METHOD,
    message: /'id' is null/,
  },
  {
    name: 'a new id that is in use',
    say: (c, d) => c.words(d.factory, 0, d.surface),
    code: INVALID_OBJECT,
    message: /invalid id/,
  },
  {
    name: "wl_display's id as a new one",
    say: (c, d) => c.words(d.factory, 0, 1),
    code: INVALID_OBJECT,
    message: /invalid id 1/,
  },
  {
    name: 'a new id beyond the next',
    say: (c, d) => c.words(d.factory, 0, c.newId() + 1),
    code: INVALID_OBJECT,
    message: /invalid id/,
  },
  {
    name: 'a new id far away',
    say: (c, d) => c.words(d.factory, 0, 0xfeffffff),
    code: INVALID_OBJECT,
    message: /invalid id/,
  },
  {
    name: "a new id of the compositor's",
    say: (c, d) => c.words(d.factory, 0, 0xff000000),
    code: INVALID_OBJECT,
    message: /invalid id/,
  },
  {
    name: 'the same id for two new objects',
    say: (c, d) => {
      const id = c.newId();
      c.words(d.factory, 0, id);
      c.words(d.factory, 1, id);
    },
    code: INVALID_OBJECT,
    message: /invalid id/,
  },
  {
    name: 'an opcode that there is not',
    say: (c, d) => c.words(d.surface, 99),
    code: INVALID_METHOD,
    message: /invalid method 99, object wl_surface/,
  },
  {
    name: 'the highest opcode',
    say: (c, d) => c.words(d.surface, 0xffff),
    code: INVALID_METHOD,
    message: /invalid method 65535/,
  },
  {
    name: 'a request of an interface that has none',
    say: c => {
      c.words(1, 0, c.newId());
      c.words(c.newId() - 1, 0);
    },
    code: INVALID_METHOD,
    message: /invalid method 0, object wl_callback/,
  },
  {
    name: 'a request that is newer than the version it bound',
    say: (c, d) => c.words(d.surface, 10, 1, 1),
    code: INVALID_METHOD,
    message: /invalid method 10, object wl_surface/,
  },
  { name: 'a message of size 0', say: c => c.raw([1, 0]), code: INVALID_METHOD, message: /message size 0/ },
  { name: 'a message of size 4', say: c => c.raw([1, 4 << 16]), code: INVALID_METHOD, message: /message size 4/ },
  {
    name: 'a size that is no whole word',
    say: c => c.raw([1, 13 << 16, 2, 0]),
    code: INVALID_METHOD,
    message: /message size 13/,
  },
  {
    name: 'a size over the limit, at once',
    say: c => c.raw([1, 4100 << 16]),
    code: INVALID_METHOD,
    message: /message size 4100/,
  },
  {
    name: 'the largest size there is',
    say: c => c.raw([1, 0xffff0000]),
    code: INVALID_METHOD,
    message: /message size 65535/,
  },
  {
    name: 'a message that is too short',
    say: (c, d) => c.words(d.surface, 2, 1, 2, 3),
    code: INVALID_METHOD,
    message: /'damage'.*must have 24/,
  },
  {
    name: 'a message that is too long',
    say: (c, d) => c.words(d.surface, 2, 1, 2, 3, 4, 5),
    code: INVALID_METHOD,
    message: /'damage'.*must have 24/,
  },
  {
    name: 'a message without its string',
    say: (c, d) => c.words(d.registry, 0, 1),
    code: INVALID_METHOD,
    message: /'bind'.*ends before/,
  },
  {
    name: 'a string longer than the message',
    say: (c, d) => c.words(d.registry, 0, 1, ...string([A, 0], 4000), 1, 5),
    code: INVALID_METHOD,
    message: /ends inside/,
  },
  {
    name: 'a string of nearly 4 GiB',
    say: (c, d) => c.words(d.registry, 0, 1, ...string([A, 0], 0xfffffffd), 1, 5),
    code: INVALID_METHOD,
    message: /ends inside/,
  },
  {
    name: 'a string without its end',
    say: (c, d) => c.words(d.registry, 0, 1, ...string([A, A, A, A]), 1, 5),
    code: INVALID_METHOD,
    message: /not ended by a NUL/,
  },
  {
    name: 'a string with two ends',
    say: (c, d) => c.words(d.registry, 0, 1, ...string([A, 0, A, 0]), 1, 5),
    code: INVALID_METHOD,
    message: /NUL byte before its end/,
  },
  {
    name: 'a null string',
    say: (c, d) => c.words(d.registry, 0, 1, 0, 1, 5),
    code: INVALID_METHOD,
    message: /is null/,
  },
  {
    name: 'a message without its fd',
    say: (c, d) => c.words(d.shm, 0, c.newId(), 4096),
    code: INVALID_METHOD,
    message: /without its file descriptor/,
  },
];

t.test('a client', async t => {
  for (const { name, say, code, message } of mistakes) {
    t.test(`that sends ${name} is told so and disconnected`, async t => {
      const held = new Holdings();
      const d = await desk(t);
      const other = await desk(t);
      const received = d.compositor.received.length;
      say(d.client, d);
      // Behind a mistake, nothing counts any more.
      d.client.say(d.surface, 'commit');
      await d.client.isEnded();
      await d.compositor.isEnded();
      const error = d.client.last('wl_display.error').args;
      t.same(error.slice(0, 2), [1, code]);
      t.match(error[2], message);
      t.ok(d.ends[0] instanceof Error);
      t.equal(d.ends.length, 1);
      t.same(d.compositor.all('wl_surface.commit'), []);
      t.ok(d.compositor.received.length - received <= 1, 'nothing but what was right before it went on');
      t.same(d.compositor.faults, []);
      t.same(d.client.faults, []);

      other.client.say(other.surface, 'commit');
      await other.client.roundtrip();
      t.equal(other.compositor.all('wl_surface.commit').length, 1, 'another connection works');
      for (const end of [d.client, d.compositor, other.client, other.compositor]) end.close();
      await held.assertSame(t);
    });
  }

  t.test(`may have ${MAX_WAITING_FDS} fds wait for their messages, and not one more`, async t => {
    const held = new Holdings();
    const d = await desk(t);
    const sync = (): Uint8Array => d.client.encode(1, 'sync', [d.client.newId()]).bytes;
    let left = MAX_WAITING_FDS;
    for (; left > 0; left -= Math.min(28, left))
      d.client.raw(
        sync(),
        Array.from({ length: Math.min(28, left) }, () => memfd()),
      );
    await d.client.roundtrip();
    t.same(d.ends, []);
    d.client.make(d.shm, 'create_pool', ['new', memfd(), 4096]);
    await d.client.roundtrip();
    t.same(d.ends, [], 'the message behind them takes the first, and its own makes as many as before');
    d.client.raw(sync(), [memfd()]);
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args[2], /file descriptors wait for messages/);
    d.client.close();
    d.compositor.close();
    await held.assertSame(t);
  });

  t.test('that only sends rubbish costs nothing but itself', async t => {
    const held = new Holdings();
    const random = new Random(1);
    for (let i = 0; i < 30; i++) {
      const b = await between(t);
      b.client.raw(
        Uint8Array.from({ length: 3000 }, () => random.below(256)),
        [memfd()],
      );
      await settle(4);
      b.client.close();
      await b.compositor.isEnded();
      b.compositor.close();
    }
    await held.assertSame(t);
  });
});

t.test('a compositor', async t => {
  const wrong: readonly { name: string; say: (compositor: Peer, d: Desk) => void; reason: RegExp }[] = [
    { name: 'an event of an unknown object', say: c => c.words(4711, 0), reason: /event 0 of unknown object 4711/ },
    { name: 'an event of object 0', say: c => c.words(0, 3), reason: /unknown object 0/ },
    { name: 'an event of an id that it never made', say: c => c.words(0xff000005, 0), reason: /unknown object/ },
    {
      name: 'an event that there is not',
      say: (c, d) => c.words(d.theirs.surface, 77),
      reason: /unknown event 77 of wl_surface/,
    },
    { name: 'a message of size 0', say: c => c.raw([1, 0]), reason: /message size 0/ },
    { name: 'a message of 65,535 bytes', say: c => c.raw([1, 0xffff0000]), reason: /message size 65535/ },
    {
      name: 'an event of the wrong size',
      say: (c, d) => c.words(d.theirs.surface, 0, 1, 2),
      reason: /'enter'.*must have 12/,
    },
    { name: 'a bad string', say: (c, d) => c.words(d.theirs.seat, 1, ...string([A, A, A, A])), reason: /not ended/ },
    { name: 'an error about nothing', say: c => c.words(1, 0, 0, 0, ...string([A, 0])), reason: /'object_id' is null/ },
    {
      name: 'an fd event without its fd',
      say: (c, d) => c.words(keyboardOf(d), 0, 1, 4096),
      reason: /keymap came without its file descriptor/,
    },
    {
      name: 'an object of another kind than the event names',
      say: (c, d) => c.words(d.theirs.surface, 0, d.theirs.seat),
      reason: /named wl_seat#\d+ as output of wl_surface.enter, which is a wl_output/,
    },
    {
      name: "a new object with a client's id",
      say: (c, d) => c.words(dataDeviceOf(d), 0, 50),
      reason: /made an object with the id 50/,
    },
    {
      name: 'a new object beyond the next id',
      say: (c, d) => c.words(dataDeviceOf(d), 0, 0xff000001),
      reason: /made an object with the id 4278190081/,
    },
  ];

  /** Ids of objects that the desks of these tests have besides. */
  const extra = new WeakMap<Desk, { keyboard: number; dataDevice: number }>();
  const keyboardOf = (d: Desk): number => extra.get(d)!.keyboard;
  const dataDeviceOf = (d: Desk): number => extra.get(d)!.dataDevice;

  for (const { name, say, reason } of wrong) {
    t.test(`that sends ${name} is cut off, and its client is disconnected`, async t => {
      const held = new Holdings();
      const d = await desk(t);
      d.client.make(d.seat, 'get_keyboard');
      const manager = d.client.bind(d.registry, 4, 'wl_data_device_manager', 3);
      d.client.make(manager, 'get_data_device', ['new', d.seat]);
      await settle();
      extra.set(d, {
        keyboard: madeBy(d.compositor, 'wl_seat.get_keyboard'),
        dataDevice: madeBy(d.compositor, 'wl_data_device_manager.get_data_device'),
      });
      const received = d.client.received.length;
      say(d.compositor, d);
      d.compositor.say(1, 'delete_id', [5]);
      await d.client.isEnded();
      await d.compositor.isEnded();
      t.match(d.ends, [{ message: reason }]);
      t.equal(d.client.received.length, received, 'nothing of it was passed on');
      d.client.close();
      d.compositor.close();
      await held.assertSame(t);
    });
  }

  t.test('that confirms what was never destroyed, or not even made, harms nobody', async t => {
    const d = await desk(t);
    for (const id of [0, 1, 4711, 0xfeffffff, 0xff000000, 0xffffffff]) d.compositor.words(1, 1, id);
    await d.client.roundtrip();
    t.same(d.ends, []);
    t.same(
      d.client.all('wl_display.delete_id').filter(({ args }) => [0, 1, 4711].includes(args[0] as number)),
      [],
    );
  });

  t.test('that sends an event newer than what the client asked for is not passed on', async t => {
    const held = new Holdings();
    const d = await desk(t);
    const old = d.client.bind(d.registry, 2, 'wl_seat', 1);
    await settle();
    const seat = madeBy(d.compositor, 'wl_registry.bind');
    d.compositor.say(seat, 'name', ['since version 2']);
    d.compositor.say(seat, 'capabilities', [3]);
    await settle();
    t.same(
      d.client.received.filter(({ id }) => id === old).map(({ name }) => name),
      ['wl_seat.capabilities', 'wl_seat.capabilities'],
      'what it was told when it was bound, and what was said now',
    );
    t.same(d.client.faults, []);
    t.same(d.ends, []);
    d.client.close();
    await d.compositor.isEnded();
    d.compositor.close();
    await held.assertSame(t);
  });

  t.test('that dies in the middle of a message ends the connection', async t => {
    const d = await desk(t);
    d.compositor.raw(d.compositor.encode(d.theirs.seat, 'name', ['a seat with a long name']).bytes.subarray(0, 20));
    await settle();
    d.compositor.close();
    await d.client.isEnded();
    t.match(d.ends, [{ message: /compositor closed the connection/ }]);
  });

  t.test('that uses an id of its own anew, while the client still has the old object, is passed on', async t => {
    const d = await desk(t);
    const manager = d.client.bind(d.registry, 4, 'wl_data_device_manager', 3);
    d.client.make(manager, 'get_data_device', ['new', d.seat]);
    await settle();
    const device = madeBy(d.compositor, 'wl_data_device_manager.get_data_device');
    for (let i = 0; i < 3; i++) d.compositor.say(device, 'data_offer', [0xff000000]);
    await settle();
    t.same(d.ends, []);
    t.equal(d.client.all('wl_data_device.data_offer').length, 3);
  });
});

t.test('an error of the compositor', async t => {
  t.test("names the object by the client's id, and is the last that it receives", async t => {
    const d = await desk(t);
    const error = d.compositor.encode(1, 'error', [d.theirs.surface, 2, 'bad size']);
    const behind = d.compositor.encode(d.theirs.seat, 'name', ['late']);
    d.compositor.raw(Buffer.concat([error.bytes, behind.bytes]));
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args, [d.surface, 2, 'bad size']);
    t.same(d.client.all('wl_seat.name'), []);
    t.ok(d.ends[0] instanceof ProtocolError);
    await d.compositor.isEnded();
  });

  t.test('about an object that the client has destroyed still names it', async t => {
    const d = await desk(t);
    d.compositor.answer = () => undefined;
    d.client.say(d.surface, 'destroy');
    await settle();
    d.compositor.say(1, 'error', [d.theirs.surface, 0, 'too late']);
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args, [d.surface, 0, 'too late']);
  });

  t.test("about an object of our own is our fault, not the client's", async t => {
    const d = await desk(t);
    const ours = d.relay.inject('wl_buffer', 1);
    d.compositor.say(1, 'error', [ours.serverId, 1, 'no such thing']);
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args, [1, IMPLEMENTATION, /^virtwl: wl_buffer: error 1: no such thing$/]);
  });

  t.test('about an unknown object, or with a text that is too long, is told all the same', async t => {
    const d = await desk(t);
    d.compositor.say(1, 'error', [4711, 1, 'who?']);
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args, [1, IMPLEMENTATION, 'virtwl: 4711: error 1: who?']);

    const e = await desk(t);
    // Each invalid byte becomes three when it is told again.
    const text = Array.from({ length: 4000 }, () => 0xff);
    e.compositor.words(1, 0, e.theirs.surface, 1, ...string([...text, 0]));
    await e.client.isEnded();
    t.match(e.client.last('wl_display.error').args, [1, 1, 'error too long to be told']);
  });

  t.test('about wl_display itself is told as it is', async t => {
    const d = await desk(t);
    d.compositor.say(1, 'error', [1, 2, 'no memory']);
    await d.client.isEnded();
    t.match(d.client.last('wl_display.error').args, [1, 2, 'no memory']);
  });
});

t.test('nothing is left behind', async t => before.assertSame(t));
