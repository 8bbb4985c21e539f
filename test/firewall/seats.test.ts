/** A seat that is let go of before its devices, which wlroots takes along, and one that loses them. */
import t, { type Test } from 'tap';
import { GlueBetween } from '../compositor-glue/glue-between.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import { settle } from '../relay/peer.js';

const CAPABILITIES = 7;

async function scene(t: Test) {
  const between = new GlueBetween({ globals: [['wl_seat', 8]] });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const seat = async (version = 8): Promise<number> => {
    const bound = client.bind(registry, 1, 'wl_seat', version);
    await settle(16);
    const { id } = compositor.last('wl_registry.bind').args[1] as { id: number };
    compositor.say(id, 'capabilities', [CAPABILITIES]);
    await settle(16);
    return bound;
  };
  const said = (): string[] =>
    compositor.received.map(({ name }) => name).filter(name => name.endsWith('release') || name.includes('get_'));
  return { client, compositor, seat, said, between };
}

t.test('devices of a client’s last wl_seat are released with it, and once; the compositor keeps that', async t => {
  const { client, compositor, seat, said, between } = await scene(t);
  const only = await seat();
  const devices = ['pointer', 'keyboard', 'touch'].map(each => client.make(only, `get_${each}`));
  client.say(only, 'release');
  for (const device of devices) client.say(device, 'release');
  await client.roundtrip();
  t.same(said().slice(-3), ['wl_pointer.release', 'wl_keyboard.release', 'wl_touch.release']);
  t.same(
    [only, ...devices].filter(id => !client.all('wl_display.delete_id').some(({ args }) => args[0] === id)),
    [],
    'the client has its ids back',
  );
  t.same(compositor.faults, []);
  t.same(between.left, []);
});

t.test('with another wl_seat of the same seat, they go on', async t => {
  const { client, compositor, seat, said, between } = await scene(t);
  const [one, two] = [await seat(), await seat()];
  const pointer = client.make(one, 'get_pointer');
  client.say(one, 'release');
  await client.roundtrip();
  t.same(said().slice(-2), ['wl_seat.get_pointer', 'wl_seat.release']);
  client.say(two, 'release');
  client.say(pointer, 'release');
  await client.roundtrip();
  t.same(said().slice(-2), ['wl_seat.release', 'wl_pointer.release'], 'until that goes too');
  const again = await seat();
  client.say(client.make(again, 'get_keyboard'), 'release');
  client.say(again, 'release');
  await client.roundtrip();
  t.same(
    said().slice(-2),
    ['wl_keyboard.release', 'wl_seat.release'],
    'what the client has released is not released again',
  );
  t.same(compositor.faults, []);
  t.same(between.left, []);
});

t.test('of each seat the compositor keeps one, however often its client comes back', async t => {
  const { client, compositor, seat, between } = await scene(t);
  const count = (name: string): number => compositor.all(name).length;
  for (let i = 0; i < 5; i++) {
    const again = await seat();
    client.make(again, 'get_pointer');
    client.say(again, 'release');
    await client.roundtrip();
    t.equal(compositor.received.filter(({ name }) => name === 'wl_seat.release').length, i);
    t.equal(count('wl_pointer.release'), i + 1);
  }
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  t.same(between.left, []);
});

t.test('devices that the user unplugs are released, and are nothing any more', async t => {
  const { client, compositor, seat, said, between } = await scene(t);
  const [one, two] = [await seat(), await seat()];
  const theirs = (compositor.all('wl_registry.bind').at(-2)!.args[1] as { id: number }).id;
  const [pointer, keyboard] = [client.make(one, 'get_pointer'), client.make(two, 'get_keyboard')];
  await client.roundtrip();
  const has = async (capabilities: number): Promise<void> => {
    compositor.say(theirs, 'capabilities', [capabilities]);
    await settle(16);
  };
  await has(CAPABILITIES & ~WlSeatCapability.pointer);
  t.same(said().slice(-1), ['wl_pointer.release'], 'those alone');
  client.say(pointer, 'set_cursor', [1, undefined, 0, 0]);
  client.say(pointer, 'release');
  await client.roundtrip();
  t.same(said().slice(-1), ['wl_pointer.release'], 'once');
  await has(0);
  t.same(said().slice(-2), ['wl_pointer.release', 'wl_keyboard.release'], 'by whichever wl_seat they were made');
  await has(CAPABILITIES);
  client.say(keyboard, 'release');
  client.make(one, 'get_pointer');
  await client.roundtrip();
  t.same(said().slice(-1), ['wl_seat.get_pointer']);
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  t.same(between.left, []);
});

t.test('one of an old version, which nobody can release, is nothing either', async t => {
  const { client, compositor, seat, said, between } = await scene(t);
  const old = await seat(2);
  const theirs = (compositor.last('wl_registry.bind').args[1] as { id: number }).id;
  const pointer = client.make(old, 'get_pointer');
  await client.roundtrip();
  const { received } = compositor;
  compositor.say(theirs, 'capabilities', [0]);
  await settle(16);
  const before = received.length;
  client.say(pointer, 'set_cursor', [1, undefined, 0, 0]);
  await client.roundtrip();
  t.same(said().slice(-1), ['wl_seat.get_pointer'], 'no request that its version does not have');
  t.same(
    received.slice(before).map(({ name }) => name),
    ['wl_display.sync'],
  );
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  t.same(between.left, []);
});
