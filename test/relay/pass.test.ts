/**
 * What passes a relay natively, what does not, and that TypeScript knows of it afterwards. That both do the same with any
 * message is `test/fuzz/pass`.
 */
import t from 'tap';
import { passesByDefault } from '../../src/relay/pass.js';
import { Verdict } from '../../src/relay/call.js';
import { TraceOutput } from '../../src/relay/trace.js';
import { eventually } from '../eventually.js';
import { settle } from './peer.js';
import { between, handling } from './relay-between.js';

t.test('round trips pass, once their ids were used before', async t => {
  const { relay, client } = await between(t, { native: true });
  const callback = client.make(1, 'sync');
  await eventually('the first is answered', () => client.all('wl_display.delete_id').length === 1);
  const before = relay.passedBatches;
  for (let i = 0; i < 10; i++) {
    client.say(1, 'sync', [callback]);
    await eventually('it is answered', () => client.all('wl_display.delete_id').length === 2 + i);
  }
  t.ok(relay.passedBatches >= before + 20, `${relay.passedBatches - before} batches`);
  t.equal(relay.answers, 14, 'TypeScript knows how many were answered, those of the relay itself among them');
  t.equal(relay.callbacks, 0);
});

t.test('a callback that passed is an object of TypeScript’s when it is asked for', async t => {
  const { relay, client, compositor } = await between(t, { native: true });
  const callback = client.make(1, 'sync');
  await settle();
  compositor.answer = () => undefined;
  const before = relay.passedBatches;
  client.say(1, 'sync', [callback]);
  await settle();
  t.equal(relay.passedBatches, before + 1);
  const object = relay.clientObject(callback)!;
  t.equal(object.interface.name, 'wl_callback');
  t.equal(relay.serverObject(object.serverId), object);
  t.equal(relay.callbacks, 1);
  compositor.say(object.serverId, 'done', [5]);
  compositor.say(1, 'delete_id', [object.serverId]);
  await settle();
  t.equal(client.last('wl_callback.done').args[0], 5);
  t.equal(relay.clientObject(callback), undefined);
  t.equal(relay.callbacks, 0);
});

t.test('a message that a handler wants does not pass, nor what is behind it', async t => {
  const seen: string[] = [];
  const concerns = handling({
    requests: { wl_surface: { set_buffer_scale: () => (seen.push('scale'), Verdict.Forward) } },
  });
  const { relay, client, compositor, registry } = await between(t, { native: true, concerns });
  const shell = client.bind(registry, 1, 'wl_compositor', 4);
  const surface = client.make(shell, 'create_surface');
  await settle();
  const before = relay.passedBatches;
  client.raw(client.encode(surface, 'set_buffer_transform', [1]).bytes);
  await settle();
  t.equal(relay.passedBatches, before + 1, 'nobody wants this one');
  const wanted = client.encode(surface, 'set_buffer_scale', [2]).bytes;
  const unwanted = client.encode(surface, 'set_buffer_transform', [3]).bytes;
  client.raw(Buffer.concat([wanted, unwanted]));
  await settle();
  t.equal(relay.passedBatches, before + 1);
  t.same(seen, ['scale']);
  t.same(compositor.last('wl_surface.set_buffer_transform').args, [3]);
});

t.test('an object to which something has happened is TypeScript’s', async t => {
  const { relay, client, compositor, registry } = await between(t, { native: true });
  const shell = client.bind(registry, 1, 'wl_compositor', 4);
  const surface = client.make(shell, 'create_surface');
  await settle();
  relay.detach(relay.clientObject(surface)!, { text: 'gone' });
  relay.flush();
  const before = relay.passedBatches;
  client.say(surface, 'set_buffer_transform', [1]);
  await settle();
  t.equal(relay.passedBatches, before);
  t.same(compositor.all('wl_surface.set_buffer_transform'), [], 'and nothing goes on');
});

for (const [name, options] of [
  ['where rules say so', { native: false }],
  ['where messages are traced', { native: true, trace: new TraceOutput(() => undefined).connection('vm', 1) }],
] as const) {
  t.test(`nothing passes ${name}`, async t => {
    const { relay, client } = await between(t, options);
    for (let i = 0; i < 3; i++) await client.roundtrip();
    t.equal(relay.passedBatches, 0);
  });
}

t.test('VIRTWL_RELAY says which of both, and nothing else', async t => {
  t.teardown(() => delete process.env.VIRTWL_RELAY);
  for (const [named, passes] of [
    [undefined, true],
    ['native', true],
    ['typescript', false],
  ] as const) {
    if (named === undefined) delete process.env.VIRTWL_RELAY;
    else process.env.VIRTWL_RELAY = named;
    t.equal(passesByDefault(), passes, named ?? 'not set');
  }
  process.env.VIRTWL_RELAY = 'rust';
  t.throws(passesByDefault, { message: 'VIRTWL_RELAY is "rust": it can be native or typescript' });
});
