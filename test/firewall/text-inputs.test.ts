/** An input method hears only of the text in the window that has the keyboard. */
import t, { type Test } from 'tap';
import { MAX_SURROUNDING_TEXT } from '../../src/firewall/text-inputs.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { behindWall } from './walled.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['wl_seat', 7],
  ['zwp_text_input_manager_v3', 1],
] as const;

async function editing(t: Test) {
  const b = await behindWall(t, GLOBALS);
  const { client, compositor, bound } = b;
  client.make(bound.wl_compositor, 'create_surface');
  const input = client.make(bound.zwp_text_input_manager_v3, 'get_text_input', ['new', bound.wl_seat]);
  await client.roundtrip();
  const there = madeBy(compositor, 'zwp_text_input_manager_v3.get_text_input');
  const surface = madeBy(compositor, 'wl_compositor.create_surface');
  let received = compositor.received.length;
  return {
    ...b,
    input,
    /** The client says these, and the compositor hears what is returned. */
    says: async (...requests: readonly (readonly [string, ...(string | number)[]])[]): Promise<unknown[]> => {
      for (const [request, ...args] of requests) client.say(input, request, args);
      await client.roundtrip();
      const said = compositor.received.slice(received).filter(({ name }) => name.startsWith('zwp_text_input_v3'));
      received = compositor.received.length;
      return said.map(({ name, args }) => [name.slice(name.indexOf('.') + 1), ...args]);
    },
    focus: async (on: boolean): Promise<void> => {
      compositor.say(there, on ? 'enter' : 'leave', [surface]);
      await settle();
    },
    done: async (serial: number): Promise<unknown> => {
      compositor.say(there, 'done', [serial]);
      await settle();
      return client.last('zwp_text_input_v3.done').args[0];
    },
  };
}

t.test('a window without the keyboard says nothing, and one with it says all', async t => {
  const { says, focus } = await editing(t);
  const all = [
    ['enable'],
    ['set_surrounding_text', 'text', 1, 2],
    ['set_text_change_cause', 1],
    ['set_content_type', 0, 8],
    ['set_cursor_rectangle', 1, 2, 3, 4],
    ['commit'],
    ['disable'],
    ['commit'],
  ] as const;
  t.same(await says(...all), [], 'before it was told of the focus');
  await focus(true);
  t.same(await says(...all), all, 'with it');
  await focus(false);
  t.same(await says(...all), [], 'after it has gone');
});

t.test('what is on when the focus goes is turned off, whatever its client does', async t => {
  const off = [['disable'], ['commit']];
  for (const [before, received] of [
    [[['enable'], ['commit']], off],
    [[['enable']], off],
    [[['enable'], ['commit'], ['disable'], ['commit']], []],
    [[['set_content_type', 0, 0], ['commit']], []],
  ] as const) {
    const { says, focus, client, input, compositor } = await editing(t);
    await focus(true);
    await says(...before);
    await focus(false);
    t.same(await says(['disable'], ['commit']), received, JSON.stringify(before));
    client.say(input, 'destroy');
    await client.roundtrip();
    t.equal(compositor.all('zwp_text_input_v3.destroy').length, 1);
    t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
  }
});

t.test('both sides count the same commits', async t => {
  const { says, focus, done } = await editing(t);
  await focus(true);
  await says(['enable'], ['commit']);
  t.equal(await done(1), 1, 'as long as each goes on');
  // It commits, and the compositor hears of none of it but of our own commit.
  await focus(false);
  await says(['disable'], ['commit']);
  await focus(true);
  t.equal(await done(2), 2, 'one that was kept back, one of ours');
  await focus(false);
  await says(['commit'], ['commit'], ['commit']);
  await focus(true);
  await says(['enable'], ['commit']);
  t.equal(await done(3), 6, 'three that were kept back');
});

t.test('places in a text are places in it', async t => {
  const { says, focus } = await editing(t);
  await focus(true);
  for (const [text, cursor, anchor, heardCursor, heardAnchor] of [
    ['text', 0, 4, 0, 4],
    ['text', 5, -1, 4, 0],
    ['text', 0x7fffffff, -0x80000000, 4, 0],
    ['', 0, 0, 0, 0],
    ['', 1, -1, 0, 0],
    ['aé€', 1, 3, 1, 3],
    ['aé€', 6, 6, 6, 6],
    ['aé€', 2, 5, 1, 3],
  ] as const) {
    const received = await says(['set_surrounding_text', text, cursor, anchor]);
    t.same(received, [['set_surrounding_text', text, heardCursor, heardAnchor]], `${text} ${cursor} ${anchor}`);
  }
});

t.test('a text that is too long is not told', async t => {
  const { says, focus } = await editing(t);
  await focus(true);
  t.equal((await says(['set_surrounding_text', 'x'.repeat(MAX_SURROUNDING_TEXT), 0, 0])).length, 1);
  t.equal((await says(['set_surrounding_text', 'x'.repeat(MAX_SURROUNDING_TEXT + 1), 0, 0])).length, 0);
  t.equal((await says(['set_surrounding_text', '€'.repeat(MAX_SURROUNDING_TEXT / 3 + 1), 0, 0])).length, 0, 'in bytes');
});

t.test('the compositor has one text input of each client and seat', async t => {
  const { client, compositor, bound, registry } = await editing(t);
  const seat = client.bind(registry, 2, 'wl_seat', 7);
  const make = (of: number): number => client.make(bound.zwp_text_input_manager_v3, 'get_text_input', ['new', of]);
  const [second, third] = [make(bound.wl_seat), make(seat)];
  for (const each of [second, third]) {
    client.say(each, 'enable');
    client.say(each, 'commit');
    client.say(each, 'destroy');
  }
  await client.roundtrip();
  t.equal(compositor.all('zwp_text_input_manager_v3.get_text_input').length, 1, 'whichever wl_seat it is made for');
  t.same(
    compositor.received.map(({ name }) => name).filter(name => name.startsWith('zwp_text_input_v3')),
    [],
  );
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
});

t.test('when it is gone, the next one is the compositor’s', async t => {
  const { client, compositor, bound, input } = await editing(t);
  client.say(input, 'destroy');
  client.make(bound.zwp_text_input_manager_v3, 'get_text_input', ['new', bound.wl_seat]);
  await client.roundtrip();
  t.equal(compositor.all('zwp_text_input_manager_v3.get_text_input').length, 2);
  t.same([client.all('wl_display.error'), compositor.faults], [[], []]);
});
