/**
 * Where outputs are, for a client from which the compositor hides it: told by the glue, from a connection that is outside
 * of the client's security context.
 */
import t, { type Test } from 'tap';
import { OutputLayout } from '../../compositor-glue/output-layout.js';
import { Display } from '../../src/wayland-client/display.js';
import { eventually } from '../eventually.js';
import { Peer, settle } from '../relay/peer.js';
import { GlueBetween, type Remote } from './glue-between.js';

const MANAGER = 'zxdg_output_manager_v1';
/** Of every connection alike: libwayland numbers globals once. */
const [OUTPUT, SECOND, REAL_MANAGER] = [2, 3, 4];
const INSIDE = [
  ['wl_compositor', 6],
  ['wl_output', 4],
  ['wl_output', 4],
] as const;
const OUTSIDE = [...INSIDE, [MANAGER, 3]] as const;

/** A compositor that puts its outputs side by side, seen from outside of all contexts. */
class Layout {
  readonly #outputs = new Map<number, { output: number; xdgOutput: number }>();
  #registry = 0;

  private constructor(
    private readonly peer: Peer,
    readonly layout: OutputLayout,
  ) {}

  static async start(t: Test, globals: readonly (readonly [string, number])[] = OUTSIDE): Promise<Layout> {
    const { channel, peer } = Peer.pair('compositor');
    let registry = 0;
    peer.answer = received => {
      peer.answerBasics(received);
      if (received.name !== 'wl_display.get_registry') return;
      registry = received.args[0] as number;
      globals.forEach(([name, version], i) => peer.say(registry, 'global', [i + 1, name, version]));
    };
    const display = await Display.connect(channel);
    t.teardown(() => {
      display.close();
      peer.close();
    });
    const made = new Layout(peer, OutputLayout.of(display)!);
    await display.roundtrip();
    made.#registry = registry;
    return made;
  }

  /** Tells of an output, as wlroots does. */
  tell(global: number, x: number, width: number, description = 'a screen'): void {
    const { output, xdgOutput } = this.#of(global);
    this.peer.say(xdgOutput, 'logical_position', [x, 0]);
    this.peer.say(xdgOutput, 'logical_size', [width, 600]);
    this.peer.say(xdgOutput, 'name', [`HEADLESS-${global}`]);
    this.peer.say(xdgOutput, 'description', [description]);
    this.peer.say(output, 'done');
  }

  plug(global: number): void {
    this.peer.say(this.#registry, 'global', [global, 'wl_output', 4]);
  }

  unplug(global: number): void {
    this.#outputs.delete(global);
    this.peer.say(this.#registry, 'global_remove', [global]);
  }

  #of(global: number): { output: number; xdgOutput: number } {
    const binds = this.peer.all('wl_registry.bind').filter(({ args }) => args[0] === global);
    const output = (binds.at(-1)!.args[1] as { id: number }).id;
    const asked = this.peer.all('zxdg_output_manager_v1.get_xdg_output').filter(({ args }) => args[1] === output);
    return { output, xdgOutput: asked.at(-1)!.args[0] as number };
  }
}

/** A remote client, and what it is told of one output. */
class Client {
  private constructor(
    private readonly remote: Remote,
    private readonly manager: number,
  ) {}

  static async arrive(g: GlueBetween, version = 3): Promise<Client> {
    const remote = await g.arrive('work');
    const announced = remote.client.all('wl_registry.global').filter(({ args }) => args[1] === MANAGER);
    if (announced.length !== 1) throw new Error(`the manager was announced ${announced.length} times`);
    const manager = remote.client.bind(remote.registry, announced[0]!.args[0] as number, MANAGER, version);
    const { compositor } = remote;
    const { answer } = compositor;
    // As a compositor does, an output tells of itself when it is bound.
    compositor.answer = received => {
      answer?.(received);
      const bind = received.args[1] as { interface: string; version: number; id: number };
      if (received.name !== 'wl_registry.bind' || bind.interface !== 'wl_output') return;
      compositor.say(bind.id, 'scale', [1]);
      if (bind.version >= 2) compositor.say(bind.id, 'done');
    };
    return new Client(remote, manager);
  }

  get peer(): Peer {
    return this.remote.client;
  }

  get compositor(): Peer {
    return this.remote.compositor;
  }

  output(global = OUTPUT, version = 4): number {
    return this.peer.bind(this.remote.registry, global, 'wl_output', version);
  }

  ask(output: number): number {
    return this.peer.make(this.manager, 'get_xdg_output', ['new', output]);
  }

  /** All that was told of these objects since the last time. */
  async told(...objects: readonly number[]): Promise<unknown[]> {
    await settle(24);
    const received = this.peer.received.splice(0);
    return received.filter(({ id }) => objects.includes(id)).map(({ name, args }) => [name.split('.')[1], ...args]);
  }
}

async function scene(t: Test): Promise<{ layout: Layout; g: GlueBetween }> {
  const layout = await Layout.start(t);
  layout.tell(OUTPUT, 0, 800);
  layout.tell(SECOND, 800, 1280);
  await settle();
  const g = new GlueBetween({ globals: INSIDE, outputs: layout.layout });
  t.teardown(() => g.close());
  return { layout, g };
}

const ALL = [
  ['logical_position', 800, 0],
  ['logical_size', 1280, 600],
  ['name', 'HEADLESS-3'],
  ['description', 'a screen'],
  ['done'],
];

t.test('a client is told what the compositor tells outside, of the output that it means', async t => {
  const { g } = await scene(t);
  const client = await Client.arrive(g);
  const [first, second] = [client.output(OUTPUT), client.output(SECOND)];
  const xdgOutput = client.ask(second);
  t.same(
    await client.told(xdgOutput, first, second),
    [['scale', 1], ['done'], ['scale', 1], ['done'], ...ALL],
    'behind what the outputs tell of themselves; the end of it is the done of its wl_output',
  );
  t.notOk(
    client.compositor.received.some(({ name }) => name.startsWith('zxdg')),
    'the compositor is not asked',
  );
  t.same(client.compositor.faults, []);
});

t.test('what is told follows the version that was bound', async t => {
  const { g } = await scene(t);
  for (const [version, expected] of [
    [1, [ALL[0], ALL[1], ['done']]],
    [2, ALL],
    [3, ALL],
  ] as const) {
    const client = await Client.arrive(g, version);
    const output = client.output(SECOND);
    const xdgOutput = client.ask(output);
    const told = await client.told(xdgOutput);
    t.same(version < 3 ? told : [...told, ['done']], expected, `version ${version}`);
    client.peer.say(xdgOutput, 'destroy');
    await client.peer.roundtrip();
    t.notOk(client.peer.ended);
  }
  const old = await Client.arrive(g);
  const output = old.output(SECOND, 1);
  t.same(await old.told(old.ask(output)), ALL.slice(0, -1), 'a wl_output of version 1 has no done');
  t.notOk(old.peer.ended);
});

t.test('a change is told to all that asked, and only the change', async t => {
  const { layout, g } = await scene(t);
  const [one, two] = [await Client.arrive(g), await Client.arrive(g, 2)];
  const [outputOfOne, outputOfTwo] = [one.output(), two.output()];
  const [ofOne, ofTwo] = [one.ask(outputOfOne), two.ask(outputOfTwo)];
  await one.told();
  await two.told();
  layout.tell(OUTPUT, 0, 533);
  const resized = [['logical_position', 0, 0], ['logical_size', 533, 600], ['done']];
  t.same(await one.told(ofOne, outputOfOne), resized);
  t.same(await two.told(ofTwo), resized);
  layout.tell(OUTPUT, 0, 533, 'another screen');
  t.match(await one.told(ofOne), [{}, {}, ['description', 'another screen']]);
  t.notMatch(await two.told(ofTwo), /description/, 'before version 3 it is told once');
  layout.tell(OUTPUT, 0, 533, 'another screen');
  layout.tell(SECOND, 533, 1280);
  t.same(await one.told(ofOne), [], 'nothing new, and another output');
  one.peer.say(ofOne, 'destroy');
  two.peer.close();
  await settle(24);
  layout.tell(OUTPUT, 0, 800);
  t.same(await one.told(ofOne), [], 'nor one that is destroyed');
});

t.test('an output that the glue learns of later than the client is told when it is known', async t => {
  const { layout, g } = await scene(t);
  const client = await Client.arrive(g);
  const registry = client.compositor.all('wl_display.get_registry').at(-1)!.args[0] as number;
  client.compositor.say(registry, 'global', [9, 'wl_output', 4]);
  await settle();
  const output = client.output(9);
  const xdgOutput = client.ask(output);
  t.same(await client.told(xdgOutput), []);
  layout.plug(9);
  await eventually('the glue asks', () => {
    try {
      layout.tell(9, 5, 640);
      return true;
    } catch {
      return false;
    }
  });
  t.match(await client.told(xdgOutput), [
    ['logical_position', 5, 0],
    ['logical_size', 640, 600],
  ]);
  layout.unplug(9);
  client.peer.say(output, 'release');
  t.same(await client.told(client.ask(client.output(OUTPUT)), xdgOutput), [
    ['logical_position', 0, 0],
    ['logical_size', 800, 600],
    ['name', 'HEADLESS-2'],
    ['description', 'a screen'],
  ]);
});

t.test('a compositor that does not hide it answers itself', async t => {
  const { layout } = await scene(t);
  const g = new GlueBetween({ globals: OUTSIDE, outputs: layout.layout });
  t.teardown(() => g.close());
  const client = await Client.arrive(g);
  client.ask(client.output());
  await settle(24);
  t.match(client.compositor.last('wl_registry.bind').args, [OUTPUT]);
  t.equal(client.compositor.all('zxdg_output_manager_v1.get_xdg_output').length, 1);
  t.ok(client.compositor.all('wl_registry.bind').some(({ args }) => args[0] === REAL_MANAGER));
});

t.test('it is announced before the first answer to a client, in each of its registries', async t => {
  const { g } = await scene(t);
  const client = g.knock('work');
  client.make(1, 'get_registry');
  await client.roundtrip();
  t.same(
    client.all('wl_registry.global').map(({ args }) => args[1]),
    ['virtwl_memory_v1', 'virtwl_clock_v1', MANAGER, 'wl_compositor', 'wl_output', 'wl_output'],
  );
  client.make(1, 'get_registry');
  await client.roundtrip();
  t.equal(client.all('wl_registry.global').length, 12);
});

t.test('a policy that denies it, or caps it, is kept', async t => {
  const { layout } = await scene(t);
  for (const [limit, expected] of [
    [0, []],
    [2, [2]],
  ] as const) {
    const g = new GlueBetween({
      globals: INSIDE,
      outputs: layout.layout,
      policy: { globals: (name, version) => (name === MANAGER ? limit : version) },
    });
    t.teardown(() => g.close());
    const { client } = await g.arrive('work');
    const announced = client.all('wl_registry.global').filter(({ args }) => args[1] === MANAGER);
    t.same(
      announced.map(({ args }) => args[2]),
      expected,
    );
  }
});

t.test('a compositor without it has no layout', async t => {
  const { channel, peer } = Peer.pair('compositor');
  peer.answer = received => peer.answerBasics(received);
  const display = await Display.connect(channel);
  t.equal(OutputLayout.of(display), undefined);
  display.close();
  peer.close();
});
