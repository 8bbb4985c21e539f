/** Kinds of objects are counted: by VM, up to what its policy says, and as the documentation tells. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { DEFAULT_POLICY } from '../../compositor-glue/policy.js';
import { BOUNDS } from '../../src/firewall/bounds.js';
import { KINDS, Population } from '../../src/firewall/population.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { GlueBetween, nameOf } from '../compositor-glue/glue-between.js';
import { settle } from '../relay/peer.js';

t.test('each kind has as many as its limit, and not one more', async t => {
  for (const { name, most } of KINDS) {
    const population = new Population('work');
    for (let i = 0; i < most; i++) population.add(name);
    t.throws(() => population.add(name), { code: WlDisplayError.no_memory, message: `has ${most} ${name} already` });
    population.remove(name);
    t.doesNotThrow(() => population.add(name), `${name}: one that is gone makes room`);
  }
});

t.test('a policy says how many, of all clients of its VM', async t => {
  const between = new GlueBetween({ policy: { limits: { surfaces: 3 } } });
  t.teardown(() => between.close());
  const surfaces = async (vm: string, count: number) => {
    const { client, registry } = await between.arrive(vm);
    const compositor = client.bind(registry, nameOf('wl_compositor'), 'wl_compositor', 6);
    const made = Array.from({ length: count }, () => client.make(compositor, 'create_surface'));
    await settle(24);
    return { client, compositor, made };
  };
  const first = await surfaces('work', 2);
  const second = await surfaces('work', 1);
  t.notOk(first.client.ended);
  t.notOk(second.client.ended, 'three together');
  const other = await surfaces('play', 3);
  t.notOk(other.client.ended, 'another VM has its own');

  second.client.make(second.compositor, 'create_surface');
  await second.client.isEnded();
  const [id, code, text] = second.client.last('wl_display.error').args;
  t.match([id, code], [1, WlDisplayError.no_memory]);
  t.match(text, /VM "work" has 3 surfaces already/);

  first.client.make(first.compositor, 'create_surface');
  await settle(24);
  t.notOk(first.client.ended, 'what the other one had is free again');
});

t.test('one client has fewer of what the compositor tells each of its events', async t => {
  for (const [type, version, most] of [
    ['wl_output', 4, mostOfClient('outputs')],
    ['wl_seat', 8, mostOfClient('devices')],
  ] as const) {
    const between = new GlueBetween();
    t.teardown(() => between.close());
    const { client, registry } = await between.arrive('work');
    for (let i = 0; i < most; i++) client.bind(registry, nameOf(type), type, version);
    await settle(48);
    t.notOk(client.ended, `${most} of ${type}`);
    const other = await between.arrive('work');
    other.client.bind(other.registry, nameOf(type), type, version);
    client.bind(registry, nameOf(type), type, version);
    await client.isEnded();
    const [id, code, text] = client.last('wl_display.error').args;
    t.match([id, code, text], [1, WlDisplayError.no_memory, new RegExp(`a client has at most ${most} `)]);
    await settle(24);
    t.notOk(other.client.ended, 'another client of the VM has its own');
  }
});

t.test('frames that are waited for count until they are answered, and nothing else that is called back', async t => {
  const between = new GlueBetween({ policy: { limits: { frames: 2 } } });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const surface = client.make(client.bind(registry, nameOf('wl_compositor'), 'wl_compositor', 6), 'create_surface');
  for (let i = 0; i < 5; i++) {
    client.make(surface, 'frame');
    client.make(1, 'sync');
    await settle(24);
    if (i === 0) continue;
    const callback = compositor.last('wl_surface.frame').args[0] as number;
    compositor.say(callback, 'done', [i]);
    compositor.say(1, 'delete_id', [callback]);
    await settle(24);
  }
  t.notOk(client.ended, 'one waits, and one at a time beside it');
  client.make(surface, 'frame');
  await settle(24);
  t.notOk(client.ended, 'two');
  client.make(surface, 'frame');
  await client.isEnded();
  t.match(client.last('wl_display.error').args, [1, WlDisplayError.no_memory, /has 2 frames already/]);
});

t.test('frames that go with their surface, unanswered, count no more', async t => {
  const between = new GlueBetween({ policy: { limits: { frames: 2 } } });
  t.teardown(() => between.close());
  const { client, compositor, registry } = await between.arrive('work');
  const surfaces = client.bind(registry, nameOf('wl_compositor'), 'wl_compositor', 6);
  for (let i = 0; i < 5; i++) {
    const surface = client.make(surfaces, 'create_surface');
    client.make(surface, 'frame');
    client.make(surface, 'frame');
    client.say(surface, 'destroy');
    await settle(24);
    const ids = compositor.all('wl_surface.frame').map(({ args }) => args[0] as number);
    for (const id of ids.slice(-2)) compositor.say(1, 'delete_id', [id]);
    await settle(24);
  }
  t.notOk(client.ended);
  t.equal(compositor.all('wl_surface.frame').length, 10);
});

function mostOfClient(kind: string): number {
  return KINDS.find(({ name }) => name === kind)!.mostOfClient!;
}

t.test('docs/policy.md has every kind, its default and the reason', async t => {
  const page = readFileSync('docs/policy.md', 'utf8');
  for (const { name, most, reason } of KINDS) {
    t.ok(page.includes(`| \`${name}\` | ${most.toLocaleString('en')} | ${reason} |`), name);
  }
  for (const { name, most, reason } of BOUNDS) t.ok(page.includes(`| \`${name}\` | ${most} | ${reason} |`), name);
  const rows = page.split('## Limits')[1]!.split('\n## ')[0]!.match(/^\| `/gm)!;
  t.equal(rows.length, KINDS.length + BOUNDS.length, 'and no other');
  t.same(DEFAULT_POLICY.limits, {}, 'which are the defaults');
});
