/** How concerns share the messages of one connection: who is asked, in which order, and which rules are refused. */
import t from 'tap';
import { Verdict } from '../../src/relay/call.js';
import { Chains, type Concern } from '../../src/relay/chain.js';
import { settle } from './peer.js';
import { between, handling, madeBy, type Between } from './relay-between.js';

/** A concern that notes when it is asked about a commit, and answers as it is told to. */
function onCommit(name: string, asked: string[], verdict: () => Verdict, after: readonly string[] = []): Concern {
  return { name, after, requests: { wl_surface: { commit: () => (asked.push(name), verdict()) } } };
}

const forward = (): Verdict => Verdict.Forward;

async function surfaces(b: Between, count: number): Promise<number[]> {
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  const made = Array.from({ length: count }, () => b.client.make(factory, 'create_surface'));
  await settle();
  return made;
}

t.test('a message', async t => {
  t.test('goes from one concern to the next, in their order, and then on', async t => {
    const asked: string[] = [];
    const b = await between(t, {
      concerns: [
        onCommit('one', asked, forward),
        onCommit('two', asked, forward, ['one']),
        onCommit('three', asked, forward, ['one', 'two']),
      ],
    });
    const [surface] = await surfaces(b, 1);
    b.client.say(surface!, 'commit');
    await settle();
    t.same(asked, ['one', 'two', 'three']);
    t.equal(b.compositor.all('wl_surface.commit').length, 1);
  });

  t.test('of an event does too', async t => {
    const asked: string[] = [];
    const naming = (name: string, verdict: Verdict, after: readonly string[] = []): Concern => ({
      name,
      after,
      events: { wl_output: { name: ({ args }) => (asked.push(`${name}: ${args.name}`), verdict) } },
    });
    const b = await between(t, {
      concerns: [
        naming('one', Verdict.Forward),
        naming('two', Verdict.Drop, ['one']),
        naming('never', Verdict.Forward, ['one', 'two']),
      ],
    });
    b.client.bind(b.registry, 1, 'wl_output', 4);
    await settle();
    b.compositor.say(madeBy(b.compositor, 'wl_registry.bind'), 'name', ['HEADLESS-1']);
    await settle();
    t.same(asked, ['one: HEADLESS-1', 'two: HEADLESS-1']);
    t.same(b.client.all('wl_output.name'), []);
  });

  t.test('that one of them drops goes no further', async t => {
    const asked: string[] = [];
    const b = await between(t, {
      concerns: [
        onCommit('one', asked, forward),
        onCommit('two', asked, () => Verdict.Drop, ['one']),
        onCommit('three', asked, forward, ['one', 'two']),
      ],
    });
    const [surface] = await surfaces(b, 1);
    b.client.say(surface!, 'commit');
    await settle();
    t.same(asked, ['one', 'two']);
    t.same(b.compositor.all('wl_surface.commit'), []);
  });

  t.test('that one of them stalls comes back to that one, and not to those before it', async t => {
    const asked: string[] = [];
    let open = false;
    const b = await between(t, {
      concerns: [
        onCommit('one', asked, forward),
        onCommit('two', asked, () => (open ? Verdict.Forward : Verdict.Stall), ['one']),
        onCommit('three', asked, forward, ['one', 'two']),
      ],
    });
    const [first, second] = await surfaces(b, 2);
    b.client.say(first!, 'commit');
    b.client.say(second!, 'commit');
    await settle();
    b.relay.resume('requests');
    await settle();
    t.same(asked, ['one', 'two', 'two'], 'and the next one waits behind it');
    open = true;
    b.relay.resume('requests');
    await settle();
    t.same(asked.slice(3), ['two', 'three', 'one', 'two', 'three'], 'the next one begins at the beginning');
    t.equal(b.compositor.all('wl_surface.commit').length, 2);
  });

  t.test('that stalls, and whose object then becomes inert, leaves nothing for the next one to skip', async t => {
    const asked: string[] = [];
    let open = false;
    const b = await between(t, {
      concerns: [
        onCommit('one', asked, forward),
        onCommit('two', asked, () => (open ? Verdict.Forward : Verdict.Stall), ['one']),
      ],
    });
    const [first, second] = await surfaces(b, 2);
    b.client.say(first!, 'commit');
    b.client.say(second!, 'commit');
    await settle();
    t.same(asked, ['one', 'two']);
    b.relay.detach(b.relay.clientObject(first!)!, { text: 'gone' });
    open = true;
    b.relay.resume('requests');
    await settle();
    t.same(asked.slice(2), ['one', 'two'], 'the other surface is asked about from the beginning');
    t.equal(b.compositor.all('wl_surface.commit').length, 1);
  });
});

t.test('a concern is told when objects are made and gone', async t => {
  const told: string[] = [];
  const b = await between(t, {
    concerns: handling({
      made: {
        wl_surface: (surface, call) => told.push(`made ${String(surface)} by ${call.message.name}`),
        wl_callback: (_callback, call) => told.push(`made by ${call.message.name}`),
      },
      gone: { wl_surface: surface => told.push(`gone ${String(surface)}`) },
    }),
  });
  told.length = 0;
  const [surface] = await surfaces(b, 1);
  b.client.make(surface!, 'frame');
  b.client.say(surface!, 'destroy');
  await settle();
  t.same(told, [`made wl_surface#${surface} by create_surface`, 'made by frame', `gone wl_surface#${surface}`]);
});

t.test('rules are refused at start', async t => {
  const commit = (name: string, after: readonly string[] = []): Concern => onCommit(name, [], forward, after);

  t.test('where two concerns handle one message and neither has said so', async t => {
    await t.rejects(between(t, { concerns: [commit('labels'), commit('memory')] }), {
      message: 'both "labels" and "memory" handle wl_surface.commit: "memory" has to say that it comes after',
    });
  });

  t.test('where three do and one of them is not declared', t => {
    t.throws(() => new Chains([commit('one'), commit('two', ['one']), commit('three', ['one'])]), {
      message: /both "two" and "three" handle wl_surface\.commit/,
    });
    t.end();
  });

  t.test('where the declaration is against the order', t => {
    t.throws(() => new Chains([commit('two', ['one']), commit('one')]), {
      message: /both "two" and "one" handle wl_surface\.commit: "one" has to say/,
    });
    t.end();
  });

  t.test('where two handle one event', t => {
    const events = (name: string): Concern => ({ name, events: { wl_seat: { name: forward } } });
    t.throws(() => new Chains([events('one'), events('two')]), { message: /"one" and "two" handle wl_seat\.name/ });
    t.end();
  });

  t.test('and not where they handle different messages, or a request and an event', t => {
    t.doesNotThrow(
      () =>
        new Chains([
          { name: 'one', requests: { wl_data_source: { offer: forward } } },
          { name: 'two', requests: { wl_data_source: { destroy: forward }, wl_data_offer: { accept: forward } } },
          { name: 'three', events: { wl_data_offer: { offer: forward } } },
        ]),
    );
    t.end();
  });

  t.test('where two concerns have one name', t => {
    t.throws(() => new Chains([{ name: 'labels' }, { name: 'memory' }, { name: 'labels' }]), {
      message: /same name/,
    });
    t.end();
  });

  t.test('where a message or an interface is in no table', t => {
    const misspelt = (requests: object, events: object = {}): Concern => ({ name: 'labels', requests, events });
    t.throws(() => new Chains([misspelt({ wl_surface: { comit: forward } })]), {
      message: "labels: wl_surface has no message 'comit'",
    });
    t.throws(() => new Chains([misspelt({}, { wl_surface: { commit: forward } })]), {
      message: "labels: wl_surface has no message 'commit'",
    });
    t.throws(() => new Chains([misspelt({ wl_surfase: { commit: forward } })]), {
      message: 'labels: no table for the interface wl_surfase',
    });
    t.end();
  });
});

t.test('a set of concerns is looked at once', async t => {
  const wrong = [onCommit('one', [], forward), onCommit('two', [], forward)];
  t.throws(() => new Chains(wrong, 'a set'), /both "one" and "two" handle wl_surface.commit/);
  t.throws(() => new Chains(wrong, 'a set'), /both/, 'what was refused is looked at again');
  t.doesNotThrow(() => new Chains([onCommit('one', [], forward), onCommit('two', [], forward, ['one'])], 'a set'));
  t.doesNotThrow(() => new Chains(wrong, 'a set'), 'it is its owner who says that they are the same');
  t.throws(() => new Chains(wrong), /both/);
  t.throws(() => new Chains([wrong[0]!, wrong[0]!], 'a set'), /the same name/);
});
