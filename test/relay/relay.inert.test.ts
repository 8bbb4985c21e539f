/** Objects that outlive what they depended on: the compositor's is destroyed, the client's stays and does nothing. */
import t, { type Test } from 'tap';
import { ProtocolError, Verdict } from '../../src/relay/call.js';
import type { Inert } from '../../src/relay/object-map.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Holdings } from '../holdings.js';
import { settle } from './peer.js';
import { between, handling, madeBy, type Between, type BetweenOptions } from './relay-between.js';

const QUIET: Inert = { text: 'its output is gone' };

interface Desk extends Between {
  readonly factory: number;
  readonly surface: number;
  readonly theirSurface: number;
  /** Takes the object that the client calls `id` away from the compositor. */
  detach(id: number, inert?: Inert): Promise<void>;
}

/** A client with a surface. Nothing is confirmed unless a test says so. */
async function desk(t: Pick<Test, 'teardown'>, options: BetweenOptions = {}): Promise<Desk> {
  const b = await between(t, options);
  b.compositor.answer = () => undefined;
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 6);
  const surface = b.client.make(factory, 'create_surface');
  await settle();
  return {
    ...b,
    factory,
    surface,
    theirSurface: madeBy(b.compositor, 'wl_compositor.create_surface'),
    detach: async (id, inert = QUIET) => {
      b.relay.detach(b.relay.clientObject(id)!, inert);
      b.relay.flush();
      await settle();
    },
  };
}

async function bind(b: Between, name: string, version: number): Promise<{ id: number; theirs: number }> {
  const id = b.client.bind(b.registry, 2, name, version);
  await settle();
  return { id, theirs: madeBy(b.compositor, 'wl_registry.bind') };
}

t.test('an object that is detached', async t => {
  t.test('is destroyed at the compositor, and the client is not told', async t => {
    const b = await desk(t);
    await b.detach(b.surface);
    t.match(b.compositor.all('wl_surface.destroy'), [{ id: b.theirSurface }]);
    b.compositor.say(1, 'delete_id', [b.theirSurface]);
    await settle();
    t.same(b.client.all('wl_display.delete_id'), [], 'its id is still the client’s');
    t.equal(b.relay.clientObject(b.surface)!.serverId, 0);

    b.client.say(b.surface, 'destroy');
    await settle();
    t.match(b.client.all('wl_display.delete_id'), [{ args: [b.surface] }], 'until the client destroys its own');
    t.equal(b.compositor.all('wl_surface.destroy').length, 1, 'which the compositor receives once only');
    t.equal(b.relay.clientObject(b.surface), undefined);
    t.same(b.compositor.faults, []);
    t.same(b.ends, []);
  });

  t.test('gives its id on either side back for others, each in its own time', async t => {
    const b = await desk(t);
    await b.detach(b.surface);
    const early = b.client.make(b.factory, 'create_surface');
    await settle();
    t.not(madeBy(b.compositor, 'wl_compositor.create_surface'), b.theirSurface, 'not confirmed yet');
    b.compositor.say(1, 'delete_id', [b.theirSurface]);
    await settle();
    b.client.make(b.factory, 'create_surface');
    await settle();
    t.equal(madeBy(b.compositor, 'wl_compositor.create_surface'), b.theirSurface);
    b.client.say(b.surface, 'destroy');
    await settle();
    b.client.say(b.factory, 'create_surface', [b.surface]);
    b.client.say(early, 'commit');
    await settle();
    t.equal(b.relay.clientObject(b.surface)!.inert, undefined, 'a new one is not inert');
    t.same(b.compositor.faults, []);
    t.same(b.ends, []);
  });

  t.test('sends nothing any more, however late, and no handler is called', async t => {
    const asked: string[] = [];
    const b = await desk(t, {
      concerns: handling({
        events: {
          wl_surface: { preferred_buffer_scale: ({ object }) => (asked.push(String(object)), Verdict.Forward) },
        },
      }),
    });
    b.compositor.say(b.theirSurface, 'preferred_buffer_scale', [1]);
    await settle();
    await b.detach(b.surface);
    b.compositor.say(b.theirSurface, 'preferred_buffer_scale', [2]);
    b.compositor.say(b.theirSurface, 'preferred_buffer_transform', [1]);
    await settle();
    t.match(b.client.all('wl_surface.preferred_buffer_scale'), [{ args: [1] }]);
    t.same(b.client.all('wl_surface.preferred_buffer_transform'), []);
    t.same(asked, [`wl_surface#${b.surface}`]);
    t.same(b.ends, []);
  });

  t.test('is not named to the client by other events either', async t => {
    const b = await desk(t);
    const seat = await bind(b, 'wl_seat', 5);
    const pointer = b.client.make(seat.id, 'get_pointer');
    await settle();
    await b.detach(b.surface);
    b.compositor.say(madeBy(b.compositor, 'wl_seat.get_pointer'), 'leave', [1, b.theirSurface]);
    await settle();
    t.same(b.client.all('wl_pointer.leave'), []);
    t.ok(b.relay.clientObject(pointer));
    t.same(b.ends, []);
  });

  t.test('and that the compositor has made tells nothing more either', async t => {
    const b = await desk(t);
    const seat = await bind(b, 'wl_seat', 5);
    const manager = await bind(b, 'wl_data_device_manager', 3);
    b.client.make(manager.id, 'get_data_device', ['new', seat.id]);
    await settle();
    const offer = 0xff000000;
    b.compositor.say(madeBy(b.compositor, 'wl_data_device_manager.get_data_device'), 'data_offer', [offer]);
    await settle();
    await b.detach(offer);
    t.match(b.compositor.all('wl_data_offer.destroy'), [{ id: offer }]);
    b.compositor.say(offer, 'offer', ['text/late']);
    await settle();
    b.client.say(offer, 'destroy');
    await settle();
    t.same(b.client.all('wl_data_offer.offer'), []);
    t.same(b.client.all('wl_display.delete_id'), [], 'nobody confirms such an id');
    t.same(b.ends, []);
  });

  t.test('closes the fds of its late events', async t => {
    const b = await desk(t);
    const seat = await bind(b, 'wl_seat', 5);
    const keyboard = b.client.make(seat.id, 'get_keyboard');
    await settle();
    const theirs = madeBy(b.compositor, 'wl_seat.get_keyboard');
    await b.detach(keyboard);
    t.match(b.compositor.all('wl_keyboard.release'), [{ id: theirs }]);
    const held = new Holdings();
    b.compositor.say(theirs, 'keymap', [1, new OwnedFd(native.memfd('virtwl-inert-test', 4096, 0)), 4096]);
    await settle();
    t.same(b.client.all('wl_keyboard.keymap'), []);
    await held.assertSame(t);
  });

  t.test('when the client has destroyed it already is not destroyed twice', async t => {
    const b = await desk(t);
    b.client.say(b.surface, 'destroy');
    await settle();
    await b.detach(b.surface);
    t.equal(b.compositor.all('wl_surface.destroy').length, 1);
    b.compositor.say(1, 'delete_id', [b.theirSurface]);
    await settle();
    t.match(b.client.all('wl_display.delete_id'), [{ args: [b.surface] }]);
    t.same(b.compositor.faults, []);
  });

  t.test('has to have a destructor', async t => {
    const b = await desk(t);
    const { id } = await bind(b, 'wl_subcompositor', 1);
    t.doesNotThrow(() => b.relay.detach(b.relay.clientObject(id)!, QUIET));
    t.throws(() => b.relay.detach(b.relay.clientObject(b.registry)!, QUIET), /wl_registry has no destructor/);
  });
});

t.test('what the client says to an inert object', async t => {
  t.test('ends here where it has no error code', async t => {
    const b = await desk(t);
    await b.detach(b.surface);
    b.client.say(b.surface, 'damage', [0, 0, 1, 1]);
    b.client.say(b.surface, 'commit');
    b.client.say(b.surface, 'destroy');
    await settle();
    t.same(b.compositor.all('wl_surface.damage'), []);
    t.same(b.compositor.all('wl_surface.commit'), []);
    t.same(b.ends, []);
    t.same(b.client.all('wl_display.error'), []);
  });

  t.test('is an error where it has one, of the code that it has', async t => {
    const b = await desk(t);
    await b.detach(b.surface, { code: 4, text: 'its role is gone' });
    b.client.say(b.surface, 'commit');
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args, [b.surface, 4, `wl_surface#${b.surface}.commit: its role is gone`]);
    t.type(b.ends[0], ProtocolError);
    await b.compositor.isEnded();
    t.same(b.compositor.all('wl_surface.commit'), []);
  });

  t.test('may be its destructor all the same', async t => {
    const b = await desk(t);
    await b.detach(b.surface, { code: 4, text: 'its role is gone' });
    b.client.say(b.surface, 'destroy');
    await settle();
    t.match(b.client.all('wl_display.delete_id'), [{ args: [b.surface] }]);
    t.same(b.ends, []);
  });

  t.test('is not shown to handlers', async t => {
    let asked = 0;
    const b = await desk(t, {
      concerns: handling({ requests: { wl_surface: { commit: () => (asked++, Verdict.Forward) } } }),
    });
    b.client.say(b.surface, 'commit');
    await settle();
    await b.detach(b.surface);
    b.client.say(b.surface, 'commit');
    await settle();
    t.equal(asked, 1);
  });

  t.test('loses its fds, which are closed', async t => {
    const b = await desk(t);
    const shm = await bind(b, 'wl_shm', 2);
    await b.detach(shm.id);
    const held = new Holdings();
    const fd = new OwnedFd(native.memfd('virtwl-inert-test', 4096, 0));
    b.client.make(shm.id, 'create_pool', ['new', fd, 4096]);
    await settle();
    t.same(b.compositor.all('wl_shm.create_pool'), []);
    await held.assertSame(t);
    t.same(b.ends, []);
  });

  t.test('makes objects that are inert too, and theirs', async t => {
    const b = await desk(t);
    const shm = await bind(b, 'wl_shm', 2);
    await b.detach(shm.id);
    const fd = new OwnedFd(native.memfd('virtwl-inert-test', 4096, 0));
    const pool = b.client.make(shm.id, 'create_pool', ['new', fd, 4096]);
    const buffer = b.client.make(pool, 'create_buffer', ['new', 0, 1, 1, 4, 0]);
    b.client.say(pool, 'resize', [8192]);
    b.client.say(pool, 'destroy');
    await settle();
    t.match(b.relay.clientObject(buffer), { serverId: 0, inert: { text: QUIET.text } });
    b.client.say(buffer, 'destroy');
    await settle();
    t.match(b.client.all('wl_display.delete_id'), [{ args: [pool] }, { args: [buffer] }]);
    t.notOk(b.compositor.received.some(({ name }) => /^wl_(shm_pool|buffer)\./.test(name)));
    t.same(b.ends, []);
  });

  t.test('is still checked: an id that is in use is an error', async t => {
    const b = await desk(t);
    const shm = await bind(b, 'wl_shm', 2);
    await b.detach(shm.id);
    const fd = new OwnedFd(native.memfd('virtwl-inert-test', 4096, 0));
    const said = b.client.encode(shm.id, 'create_pool', [b.surface, fd, 4096]);
    b.client.raw(said.bytes, said.fds);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args, [1, 0, /invalid id \d+ for a new object/]);
  });
});

t.test('an inert object as an argument', async t => {
  t.test('becomes null where that may be', async t => {
    const b = await desk(t);
    const region = b.client.make(b.factory, 'create_region');
    await settle();
    await b.detach(region);
    b.client.say(b.surface, 'set_input_region', [region]);
    await settle();
    t.match(b.compositor.last('wl_surface.set_input_region'), { id: b.theirSurface, args: [undefined] });
    t.same(b.ends, []);
  });

  t.test('makes the request end here where it has to be an object, and what that makes inert', async t => {
    const b = await desk(t);
    const seat = await bind(b, 'wl_seat', 5);
    const manager = await bind(b, 'wl_data_device_manager', 3);
    await b.detach(seat.id);
    const device = b.client.make(manager.id, 'get_data_device', ['new', seat.id]);
    b.client.say(device, 'set_selection', [undefined, 1]);
    await settle();
    t.same(b.compositor.all('wl_data_device_manager.get_data_device'), []);
    t.same(b.compositor.all('wl_data_device.set_selection'), []);
    b.client.say(device, 'release');
    await settle();
    t.match(b.client.all('wl_display.delete_id'), [{ args: [device] }]);
    t.same(b.ends, []);
  });

  t.test('of a handler is still an object', async t => {
    const seen: unknown[] = [];
    const b = await desk(t, {
      concerns: handling({
        requests: {
          wl_surface: { set_input_region: ({ args }) => (seen.push(args.region?.inert?.text), Verdict.Forward) },
        },
      }),
    });
    const region = b.client.make(b.factory, 'create_region');
    await settle();
    await b.detach(region);
    b.client.say(b.surface, 'set_input_region', [region]);
    await settle();
    t.same(seen, [QUIET.text]);
  });

  t.test('that the client has destroyed is an error as ever', async t => {
    const b = await desk(t);
    const region = b.client.make(b.factory, 'create_region');
    await settle();
    await b.detach(region);
    b.client.say(region, 'destroy');
    await settle();
    const words = [b.surface, (12 << 16) | 5, region];
    b.client.raw(words);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args, [1, 0, /invalid object \d+ for region/]);
  });
});
