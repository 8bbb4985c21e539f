/** What is made for a surface: one for each, and of no use without it. */
import t from 'tap';
import {
  WpColorRepresentationManagerV1Error,
  WpColorRepresentationSurfaceV1Error,
} from '../../src/wayland/protocols/color-representation-v1.js';
import { ZwpKeyboardShortcutsInhibitManagerV1Error } from '../../src/wayland/protocols/keyboard-shortcuts-inhibit-unstable-v1.js';
import { ZwpPointerConstraintsV1Error } from '../../src/wayland/protocols/pointer-constraints-unstable-v1.js';
import { GlueBetween } from '../compositor-glue/glue-between.js';
import { settle } from '../relay/peer.js';

const GLOBALS = [
  ['wl_compositor', 6],
  ['wp_color_representation_manager_v1', 1],
] as const;

t.test('how the colours of a surface are meant', async t => {
  const scene = async () => {
    const between = new GlueBetween({ globals: GLOBALS });
    t.teardown(() => between.close());
    const { client, compositor, registry } = await between.arrive('work');
    const surface = client.make(client.bind(registry, 1, 'wl_compositor', 6), 'create_surface');
    const manager = client.bind(registry, 2, 'wp_color_representation_manager_v1', 1);
    const representation = client.make(manager, 'get_surface', ['new', surface]);
    return { client, compositor, surface, manager, representation };
  };

  t.test('is passed on', async t => {
    const { client, compositor, representation, surface } = await scene();
    client.say(representation, 'set_alpha_mode', [2]);
    client.say(representation, 'destroy');
    client.say(surface, 'destroy');
    await client.roundtrip();
    t.same(compositor.last('wp_color_representation_surface_v1.set_alpha_mode').args, [2]);
    t.notOk(client.ended);
    t.same(compositor.faults, []);
  });

  t.test('is said by one object for each', async t => {
    const { client, manager, surface } = await scene();
    client.make(manager, 'get_surface', ['new', surface]);
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [manager, WpColorRepresentationManagerV1Error.surface_exists]);
  });

  t.test('is said of a surface that is there', async t => {
    const { client, compositor, representation, surface } = await scene();
    client.say(surface, 'destroy');
    client.say(representation, 'set_alpha_mode', [2]);
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [representation, WpColorRepresentationSurfaceV1Error.inert]);
    t.same(compositor.faults, []);
  });
});

t.test('a pointer is locked or confined on a surface, and not both', async t => {
  for (const [first, second] of [
    ['lock_pointer', 'confine_pointer'],
    ['confine_pointer', 'lock_pointer'],
    ['lock_pointer', 'lock_pointer'],
  ] as const) {
    const between = new GlueBetween({
      globals: [
        ['wl_compositor', 4],
        ['wl_seat', 7],
        ['zwp_pointer_constraints_v1', 1],
      ],
    });
    t.teardown(() => between.close());
    const { client, compositor, registry } = await between.arrive('work');
    const surface = client.make(client.bind(registry, 1, 'wl_compositor', 4), 'create_surface');
    const seat = client.bind(registry, 2, 'wl_seat', 7);
    await settle(16);
    compositor.say((compositor.last('wl_registry.bind').args[1] as { id: number }).id, 'capabilities', [1]);
    await settle(16);
    const pointer = client.make(seat, 'get_pointer');
    const constraints = client.bind(registry, 3, 'zwp_pointer_constraints_v1', 1);
    const constrain = (how: string): number => client.make(constraints, how, ['new', surface, pointer, undefined, 2]);
    client.say(constrain(first), 'destroy');
    constrain(first);
    await client.roundtrip();
    t.notOk(client.ended, 'one after the other');
    constrain(second);
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [constraints, ZwpPointerConstraintsV1Error.already_constrained]);
    t.same(compositor.faults, []);
  }
});

t.test('the compositor’s shortcuts are kept from a surface once, and as long as it is there', async t => {
  const between = new GlueBetween({
    policy: { inhibitShortcuts: true },
    globals: [
      ['wl_compositor', 4],
      ['wl_seat', 7],
      ['zwp_keyboard_shortcuts_inhibit_manager_v1', 1],
    ],
  });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const surfaces = client.bind(registry, 1, 'wl_compositor', 4);
  const seat = client.bind(registry, 2, 'wl_seat', 7);
  const manager = client.bind(registry, 3, 'zwp_keyboard_shortcuts_inhibit_manager_v1', 1);
  const [one, other] = [client.make(surfaces, 'create_surface'), client.make(surfaces, 'create_surface')];
  const inhibit = (surface: number): number => client.make(manager, 'inhibit_shortcuts', ['new', surface, seat]);
  const inhibitor = inhibit(one);
  inhibit(other);
  client.say(one, 'destroy');
  client.say(inhibitor, 'destroy');
  await client.roundtrip();
  t.same(
    compositor.received.map(({ name }) => name).filter(name => name.endsWith('.destroy')),
    ['zwp_keyboard_shortcuts_inhibitor_v1.destroy', 'wl_surface.destroy'],
  );
  t.notOk(client.ended);
  inhibit(other);
  await client.isEnded();
  const { already_inhibited } = ZwpKeyboardShortcutsInhibitManagerV1Error;
  t.match(client.last('wl_display.error').args, [manager, already_inhibited]);
  t.same(compositor.faults, []);
});
