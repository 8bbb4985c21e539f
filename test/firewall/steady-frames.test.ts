/** Frames that change nothing pass without anybody looking at them, and no others do. */
import t, { type Test } from 'tap';
import { DEFAULT_BOUNDS } from '../../src/firewall/bounds.js';
import { VmFirewall } from '../../src/firewall/firewall.js';
import { settle } from '../relay/peer.js';
import { walled } from './walled.js';

/** A window that is shown and has drawn until its frames pass natively; `vm` is alone with the compositor. */
async function scene(t: Test, vm = new VmFirewall('work')) {
  const w = await walled(t, vm);
  const { client, compositor, relay, bound } = w;
  const window = w.window();
  await w.show(window);
  const { surface } = window;
  const buffer = client.make(bound.wp_single_pixel_buffer_manager_v1, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  await settle(20);
  type Said = readonly [object: number, request: string, args?: readonly unknown[] | undefined];
  /** All of it leaves as one batch. */
  const say = async (...requests: Said[]): Promise<void> => {
    client.raw(Buffer.concat(requests.map(([id, name, args = []]) => client.encode(id, name, args as never).bytes)));
    await settle(20);
  };
  const frame: readonly Said[] = [
    [surface, 'attach', [buffer, 0, 0]],
    [surface, 'damage', [0, 0, 1, 1]],
    [surface, 'commit'],
  ];
  /** How many frames pass natively of what is said. */
  const passes = async (...requests: Said[]): Promise<number> => {
    const before = relay.passedFrames;
    await say(...requests);
    return relay.passedFrames - before;
  };
  const steady = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) await say(...frame);
  };
  // It is alone, and it will be a while until the compositor is asked next.
  while (vm.pace.askAfter <= vm.pace.mostAhead / 4 || vm.pace.ahead > vm.pace.askAfter / 4) await client.roundtrip();
  await steady();
  const commits = (): number => compositor.all('wl_surface.commit').length;
  const unharmed = (): void => {
    t.same([client.all('wl_display.error'), compositor.faults], [[], []], 'and nobody complains');
  };
  return { ...w, window, surface, buffer, frame, passes, say, steady, commits, unharmed };
}

t.test('a frame like the last two passes natively, as it was said', async t => {
  const { client, compositor, surface, buffer, frame, passes, unharmed } = await scene(t);
  t.equal(await passes(...frame), 1);
  t.equal(await passes(...frame, ...frame, ...frame), 3, 'several of them as well');
  t.equal(await passes([surface, 'commit']), 1, 'or one that has no buffer');
  const their = compositor.last('wl_compositor.create_surface').args[0];
  const last = compositor.received.slice(-4).map(({ id, name }) => [id, name]);
  t.same(last, [
    [their, 'wl_surface.attach'],
    [their, 'wl_surface.damage'],
    [their, 'wl_surface.commit'],
    [their, 'wl_surface.commit'],
  ]);
  const created = compositor.all('wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer').at(-1)!;
  t.same(compositor.last('wl_surface.attach').args, [created.args[0], 0, 0], `by the name of wl_buffer#${buffer}`);
  t.same(client.all('wl_display.error'), []);
  unharmed();
});

t.test('its callback is answered, and its id is free again', async t => {
  const { client, compositor, relay, surface, frame, passes, unharmed } = await scene(t);
  const used = client.make(1, 'sync');
  await settle(20);
  const callbacks = relay.callbacks;
  client.types.set(used, 'wl_callback');
  t.equal(await passes(...frame.slice(0, 2), [surface, 'frame', [used]], [surface, 'commit']), 1);
  t.equal(relay.callbacks, callbacks + 1);
  const theirs = compositor.last('wl_surface.frame').args[0] as number;
  const before = client.all('wl_callback.done').length;
  compositor.say(theirs, 'done', [7]);
  compositor.say(1, 'delete_id', [theirs]);
  await settle(20);
  t.equal(client.all('wl_callback.done').length, before + 1);
  t.same(client.last('wl_callback.done'), { id: used, name: 'wl_callback.done', args: [7] });
  t.same(client.last('wl_display.delete_id').args, [used]);
  t.equal(relay.callbacks, callbacks);
  unharmed();
});

t.test('the compositor’s answers end a callback that TypeScript has asked for meanwhile', async t => {
  const { client, compositor, relay, surface, passes, unharmed } = await scene(t);
  const used = client.make(1, 'sync');
  await settle(20);
  t.equal(await passes([surface, 'frame', [used]], [surface, 'commit']), 1);
  const { version } = relay.clientObject(used)!;
  t.equal(version, relay.clientObject(surface)!.version, 'it has the version of its surface');
  const theirs = compositor.last('wl_surface.frame').args[0] as number;
  compositor.say(theirs, 'done', [7]);
  compositor.say(1, 'delete_id', [theirs]);
  await settle(20);
  t.same(client.last('wl_display.delete_id').args, [used]);
  unharmed();
});

/** Of so many frames that pass natively one is timed, and so many times are kept. */
const TIMED_OF = 8;
const TIMES_KEPT = 32;

t.test('of some frames it is known how long the compositor held the buffer', async t => {
  const { client, compositor, relay, bound, buffer, surface, frame, passes, say, steady } = await scene(t);
  const made = (): number =>
    compositor.all('wp_single_pixel_buffer_manager_v1.create_u32_rgba_buffer').at(-1)!.args[0] as number;
  const first = made();
  const manager = bound.wp_single_pixel_buffer_manager_v1;
  const other = client.make(manager, 'create_u32_rgba_buffer', ['new', 0, 0, 0, 0]);
  await settle(20);
  const second = made();
  const another = [[surface, 'attach', [other, 0, 0]], ...frame.slice(1)] as typeof frame;
  /** How many times there are once that buffer is released. */
  const released = async (theirs: number): Promise<number> => {
    compositor.say(theirs, 'release');
    await settle(20);
    return relay.releaseTimes.length;
  };
  /** Frames until the next that passes is timed. */
  const untilTimed = async (said = frame): Promise<void> => {
    while (relay.passedFrames % TIMED_OF !== TIMED_OF - 1) await passes(...said);
  };
  await steady();

  await untilTimed();
  t.equal(await passes(...frame, ...another), 2);
  t.equal(await released(second), 0, 'the buffer of the next frame is not timed');
  t.equal(await released(first), 1);
  const [time = 0] = relay.releaseTimes;
  t.ok(time > 0 && time < 60_000, `${time} ms`);
  t.equal(await released(first), 1, 'and once');

  await untilTimed();
  await passes(...another, ...another);
  t.equal(await released(second), 1, 'one that is committed again meanwhile is not');

  await untilTimed();
  await passes(...frame);
  await say([buffer, 'destroy']);
  await untilTimed(another);
  await passes(...another);
  t.equal(await released(second), 2, 'nor is one that is destroyed, and the next is');

  for (let i = 0; i <= TIMES_KEPT * TIMED_OF; i++) {
    await passes(...another);
    await released(second);
  }
  t.equal(relay.releaseTimes.length, TIMES_KEPT, 'the last are kept');
});

t.test('a client that waits for many callbacks is counted', async t => {
  const { client, compositor, surface, passes } = await scene(t);
  compositor.answer = () => undefined;
  const used = Array.from({ length: 12 }, () => client.make(1, 'sync'));
  await settle(20);
  for (const { args } of compositor.all('wl_display.sync').slice(-12)) {
    compositor.say(args[0] as number, 'done', [1]);
    compositor.say(1, 'delete_id', [args[0]]);
  }
  await settle(30);
  const passed: number[] = [];
  for (const id of used) passed.push(await passes([surface, 'frame', [id]], [surface, 'commit']));
  t.same(passed, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0], 'eight, and no more');
});

const odd: readonly (readonly [string, (s: Awaited<ReturnType<typeof scene>>) => Parameters<typeof s.passes>])[] = [
  ['that is not whole', ({ frame }) => frame.slice(0, 2)],
  ['with two buffers', ({ frame }) => [frame[0]!, ...frame] as never],
  [
    'that moves the window',
    ({ surface, buffer }) => [
      [surface, 'attach', [buffer, 1, 0]],
      [surface, 'commit'],
    ],
  ],
  [
    'with empty damage',
    ({ surface }) => [
      [surface, 'damage', [0, 0, 0, 1]],
      [surface, 'commit'],
    ],
  ],
  [
    'with damage outside',
    ({ surface }) => [
      [surface, 'damage', [-1, 0, 1, 1]],
      [surface, 'commit'],
    ],
  ],
  [
    'with damage of 32,769',
    ({ surface }) => [
      [surface, 'damage', [0, 0, 32769, 1]],
      [surface, 'commit'],
    ],
  ],
  [
    'that says something else',
    ({ surface }) => [
      [surface, 'set_buffer_scale', [1]],
      [surface, 'commit'],
    ],
  ],
  [
    'that takes its buffer away',
    ({ surface }) => [
      [surface, 'attach', [undefined, 0, 0]],
      [surface, 'commit'],
    ],
  ],
  [
    'with too much damage',
    ({ surface }) => [
      ...Array.from({ length: DEFAULT_BOUNDS.damage + 1 }, () => [surface, 'damage', [0, 0, 1, 1]] as never),
      [surface, 'commit'],
    ],
  ],
];
for (const [what, requests] of odd) {
  t.test(`a frame ${what} does not`, async t => {
    const s = await scene(t);
    t.equal(await s.passes(...requests(s)), 0);
    s.unharmed();
  });
}

t.test('as much damage as may be passes', async t => {
  const s = await scene(t);
  const damage = Array.from({ length: DEFAULT_BOUNDS.damage }, () => [s.surface, 'damage', [0, 0, 32768, 1]] as const);
  t.equal(await s.passes(...damage, [s.surface, 'commit']), 1);
  t.equal(s.compositor.all('wl_surface.damage').length, DEFAULT_BOUNDS.damage + 3);
});

const events: readonly (readonly [string, (s: Awaited<ReturnType<typeof scene>>) => void])[] = [
  [
    'is configured',
    ({ compositor }) => {
      const theirs = compositor.last('xdg_wm_base.get_xdg_surface').args[0] as number;
      compositor.say(theirs, 'configure', [99]);
    },
  ],
  ['says how large it is', ({ client, window }) => client.say(window.xdg, 'set_window_geometry', [0, 0, 1, 1])],
  [
    'gets a viewport or another surface',
    ({ surface: _, client, bound }) => client.make(bound.wl_compositor, 'create_surface'),
  ],
  ['had a picture of another kind', ({ client, surface }) => client.say(surface, 'set_buffer_transform', [1])],
];
for (const [what, happens] of events) {
  t.test(`a window that ${what} is looked at again, twice`, async t => {
    const s = await scene(t);
    happens(s);
    await settle(20);
    const passed = [];
    for (let i = 0; i < 4; i++) passed.push(await s.passes(...s.frame));
    t.same(passed, [0, 0, 1, 1]);
    s.unharmed();
  });
}

t.test('a window with a subsurface is always looked at', async t => {
  const s = await scene(t);
  const part = s.client.make(s.bound.wl_compositor, 'create_surface');
  s.client.make(s.bound.wl_subcompositor, 'get_subsurface', ['new', part, s.surface]);
  await s.steady();
  t.equal(await s.passes(...s.frame), 0);
  s.unharmed();
});

t.test('what is no window is always looked at', async t => {
  const s = await scene(t);
  const cursor = s.client.make(s.bound.wl_compositor, 'create_surface');
  const frame = s.frame.map(([, name, args]) => [cursor, name, args] as const);
  for (let i = 0; i < 4; i++) t.equal(await s.passes(...frame), 0);
  s.unharmed();
});

t.test('what is seen natively is hidden as any other window', async t => {
  const s = await scene(t);
  t.equal(await s.passes(...s.frame), 1);
  const before = s.compositor.all('wl_surface.attach').length;
  await s.say([s.surface, 'attach', [undefined, 0, 0]]);
  t.equal(s.compositor.all('wl_surface.attach').length, before, 'not before it is committed');
  await s.say([s.surface, 'commit']);
  t.same(s.compositor.last('wl_surface.attach').args, [undefined, 0, 0]);
  s.unharmed();
});

t.test('the pace counts frames that pass', async t => {
  const vm = new VmFirewall('work');
  const s = await scene(t, vm);
  s.compositor.answer = () => undefined;
  const before = vm.pace.ahead;
  t.equal(await s.passes(...s.frame), 1);
  t.equal(vm.pace.ahead - before, 6, 'an attach, damage, and a commit of 4');
});

t.test('frames are counted that bring a buffer, natively and otherwise', async t => {
  const { relay, surface, frame, passes, say, unharmed } = await scene(t);
  const before = relay.frames;
  t.equal(await passes(...frame, ...frame), 2);
  t.equal(relay.frames, before + 2);
  t.equal(await passes([surface, 'damage', [0, 0, 1, 1]], [surface, 'commit']), 1, 'one without a buffer passes');
  t.equal(relay.frames, before + 2, 'and is none that is counted');
  await say([surface, 'set_input_region', [undefined]], [surface, 'commit']);
  t.equal(relay.frames, before + 2, 'nor is one that is looked at');
  await say([surface, 'set_input_region', [undefined]]);
  t.equal(await passes(...frame), 0, 'one that is looked at');
  t.equal(relay.frames, before + 3);
  t.equal(await passes([surface, 'attach', [undefined, 0, 0]], [surface, 'commit']), 0, 'and one that shows nothing');
  t.equal(relay.frames, before + 3);
  unharmed();
});

t.test(
  "the next request is TypeScript's where somebody wants to know that there is one, and those behind it pass",
  async t => {
    const { relay, frame, passes, unharmed } = await scene(t);
    let told = 0;
    const before = relay.frames;
    relay.whenSpoken(() => (told += 1));
    t.equal(told, 0);
    t.equal(await passes(...frame), 0);
    t.equal(told, 1);
    await passes(...frame);
    await passes(...frame);
    t.equal(await passes(...frame), 1);
    t.equal(told, 1, 'once');
    t.equal(relay.frames, before + 4);
    unharmed();
  },
);
