/** Ids below those of what an object needs, and the block that they come from. The compositor is strict about new ids. */
import t, { type Test } from 'tap';
import { IdBlock, type Order } from '../../src/relay/order.js';
import { Trace, TraceOutput } from '../../src/relay/trace.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { settle, type Received } from './peer.js';
import { between, madeBy, type BetweenOptions } from './relay-between.js';

const PLACES = 40;

/** Subsurfaces need two surfaces, viewports one. Viewports are needed by nothing; here subsurfaces might be. */
const ORDER: Order = {
  places: PLACES,
  isDependent: name => name === 'wl_subsurface' || name === 'wp_viewport',
  isNeeded: name => name === 'wl_surface' || name === 'wl_subsurface',
  needsOf: (_name, { args }) => {
    const { surface, parent } = args as Record<string, ReturnType<Order['needsOf']>[0] | undefined>;
    return [surface, parent].filter(need => need !== undefined);
  },
};

async function ordered(t: Test, options: BetweenOptions = { order: ORDER }) {
  const b = await between(t, options);
  const { client, registry } = b;
  const wlCompositor = client.bind(registry, 1, 'wl_compositor', 4);
  const subcompositor = client.bind(registry, 2, 'wl_subcompositor', 1);
  const viewporter = client.bind(registry, 3, 'wp_viewporter', 1);
  return {
    ...b,
    surface: () => client.make(wlCompositor, 'create_surface'),
    subsurface: (child: number, parent: number) => client.make(subcompositor, 'get_subsurface', ['new', child, parent]),
    viewport: (of: number) => client.make(viewporter, 'get_viewport', ['new', of]),
  };
}

const SUBSURFACE = 'wl_subcompositor.get_subsurface';
const VIEWPORT = 'wp_viewporter.get_viewport';

t.test('the block is asked for with the first object that others may need', async t => {
  const { compositor, client, surface } = await ordered(t, { order: ORDER, injected: 0 });
  await settle();
  t.equal(compositor.all('wl_display.sync').length, 0, 'a client without one costs nothing');
  // The compositor does not answer: nothing but dependents waits.
  const before = compositor.received.length;
  compositor.answer = () => undefined;
  surface();
  client.make(1, 'get_registry');
  await settle();
  const received = compositor.received.slice(before).map(({ name }) => name);
  t.same(received, [
    ...Array.from({ length: PLACES }, () => 'wl_display.sync'),
    'wl_compositor.create_surface',
    'wl_display.get_registry',
  ]);
  t.same(compositor.faults, []);
  t.ok(madeBy(compositor, 'wl_compositor.create_surface') > (compositor.last('wl_display.sync').args[0] as number));
});

t.test('a dependent waits until the block is free', async t => {
  const { compositor, client, surface, subsurface } = await ordered(t);
  const held: Received[] = [];
  compositor.answer = received => void held.push(received);
  subsurface(surface(), surface());
  client.make(1, 'get_registry');
  await settle();
  t.equal(compositor.all(SUBSURFACE).length, 0);
  t.equal(compositor.all('wl_display.get_registry').length, 1, 'and what comes behind it waits too');
  const last = held.filter(({ name }) => name === 'wl_display.sync').at(-1)!;
  for (const received of held) if (received !== last) compositor.answerBasics(received);
  await settle();
  t.equal(compositor.all(SUBSURFACE).length, 0, 'until the last id is free');
  compositor.answerBasics(last);
  await settle();
  t.equal(compositor.all(SUBSURFACE).length, 1);
  t.equal(compositor.all('wl_display.get_registry').length, 2);
  t.same(compositor.faults, []);
});

t.test('an id is below those of all needs', async t => {
  const { compositor, client, surface, subsurface, viewport } = await ordered(t);
  const [one, two] = [surface(), surface()];
  subsurface(one, two);
  viewport(one);
  subsurface(two, one);
  viewport(two);
  await client.roundtrip();
  const surfaces = compositor.all('wl_compositor.create_surface').map(({ args }) => args[0] as number);
  const subsurfaces = compositor.all(SUBSURFACE).map(({ args }) => args[0] as number);
  const viewports = compositor.all(VIEWPORT).map(({ args }) => args[0] as number);
  const first = Math.min(...surfaces) - PLACES;
  t.same(viewports, [first, first + 1], 'the lowest, for what nothing needs');
  t.same(subsurfaces, [first + PLACES - 1, first + PLACES - 2], 'the highest, for what might be needed');
  t.same(compositor.faults, []);
});

t.test('as many dependents as there are ids, and one more', async t => {
  const { compositor, client, surface, viewport } = await ordered(t);
  const of = surface();
  const made = Array.from({ length: PLACES }, () => viewport(of));
  await client.roundtrip();
  t.equal(client.ended, false);
  t.equal(compositor.all(VIEWPORT).length, PLACES);

  client.say(made[3]!, 'destroy');
  await client.roundtrip();
  viewport(of);
  await client.roundtrip();
  t.equal(client.ended, false, 'an id comes free again with its object');
  t.equal(compositor.last(VIEWPORT).args[0], compositor.all(VIEWPORT)[3]!.args[0]);
  t.same(compositor.faults, []);

  // Ids that the compositor has not confirmed are in use.
  compositor.answer = () => undefined;
  client.say(made[4]!, 'destroy');
  viewport(of);
  await client.isEnded();
  const [, code, text] = client.last('wl_display.error').args;
  t.equal(code, WlDisplayError.no_memory);
  t.match(text, `at most ${PLACES}`);
});

t.test('nobody is told of the block', async t => {
  const lines: string[] = [];
  const trace = new Trace(new TraceOutput(line => lines.push(line)), 'work#1');
  let places = 0;
  const objects = { takePlace: () => ++places > 0, givePlaces: () => undefined };
  const { client, surface, subsurface } = await ordered(t, { order: ORDER, trace, objects, injected: 0 });
  await settle();
  const [placesBefore, linesBefore, heardBefore] = [places, lines.length, client.received.length];
  subsurface(surface(), surface());
  await client.roundtrip();
  await settle();
  t.equal(places - placesBefore, 4, 'two surfaces, a subsurface and a callback are counted');
  t.same(
    client.received.slice(heardBefore).map(({ name }) => name),
    ['wl_callback.done', 'wl_display.delete_id'],
    'the client receives what it asked for',
  );
  t.ok(lines.length - linesBefore < 10, 'and a trace has no line for each id');
});

t.test('a relay without an order uses ids as they come', async t => {
  const { compositor, client, surface, subsurface } = await ordered(t, { injected: 0 });
  subsurface(surface(), surface());
  await client.roundtrip();
  const surfaces = compositor.all('wl_compositor.create_surface').map(({ args }) => args[0]);
  t.same(surfaces, [6, 7]);
  t.equal(compositor.last(SUBSURFACE).args[0], 8);
});

t.test('a block of ids', async t => {
  t.test('has its ends where it says', async t => {
    const block = new IdBlock(10, 70);
    t.equal(block.takeLowest(1000), 0, 'none is free to begin with');
    t.equal(block.takeHighest(1000), 0);
    t.same(
      [9, 10, 79, 80].map(id => block.has(id)),
      [false, true, true, false],
    );
    block.give(10);
    block.give(79);
    t.equal(block.takeHighest(10), 0, 'nothing is below the first');
    t.equal(block.takeHighest(79), 10);
    block.give(10);
    t.equal(block.takeLowest(10), 0);
    t.equal(block.takeLowest(11), 10);
    t.equal(block.takeLowest(80), 79);
    t.equal(block.takeHighest(80), 0);
  });

  t.test('finds what a list would', async t => {
    const [first, count] = [5, 150];
    const block = new IdBlock(first, count);
    const free = new Set<number>();
    let state = 1;
    const draw = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    let wrong = 0;
    for (let i = 0; i < 20_000; i++) {
      const bound = draw(count + 20);
      const below = [...free].filter(id => id < bound);
      let [taken, expected] = [0, 0];
      switch (draw(4)) {
        case 0:
          [taken, expected] = [block.takeHighest(bound), Math.max(0, ...below)];
          break;
        case 1:
          [taken, expected] = [block.takeLowest(bound), below.length === 0 ? 0 : Math.min(...below)];
          break;
        default: {
          const id = first + draw(count);
          block.give(id);
          free.add(id);
        }
      }
      if (taken !== expected) wrong += 1;
      free.delete(taken);
    }
    t.equal(wrong, 0);
  });
});
