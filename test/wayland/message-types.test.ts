/**
 * What the compiler knows of messages. What fails here is `tsc`, not tap: under each `@ts-expect-error` stands what must
 * not compile, and where it does compile tsc says that the directive is unused. The assertions show that what compiles
 * works, and that those without types are refused when they run.
 */
import t from 'tap';
import { Verdict, type EventValues, type RequestHandlers, type RequestValues } from '../../src/relay/call.js';
import { Chains } from '../../src/relay/chain.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Bind } from '../../src/wayland/wire.js';
import type { ArgsOf, EventName, LineOf, NameOf, RequestArgs, RequestName } from '../../src/wayland/message-types.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { settle } from '../relay/peer.js';
import { between, handling } from '../relay/relay-between.js';
import { connectFake } from './fake-compositor.js';

/** True where both types are the same, else an error of the compiler. */
type Same<A, B> = Mutual<(a: A) => A, (b: B) => B>;
/** Parameters and results of two functions fit both ways only where they are the same. */
type Mutual<F, G> = [F, G] extends [G, F] ? true : false;
function same<A, B>(proof: Same<A, B>): true {
  return proof as true;
}

const GLOBALS: readonly [string, number][] = [
  ['wl_compositor', 4],
  ['wl_shm', 1],
  ['wl_seat', 7],
  ['wl_data_device_manager', 3],
];

t.test('a line of a table is read as a type', t => {
  interface Arg<Name, Kind, Of = string, Nullable = false> {
    readonly name: Name;
    readonly kind: Kind;
    readonly of: Of;
    readonly nullable: Nullable;
  }
  t.ok(same<NameOf<'commit'>, 'commit'>(true));
  t.ok(same<NameOf<'destroy!'>, 'destroy'>(true));
  t.ok(same<NameOf<'release!@3'>, 'release'>(true));
  t.ok(same<NameOf<'set_buffer_scale@3 scale:int'>, 'set_buffer_scale'>(true));
  t.ok(same<ArgsOf<'destroy!'>, []>(true));
  t.ok(same<ArgsOf<'scroll@2 by:fixed'>, [Arg<'by', 'fixed'>]>(true));
  t.ok(
    same<
      ArgsOf<'get id:new_id(wl_a) a:object(wl_b)? s:string?'>,
      [Arg<'id', 'new_id', 'wl_a'>, Arg<'a', 'object', 'wl_b', true>, Arg<'s', 'string', string, true>]
    >(true),
  );
  // A message is not mistaken for one whose name begins as its own.
  type Lines = 'set x:int' | 'set_more y:uint' | 'setting!' | 'set2@3';
  t.ok(same<LineOf<Lines, 'set'>, 'set x:int'>(true));
  t.ok(same<LineOf<Lines, 'set2'>, 'set2@3'>(true));
  // @ts-expect-error: the two are not the same, so the proof is false
  t.ok(same<NameOf<'destroy!'>, 'destroy!'>(true), 'Same tells things apart');
  t.end();
});

t.test('an interface has the messages of its table', t => {
  t.ok(same<RequestName<'wl_region'>, 'destroy' | 'add' | 'subtract'>(true));
  t.ok(same<EventName<'wl_buffer'>, 'release'>(true));
  t.ok(same<EventName<'wl_region'>, never>(true), 'or none');
  t.ok(same<RequestArgs<'wl_surface', 'set_buffer_scale'>[0]['kind'], 'int'>(true));
  // @ts-expect-error: there is no such interface
  type Misspelt = RequestName<'wl_surfase'>;
  const none: Misspelt[] = [];
  t.same(none, []);
  t.end();
});

t.test('arguments are what a handler may read of them', t => {
  t.ok(
    same<
      RequestValues<'wl_surface', 'attach'>,
      { readonly buffer: RelayObject<'wl_buffer'> | undefined; readonly x: number; readonly y: number }
    >(true),
  );
  t.ok(
    same<RequestValues<'wl_shm', 'create_pool'>, { readonly id: number; readonly size: number }>(true),
    'fds are not among them',
  );
  t.ok(same<RequestValues<'wl_registry', 'bind'>, { readonly name: number; readonly id: Bind }>(true));
  t.ok(
    same<EventValues<'wl_surface', 'enter'>, { readonly output: RelayObject<'wl_output'> | undefined }>(true),
    'what an event names may be unknown to the client',
  );
  t.end();
});

t.test("a client's own objects", async t => {
  const { display, compositor } = await connectFake(t, GLOBALS);
  const factory = display.bind('wl_compositor');
  const surface = factory.create('create_surface');
  const region = factory.create('create_region');
  const seat = display.bind('wl_seat');
  t.ok(same<typeof surface, WaylandObject<'wl_surface'>>(true));

  t.test('do not take a message that is misspelt', async t => {
    // @ts-expect-error: no such request
    t.throws(() => surface.request('comit'), /wl_surface has no request 'comit'/);
    // @ts-expect-error: a request of another interface
    t.throws(() => region.request('commit'), /wl_region has no request 'commit'/);
    // @ts-expect-error: no such request
    t.throws(() => factory.create('create_surfase'), /has no request/);
    // @ts-expect-error: no such global
    t.throws(() => display.bind('wl_compositer'), /does not offer wl_compositer/);
    // @ts-expect-error: an event that this object does not have
    t.doesNotThrow(() => surface.on('done', () => undefined));
  });

  t.test('do not take arguments of a wrong kind or number', async t => {
    // @ts-expect-error: a string for an int
    t.throws(() => surface.request('damage', 0, 0, 1, '1'), /'height' is a int, given a string/);
    // @ts-expect-error: one too few
    t.throws(() => surface.request('damage', 0, 0, 1), /'height' is missing/);
    // @ts-expect-error: one too many
    t.throws(() => surface.request('commit', 1), /too many/);
    // @ts-expect-error: a number for an fd
    t.throws(() => display.bind('wl_shm').create('create_pool', 5, 4096), /'fd' is a fd/);
    // @ts-expect-error: nothing, where there has to be an object
    t.throws(() => display.bind('wl_data_device_manager').create('get_data_device', undefined), /'seat' is a object/);
    const fd = new OwnedFd(native.memfd('virtwl-types-test', 4096, 0));
    t.doesNotThrow(() => display.bind('wl_shm').create('create_pool', fd, 4096));
  });

  t.test('do not take an object of another interface', async t => {
    // @ts-expect-error: a surface is no region
    t.throws(() => surface.request('set_input_region', surface), /'region' is a wl_region, given wl_surface/);
    // @ts-expect-error: nor is its id
    t.throws(() => surface.request('set_input_region', '7'), /'region'/);
    t.doesNotThrow(() => surface.request('set_input_region', region));
    t.doesNotThrow(() => surface.request('set_input_region', undefined), 'none at all is one');
  });

  t.test('tell their listeners what the event holds', async t => {
    const heard: unknown[] = [];
    seat.on('name', name => heard.push(name.toUpperCase()));
    // @ts-expect-error: a name is no number
    seat.on('name', (name: number) => heard.push(name));
    await display.roundtrip();
    compositor.event(seat.id, 'name', ['seat0']);
    await display.roundtrip();
    t.same(heard, ['SEAT0', 'seat0']);
  });
});

t.test("a relay's handlers", async t => {
  const drop = (): Verdict => Verdict.Drop;

  t.test('are of messages and interfaces that there are', t => {
    const misspelt: RequestHandlers = {
      // @ts-expect-error: no such request
      wl_surface: { comit: drop },
    };
    t.throws(() => new Chains([{ name: 'test', requests: misspelt }]), /wl_surface has no message 'comit'/);
    const unknown: RequestHandlers = {
      // @ts-expect-error: no such interface
      wl_surfase: { commit: drop },
    };
    t.throws(() => new Chains([{ name: 'test', requests: unknown }]), /no table for the interface wl_surfase/);
    const wrongWay: RequestHandlers = {
      // @ts-expect-error: an event, not a request
      wl_surface: { enter: drop },
    };
    t.throws(() => new Chains([{ name: 'test', requests: wrongWay }]), /wl_surface has no message 'enter'/);
    t.end();
  });

  t.test('read the arguments that their message has', async t => {
    const read: unknown[] = [];
    const b = await between(t, {
      concerns: handling({
        requests: {
          wl_surface: {
            attach: ({ args }) => {
              read.push(args.buffer?.interface.name, args.x, args.y);
              // @ts-expect-error: misspelt
              read.push(args.bufer);
              // @ts-expect-error: there may be none
              t.throws(() => args.buffer.serverId, TypeError);
              // @ts-expect-error: a number is no string
              read.push(args.x satisfies string);
              return Verdict.Drop;
            },
          },
        },
      }),
    });
    const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
    b.client.say(b.client.make(factory, 'create_surface'), 'attach', [undefined, 3, -4]);
    await settle();
    t.same(read, [undefined, 3, -4, undefined, 3]);
    t.same(b.ends, []);
  });

  t.test('say what the tables have, about objects that fit', async t => {
    const { relay, compositor } = await between(t);
    const callback = relay.inject('wl_callback', 1);
    const { display } = relay;
    // @ts-expect-error: no such interface
    t.throws(() => relay.inject('wl_callbak', 1), /no table for the interface wl_callbak/);
    // @ts-expect-error: no such request
    t.throws(() => relay.request(display, 'synk', { callback }));
    // @ts-expect-error: a number for an object
    t.throws(() => relay.request(display, 'sync', { callback: callback.serverId }), /'callback' is a new_id/);
    // @ts-expect-error: an argument is missing
    t.throws(() => relay.request(display, 'sync', {}), /'callback' is a new_id/);
    // @ts-expect-error: an argument is misspelt
    t.throws(() => relay.request(display, 'sync', { calback: callback }), /'callback' is a new_id/);
    // @ts-expect-error: no such event
    t.throws(() => relay.emitEvent(callback, 'don', { callback_data: 1 }));
    // @ts-expect-error: a display is no callback; only the compiler looks
    const wrong = (): void => relay.request(display, 'sync', { callback: display });
    t.type(wrong, 'function');
    const heard = compositor.all('wl_display.sync').length;
    relay.request(display, 'sync', { callback });
    relay.flush();
    await settle();
    t.equal(compositor.all('wl_display.sync').length, heard + 1);
  });
});
