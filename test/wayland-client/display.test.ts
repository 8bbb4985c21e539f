import { join } from 'node:path';
import t from 'tap';
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { DisconnectedError, Display, displayPath, WaylandProtocolError } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { startSway } from '../compositors.js';
import { openDescriptors } from '../descriptors.js';
import { MAX_GLOBALS } from '../../src/wayland/global-table.js';
import { connectFake, type FakeCompositor } from '../wayland/fake-compositor.js';

const GLOBALS: readonly [string, number][] = [
  ['wl_compositor', 4],
  ['wl_shm', 1],
  ['wl_seat', 7],
  ['wl_data_device_manager', 3],
];

/** The same object for a program without types. */
function untyped(object: WaylandObject): {
  request(name: string, ...args: unknown[]): void;
  create(name: string, ...args: unknown[]): WaylandObject;
} {
  return object;
}

t.test('a display', async t => {
  t.test('knows the globals once it is connected, and what comes and goes later', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    t.same(
      display.globals.map(item => [item.interface, item.version]),
      GLOBALS,
    );
    t.match(display.find('wl_seat'), { name: 3, version: 7 });
    const seen: string[] = [];
    display.on('global', global => seen.push(`+${global.interface}`));
    display.on('globalRemove', global => seen.push(`-${global.interface}`));
    compositor.event(2, 'global', [9, 'wl_output', 4]);
    compositor.event(2, 'global_remove', [3]);
    compositor.event(2, 'global_remove', [77]);
    await display.roundtrip();
    t.same(seen, ['+wl_output', '-wl_seat']);
    t.equal(display.find('wl_seat'), undefined);
  });

  t.test('binds at the version that both sides know', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    t.equal(display.bind('wl_compositor').version, 4);
    t.equal(display.bind('wl_compositor', 2).version, 2);
    t.equal(display.bind(display.find('wl_seat')!).version, 7);
    t.throws(() => display.bind('wl_output'), /does not offer wl_output/);
    await display.roundtrip();
    t.match(compositor.received[0]!.args, [1, { interface: 'wl_compositor', version: 4 }]);
    t.match(compositor.received[1]!.args, [1, { interface: 'wl_compositor', version: 2 }]);
  });

  t.test('sends a turn of requests at once', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const sends = native.counters().sendmsg;
    const surface = display.bind('wl_compositor').create('create_surface');
    for (let i = 0; i < 10; i++) surface.request('damage', i, 0, 1, 1);
    surface.request('commit');
    await Promise.resolve();
    t.equal(native.counters().sendmsg - sends, 1);
    await display.roundtrip();
    t.equal(compositor.received.length, 13);
    t.match(compositor.received[11], { request: 'wl_surface.damage', args: [9, 0, 1, 1] });
  });

  t.test('uses an id again only after the compositor has confirmed', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const factory = display.bind('wl_compositor');
    const first = factory.create('create_surface');
    first.request('destroy');
    t.equal(first.destroyed, true);
    t.not(factory.create('create_surface').id, first.id);
    await display.roundtrip();
    compositor.event(1, 'delete_id', [first.id]);
    await display.roundtrip();
    const count = display.objectCount;
    const later = [factory.create('create_region'), factory.create('create_region')];
    t.ok(later.some(object => object.id === first.id));
    t.equal(display.objectCount, count + 2);
    for (let i = 0; i < 100; i++) await display.roundtrip();
    t.equal(display.objectCount, count + 2, 'callbacks leave nothing behind');
  });
});

t.test('an object', async t => {
  t.test('refuses what is wrong before it is sent', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const factory = display.bind('wl_compositor', 3);
    const shm = display.bind('wl_shm');
    const surface = factory.create('create_surface');
    const region = factory.create('create_region');
    const other = (await connectFake(t, GLOBALS)).display.bind('wl_compositor').create('create_region');
    const dead = factory.create('create_surface');
    dead.request('destroy');
    const cases: [() => void, RegExp][] = [
      [() => untyped(surface).request('nonsense'), /wl_surface has no request 'nonsense'/],
      [() => surface.request('damage_buffer', 0, 0, 1, 1), /has version 3.*came with 4/],
      [() => untyped(surface).request('damage', 0, 0, 1), /'height' is missing/],
      [() => untyped(surface).request('commit', 1), /1 arguments too many/],
      [() => surface.request('damage', 0, 0, 1, 1.5), /'height' is a int, given 1.5/],
      [() => untyped(surface).request('set_input_region', surface), /'region' is a wl_region, given wl_surface#/],
      [() => surface.request('set_input_region', other), /of another display/],
      [() => surface.request('frame'), /wl_surface.frame makes an object/],
      [() => surface.create('commit'), /wl_surface.commit makes no object/],
      [() => dead.request('commit'), /is destroyed; 'commit'/],
      [() => untyped(factory).create('create_surface', 1), /too many/],
      [() => untyped(shm).create('create_pool', -1, 5), /'fd' is a fd, given -1/],
    ];
    for (const [run, message] of cases) t.throws(run, message);
    surface.request('set_input_region', region);
    surface.request('set_input_region', undefined);
    const count = display.objectCount;
    t.throws(() => untyped(factory).create('create_surface', 1));
    t.equal(display.objectCount, count, 'a failed request takes no id');
    await display.roundtrip();
    t.equal(compositor.received.filter(item => item.request === 'wl_surface.set_input_region').length, 2);
  });

  t.test('takes the fds of its requests, also of refused ones', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const shm = display.bind('wl_shm');
    const file = new OwnedFd(native.memfd('virtwl-test', 4096, 0));
    shm.create('create_pool', file, 4096);
    await display.roundtrip();
    t.equal(file.closed, true);
    const received = compositor.received.at(-1)!;
    t.match((received.args[1] as OwnedFd).info(), { size: 4096 });
    (received.args[1] as OwnedFd).close();
    const wrong = new OwnedFd(native.memfd('virtwl-test', 4096, 0));
    t.throws(() => untyped(shm).create('create_pool', wrong, 'size'));
    t.equal(wrong.closed, true);
  });

  t.test('tells events with their arguments decoded', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const seat = display.bind('wl_seat');
    const pointer = seat.create('get_pointer');
    const surface = display.bind('wl_compositor').create('create_surface');
    await display.roundtrip();
    const seen: unknown[][] = [];
    seat.on('name', (...args) => seen.push(['name', ...args]));
    pointer.on('enter', (...args) => seen.push(['enter', ...args]));
    compositor.event(seat.id, 'name', ['séat']);
    compositor.event(pointer.id, 'enter', [5, surface.id, 1.5, -2.25]);
    await display.roundtrip();
    t.equal(seen.length, 2);
    t.same(seen[0], ['name', 'séat']);
    t.equal(seen[1]![2], surface);
    t.same([seen[1]![1], seen[1]![3], seen[1]![4]], [5, 1.5, -2.25]);
  });

  t.test('that is destroyed comes as undefined in events that were under way', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const pointer = display.bind('wl_seat').create('get_pointer');
    const surface = display.bind('wl_compositor').create('create_surface');
    await display.roundtrip();
    const left: unknown[] = [];
    pointer.on('leave', (_serial: number, object: unknown) => left.push(object));
    compositor.event(pointer.id, 'leave', [1, surface.id]);
    surface.request('destroy');
    await display.roundtrip();
    t.same(left, [undefined]);
  });

  t.test('is gone after a destructor of the compositor, or when it says so', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const surface = display.bind('wl_compositor').create('create_surface');
    const frame = surface.create('frame');
    await display.roundtrip();
    let done = 0;
    frame.on('done', () => (done += 1));
    compositor.event(frame.id, 'done', [1]);
    compositor.event(frame.id, 'done', [2]);
    compositor.event(1, 'delete_id', [surface.id]);
    await display.roundtrip();
    t.equal(done, 1);
    t.equal(frame.destroyed, true);
    t.equal(surface.destroyed, true);
  });

  t.test('gives the fds of events to the listener, and closes those without a listener', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const seat = display.bind('wl_seat');
    const [heard, unheard, dead] = Array.from({ length: 3 }, () => seat.create('get_keyboard'));
    await display.roundtrip();
    dead!.request('release');
    const fds: OwnedFd[] = [];
    heard!.on('keymap', (_format: number, fd: OwnedFd) => fds.push(fd));
    const before = openDescriptors();
    for (const keyboard of [heard!, unheard!, dead!]) {
      compositor.event(keyboard.id, 'keymap', [1, new OwnedFd(native.memfd('virtwl-test', 4096, 0)), 4096]);
    }
    compositor.flush();
    await display.roundtrip();
    t.equal(fds.length, 1);
    t.equal(openDescriptors(), before + 1);
    closeAll(fds);
  });

  t.test('is made by events too, and is unwanted when its maker is', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const manager = display.bind('wl_data_device_manager');
    const device = manager.create('get_data_device', display.bind('wl_seat'));
    await display.roundtrip();
    const types: string[] = [];
    let selection: WaylandObject<'wl_data_offer'> | undefined;
    device.on('data_offer', offer => {
      offer.on('offer', type => types.push(type));
    });
    device.on('selection', offer => (selection = offer));
    compositor.types.set(0xff000000, 'wl_data_offer');
    compositor.event(device.id, 'data_offer', [0xff000000]);
    compositor.event(0xff000000, 'offer', ['text/plain']);
    compositor.event(device.id, 'selection', [0xff000000]);
    await display.roundtrip();
    t.same(types, ['text/plain']);
    t.equal(selection?.id, 0xff000000);
    t.equal(selection?.version, 3);

    device.request('release');
    compositor.event(device.id, 'data_offer', [0xff000001]);
    compositor.types.set(0xff000001, 'wl_data_offer');
    compositor.event(0xff000001, 'offer', ['text/html']);
    compositor.event(device.id, 'selection', [0xff000001]);
    compositor.flush();
    await display.roundtrip();
    t.same(types, ['text/plain']);

    const second = manager.create('get_data_device', display.bind('wl_seat'));
    const offers: number[] = [];
    second.on('data_offer', offer => offers.push(offer.id));
    await display.roundtrip();
    compositor.event(second.id, 'data_offer', [0xff000001]);
    compositor.flush();
    await display.roundtrip();
    t.same(offers, [0xff000001], 'the compositor may use such an id again');
    second.request('release');

    selection!.request('destroy');
    compositor.event(0xff000000, 'offer', ['late']);
    await display.roundtrip();
    t.same(types, ['text/plain'], 'a destroyed object tells nothing');
  });
});

t.test('a display ends', async t => {
  t.test('with the error that the compositor reports, naming the object', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    const surface = display.bind('wl_compositor').create('create_surface');
    await display.roundtrip();
    compositor.answering = false;
    const ends: Error[] = [];
    display.on('end', reason => ends.push(reason));
    const waiting = display.roundtrip();
    compositor.event(1, 'error', [surface.id, 2, 'bad scale']);
    compositor.flush();
    compositor.socket.close();
    await t.rejects(waiting, {
      name: 'WaylandProtocolError',
      interfaceName: 'wl_surface',
      objectId: surface.id,
      code: 2,
      message: /wl_surface#\d+, code 2: bad scale/,
    });
    t.type(display.ended, WaylandProtocolError);
    t.same(ends, [display.ended]);
    await t.rejects(display.roundtrip(), WaylandProtocolError);
    t.throws(() => surface.request('commit'), /bad scale/);
  });

  t.test('when the compositor leaves', async t => {
    const { display, compositor } = await connectFake(t, GLOBALS);
    compositor.answering = false;
    const waiting = display.roundtrip();
    compositor.socket.close();
    await t.rejects(waiting, DisconnectedError);
  });

  t.test('when it is closed here', async t => {
    const before = openDescriptors();
    const { display, compositor } = await connectFake(t, GLOBALS);
    compositor.answering = false;
    display.on('end', () => t.fail('told of its own doing'));
    const waiting = display.roundtrip();
    display.close();
    display.close();
    await t.rejects(waiting, DisconnectedError);
    await t.rejects(display.roundtrip(), /closed by this program/);
    compositor.socket.close();
    t.equal(openDescriptors(), before);
  });

  t.test('when a listener throws', async t => {
    const { display } = await connectFake(t, GLOBALS);
    display.sync(() => {
      throw new Error('listener broke');
    });
    await t.rejects(display.roundtrip(), /listener broke/);
  });

  t.test('when the compositor talks nonsense', async t => {
    const size = (bytes: number, opcode: number) => bytes * 65536 + opcode;
    const cases: [string, (compositor: FakeCompositor, display: Display) => void, RegExp][] = [
      ['a size of 4', c => c.raw([2, size(4, 0)]), /message size 4/],
      ['a size of 65532', c => c.raw([2, size(65532, 0)]), /message size 65532/],
      ['an unknown object', c => c.raw([99, size(8, 0)]), /object id 99/],
      ['an unknown event', c => c.raw([2, size(8, 7)]), /event number 7 for wl_registry#2/],
      ['a wrong length', c => c.raw([2, size(12, 0), 1]), /'global'/],
      [
        'globals without end',
        c => {
          for (let name = 100; name < 100 + MAX_GLOBALS; name++) c.event(2, 'global', [name, 'wl_output', 4]);
        },
        /announced over 1024 globals/,
      ],
      ['an unused id deleted', c => c.event(1, 'delete_id', [500]), /deletes object id 500/],
      ['the display deleted', c => c.event(1, 'delete_id', [1]), /deletes object id 1,/],
      [
        'an id that is taken',
        (c, d) => {
          const device = d.bind('wl_data_device_manager').create('get_data_device', d.bind('wl_seat'));
          c.types.set(device.id, 'wl_data_device');
          c.event(device.id, 'data_offer', [device.id]);
        },
        /makes an object with id/,
      ],
      [
        'an id that it has used itself',
        (c, d) => {
          const device = d.bind('wl_data_device_manager').create('get_data_device', d.bind('wl_seat'));
          c.types.set(device.id, 'wl_data_device');
          c.event(device.id, 'data_offer', [0xff000000]);
          c.event(device.id, 'data_offer', [0xff000000]);
        },
        /makes an object with id 4278190080/,
      ],
      [
        'an fd that is missing',
        (c, d) => {
          const keyboard = d.bind('wl_seat').create('get_keyboard');
          c.raw([keyboard.id, size(16, 0), 1, 4096]);
        },
        /'keymap' has 1 descriptors, 0 arrived/,
      ],
    ];
    for (const [what, speak, message] of cases) {
      const { display, compositor } = await connectFake(t, GLOBALS);
      compositor.answering = false;
      const waiting = display.roundtrip();
      speak(compositor, display);
      compositor.flush();
      await t.rejects(waiting, message, what);
    }
  });
});

t.test('the socket that the environment names', async t => {
  t.equal(displayPath({ WAYLAND_DISPLAY: '/run/w', XDG_RUNTIME_DIR: '/x' }), '/run/w');
  t.equal(displayPath({ WAYLAND_DISPLAY: 'wayland-5', XDG_RUNTIME_DIR: '/x' }), '/x/wayland-5');
  t.equal(displayPath({ XDG_RUNTIME_DIR: '/x' }), '/x/wayland-0');
  t.throws(() => displayPath({}), /XDG_RUNTIME_DIR is not set/);
});

t.test('with a real compositor', async t => {
  const sway = await startSway(t);
  const before = openDescriptors();
  const display = await Display.connect(sway.display);
  t.ok(display.find('wl_compositor'));
  const output = display.bind('wl_output');
  const mode = display.until<number[]>(resolve => {
    output.on('mode', (_flags: number, width: number, height: number) => resolve([width, height]));
  });
  t.same(await mode, [800, 600]);

  const surface = display.bind('wl_compositor').create('create_surface');
  surface.request('set_buffer_scale', 0);
  await t.rejects(display.roundtrip(), { name: 'WaylandProtocolError', interfaceName: 'wl_surface' });
  display.close();
  t.equal(openDescriptors(), before);

  await t.rejects(Display.connect(join(sway.runtimeDir, 'wayland-77')), { code: 'ENOENT' });
});
