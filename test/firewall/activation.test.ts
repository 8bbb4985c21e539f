/** To which VM an activation token is of use. */
import t, { type Test } from 'tap';
import { activationConcern, MAX_TOKENS_PER_VM, TOKEN_LIFE_MS, Tokens } from '../../src/firewall/activation.js';
import { settle } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

async function client(t: Test, vm: string, tokens: Tokens, any = false) {
  const b = await between(t, { concerns: [activationConcern(vm, tokens, any, [])] });
  const { client, compositor } = b;
  const activation = client.bind(b.registry, 1, 'xdg_activation_v1', 1);
  const surface = client.make(client.bind(b.registry, 2, 'wl_compositor', 4), 'create_surface');
  await settle();
  return {
    ...b,
    /** The compositor gives a token; what the client is told. */
    given: async (token: string): Promise<unknown> => {
      client.make(activation, 'get_activation_token');
      await settle();
      compositor.say(compositor.last('xdg_activation_v1.get_activation_token').args[0] as number, 'done', [token]);
      await settle();
      return client.last('xdg_activation_token_v1.done').args[0];
    },
    activates: async (token: string): Promise<boolean> => {
      const before = compositor.all('xdg_activation_v1.activate').length;
      client.say(activation, 'activate', [token, surface]);
      await settle();
      return compositor.all('xdg_activation_v1.activate').length > before;
    },
  };
}

t.test('a token is good in the VM that it was given to, and in no other', async t => {
  const tokens = new Tokens();
  const own = await client(t, 'private', tokens);
  const second = await client(t, 'private', tokens);
  const other = await client(t, 'work', tokens);
  t.equal(await own.given('secret'), 'secret');
  t.ok(await own.activates('secret'));
  t.ok(await second.activates('secret'), 'another client of that VM');
  t.notOk(await other.activates('secret'));
  t.ok(await other.activates('from the launcher'), 'one that nobody here was given');
  t.same(other.ends, []);
});

t.test('where the policy says so, every VM tokens are good', async t => {
  const tokens = new Tokens();
  await (await client(t, 'private', tokens)).given('secret');
  t.ok(await (await client(t, 'work', tokens, true)).activates('secret'));
});

t.test('no VM is given more tokens than are remembered', async t => {
  let now = 0;
  const tokens = new Tokens(() => now);
  const own = await client(t, 'private', tokens);
  for (let i = 1; i < MAX_TOKENS_PER_VM; i++) tokens.give('private', `token ${i}`);
  t.equal(await own.given('the last'), 'the last');
  t.equal(await own.given('one more'), 'virtwl-none');
  const other = await client(t, 'work', tokens);
  t.equal(await other.given('of another'), 'of another');
  now = TOKEN_LIFE_MS - 1;
  t.equal(await own.given('one more'), 'virtwl-none');
  t.ok(tokens.isForeign('work', 'token 1'));
  now = TOKEN_LIFE_MS;
  t.equal(await own.given('later'), 'later');
});

t.test('nor does it ask the compositor for more, which keeps each for a while', async t => {
  let now = 0;
  const tokens = new Tokens(() => now);
  const { client: own, compositor, registry } = await client(t, 'private', tokens);
  const activation = own.bind(registry, 1, 'xdg_activation_v1', 1);
  const asks = async (count: number): Promise<number> => {
    const before = compositor.all('xdg_activation_token_v1.commit').length;
    for (let i = 0; i < count; i++) {
      const token = own.make(activation, 'get_activation_token');
      own.say(token, 'commit');
      own.say(token, 'destroy');
    }
    await settle(48);
    return compositor.all('xdg_activation_token_v1.commit').length - before;
  };
  t.equal(await asks(MAX_TOKENS_PER_VM), MAX_TOKENS_PER_VM);
  t.equal(own.all('xdg_activation_token_v1.done').length, 0);
  t.equal(await asks(3), 0);
  t.same(
    own.all('xdg_activation_token_v1.done').map(({ args }) => args),
    [['virtwl-none'], ['virtwl-none'], ['virtwl-none']],
    'none is what it is given',
  );
  now = TOKEN_LIFE_MS;
  t.equal(await asks(1), 1);
});
