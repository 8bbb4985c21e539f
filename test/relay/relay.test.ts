/** What goes through a relay and how: ids, objects that come and go, fds, and what its owner's handlers decide. */
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Verdict } from '../../src/relay/call.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { bindGlobal } from '../../src/slabs/memory-source.js';
import { WireError } from '../../src/wayland/wire.js';
import { Holdings } from '../holdings.js';
import { settle } from './peer.js';
import { between, handling, madeBy, type Between } from './relay-between.js';

const before = new Holdings();

function memfd(size = 4096): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-relay-test', size, 0));
}

/** The client binds a global that the relay lets through; returns its ids on both sides. */
async function bind(b: Between, iface: string, version = 4): Promise<{ id: number; theirs: number }> {
  const id = b.client.bind(b.registry, 1, iface, version);
  await settle();
  return { id, theirs: madeBy(b.compositor, 'wl_registry.bind') };
}

async function surface(b: Between, version = 4): Promise<{ id: number; theirs: number }> {
  const { id: factory } = await bind(b, 'wl_compositor', version);
  const id = b.client.make(factory, 'create_surface');
  await settle();
  return { id, theirs: madeBy(b.compositor, 'wl_compositor.create_surface') };
}

/** The client is told its mistake, and the connection ends on both sides. */
async function ended(t: Test, b: Between, code: number, message: RegExp, object = 1): Promise<void> {
  await b.client.isEnded();
  await b.compositor.isEnded();
  const [id, heardCode, text] = b.client.last('wl_display.error').args;
  t.match([id, heardCode], [object, code]);
  t.match(text, message);
  t.equal(b.ends.length, 1, 'it ended once');
  t.ok(b.ends[0] instanceof Error, 'for a reason');
  t.same(b.compositor.faults, []);
}

t.test('ids', async t => {
  t.test('are translated both ways, new ones too', async t => {
    const b = await between(t);
    const { id: factory, theirs: theirFactory } = await bind(b, 'wl_compositor');
    t.not(factory, theirFactory);
    const id = b.client.make(factory, 'create_surface');
    const region = b.client.make(factory, 'create_region');
    b.client.say(id, 'set_input_region', [region]);
    b.client.say(id, 'set_opaque_region', [undefined]);
    b.client.say(id, 'attach', [undefined, 1, -2]);
    await settle();
    const theirs = madeBy(b.compositor, 'wl_compositor.create_surface');
    const theirRegion = madeBy(b.compositor, 'wl_compositor.create_region');
    t.match(b.compositor.last('wl_surface.set_input_region'), { id: theirs, args: [theirRegion] });
    t.match(b.compositor.last('wl_surface.set_opaque_region'), { id: theirs, args: [undefined] });
    t.match(b.compositor.last('wl_surface.attach'), { id: theirs, args: [undefined, 1, -2] });
    t.not(theirRegion, region);

    const { id: output, theirs: theirOutput } = await bind(b, 'wl_output');
    b.compositor.say(theirs, 'enter', [theirOutput]);
    b.compositor.say(theirOutput, 'name', ['HEADLESS-1']);
    await settle();
    t.match(b.client.last('wl_surface.enter'), { id, args: [output] });
    t.match(b.client.last('wl_output.name'), { id: output, args: ['HEADLESS-1'] });
    t.same(b.client.faults, []);
    t.same(b.compositor.faults, []);
  });

  t.test('of objects that the compositor makes are the same on both sides', async t => {
    const b = await between(t);
    const { id: seat } = await bind(b, 'wl_seat');
    const { id: manager } = await bind(b, 'wl_data_device_manager', 3);
    const device = b.client.make(manager, 'get_data_device', ['new', seat]);
    await settle();
    const theirDevice = madeBy(b.compositor, 'wl_data_device_manager.get_data_device');
    const offer = 0xff000000;
    b.compositor.say(theirDevice, 'data_offer', [offer]);
    b.compositor.say(offer, 'offer', ['text/plain']);
    b.compositor.say(theirDevice, 'selection', [offer]);
    await settle();
    t.match(b.client.last('wl_data_device.data_offer'), { id: device, args: [offer] });
    t.match(b.client.last('wl_data_offer.offer'), { id: offer, args: ['text/plain'] });
    t.match(b.client.last('wl_data_device.selection'), { id: device, args: [offer] });

    b.client.say(offer, 'accept', [1, undefined]);
    b.client.say(offer, 'receive', ['text/plain', memfd(12)]);
    await settle();
    t.match(b.compositor.last('wl_data_offer.accept'), { id: offer, args: [1, undefined] });
    t.equal((b.compositor.last('wl_data_offer.receive').args[1] as OwnedFd).info().size, 12);

    b.client.say(offer, 'destroy');
    await settle();
    t.equal(b.compositor.last('wl_data_offer.destroy').id, offer);
    // The compositor has not received that yet when it speaks of it: to the client it is gone.
    b.compositor.say(offer, 'offer', ['text/late']);
    b.compositor.say(theirDevice, 'selection', [offer]);
    await settle();
    t.equal(b.client.all('wl_data_offer.offer').length, 1);
    t.match(b.client.last('wl_data_device.selection').args, [undefined]);

    b.compositor.say(theirDevice, 'data_offer', [offer]);
    b.compositor.say(offer, 'offer', ['text/again']);
    b.compositor.say(theirDevice, 'data_offer', [offer + 1]);
    await settle();
    t.match(b.client.last('wl_data_offer.offer'), { id: offer, args: ['text/again'] });
    t.equal(b.client.all('wl_data_device.data_offer').length, 3);
    t.same(b.ends, []);
  });

  t.test('in an error are those that the client still knows', async t => {
    for (const gone of [false, true]) {
      const b = await between(t);
      const { id: seat } = await bind(b, 'wl_seat');
      const { id: manager } = await bind(b, 'wl_data_device_manager', 3);
      b.client.make(manager, 'get_data_device', ['new', seat]);
      await settle();
      const offer = 0xff000000;
      b.compositor.say(madeBy(b.compositor, 'wl_data_device_manager.get_data_device'), 'data_offer', [offer]);
      await settle();
      if (gone) b.client.say(offer, 'destroy');
      await settle();
      b.compositor.say(1, 'error', [offer, 7, 'no such action']);
      if (gone) await ended(t, b, 3, /wl_data_offer: error 7: no such action/);
      else await ended(t, b, 7, /^no such action/, offer);
    }
  });

  t.test('are used again once the compositor has confirmed, and not before', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    const { id, theirs } = await surface(b);
    b.client.say(id, 'destroy');
    await settle();
    t.equal(b.compositor.last('wl_surface.destroy').id, theirs);
    t.same(b.client.all('wl_display.delete_id'), [], 'not confirmed yet');
    b.compositor.say(1, 'delete_id', [theirs]);
    await settle();
    t.match(b.client.last('wl_display.delete_id').args, [id]);
    b.client.say(1, 'sync', [id]);
    await settle();
    t.equal(madeBy(b.compositor, 'wl_display.sync'), theirs, "the compositor's id is used again too");
    b.compositor.say(theirs, 'done', [77]);
    await settle();
    t.match(b.client.last('wl_callback.done'), { id, args: [77] });
  });

  t.test('stay taken until then', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    const { id } = await surface(b);
    b.client.say(id, 'destroy');
    b.client.say(1, 'sync', [id]);
    await ended(t, b, 0, /invalid id \d+ for a new object/);
  });

  t.test('of thousands of short-lived objects come and go', async t => {
    const b = await between(t);
    for (let round = 0; round < 50; round++) {
      for (let i = 100; i < 150; i++) b.client.say(1, 'sync', [i - 100 + 3]);
      await settle(4);
    }
    t.equal(b.client.all('wl_callback.done').length, 2500);
    t.ok([...b.relay.objects()].length < 10, 'nothing is left of them');
  });

  t.test('have an end', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    // 12 bytes each, in parts so that the test itself holds little.
    let next = 3;
    while (next <= 100_010 && !b.client.ended) {
      const words: number[] = [];
      for (let i = 0; i < 2000; i++) words.push(1, 12 << 16, next++);
      b.client.raw(words);
      await settle(3);
    }
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args, [1, Number, /invalid id 100000 |too many objects/]);
    t.equal(b.client.faults.length, 0);
  });
});

t.test('events for what the client has destroyed', async t => {
  t.test('are not delivered, and their fds are closed', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    const { id: seat } = await bind(b, 'wl_seat');
    const keyboard = b.client.make(seat, 'get_keyboard');
    await settle();
    const theirs = madeBy(b.compositor, 'wl_seat.get_keyboard');
    b.client.say(keyboard, 'release');
    await settle();
    const held = new Holdings();
    for (let i = 0; i < 40; i++) b.compositor.say(theirs, 'keymap', [1, memfd(), 4096]);
    b.compositor.say(theirs, 'repeat_info', [25, 600]);
    await settle();
    t.same(b.client.all('wl_keyboard.keymap'), []);
    t.same(b.client.all('wl_keyboard.repeat_info'), []);
    await held.assertSame(t, 'no fd of theirs is left');
    t.same(b.ends, []);
  });

  t.test('may make objects, whose events are not delivered either', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    const { id: seat } = await bind(b, 'wl_seat');
    const { id: manager } = await bind(b, 'wl_data_device_manager', 3);
    const device = b.client.make(manager, 'get_data_device', ['new', seat]);
    const other = b.client.make(manager, 'get_data_device', ['new', seat]);
    await settle();
    const [theirs, theirOther] = b.compositor
      .all('wl_data_device_manager.get_data_device')
      .map(item => item.args[0] as number);
    b.client.say(device, 'release');
    await settle();
    b.compositor.say(theirs!, 'data_offer', [0xff000000]);
    b.compositor.say(0xff000000, 'offer', ['text/plain']);
    b.compositor.say(theirs!, 'selection', [0xff000000]);
    b.compositor.say(theirOther!, 'selection', [0xff000000]);
    await settle();
    t.same(
      b.client.received.filter(item => item.name.startsWith('wl_data_offer')),
      [],
    );
    t.match(b.client.last('wl_data_device.selection'), { id: other, args: [undefined] });
    b.compositor.say(theirOther!, 'data_offer', [0xff000000]);
    await settle();
    t.match(b.client.last('wl_data_device.data_offer'), { id: other, args: [0xff000000] });
    t.same(b.ends, []);
  });

  t.test('that need an object which the client does not know are not delivered', async t => {
    const b = await between(t);
    b.compositor.answer = () => undefined;
    const { theirs } = await surface(b);
    b.compositor.types.set(2, 'wl_output');
    b.compositor.say(theirs, 'enter', [2]);
    b.compositor.say(theirs, 'enter', [7777]);
    await settle();
    t.same(b.client.all('wl_surface.enter'), []);
    t.same(b.ends, []);
  });
});

t.test('fds', async t => {
  t.test('arrive in order, however many a batch has', async t => {
    const b = await between(t);
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const held = new Holdings();
    for (let i = 0; i < 100; i++) b.client.make(shm, 'create_pool', ['new', memfd(4096 * (i + 1)), 4096 * (i + 1)]);
    await b.compositor.receives('wl_shm.create_pool', 100);
    for (const { args } of b.compositor.all('wl_shm.create_pool')) {
      const fd = b.compositor.takeFd(args[1]);
      if (fd.info().size !== args[2]) t.fail(`a pool of ${String(args[2])} bytes has ${fd.info().size}`);
      fd.close();
    }
    await held.assertSame(t, 'each was closed on the way');
  });

  t.test('of one batch of many messages travel with or before their message', async t => {
    const b = await between(t);
    const { id: shm } = await bind(b, 'wl_shm', 1);
    // As libwayland does it: 28 fds with the first bytes, their messages behind.
    for (let batch = 0; batch < 4; batch++) {
      const fds: OwnedFd[] = [];
      const parts: Uint8Array[] = [];
      for (let i = 0; i < 28; i++) {
        const size = 4096 * (batch * 28 + i + 1);
        const said = b.client.encode(shm, 'create_pool', [b.client.newId(), memfd(size), size]);
        parts.push(said.bytes);
        fds.push(...said.fds);
      }
      b.client.raw(Buffer.concat(parts), fds);
    }
    await b.compositor.receives('wl_shm.create_pool', 112);
    t.ok(b.compositor.all('wl_shm.create_pool').every(({ args }) => (args[1] as OwnedFd).info().size === args[2]));
    t.same(b.compositor.faults, []);
  });

  t.test('may be replaced, taken or refused by a handler', async t => {
    let seen: OwnedFd | undefined;
    const b = await between(t, {
      concerns: handling({
        requests: {
          wl_shm: {
            create_pool: call => {
              const { id, size } = call.args;
              if (size === 1) {
                seen = call.takeFd(0);
                t.throws(() => call.takeFd(0), /taken already/);
                t.throws(() => call.peekFd(0), /taken already/);
                call.relay.adopt('wl_shm_pool', 1, id, true);
                return Verdict.Drop;
              }
              if (size === 2) {
                call.takeFd(0).close();
                call.replaceFd(0, memfd(222));
              }
              return size === 3 ? (call.relay.adopt('wl_shm_pool', 1, id, true), Verdict.Drop) : Verdict.Forward;
            },
          },
        },
      }),
    });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const held = new Holdings();
    for (const size of [1, 2, 3]) b.client.make(shm, 'create_pool', ['new', memfd(100), size]);
    await settle();
    t.equal(seen!.info().size, 100);
    seen!.close();
    const fd = b.compositor.takeFd(b.compositor.last('wl_shm.create_pool').args[1]);
    t.equal(fd.info().size, 222);
    fd.close();
    t.equal(b.compositor.all('wl_shm.create_pool').length, 1);
    await held.assertSame(t, 'the third was closed');
  });

  t.test('that cannot be carried end this connection only', async t => {
    const b = await between(t, {
      toServer: {
        memory: (_call, fd) => {
          fd.close();
          throw new Error('no pipe to be had');
        },
      },
    });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    b.client.make(shm, 'create_pool', ['new', memfd(), 4096]);
    await ended(t, b, 3, /virtwl: no pipe to be had/);
  });
});

t.test('a batch', async t => {
  t.test('of thousands of messages stays in order and leaves in a few sends', async t => {
    const b = await between(t);
    const { id } = await surface(b);
    const words: number[] = [];
    const count = 2500; // 24 bytes each: nearly one receive buffer
    for (let i = 0; i < count; i++) words.push(id, (24 << 16) | 2, i, -i, 1, 1);
    const sends = native.counters().sendmsg;
    b.client.raw(words);
    await b.compositor.receives('wl_surface.damage', count);
    t.ok(b.compositor.all('wl_surface.damage').every(({ args }, i) => args[0] === i && args[1] === (i === 0 ? 0 : -i)));
    t.ok(native.counters().sendmsg - sends <= 4, `${native.counters().sendmsg - sends} sends`);
  });

  t.test('may be cut anywhere', async t => {
    const b = await between(t);
    const { id } = await surface(b);
    const { id: shm } = await bind(b, 'wl_shm', 1);
    let cut = 0;
    for (let length = Infinity; cut < length - 1;) {
      cut += 1;
      const size = 4096 * cut;
      const parts = [
        b.client.encode(shm, 'create_pool', [b.client.newId(), memfd(size), size]),
        b.client.encode(id, 'damage', [cut, 2, 3, 4]),
        b.client.encode(b.registry, 'bind', [1, { interface: 'wl_output', version: 4, id: b.client.newId() }]),
        b.client.encode(id, 'commit'),
      ];
      const bytes = Buffer.concat(parts.map(part => part.bytes));
      length = bytes.length;
      b.client.raw(
        bytes.subarray(0, cut),
        parts.flatMap(part => part.fds),
      );
      await settle(2);
      b.client.raw(bytes.subarray(cut));
      await settle(3);
      const pool = b.compositor.last('wl_shm.create_pool');
      const fd = b.compositor.takeFd(pool.args[1]);
      if (fd.info().size !== size || pool.args[2] !== size) t.fail(`cut at ${cut}: the pool is wrong`);
      fd.close();
      if (b.compositor.all('wl_surface.commit').length !== cut) t.fail(`cut at ${cut}: messages are missing`);
      if (b.compositor.last('wl_surface.damage').args[0] !== cut) t.fail(`cut at ${cut}: the damage is wrong`);
    }
    t.ok(cut > 70, `${cut} places`);
    t.same(b.compositor.faults, []);
    t.same(b.ends, []);
  });

  t.test('may come byte by byte, both ways', async t => {
    const b = await between(t);
    const { id, theirs } = await surface(b);
    const { id: output, theirs: theirOutput } = await bind(b, 'wl_output');
    for (const byte of b.client.encode(id, 'damage', [1, 2, 3, 4]).bytes) {
      b.client.raw(Uint8Array.of(byte));
      await settle(2);
    }
    for (const byte of b.compositor.encode(theirs, 'enter', [theirOutput]).bytes) {
      b.compositor.raw(Uint8Array.of(byte));
      await settle(2);
    }
    await settle();
    t.match(b.compositor.last('wl_surface.damage').args, [1, 2, 3, 4]);
    t.match(b.client.last('wl_surface.enter').args, [output]);
  });

  t.test('that ends in the middle of a message when its sender leaves is delivered up to there', async t => {
    const b = await between(t);
    const { id } = await surface(b);
    b.client.say(id, 'damage', [1, 1, 1, 1]);
    b.client.raw(b.client.encode(id, 'damage', [2, 2, 2, 2]).bytes.subarray(0, 13));
    b.client.close();
    await b.compositor.isEnded();
    t.equal(b.compositor.all('wl_surface.damage').length, 1);
    t.same(b.ends, [undefined], 'an orderly end');
  });
});

t.test('a handler', async t => {
  t.test('that stalls holds everything behind it, in order, with its fds', async t => {
    let open = false;
    let asked = 0;
    const b = await between(t, {
      concerns: handling({
        requests: { wl_surface: { commit: () => (asked++, open ? Verdict.Forward : Verdict.Stall) } },
      }),
    });
    const { id } = await surface(b);
    const { id: shm } = await bind(b, 'wl_shm', 1);
    b.client.say(id, 'damage', [1, 1, 1, 1]);
    b.client.say(id, 'commit');
    b.client.say(id, 'damage', [2, 2, 2, 2]);
    b.client.make(shm, 'create_pool', ['new', memfd(4096), 4096]);
    await settle();
    b.client.make(shm, 'create_pool', ['new', memfd(8192), 8192]);
    b.client.say(id, 'damage', [3, 3, 3, 3]);
    await settle();
    t.equal(b.compositor.all('wl_surface.damage').length, 1, 'what came before it went on');
    t.equal(b.compositor.all('wl_shm.create_pool').length, 0);
    b.relay.resume('events');
    b.relay.resume('requests');
    await settle();
    t.equal(asked, 2, 'asked again by a resume, and stalled again');
    t.equal(b.compositor.all('wl_surface.damage').length, 1);
    open = true;
    b.relay.resume('requests');
    await settle();
    t.same(
      b.compositor.received.map(item => item.name).filter(name => /damage|commit|create_pool/.test(name)),
      ['damage', 'commit', 'damage', 'create_pool', 'create_pool', 'damage'].map(name =>
        name === 'create_pool' ? `wl_shm.${name}` : `wl_surface.${name}`,
      ),
    );
    t.same(
      b.compositor.all('wl_shm.create_pool').map(({ args }) => (args[1] as OwnedFd).info().size),
      [4096, 8192],
    );
  });

  t.test('that stalls is no reason to hold events', async t => {
    const b = await between(t, { concerns: handling({ requests: { wl_surface: { commit: () => Verdict.Stall } } }) });
    const { id } = await surface(b);
    const { id: output, theirs } = await bind(b, 'wl_output');
    b.client.say(id, 'commit');
    await settle();
    b.compositor.say(theirs, 'name', ['still told']);
    await settle();
    t.match(b.client.last('wl_output.name'), { id: output, args: ['still told'] });
  });

  t.test('whose client leaves in the meantime still lets it say what it said', async t => {
    let open = false;
    const b = await between(t, {
      concerns: handling({ requests: { wl_surface: { commit: () => (open ? Verdict.Forward : Verdict.Stall) } } }),
    });
    const { id } = await surface(b);
    b.client.say(id, 'commit');
    b.client.say(id, 'damage', [9, 9, 9, 9]);
    await settle();
    b.client.close();
    await settle();
    t.same(b.ends, []);
    open = true;
    b.relay.resume('requests');
    await b.compositor.isEnded();
    t.match(b.compositor.last('wl_surface.damage').args, [9, 9, 9, 9]);
    t.same(b.ends, [undefined]);
  });

  t.test('that is never resumed keeps nothing when the compositor goes', async t => {
    const held = new Holdings();
    const b = await between(t, { concerns: handling({ requests: { wl_shm: { create_pool: () => Verdict.Stall } } }) });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    for (let i = 0; i < 60; i++) b.client.make(shm, 'create_pool', ['new', memfd(), 4096]);
    await settle();
    b.compositor.close();
    await b.client.isEnded();
    t.match(b.ends, [{ message: 'the compositor closed the connection' }]);
    b.relay.resume('requests');
    b.client.close();
    await held.assertSame(t);
  });

  t.test('of an event may let stalled requests go on, and neither is mistaken for the other', async t => {
    let open = false;
    const b = await between(t, {
      concerns: handling({
        requests: { wl_shm: { create_pool: () => (open ? Verdict.Forward : Verdict.Stall) } },
        events: {
          wl_registry: {
            global: call => {
              open = true;
              call.relay.resume('requests');
              return Verdict.Forward;
            },
          },
        },
      }),
    });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const { id: seat } = await bind(b, 'wl_seat', 5);
    const keyboard = b.client.make(seat, 'get_keyboard');
    await settle();
    const pool = b.client.make(shm, 'create_pool', ['new', memfd(8192), 8192]);
    b.client.say(pool, 'resize', [16384]);
    await settle();
    t.same(b.compositor.all('wl_shm.create_pool'), []);
    const theirKeyboard = madeBy(b.compositor, 'wl_seat.get_keyboard');
    const theirRegistry = madeBy(b.compositor, 'wl_display.get_registry');
    const keymap = b.compositor.encode(theirKeyboard, 'keymap', [1, memfd(333), 333]);
    b.compositor.raw(
      Buffer.concat([b.compositor.encode(theirRegistry, 'global', [5, 'wl_output', 4]).bytes, keymap.bytes]),
      keymap.fds,
    );
    await settle();
    t.same(b.ends, []);
    t.equal((b.compositor.last('wl_shm.create_pool').args[1] as OwnedFd).info().size, 8192);
    t.match(b.compositor.last('wl_shm_pool.resize').args, [16384]);
    t.match(b.client.last('wl_registry.global').args, [5, 'wl_output', 4]);
    t.match(b.client.last('wl_keyboard.keymap').id, keyboard);
    t.equal((b.client.last('wl_keyboard.keymap').args[1] as OwnedFd).info().size, 333);
  });

  for (const verdict of [Verdict.Forward, Verdict.Drop, Verdict.Stall]) {
    t.test(`that closes the relay leaves nothing behind, whatever it then says (${verdict})`, async t => {
      const held = new Holdings();
      const b = await between(t, {
        concerns: handling({
          requests: { wl_shm: { create_pool: call => (call.relay.close(new Error('enough')), verdict) } },
          events: { wl_keyboard: { keymap: call => (call.relay.close(new Error('enough')), verdict) } },
        }),
      });
      const { id: shm } = await bind(b, 'wl_shm', 1);
      const said = b.client.encode(shm, 'create_pool', [b.client.newId(), memfd(), 4096]);
      const behind = b.client.encode(1, 'sync', [b.client.newId()]);
      b.client.raw(Buffer.concat([said.bytes, behind.bytes]), said.fds);
      await b.client.isEnded();
      await b.compositor.isEnded();
      t.same(b.compositor.all('wl_shm.create_pool'), []);
      t.match(b.ends, [{ message: 'enough' }]);
      b.client.close();
      b.compositor.close();

      const c = await between(t, {
        concerns: handling({
          events: { wl_keyboard: { keymap: call => (call.relay.close(new Error('enough')), verdict) } },
        }),
      });
      const { id: seat } = await bind(c, 'wl_seat');
      c.client.make(seat, 'get_keyboard');
      await settle();
      const theirs = madeBy(c.compositor, 'wl_seat.get_keyboard');
      for (let i = 0; i < 3; i++) c.compositor.say(theirs, 'keymap', [1, memfd(), 4096]);
      await c.client.isEnded();
      t.same(c.client.all('wl_keyboard.keymap'), []);
      c.client.close();
      c.compositor.close();
      await held.assertSame(t);
    });
  }

  t.test('that throws is told to the client as our mistake', async t => {
    const b = await between(t, {
      concerns: handling({
        requests: {
          wl_surface: {
            commit: () => {
              throw new Error('x'.repeat(5000));
            },
          },
        },
      }),
    });
    const { id } = await surface(b);
    b.client.say(id, 'commit');
    await ended(t, b, 3, /error too long to be told/);
  });

  t.test('may answer for objects of its own', async t => {
    const b = await between(t, {
      concerns: handling({
        requests: {
          wl_shm: {
            create_pool: ({ relay, args }) => (relay.adopt('wl_shm_pool', 1, args.id, true, 'mine'), Verdict.Drop),
          },
          wl_shm_pool: { destroy: call => (t.equal(call.object.data, 'mine'), Verdict.Drop) },
        },
      }),
    });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const pool = b.client.make(shm, 'create_pool', ['new', memfd(), 4096]);
    await settle();
    t.equal(b.relay.clientObject(pool)?.serverId, 0);
    b.client.say(pool, 'destroy');
    await settle();
    t.match(b.client.last('wl_display.delete_id').args, [pool], 'nobody else confirms it');
    t.equal(b.relay.clientObject(pool), undefined);
    b.client.say(1, 'sync', [pool]);
    await settle();
    t.equal(b.client.last('wl_callback.done').id, pool);
    t.notOk(
      b.compositor.received.some(item => item.name.includes('pool')),
      'the compositor received nothing',
    );
  });

  t.test('that has none for a request of such an object is told to the client as our mistake', async t => {
    const b = await between(t, {
      concerns: handling({
        requests: {
          wl_shm: { create_pool: ({ relay, args }) => (relay.adopt('wl_shm_pool', 1, args.id, true), Verdict.Drop) },
        },
      }),
    });
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const pool = b.client.make(shm, 'create_pool', ['new', memfd(), 4096]);
    b.client.say(pool, 'resize', [8192]);
    await ended(t, b, 3, /wl_shm_pool#\d+\.resize has nowhere to go/);
  });

  t.test('is refused at once when it is for a message that there is not', async t => {
    const requests: object = { wl_display: { nonsense: () => Verdict.Drop } };
    await t.rejects(between(t, { concerns: handling({ requests }) }), /no message 'nonsense'/);
  });
});

t.test("what is the relay's own", async t => {
  t.test('a sync is answered to who asked, and the client sees nothing of it', async t => {
    const asked: string[] = [];
    const b = await between(t, {
      concerns: handling({ events: { wl_callback: { done: () => (asked.push('a handler'), Verdict.Forward) } } }),
    });
    const before = b.client.received.length;
    b.relay.sync(() => asked.push('the first'));
    b.relay.sync(() => asked.push('the second'));
    b.relay.flush();
    await settle();
    t.same(asked.slice(-2), ['the first', 'the second'], 'each once, and no handler is asked');
    t.equal(b.client.received.length, before);
    b.client.make(1, 'sync');
    await b.client.receives('wl_callback.done');
    t.equal(asked.at(-1), 'a handler', "the client's are handled as ever");
  });

  t.test('is not passed on, whatever a handler says', async t => {
    let told = 0;
    const b = await between(t, {
      concerns: handling({ events: { wl_shm: { format: () => (told++, Verdict.Forward) } } }),
    });
    const { theirs } = await bind(b, 'wl_shm', 1);
    const registry = b.relay.inject('wl_registry', 1);
    b.relay.request(b.relay.display, 'get_registry', { registry });
    const own = bindGlobal(b.relay, registry, 1, 'wl_shm', 1);
    b.relay.flush();
    await settle();
    b.compositor.say(own.serverId, 'format', [0]);
    b.compositor.say(theirs, 'format', [1]);
    await settle();
    t.equal(told, 2);
    t.same(
      b.client.all('wl_shm.format').map(({ args }) => args),
      [[1]],
    );
  });
});

t.test('after the end', async t => {
  t.test('nothing is sent and no fd is kept', async t => {
    const held = new Holdings();
    const b = await between(t);
    const { id: shm } = await bind(b, 'wl_shm', 1);
    const object = b.relay.clientObject(shm)! as RelayObject<'wl_shm'>;
    const pool = b.relay.inject('wl_shm_pool', 1);
    b.relay.close(undefined);
    b.relay.close(new Error('a second time'));
    b.relay.request(object, 'create_pool', { id: pool, fd: memfd(), size: 4096 });
    b.relay.emitEvent(object, 'format', { format: 0 });
    b.relay.flush();
    b.relay.resume('requests');
    b.relay.fail(new WireError('size', 'late') as never);
    t.same(b.ends, [undefined]);
    b.client.close();
    b.compositor.close();
    await held.assertSame(t);
  });
});

t.test('nothing is left behind', async t => before.assertSame(t));
